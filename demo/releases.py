"""Which revisions of Acme's shop went to production and when, and what was asked of them.

A release carries the mainline up to one change to every service that the changes touch. Times are offsets from the start
of the history (``"3d 14:30"``); the history ends eight weeks after its start.
"""

from dataclasses import dataclass

from demo.history import Change, seconds

SERVICES = ("inventory", "checkout", "storefront")
"""In the order in which they are started: nobody before those that it calls."""
DAYS = 56


@dataclass(frozen=True, slots=True)
class Scene:
    """``count`` requests of ``kinds``, taken in turn, denser at the start, between two offsets in seconds."""

    start_s: int
    end_s: int
    count: int
    kinds: tuple[str, ...]
    payments_down: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """``upto``: key of the newest change that it carries. ``rollback``: services that go back instead."""

    key: str
    at_s: int
    upto: str
    rollback: tuple[str, ...] = ()
    count: int = 44


PLAN: tuple[Release, ...] = (
    Release("r01", seconds("0d 15:00"), "01"),
    Release("r02", seconds("2d 14:00"), "04"),
    Release("r03", seconds("5d 09:30"), "07", count=60),
    Release("r04", seconds("6d 18:30"), "09"),
    Release("r05", seconds("9d 09:00"), "12"),
    Release("r06", seconds("10d 16:00"), "14"),
    Release("r07", seconds("12d 10:00"), "17"),
    Release("r08", seconds("13d 15:30"), "18"),
    Release("r09", seconds("17d 10:00"), "21"),
    Release("r10", seconds("19d 09:15"), "24"),
    Release("r11", seconds("19d 17:40"), "25", count=24),
    Release("r12", seconds("22d 10:10"), "28", count=88),
    Release("r13", seconds("22d 19:00"), "29", count=24),
    Release("r14", seconds("25d 09:20"), "33", count=66),
    Release("r15", seconds("25d 16:45"), "34", count=24),
    Release("r16", seconds("28d 10:00"), "36", count=12),
    Release("r16-back", seconds("28d 10:50"), "34", rollback=("inventory",), count=12),
    Release("r17", seconds("29d 11:00"), "37", count=24),
    Release("r18", seconds("31d 10:00"), "40", count=44),
    Release("r19", seconds("31d 15:10"), "41"),
    Release("r20", seconds("35d 09:40"), "44"),
    Release("r21", seconds("35d 20:00"), "46"),
    Release("r22", seconds("39d 10:00"), "49"),
    Release("r23", seconds("43d 10:00"), "52", count=48),
    Release("r24", seconds("46d 15:00"), "53"),
    Release("r25", seconds("48d 17:00"), "54"),
    Release("r26", seconds("53d 09:30"), "56", count=66),
    Release("r27", seconds("53d 14:30"), "58"),
)

EVERYDAY = (
    *("listing", "page", "order", "search", "page", "large order", "partner", "page", "read"),
    *("order with coupon", "quote", "listing", "page", "order", "customer", "recent", "export", "read"),
    *("supplier", "large order", "page", "order with coupon"),
)

SINCE = {
    "search": "02",
    "order with coupon": "20",
    "customer": "47",
    "recent": "49",
    "export": "50",
    "supplier": "46",
}
"""Kind of request -> change that made it possible."""

SPECIAL: dict[str, tuple[Scene, ...]] = {
    # The payment gateway refuses connections for half an hour; two days after the release, nothing changed.
    "r08": (
        Scene(seconds("15d 20:02"), seconds("15d 20:34"), 14, ("order", "page", "order"), payments_down=True),
    ),
    # A partner's new client cuts its bodies off. The day after the release, and it is the partner's fault.
    "r19": (Scene(seconds("33d 02:05"), seconds("33d 03:20"), 16, ("cut partner", "page", "cut partner")),),
    # The spring campaign: partners send free samples with a quantity of zero.
    "r23": (Scene(seconds("45d 08:00"), seconds("45d 19:00"), 16, ("samples", "page", "samples", "order")),),
}


def scenes(plan: tuple[Release, ...] = PLAN) -> dict[str, tuple[Scene, ...]]:
    """Per release key what is asked of it, in order of time, until the next release."""
    keys = {
        release.key: tuple(kind for kind in EVERYDAY if SINCE.get(kind, "00") <= release.upto)
        for release in plan
    }
    found = {}
    ends = [*(release.at_s for release in plan[1:]), DAYS * 86_400 - 4 * 3600]
    for release, end in zip(plan, ends, strict=True):
        start = release.at_s + 180
        everyday = Scene(start, min(end - 600, start + 40 * 3600), release.count, keys[release.key])
        found[release.key] = (everyday, *SPECIAL.get(release.key, ()))
    return found


def services_of(changes: list[Change], paths: dict[str, set[str]]) -> tuple[str, ...]:
    """The services that ``changes`` touch, by the paths of each; a library is part of all of them."""
    touched = {path for change in changes for path in paths[change.key]}
    return tuple(
        service
        for service in SERVICES
        if any(path.startswith((f"services/{service}/", "lib/")) for path in touched)
    )

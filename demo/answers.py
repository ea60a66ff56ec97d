"""The product's answers beside the truth: per incident, per change, per arm. Asked over REST, judged here."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from demo import truth
from demo.product import Product
from demo.repository import Written

MARKED = frozenset({"ai", "mixed"})
"""Origins of a change that put it into the AI-marked arm."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One incident: what was said and what is true. Keys of changes; None: no change did it."""

    incident: str
    title: str
    said: str | None
    said_text: str
    weight: float
    origin_said: str
    category_said: str
    cause: truth.Cause
    duplicate_of: str | None
    is_false_alarm: bool

    @property
    def is_right(self) -> bool:
        return self.said == self.cause.change

    @property
    def origin_true(self) -> str:
        return "-" if self.cause.change is None else truth.origin(self.cause.change)


@dataclass(frozen=True, slots=True)
class Tagged:
    """One change: who wrote it, and what the product reads from git."""

    key: str
    subject: str
    said: str
    tools: tuple[str, ...]
    true: str

    @property
    def is_right(self) -> bool:
        """AI changes must be marked, automated ones recognised, and nobody else's changes marked."""
        if self.true == "ai":
            return self.said in MARKED
        return self.said == self.true or (self.true == "human" and self.said == "unknown")


def incidents(product: Product, written: Written) -> list[Answered]:
    """The answer to every incident of ``truth.CAUSES``, in their order."""
    keys = {sha: key for key, sha in written.shas.items()}
    return [_answered(product, name, cause, keys, written) for name, cause in truth.CAUSES.items()]


def _answered(
    product: Product, name: str, cause: truth.Cause, keys: dict[str, str], written: Written
) -> Answered:
    answer = product.get(f"/v1/incidents/{name}/attributions")
    shares: list[tuple[float, str, str]] = [(answer["no_change"], "", "-")]
    shares += [(item["weight"], item["change"], item["origin"]) for item in answer["candidates"]]
    # What nobody carries is no answer, however much it is; equal weights keep the product's order.
    weight, sha, origin = max(shares, key=lambda share: share[0])
    key = keys.get(sha, sha[:10]) if sha else None
    subjects = {change.key: change.subject for change in written.changes}
    incident = answer["incident"]
    if weight <= answer["unattributed"] and answer["unattributed"] > 0.5:
        key, weight, origin = "?", answer["unattributed"], "-"
    return Answered(
        incident=name,
        title=incident["title"],
        said=key,
        said_text={None: "no change", "?": "cannot tell"}.get(key, f"{key} {subjects.get(key or '', '')}"),
        weight=weight,
        origin_said=origin,
        category_said=answer["category"],
        cause=cause,
        duplicate_of=incident["duplicate_of"],
        is_false_alarm=incident["is_false_alarm"],
    )


def summary(answered: list[Answered]) -> dict[str, dict[str, object]]:
    """What was answered, without weights: requests race, and a failure more or less moves those a little."""
    return {
        item.incident: {
            "said": item.said,
            "origin": item.origin_said,
            "category": item.category_said,
            "duplicate_of": item.duplicate_of,
            "is_right": item.is_right,
        }
        for item in answered
    }


def changes(product: Product, written: Written, repository: str) -> list[Tagged]:
    """Every mainline change of ``written`` with the origin that the product gives it, oldest first."""
    said: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = product.get(
            "/v1/changes", repository=repository, limit="200", **({"cursor": cursor} if cursor else {})
        )
        said |= {item["sha"]: item for item in page["items"]}
        cursor = page.get("next_cursor") or ""
        if not cursor:
            break
    found = []
    for change in written.mainline:
        item = said.get(written.shas[change.key], {"origin": "missing", "tools": []})
        found.append(
            Tagged(
                change.key,
                change.subject,
                item["origin"],
                tuple(item.get("tools") or ()),
                truth.origin(change.key),
            )
        )
    return found


def tag_counts(tagged: list[Tagged]) -> Counter[tuple[str, str]]:
    """(true origin, said origin) -> how many changes."""
    return Counter((item.true, item.said) for item in tagged)


def metric(product: Product, name: str, **query: str) -> Any:
    """One metric query, as the product answers it."""
    return product.get("/v1/metrics/query", metric=name, **query)


@dataclass(frozen=True, slots=True)
class Score:
    """How many incidents are right. A duplicate counts with the first of its kind, not twice."""

    by_change: int
    by_change_right: int
    by_none: int
    by_none_right: int
    category_right: int
    total: int

    @property
    def is_enough(self) -> bool:
        """At least 7 of 10 caused by a change are right, and none without one is blamed on a change."""
        return 10 * self.by_change_right >= 7 * self.by_change and self.by_none == self.by_none_right


def score(answered: list[Answered]) -> Score:
    distinct = [item for item in answered if item.cause.same_as is None]
    caused = [item for item in distinct if item.cause.change is not None]
    others = [item for item in distinct if item.cause.change is None]
    return Score(
        by_change=len(caused),
        by_change_right=sum(item.is_right for item in caused),
        by_none=len(others),
        by_none_right=sum(item.is_right for item in others),
        category_right=sum(item.category_said == item.cause.category for item in distinct),
        total=len(distinct),
    )

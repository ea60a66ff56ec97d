"""The mainline of a repository, to be asked by commit and by position. Holds no diff."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from schemas.records import Branch

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mainline:
    """Rows of ``changes`` of one repository, oldest first.

    ``branch_of``: where a commit that did not stand on the mainline left it.
    """

    changes: Sequence[Row]
    branch_of: Callable[[str], Branch | None] = lambda _: None
    _by_sha: dict[str, Row] = field(default_factory=dict)
    _landing: dict[str, str] = field(default_factory=dict)
    _shas: list[str] = field(default_factory=list)
    _menders: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        for change in self.changes:
            self._by_sha[change["sha"]] = change
            for commit in (*change["commits"], change["sha"]):
                self._landing[commit] = change["sha"]
            if change["reverts"] or change["fixes"]:
                self._menders.append(change)
        self._shas.extend(sorted(self._landing))

    def change(self, sha: str) -> Row | None:
        """The change whose mainline commit is ``sha``."""
        return self._by_sha.get(sha)

    def landing(self, sha: str) -> str | None:
        """The change that any commit landed with; None when it never reached the mainline."""
        return self._landing.get(sha)

    def landings(self) -> Mapping[str, str]:
        """Every commit that reached the mainline -> the change that it landed with."""
        return self._landing

    def named(self, prefix: str) -> str | None:
        """The change that the commit landed with which alone begins with ``prefix``; None for none or several changes."""
        at = bisect_left(self._shas, prefix)
        found: set[str] = set()
        while at < len(self._shas) and self._shas[at].startswith(prefix) and len(found) < 2:
            found.add(self._landing[self._shas[at]])
            at += 1
        return next(iter(found)) if len(found) == 1 else None

    def landed_at(self, sha: str) -> datetime | None:
        """When the change that ``sha`` landed with reached the mainline; a branch may have run before."""
        landed = self._landing.get(sha)
        if landed is None:
            return None
        moment: datetime = self._by_sha[landed]["landed_at"]
        return moment

    def menders(self) -> Sequence[Row]:
        """Changes that revert or fix others, oldest first."""
        return self._menders

    def position(self, sha: str) -> int | None:
        """Position on the mainline of the change that ``sha`` landed with."""
        landed = self._landing.get(sha)
        return None if landed is None else int(self._by_sha[landed]["position"])

    def reach(self, sha: str, at: datetime) -> tuple[int | None, frozenset[str]]:
        """What ran when ``sha`` did, ``at`` a time: (newest position of which it held everything, changes that it held beside).

        A hotfix that never landed holds what it was made on, and the changes that were picked to it; a side commit that ran
        before its merge holds the change that it became, and none that landed beside it.
        """
        landed = self._landing.get(sha)
        if landed is not None and self._by_sha[landed]["landed_at"] <= at:
            return int(self._by_sha[landed]["position"]), frozenset()
        branch = self.branch_of(sha)
        base = self._landing.get(branch.base) if branch else None
        if branch is None or base is None:
            return self.position(sha), frozenset()
        beside = {self._landing[picked] for picked in branch.equivalents if picked in self._landing}
        return int(self._by_sha[base]["position"]), frozenset(beside | ({landed} if landed else set()))

    def between(self, after: int, until: int) -> Sequence[Row]:
        """Changes at positions ``after`` + 1 .. ``until``, oldest first."""
        return self.changes[max(after + 1, 0) : max(until + 1, 0)]


def by_repository(
    changes: Iterable[Row], branch_of: Callable[[str, str], Branch | None] = lambda *_: None
) -> dict[str, Mainline]:
    """One mainline per repository; positions of each are 0, 1, 2, ... without a gap.

    Args:
        branch_of: (repository, sha) -> where a commit beside the mainline left it.
    """
    grouped: dict[str, list[Row]] = {}
    for change in sorted(changes, key=lambda c: (c["repository"], c["position"])):
        grouped.setdefault(change["repository"], []).append(change)
    return {
        repository: Mainline(tuple(rows), partial(branch_of, repository))
        for repository, rows in grouped.items()
    }

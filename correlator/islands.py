"""Stretches of time in which a revision sent spans, and revisions that were put back behind a newer one. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]

ISLAND_GAP = timedelta(hours=24)
"""A revision that is silent for longer while another one runs has stopped; if it returns, it was put back."""

LINGER = timedelta(hours=6)
"""Old instances answer this long after a deployment. Who answers for longer after the newer one fell silent was put
back: a canary that was given up, a rollback that nobody reported."""


@dataclass(frozen=True, slots=True)
class Island:
    """A stretch of time in which a revision sent spans."""

    sha: str | None
    revision: str
    first: datetime
    last: datetime


def of_spans(
    seen: Iterable[Row], sha_of: Callable[[str, str | None], str | None], names: Mapping[str, str]
) -> dict[tuple[str, str], list[Island]]:
    """Islands per (service, environment), oldest first. Two spellings of one commit are one revision."""
    hours: dict[tuple[str, str], dict[tuple[str | None, str], list[tuple[datetime, datetime]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    spelled: dict[tuple[str, str, str], str] = {}
    for row in seen:
        if row["revision"]:
            service, environment = row["service"], row["environment"] or names.get(row["service"], "")
            sha = sha_of(service, row["revision"])
            text = row["revision"]
            if sha is not None:
                text = min(spelled.get((service, environment, sha), text), text)
                spelled[(service, environment, sha)] = text
            key = (sha, "" if sha else text)
            hours[(service, environment)][key].append((row["first_seen_at"], row["last_seen_at"]))
    islands: dict[tuple[str, str], list[Island]] = {}
    for (service, environment), by_revision in hours.items():
        begun = sorted((first, key) for key, spans in by_revision.items() for first, _ in spans)
        found: list[Island] = []
        for (sha, text), spans in by_revision.items():
            revision = spelled[(service, environment, sha)] if sha else text
            for first, last in _stretches(sorted(spans), (sha, text), begun):
                found.append(Island(sha, revision, first, last))
        islands[(service, environment)] = sorted(found, key=lambda i: (i.first, i.sha or "", i.revision))
    return islands


def _stretches(
    spans: Sequence[tuple[datetime, datetime]],
    own: tuple[str | None, str],
    begun: Sequence[tuple[datetime, tuple[str | None, str]]],
) -> Iterable[tuple[datetime, datetime]]:
    """One revision's hours as stretches, parted where it was silent for long while another one ran."""
    start, end = spans[0]
    for first, last in spans[1:]:
        if first - end > ISLAND_GAP:
            between = range(
                bisect_right(begun, end, key=lambda b: b[0]), bisect_left(begun, first, key=lambda b: b[0])
            )
            if any(begun[index][1] != own for index in between):
                yield start, end
                start = first
        end = max(end, last)
    yield start, end


def put_back(islands: Sequence[Island]) -> Iterable[tuple[Island, datetime]]:
    """Older revisions that went on alone after a newer one fell silent, and when the newer one did."""
    known = [island for island in islands if island.sha]
    running: list[Island] = []
    for index, island in enumerate(known):
        running = [other for other in running if other.last > island.first]
        outlasting = [other for other in running if other.last > island.last + LINGER]
        if outlasting:
            until = bisect_right(known, island.last + LINGER, key=lambda other: other.first)
            if not any(known[later].last > island.last for later in range(index + 1, until)):
                older = max(outlasting, key=lambda other: (other.first, other.sha or ""))
                yield older, island.last + timedelta(microseconds=1)
        running.append(island)

"""Which revisions may have run where nothing names one: a distribution over the heads of the mainline at a time.

What ran is a head that had landed long enough before: how long, the service's own deployments tell, else those of its
repository, else those of everybody, else nothing but custom. Services that are delivered together run the same head;
what ran last and what ran next bound what ran between. Pure.
Source: DESIGN section 8, "Revision unknown is a distribution, not a cap".
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import exp, fsum
from typing import Any

from correlator import lead_times
from correlator.lead_times import Heads, Release
from correlator.mainlines import Mainline
from correlator.revisions import Timeline

Row = Mapping[str, Any]

SISTERS_WEIGHT = 4.0
"""What the deployments of the repository's other services count together, against one for each of the service's own."""
OTHERS_WEIGHT = 2.0
CUSTOM_WEIGHT = 0.5
PHASES = (1 / 6, 1 / 2, 5 / 6)
"""Parts of a release's life: a moment at which nobody deployed lies anywhere in it."""

SEEN_MARGIN = timedelta(hours=1)
"""A revision that was seen this long before or after still runs: traffic is thin, attributes are sent by some."""

PROBABILITY_MIN = 0.005
PIECES_MAX = 120
"""Intervals told per service and environment, the newest."""
PIECE = timedelta(hours=24)
HYPOTHESES_MAX = 6
"""Revisions at which one failure is looked at; neighbours on the mainline stand for each other."""


@dataclass(frozen=True, slots=True)
class Plausible:
    """One revision that may have run. ``basis``: what gives it most of its probability."""

    sha: str
    probability: float
    basis: str


@dataclass(frozen=True, slots=True)
class _Draws:
    """How old what runs may be: (age of the head that ran, weight, basis)."""

    ages: tuple[tuple[timedelta, float, str], ...]
    leads: tuple[tuple[timedelta, float, str], ...]
    """The same at a moment at which something was deployed."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of one service in one environment."""

    heads: Heads
    intervals: Sequence[Row]
    releases: Sequence[Release]
    repository: str


class Posterior:
    """Distributions over revisions, asked for by service, environment and time."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        hours: Iterable[Row],
        mainlines: Mapping[str, Mainline],
        services: Mapping[str, tuple[str | None, str]],
        paths_of: Mapping[tuple[str, str], Sequence[str]],
        as_of: datetime,
    ) -> None:
        """
        Args:
            hours: rows of ``service_hours.sql`` with ``sha``, the commit that their revision names, or None.
            services: service -> (repository, path).
            paths_of: (repository, change sha) -> paths it touches.
        """
        self._timeline = timeline
        self._as_of = as_of
        self._mainlines = mainlines
        self._seen: dict[tuple[str, str], dict[str | None, list[tuple[datetime, datetime]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for row in hours:
            place = (
                row["service"],
                timeline.environment(row["service"], row["environment"]) or row["environment"],
            )
            self._seen[place][row["sha"]].append((row["first_seen_at"], row["last_seen_at"]))
        self._services = services
        self._paths_of = paths_of
        self._places: dict[tuple[str, str], _Place | None] = {}
        self._draws: dict[tuple[str, str], _Draws] = {}
        self._answered: dict[tuple[tuple[str, str], datetime | None, datetime], tuple[Plausible, ...]] = {}

    def at(self, service: str, environment: str, moment: datetime) -> tuple[Plausible, ...]:
        """Revisions that may have run, likeliest first; they sum to one. Empty when one is known, or when none can be
        told because no code is."""
        key = (service, self._timeline.environment(service, environment) or environment)
        place = self._place(key)
        if place is None:
            return ()
        found = self._timeline.at(*key, moment)
        if found is not None and not self._is_doubtful(key, found, moment):
            return ()
        # What was deployed is looked at exactly, how old it is to the minutes: a burst of failures asks once.
        asked = (
            key,
            found["started_at"] if found else None,
            moment.replace(minute=0, second=0, microsecond=0),
        )
        if asked not in self._answered:
            self._answered[asked] = self._weighed(key, place, found, moment)
        return self._answered[asked]

    def before(self, service: str, environment: str, started_at: datetime) -> tuple[Plausible, ...]:
        """Revisions that may have run before the first known one did; empty when nothing was seen of the service then."""
        key = (service, self._timeline.environment(service, environment) or environment)
        if all(first >= started_at - SEEN_MARGIN for first, _ in self._seen[key].get(None, ())):
            return ()
        return self.at(service, environment, started_at - timedelta(microseconds=1))

    def batch(self, service: str, environment: str) -> int:
        """Changes of a service in one deployment, as usual."""
        return lead_times.usual_batch(self._known((service, environment)))

    def lead(self, service: str, environment: str) -> timedelta:
        """Time from landing to running, as usual."""
        return lead_times.usual_lead(self._known((service, environment)))

    def heads(self, service: str, environment: str) -> Heads | None:
        """The changes that touch a service."""
        place = self._place((service, self._timeline.environment(service, environment) or environment))
        return place.heads if place else None

    def head_of(self, service: str, environment: str, sha: str) -> int:
        """Index of the newest of the service's changes that ``sha`` holds; -1 when it holds none."""
        place = self._place((service, self._timeline.environment(service, environment) or environment))
        position = self._mainlines[place.repository].position(sha) if place else None
        return place.heads.up_to(position) if place and position is not None else -1

    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``plausible_revisions``: the stretches of time in which spans came and nothing names what ran."""
        rows: list[dict[str, Any]] = []
        for service, environment in sorted(self._seen):
            unknown = sorted(
                span
                for sha, spans in self._seen[(service, environment)].items()
                if sha is None
                for span in spans
            )
            place = self._place((service, environment)) if unknown else None
            if place is None:
                continue
            pieces = [
                (since, until, self.at(service, environment, since + (until - since) / 2))
                for since, until in self._pieces((service, environment), place, unknown)
            ]
            for since, until, found in _joined(pieces):
                rows += [
                    {
                        "service": service,
                        "environment": environment,
                        "started_at": since,
                        "ended_at": until,
                        "rank": rank,
                        "repository": place.repository,
                        "sha": one.sha,
                        "probability": one.probability,
                        "basis": one.basis,
                    }
                    for rank, one in enumerate(found, start=1)
                ]
        return rows

    # --- what is known ------------------------------------------------------------------------------

    def _place(self, key: tuple[str, str]) -> _Place | None:
        if key not in self._places:
            self._places[key] = self._read_place(key)
        return self._places[key]

    def _read_place(self, key: tuple[str, str]) -> _Place | None:
        repository, path = self._services.get(key[0], (None, ""))
        mainline = self._mainlines.get(repository or "")
        if mainline is None or repository is None:
            return None
        others = sorted({other for name, other in self._services.values() if name == repository})
        service_heads = lead_times.heads(mainline, path, others, self._paths_of)
        if not service_heads.changes:
            return None
        intervals = self._timeline.of(*key)
        known = lead_times.releases(intervals, mainline, service_heads)
        return _Place(service_heads, intervals, known, repository)

    def _others(self, key: tuple[str, str]) -> Iterable[tuple[tuple[str, str], _Place]]:
        """Other places of the same kind of environment."""
        for service in sorted(self._services):
            environment = self._timeline.environment(service, key[1])
            place = (
                self._place((service, environment)) if environment is not None and service != key[0] else None
            )
            if place is not None and environment is not None:
                yield (service, environment), place

    def _known(self, key: tuple[str, str]) -> Sequence[Release]:
        """The releases to judge by: the service's own, else its repository's, else everybody's."""
        place = self._place((key[0], self._timeline.environment(*key) or key[1]))
        if place is not None and len(place.releases) >= 2:
            return place.releases
        others = list(self._others(key))
        sisters = [
            r for _, other in others if place and other.repository == place.repository for r in other.releases
        ]
        return [
            *(place.releases if place else ()),
            *(sisters or [r for _, other in others for r in other.releases]),
        ]

    def _is_doubtful(self, key: tuple[str, str], found: Row, moment: datetime) -> bool:
        """True when nobody said that this revision runs, or when it was only seen, and neither then nor soon after."""
        if found["sha"] is None:
            return True
        if found["basis"] != "spans":
            return False
        seen = self._seen[key].get(found["sha"], ())
        until = found["ended_at"] or self._as_of
        during = [last for first, last in seen if found["started_at"] <= last and first < until]
        return moment > max(during, default=found["started_at"]) + SEEN_MARGIN

    # --- the distribution -----------------------------------------------------------------------------

    def _weighed(
        self, key: tuple[str, str], place: _Place, found: Row | None, moment: datetime
    ) -> tuple[Plausible, ...]:
        mainline = self._mainlines[place.repository]
        newest = place.heads.at(moment)
        if newest < 0:
            return ()
        before, after = self._bounds(key, place, mainline, moment)
        low = before[0] if before else -1
        high = min(after, newest) if after is not None and after >= low else newest
        draws = self._drawn(key, place)
        # Something unnamed began to run at a known time: what it is had landed by then.
        is_dated = found is not None and found["sha"] is None
        began = found["started_at"] if found is not None and is_dated else moment
        masses: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for age, weight, basis in draws.leads if is_dated else draws.ages:
            index = min(max(place.heads.at(began - age), low, 0), max(high, 0))
            masses[index][basis] += weight
        total = fsum(weight for _, weight, _ in (draws.leads if is_dated else draws.ages))
        for share, index in self._beside(key, place, mainline, moment):
            masses[min(max(index, low, 0), max(high, 0))]["sister_services"] += share / (1 - share) * total
        if before is not None and not is_dated:
            stays = exp(-((moment - before[1]) / lead_times.usual_gap(self._known(key))))
            mass = fsum(fsum(by.values()) for by in masses.values())
            if stays < 1:
                masses[before[0]]["last_known"] += mass * stays / (1 - stays) if stays < 0.999 else mass * 999
        # What is known to have run is told by its own name, though no change of the service stands there.
        names = {before[0]: before[2]} if before is not None else {}
        return _distribution(masses, place.heads, names)

    def _bounds(
        self, key: tuple[str, str], place: _Place, mainline: Mainline, moment: datetime
    ) -> tuple[tuple[int, datetime, str] | None, int | None]:
        """((head that was known to run last, when it was seen last, its sha), head that is known to run next)."""
        starts = [row["started_at"] for row in place.intervals]
        at = bisect_left(starts, moment)
        before = None
        for row in reversed(place.intervals[:at]):
            position = mainline.position(row["sha"]) if row["sha"] else None
            if position is not None:
                until = min(row["ended_at"] or moment, moment)
                seen = [last for _, last in self._seen[key].get(row["sha"], ()) if last <= moment]
                last_at = until if row["basis"] != "spans" else max([*seen, row["started_at"]])
                before = (max(place.heads.up_to(position), 0), min(last_at, moment), row["sha"])
                break
        for row in place.intervals[at:]:
            position = mainline.position(row["sha"]) if row["sha"] else None
            if position is not None:
                return before, None if row["is_rollback"] else place.heads.up_to(position)
        return before, None

    def _drawn(self, key: tuple[str, str], place: _Place) -> _Draws:
        if key not in self._draws:
            own = list(place.releases)
            others = list(self._others(key))
            sisters = [r for _, p in others if p.repository == place.repository for r in p.releases]
            strangers = [r for _, p in others if p.repository != place.repository for r in p.releases]
            pools = (
                (own, float(len(own)), "own_lead_times"),
                (sisters, min(SISTERS_WEIGHT, len(sisters)), "repository_lead_times"),
                (strangers, min(OTHERS_WEIGHT, len(strangers)), "other_lead_times"),
            )
            gap = lead_times.usual_gap([*own, *sisters, *strangers])
            ages: list[tuple[timedelta, float, str]] = []
            leads: list[tuple[timedelta, float, str]] = []
            for pool, weight, basis in pools:
                for release in pool:
                    share = weight / len(pool)
                    ran = release.ran if release.ran is not None else gap
                    leads.append((release.lead, share, basis))
                    ages += [(release.lead + ran * phase, share / len(PHASES), basis) for phase in PHASES]
            custom = CUSTOM_WEIGHT / len(lead_times.UNKNOWN_LEADS)
            leads += [(lead, custom, "custom") for lead in lead_times.UNKNOWN_LEADS]
            ages += [(lead, custom, "custom") for lead in lead_times.UNKNOWN_LEADS]
            self._draws[key] = _Draws(tuple(ages), tuple(leads))
        return self._draws[key]

    def _beside(
        self, key: tuple[str, str], place: _Place, mainline: Mainline, moment: datetime
    ) -> Iterable[tuple[float, int]]:
        """(share of belief, head) by services of the same repository whose revision is known then."""
        known = []
        for other, its in self._others(key):
            row = self._timeline.at(*other, moment) if its.repository == place.repository else None
            position = mainline.position(row["sha"]) if row and row["sha"] else None
            if row is not None and position is not None and not self._is_doubtful(other, row, moment):
                ran = [
                    (self._head_of(other, place, mainline, release.at + SEEN_MARGIN), release.head)
                    for release in place.releases
                ]
                told = [theirs == ours for theirs, ours in ran if theirs is not None]
                known.append(((1 + sum(told)) / (2 + len(told)), place.heads.up_to(position)))
        for share, index in known:
            yield share / len(known), index

    def _head_of(
        self, other: tuple[str, str], place: _Place, mainline: Mainline, moment: datetime
    ) -> int | None:
        row = self._timeline.at(*other, moment)
        position = mainline.position(row["sha"]) if row and row["sha"] else None
        return None if position is None else place.heads.up_to(position)

    def _pieces(
        self, key: tuple[str, str], place: _Place, unknown: Sequence[tuple[datetime, datetime]]
    ) -> list[tuple[datetime, datetime]]:
        """Stretches in which unnamed spans came, cut where something landed, was deployed, or a day is over."""
        cuts: list[tuple[datetime, datetime]] = []
        starts = sorted(
            row["started_at"]
            for other, its in [(key, place), *self._others(key)]
            if its.repository == place.repository
            for row in its.intervals
        )
        for since, until in reversed(_stretches(unknown)):
            edges = {since, until, *place.heads.between(since, until)}
            edges |= set(starts[bisect_left(starts, since) : bisect_left(starts, until)])
            days = int((until - since) / PIECE)
            edges |= {since + PIECE * day for day in range(1, days + 1)}
            ordered = sorted(edge for edge in edges if since <= edge <= until)
            cuts = [*pairwise(ordered), *cuts]
            if len(cuts) >= PIECES_MAX:
                break
        return cuts[-PIECES_MAX:]


def _stretches(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Times of spans as stretches, parted where nothing came for a day."""
    found: list[tuple[datetime, datetime]] = []
    for first, last in spans:
        until = max(last, first + timedelta(microseconds=1))
        if found and first - found[-1][1] <= PIECE:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((first, until))
    return found


def _joined(
    pieces: Iterable[tuple[datetime, datetime, tuple[Plausible, ...]]],
) -> Iterable[tuple[datetime, datetime, tuple[Plausible, ...]]]:
    """Neighbours that say the same as one; pieces in which a revision is known say nothing."""
    last: tuple[datetime, datetime, tuple[Plausible, ...]] | None = None
    for since, until, found in pieces:
        if last is not None and last[1] == since and last[2] == found:
            last = (last[0], until, found)
            continue
        if last is not None and last[2]:
            yield last
        last = (since, until, found)
    if last is not None and last[2]:
        yield last


def _distribution(
    masses: Mapping[int, Mapping[str, float]], heads: Heads, names: Mapping[int, str]
) -> tuple[Plausible, ...]:
    """Masses by head as a distribution of six decimals that sums to one; what is very unlikely is left out.

    Args:
        names: head -> sha that it is told by, where that is not its own.
    """
    sums = {index: fsum(by[name] for name in sorted(by)) for index, by in masses.items()}
    total = fsum(sums[index] for index in sorted(sums))
    kept = {index: mass for index, mass in sums.items() if mass / total >= PROBABILITY_MIN}
    rest = fsum(kept[index] for index in sorted(kept))
    found = [
        Plausible(
            names.get(index, heads.changes[index]["sha"]),
            round(mass / rest, 6),
            max(sorted(masses[index]), key=lambda name: masses[index][name]),
        )
        for index, mass in kept.items()
    ]
    found.sort(key=lambda one: (-one.probability, one.sha))
    left = round(1 - fsum(one.probability for one in found[1:]), 6)
    return (replace(found[0], probability=left), *found[1:])


def hypotheses(found: Sequence[Plausible], position_of: Mapping[str, int]) -> list[Plausible]:
    """At most :data:`HYPOTHESES_MAX` revisions that stand for all of ``found``, with the probability of those they stand
    for; oldest first.

    Neighbours on the mainline differ in few changes: of a run of them the likeliest stands for the others.
    """
    ordered = sorted(found, key=lambda one: position_of.get(one.sha, 0))
    if len(ordered) <= HYPOTHESES_MAX:
        return ordered
    chosen: list[list[Plausible]] = [[one] for one in ordered]
    while len(chosen) > HYPOTHESES_MAX:
        sums = [fsum(one.probability for one in run) for run in chosen]
        lightest = min(range(len(chosen) - 1), key=lambda i: (sums[i] + sums[i + 1], i))
        chosen[lightest : lightest + 2] = [chosen[lightest] + chosen[lightest + 1]]
    return [
        replace(
            max(run, key=lambda one: (one.probability, one.sha)),
            probability=round(fsum(one.probability for one in run), 6),
        )
        for run in chosen
    ]

"""What surrounds a failure group: traffic, the deployment that began and ended it, later reverts and fixes.

Built once per correlation from the timeline, the operations' hours and the mainlines. Pure.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from correlator.candidates import may_be_sent
from correlator.evidence_in_time import ENDED_MARGIN, Circumstances
from correlator.failure_groups import FailureGroup
from correlator.instances import Lone
from correlator.mainlines import Mainline
from correlator.revisions import Timeline
from correlator.traces import Sample
from correlator.traffic import Operation, Traffic

Row = Mapping[str, Any]


def around(
    group: FailureGroup,
    *,
    traffic: Mapping[Operation, Traffic],
    timeline: Timeline,
    mainline: Mainline | None,
    landed_or_deployed: Mapping[str, datetime],
    sample: Sample,
    route_paths: frozenset[str],
    named: frozenset[str],
    as_of: datetime,
    is_sampling_known: bool,
    lone: Lone | None = None,
) -> Circumstances:
    """The circumstances of one group.

    Args:
        landed_or_deployed: change sha -> when it was first deployed, or landed when that is unknown.
    """
    row = group.row
    service, environment = row["service"], row["environment"]
    ours = traffic.get((service, environment, row["operation"]), Traffic())
    if not ours.count() and row["detector"] is not None:
        # What drifts need not be an operation: a host, a table. Its service's spans say how long it was well.
        ours = traffic.get((service, environment, None), Traffic())
    reverters, fixers = _mended(row, mainline, landed_or_deployed)
    callee_starts = [
        running["started_at"]
        for callee in sample.callees
        if (running := timeline.at(callee, environment, row["first_seen_at"])) is not None
    ]
    return Circumstances(
        traffic=ours,
        onset_interval=timeline.at(service, environment, row["first_seen_at"]),
        ended_by=_ended_by(group, ours, timeline),
        callee_deployed_at=max(callee_starts, default=None),
        as_of=as_of,
        is_sampling_known=is_sampling_known,
        reverters=reverters,
        fixers=fixers,
        route_paths=route_paths,
        named=named,
        trace_words=sample.words,
        lone=lone,
        peers_deployed_at=tuple(
            interval["started_at"]
            for peer in sorted({*sample.callees, *(sample.senders if may_be_sent(group) else ())} - {service})
            for interval in timeline.of(peer, environment)
            if interval["started_at"] > row["first_seen_at"]
        ),
    )


def _mended(
    row: Row, mainline: Mainline | None, landed_or_deployed: Mapping[str, datetime]
) -> tuple[dict[str, tuple[str, datetime]], dict[str, tuple[str, datetime]]]:
    """(reverts, fixes) by the change that they mend: the first one in force after which the failure was not seen.

    A revert that landed before the failure began, and was deployed after it, mends it all the same. Where none ended
    the failure, the first one stands.
    """
    found: tuple[dict[str, tuple[str, datetime]], dict[str, tuple[str, datetime]]] = ({}, {})
    for change in mainline.menders() if mainline else ():
        at = landed_or_deployed.get(change["sha"], change["landed_at"])
        if at <= row["first_seen_at"]:
            continue
        for victims, mends in zip((change["reverts"], change["fixes"]), found, strict=True):
            for victim in victims:
                known = mends.get(victim)
                ended = known is not None and row["last_seen_at"] <= known[1] + ENDED_MARGIN
                would_end = row["last_seen_at"] <= at + ENDED_MARGIN
                is_better = known is None or (would_end and (not ended or at < known[1]))
                if is_better:
                    mends[victim] = (change["sha"], at)
    return found


def _ended_by(group: FailureGroup, traffic: Traffic, timeline: Timeline) -> Row | None:
    """The deployment after which the failure was not seen again, if it was still failing until then."""
    row = group.row
    intervals = timeline.of(row["service"], row["environment"])
    index = timeline.index_at(row["service"], row["environment"], row["last_seen_at"])
    if index is None:
        return None
    running = intervals[index]
    if row["first_seen_at"] < running["started_at"] and _is_lingering(group, running):
        # Instances of the revision before were still answering: this deployment ended it.
        return running
    if index + 1 >= len(intervals):
        return None
    following = intervals[index + 1]
    hour = row["last_seen_at"].replace(minute=0, second=0, microsecond=0)
    during = traffic.count(
        since=row["first_seen_at"].replace(minute=0, second=0, microsecond=0), until=hour + timedelta(hours=1)
    )
    silent = traffic.count(since=hour + timedelta(hours=1), until=following["started_at"])
    rate = min(row["failing_trace_count"] / during, 1.0) if during else 1.0
    return None if rate * silent >= 3 else following


def _is_lingering(group: FailureGroup, running: Row) -> bool:
    """True when every failure since ``running`` began came soon, and from the revision before it."""
    before = running["previous_sha"]
    since = group.failures.revisions(since=running["started_at"])
    return (
        before is not None
        and set(since) <= {before}
        and all(last <= running["started_at"] + ENDED_MARGIN for last in since.values())
    )

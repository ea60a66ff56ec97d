"""Evidence in time: what traffic, deployments, reverts and fixes say of when a failure began and ended. Pure.

Source: DESIGN "Suspects"; likelihood ratios in ``weights.toml``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp, log
from typing import Any

from correlator import onset, outside_faults, outside_peers
from correlator.candidates import Listed
from correlator.failure_groups import FailureGroup
from correlator.instances import Lone
from correlator.onset import Onset
from correlator.shares import Counted, dispersion, log_bayes_factor
from correlator.traffic import Traffic, hour
from correlator.weights import Weights, piece
from schemas.records import SuspectEvidence
from schemas.vocabulary import SERVER_ADDRESS, EvidenceKind, FailureCategory

Row = Mapping[str, Any]

CROWD_FACTOR = 1.3
CROWD_REQUESTS_MIN = 20
"""An operation with fewer requests in its busiest hour has no usual traffic to speak of."""

LATE_EXPECTED = 3.0
"""Failures that should have been seen, were the failure there already: exp(-3) is a twentieth."""

ENDED_MARGIN = timedelta(minutes=30)
"""A failure that stops within this time of a deployment was stopped by it (requests in flight, caches)."""

ENDED_AGE_MAX = timedelta(days=14)
"""A failure that was last seen longer ago had ended before the revert or the fix came."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known around a failure group besides its frames.

    ``reverters`` and ``fixers``: change sha -> (sha of the change that reverts or fixes it, when that was deployed
    or else landed). ``route_paths``: files that register the route. ``is_sampling_known``: traffic counts are true.
    ``trace_words``: words of other exceptions in the sample trace. ``peers_deployed_at``: when services that it calls, or
    that sent what it worked on, were deployed after the failure began.
    """

    traffic: Traffic
    onset_interval: Row | None
    ended_by: Row | None
    callee_deployed_at: datetime | None
    as_of: datetime
    is_sampling_known: bool
    reverters: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    fixers: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    route_paths: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    trace_words: frozenset[str] = frozenset()
    lone: Lone | None = None
    peers_deployed_at: tuple[datetime, ...] = ()
    onsets: dict[str, Onset] = field(default_factory=dict, init=False, compare=False, repr=False)
    """group id -> its onset, once asked for: every candidate asks. A changed copy starts without."""


def of_time(
    candidate: Listed,
    group: FailureGroup,
    around: Circumstances,
    weights: Weights,
    *,
    touched_by: Callable[[str], Sequence[str]] = lambda _: (),
) -> list[SuspectEvidence]:
    """What names, reverts, mends, rolls back or dates one candidate.

    ``touched_by``: change sha -> paths that it touches, of the reverts and fixes.
    """
    sha, row = candidate.change["sha"], group.row
    found: list[SuspectEvidence] = []
    if sha in around.named:
        found.append(piece(EvidenceKind.NAMED_BY_INCIDENT, weights, "the incident names this change"))
    for kind, verb, links in (
        (EvidenceKind.REVERTED_AFTER, "reverted", around.reverters),
        (EvidenceKind.NAMED_BY_FIX, "named as mended", around.fixers),
    ):
        if sha in links:
            later, at = links[sha]
            ended = at - ENDED_AGE_MAX <= row["last_seen_at"] <= at + ENDED_MARGIN
            if row["first_seen_at"] < at and ended:
                found.append(_of_mender(kind, verb, later, at, group, around, touched_by, weights))
    if not candidate.is_in_range:
        return found + _of_onset(candidate, group, around, weights)
    ended = around.ended_by
    if ended is not None and ended["is_rollback"] and candidate.is_own:
        text = "its deployment was rolled back, and the failure was not seen again"
        found.append(piece(EvidenceKind.ROLLED_BACK_AFTER, weights, text, revision=ended["sha"]))
    beside = _of_revisions(group, around, weights) if candidate.is_own else []
    # Compared at the same time, or before and after: the same thing twice, and the first sees it better.
    is_told = any(piece.kind is EvidenceKind.CONCURRENT_REVISIONS for piece in beside)
    return [*found, *beside, *([] if is_told else _of_onset(candidate, group, around, weights))]


def _of_mender(
    kind: EvidenceKind,
    verb: str,
    later: str,
    at: datetime,
    group: FailureGroup,
    around: Circumstances,
    touched_by: Callable[[str], Sequence[str]],
    weights: Weights,
) -> SuspectEvidence:
    """A revert or a fix, by how much it has to do with this failure: it ended it, in files that the failure shows."""
    text = f"{verb} by {later[:10]} after the failure began, and the failure was not seen again"
    shown = {frame["path"] for frame in group.frames if frame["path"]} | around.route_paths
    silent = onset_of(group, around).expected(around.traffic.between(group.row["last_seen_at"], at))
    if silent >= LATE_EXPECTED:
        text += f"; it had ended before, {silent:.0f} failures were due until then"
    elif not shown or shown & set(touched_by(later)):
        return piece(kind, weights, text, change=later)
    else:
        text += "; but that touches no file of this failure"
    return piece(kind, weights, text, log_lr=log(weights.maximum("doubtful_mend")), change=later)


def onset_of(group: FailureGroup, around: Circumstances) -> Onset:
    """When the group began, by the traffic of its operation."""
    known = around.onsets.get(group.row["group_id"])
    if known is None:
        interval = around.onset_interval
        ended_at = interval["ended_at"] if interval is not None else None
        known = onset.of(group, around.traffic, ended_at or around.as_of)
        around.onsets[group.row["group_id"]] = known
    return known


def _of_onset(
    candidate: Listed, group: FailureGroup, around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    """What the traffic since its deployment says of the onset; nothing where sampling hides how much there was."""
    deployed_at = candidate.deployed_at
    if not around.is_sampling_known or deployed_at is None:
        return []
    began = onset_of(group, around)
    if began.share <= 0:
        return []
    served = around.traffic.between(deployed_at, began.at)
    value = began.log_ratio(served, delayed=weights.prior["delayed_onset"])
    value = min(value, log(weights.maximum("change_point_max")))
    if value > 0:
        text = f"began after {served:.0f} requests since its deployment; {began.before:.0f} earlier ones did not fail so"
        return [piece(EvidenceKind.CHANGE_POINT, weights, text, log_lr=value)]
    expected = began.expected(served)
    text = f"{served:.0f} requests were served well since its deployment; at the later rate {expected:.0f} had failed"
    return [piece(EvidenceKind.SERVED_WELL, weights, text, log_lr=value)] if value < -0.01 else []


def beside(group: FailureGroup, around: Circumstances) -> tuple[Counted, Counted, float] | None:
    """(the onset's revision, all others, Bayes factor's log) in the hours in which both served the operation; None where
    there are none. How spans are sampled does not matter: both are sampled alike."""
    sha = group.row["onset_sha"]
    hours = around.traffic.shared_hours(sha) if sha else []
    own, others, each = [0, 0], [0, 0], []
    for at, ours, theirs in hours:
        failed = group.failures.during(at, at + timedelta(hours=1))
        mine = min(failed.get(sha, 0), ours)
        rest = min(sum(count for other, count in failed.items() if other not in (sha, None)), theirs)
        own, others = [own[0] + mine, own[1] + ours], [others[0] + rest, others[1] + theirs]
        each.append(Counted(mine, ours))
    if not hours:
        return None
    one, other = Counted(own[0], own[1]), Counted(others[0], others[1])
    return one, other, log_bayes_factor(one, other, dispersion=dispersion(each))


def _of_revisions(group: FailureGroup, around: Circumstances, weights: Weights) -> list[SuspectEvidence]:
    """Only the onset's revision fails, and others that run at the same time do not: what it brought is to blame."""
    found = beside(group, around)
    if found is None or found[2] <= 0 or found[0].share <= found[1].share:
        return []
    one, other, factor = found
    value = min(factor, log(weights.maximum("concurrent_revisions_max")))
    text = (
        f"fails on its revision ({one.failed} of {one.total} requests) and not as often on those that ran at the same"
        f" time ({other.failed} of {other.total})"
    )
    return [piece(EvidenceKind.CONCURRENT_REVISIONS, weights, text, log_lr=value)]


def of_no_change(
    group: FailureGroup, around: Circumstances, *, weights: Weights
) -> tuple[SuspectEvidence, ...]:
    """Evidence that nothing which was deployed is to blame."""
    found: list[SuspectEvidence] = []
    interval = around.onset_interval
    if group.is_dependency_leaf and group.categories[0].category == FailureCategory.DEPENDENCY_INFRASTRUCTURE:
        peer = group.facts.attributes.get(SERVER_ADDRESS, "a peer")
        text = f"could not reach {peer}, which sends no telemetry"
        found.append(piece(EvidenceKind.DEPENDENCY_DOWN, weights, text))
    found += outside_peers.answered(group, weights)
    named = outside_faults.named(group.facts)
    if named is not None:
        found.append(piece(EvidenceKind.OUTSIDE_FAULT, weights, f"says that {named} was met"))
    found += _of_crowd(group, around, weights)
    if group.is_garbage_caller:
        text = "callers outside our services sent what the service rightly rejects"
        found.append(piece(EvidenceKind.CALLER_GARBAGE, weights, text))
    if interval is not None and interval["previous_sha"] is None:
        text = "seen in the first revision that we know of"
        found.append(piece(EvidenceKind.PREDATES_RANGE, weights, text))
    alike = beside(group, around)
    if alike is not None and alike[2] < 0 and alike[0].failed and alike[1].failed:
        value = min(-alike[2], log(weights.maximum("revisions_alike_max")))
        text = (
            f"revisions that ran at the same time fail alike ({alike[0].failed} and {alike[1].failed} times)"
        )
        found.append(piece(EvidenceKind.REVISIONS_ALIKE, weights, text, log_lr=value))
    if around.lone is not None:
        value = min(around.lone.log_ratio, log(weights.maximum("one_instance_max")))
        found.append(piece(EvidenceKind.ONE_INSTANCE, weights, around.lone.text, log_lr=value))
    found += _of_end(group, around, weights)
    return tuple(found)


def _of_crowd(group: FailureGroup, around: Circumstances, weights: Weights) -> list[SuspectEvidence]:
    """More requests than ever in the weeks before, and what failed is a matter of room or time."""
    if group.categories[0].category is not FailureCategory.RESOURCE_PERFORMANCE:
        return []
    first, last = group.row["first_seen_at"], group.row["last_seen_at"]
    busiest = around.traffic.busiest(hour(first), hour(last) + timedelta(hours=1))
    usual = around.traffic.busiest(first - onset.LOOKBACK, hour(first))
    if usual < CROWD_REQUESTS_MIN or busiest < CROWD_FACTOR * usual:
        return []
    text = f"{busiest} requests in an hour, where the busiest of the weeks before had {usual}"
    return [piece(EvidenceKind.CROWD, weights, text)]


def _of_end(group: FailureGroup, around: Circumstances, weights: Weights) -> list[SuspectEvidence]:
    """A failure that stops by itself while traffic goes on, before anything was deployed."""
    row, interval = group.row, around.onset_interval
    if around.ended_by is not None or _is_ended_by_peer(group, around):
        return []
    during = around.traffic.count(
        since=hour(row["first_seen_at"]), until=hour(row["last_seen_at"]) + timedelta(hours=1)
    )
    until = interval["ended_at"] if interval is not None and interval["ended_at"] else around.as_of
    after = around.traffic.count(since=hour(row["last_seen_at"]) + timedelta(hours=1), until=until)
    if not during or not after:
        return []
    rate = min(row["failing_trace_count"] / during, 1.0)
    unlikely = exp(-rate * after)
    if unlikely > 0.05:
        return []
    value = min(-log(max(unlikely, 1e-9)), weights.log_ratio(EvidenceKind.ENDED_WITHOUT_DEPLOYMENT))
    text = f"ended while {after} more requests came in and nothing was deployed"
    return [piece(EvidenceKind.ENDED_WITHOUT_DEPLOYMENT, weights, text, log_lr=value, requests_after=after)]


def _is_ended_by_peer(group: FailureGroup, around: Circumstances) -> bool:
    """True when a callee or a sender was deployed as the failure ended: its mend may lie there."""
    if group.categories[0].category is FailureCategory.RESOURCE_PERFORMANCE:
        # What is a matter of room or time ends with the load: that a peer was deployed then is chance.
        return False
    last = group.row["last_seen_at"]
    began = onset_of(group, around)
    return any(
        at >= last - ENDED_MARGIN and began.expected(around.traffic.between(last, at)) < LATE_EXPECTED
        for at in around.peers_deployed_at
    )


def is_late(group: FailureGroup, around: Circumstances) -> bool:
    """True when the onset's revision had served the operation well for so long that its deployment says little.

    At least three failures would have been expected, at the rate that was seen later, before the first one came.
    """
    interval = around.onset_interval
    if interval is None:
        return False
    began = onset_of(group, around)
    return began.expected(around.traffic.between(interval["started_at"], began.at)) >= LATE_EXPECTED


def no_change_prior(group: FailureGroup, around: Circumstances, weights: Weights) -> float:
    """Prior of "no change is to blame" by what the clock says of the onset."""
    interval = around.onset_interval
    if interval is None:
        return weights.prior["no_change"]
    if interval["previous_sha"] is None:
        return weights.prior["no_change_old"]
    fresh = timedelta(minutes=weights.prior["fresh_minutes"])
    # Where the traffic is known, it says how soon this was.
    is_fresh = not around.is_sampling_known and group.row["first_seen_at"] - interval["started_at"] <= fresh
    return weights.prior["no_change_fresh" if is_fresh else "no_change"]

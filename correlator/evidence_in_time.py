"""Evidence in time: what traffic, deployments, reverts and fixes say of when a failure began and ended. Pure.

Source: DESIGN "Suspects"; likelihood ratios in ``weights.toml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp, log
from typing import Any

from correlator.candidates import Listed
from correlator.failure_groups import FailureGroup
from correlator.shares import Counted, dispersion, log_bayes_factor
from correlator.traffic import Traffic, hour
from correlator.weights import Weights, piece
from schemas.records import SuspectEvidence
from schemas.vocabulary import SERVER_ADDRESS, EvidenceKind, FailureCategory

Row = Mapping[str, Any]

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
    ``trace_words``: words of other exceptions in the sample trace.
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


def of_time(
    candidate: Listed, group: FailureGroup, around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    """What names, reverts, mends, rolls back or dates one candidate."""
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
                text = f"{verb} by {later[:10]} after the failure began, and the failure was not seen again"
                found.append(piece(kind, weights, text, change=later))
    if not candidate.is_in_range:
        return found
    ended = around.ended_by
    if ended is not None and ended["is_rollback"] and not candidate.is_callee:
        text = "its deployment was rolled back, and the failure was not seen again"
        found.append(piece(EvidenceKind.ROLLED_BACK_AFTER, weights, text, revision=ended["sha"]))
    beside = [] if candidate.is_callee else _of_revisions(group, around, weights)
    # Compared at the same time, or before and after: the same thing twice, and the first sees it better.
    is_told = any(piece.kind is EvidenceKind.CONCURRENT_REVISIONS for piece in beside)
    exposed = _of_exposure(candidate, group, around, weights)
    return [*found, *beside, *(e for e in exposed if not is_told or e.kind is not EvidenceKind.CHANGE_POINT)]


def _rate(group: FailureGroup, around: Circumstances) -> tuple[float, int, int]:
    """(failing share on the onset's revision, its requests, its failures); 0 without traffic counts."""
    sha = group.row["onset_sha"]
    failures = group.failures.count(sha)
    requests = around.traffic.count(sha=sha)
    return (min(failures / requests, 1.0) if requests else 0.0), requests, failures


def _of_exposure(
    candidate: Listed, group: FailureGroup, around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    """First seen and change point: what the traffic before and after its deployment says of the onset.

    A revision that served the operation well for long did not bring a failure that comes at this rate.
    """
    rate, requests, _ = _rate(group, around)
    deployed_at = candidate.deployed_at
    if not around.is_sampling_known or deployed_at is None or rate <= 0:
        return []
    before = around.traffic.count(until=hour(deployed_at))
    between = around.traffic.count(since=hour(deployed_at), until=hour(group.row["first_seen_at"]))
    found: list[SuspectEvidence] = []
    if rate * before >= LATE_EXPECTED > rate * between:
        value = min(rate * before, log(weights.maximum("first_seen_max")))
        text = f"first seen in its deployment; {before} earlier requests did not fail"
        found.append(piece(EvidenceKind.FIRST_SEEN, weights, text, log_lr=value, requests_before=before))
    factor = requests / (4 * (between + 1))
    if factor > 1 and rate * between < LATE_EXPECTED:
        value = min(log(factor), log(weights.maximum("change_point_max")))
        text = f"began after {between} of {requests} requests to the deployed revision"
        found.append(piece(EvidenceKind.CHANGE_POINT, weights, text, log_lr=value))
    return found


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
    row, interval = group.row, around.onset_interval
    if group.is_dependency_leaf and group.categories[0].category == FailureCategory.DEPENDENCY_INFRASTRUCTURE:
        peer = group.facts.attributes.get(SERVER_ADDRESS, "a peer")
        text = f"could not reach {peer}, which sends no telemetry"
        found.append(piece(EvidenceKind.DEPENDENCY_DOWN, weights, text))
    if group.is_garbage_caller:
        text = "callers outside our services sent what the service rightly rejects"
        found.append(piece(EvidenceKind.CALLER_GARBAGE, weights, text))
    if interval is not None and interval["previous_sha"] is None:
        text = "seen in the first revision that we know of"
        found.append(piece(EvidenceKind.PREDATES_RANGE, weights, text))
    deployed = max(
        (at for at in (interval and interval["started_at"], around.callee_deployed_at) if at), default=None
    )
    if deployed is not None and row["first_seen_at"] - deployed > timedelta(hours=24):
        rate, _, _ = _rate(group, around)
        exposed = around.traffic.count(since=hour(deployed), until=hour(row["first_seen_at"]))
        if rate * exposed >= LATE_EXPECTED:
            text = (
                f"began more than a day after the last deployment, in which {exposed} requests did not fail"
            )
            found.append(piece(EvidenceKind.FAR_FROM_DEPLOYMENT, weights, text))
    alike = beside(group, around)
    if alike is not None and alike[2] < 0 and alike[0].failed and alike[1].failed:
        value = min(-alike[2], log(weights.maximum("revisions_alike_max")))
        text = (
            f"revisions that ran at the same time fail alike ({alike[0].failed} and {alike[1].failed} times)"
        )
        found.append(piece(EvidenceKind.REVISIONS_ALIKE, weights, text, log_lr=value))
    found += _of_end(group, around, weights)
    return tuple(found)


def _of_end(group: FailureGroup, around: Circumstances, weights: Weights) -> list[SuspectEvidence]:
    """A failure that stops by itself while traffic goes on, before anything was deployed."""
    row, interval = group.row, around.onset_interval
    if around.ended_by is not None:
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


def is_late(group: FailureGroup, around: Circumstances) -> bool:
    """True when the onset's revision had served the operation well for so long that its deployment says little.

    At least three failures would have been expected, at the rate that was seen later, before the first one came.
    """
    interval = around.onset_interval
    if interval is None:
        return False
    rate, _, _ = _rate(group, around)
    earlier = around.traffic.count(since=hour(interval["started_at"]), until=hour(group.row["first_seen_at"]))
    return rate * earlier >= LATE_EXPECTED


def no_change_prior(group: FailureGroup, around: Circumstances, weights: Weights) -> float:
    """Prior of "no change is to blame" by what the clock says of the onset."""
    interval = around.onset_interval
    if interval is None:
        return weights.prior["no_change"]
    if interval["previous_sha"] is None:
        return weights.prior["no_change_old"]
    fresh = timedelta(minutes=weights.prior["fresh_minutes"])
    is_fresh = group.row["first_seen_at"] - interval["started_at"] <= fresh
    return weights.prior["no_change_fresh" if is_fresh else "no_change"]

"""Drifts become failure groups: what was found, in words, as a category, and when it was seen. Pure.

A drift has no frames; its evidence is in time, in the names of what it concerns, and in what changes say. Its moments
are those of hours: what was counted in an hour is spread evenly over it.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from correlator import drift_detectors
from correlator.drift_detectors import Finding
from correlator.failure_groups import FailureGroup, ServiceCode
from correlator.occurrences import Moments, Occurrences, merged, micros
from correlator.revisions import Timeline
from schemas import vocabulary
from schemas.records import CommitSha, FailureFacts, RankedCategory
from schemas.vocabulary import Detector, FailureCategory

Row = Mapping[str, Any]

MOMENTS_MAX = 2000
"""Points in time that one hour is spread into."""

UNCOUNTED = frozenset({Detector.HOST_IS_NEW})
"""Drifts that may well be what was wanted: shown, but no outcome of the change that brought them."""

_CATEGORIES: Mapping[Detector, tuple[tuple[FailureCategory, float], ...]] = {
    Detector.DENIALS_ROSE: ((FailureCategory.SECURITY, 0.8), (FailureCategory.INTEGRATION, 0.5)),
    Detector.DENIALS_STOPPED: ((FailureCategory.SECURITY, 0.9),),
    Detector.CALLERS_UNAUTHENTICATED: ((FailureCategory.SECURITY, 0.85),),
    Detector.HOST_IS_NEW: ((FailureCategory.SECURITY, 0.6), (FailureCategory.COMPLIANCE_GOVERNANCE, 0.5)),
    Detector.CONSTRAINTS_BROKEN: ((FailureCategory.DATA_INTEGRITY, 0.85),),
    Detector.VALUES_EMPTY: ((FailureCategory.DATA_INTEGRITY, 0.8), (FailureCategory.LOGIC_UNHANDLED, 0.5)),
    Detector.PERSONAL_DATA_SENT: (
        (FailureCategory.COMPLIANCE_GOVERNANCE, 0.8),
        (FailureCategory.SECURITY, 0.5),
    ),
    Detector.OPERATION_SLOWER: ((FailureCategory.RESOURCE_PERFORMANCE, 0.85),),
    Detector.CALLS_MULTIPLIED: ((FailureCategory.RESOURCE_PERFORMANCE, 0.85),),
}
_ATTRIBUTES: Mapping[Detector, str] = {
    Detector.DENIALS_ROSE: vocabulary.HTTP_ROUTE,
    Detector.DENIALS_STOPPED: vocabulary.HTTP_ROUTE,
    Detector.CALLERS_UNAUTHENTICATED: vocabulary.HTTP_ROUTE,
    Detector.HOST_IS_NEW: vocabulary.SERVER_ADDRESS,
    Detector.CONSTRAINTS_BROKEN: vocabulary.DB_COLLECTION_NAME,
    Detector.OPERATION_SLOWER: vocabulary.HTTP_ROUTE,
    Detector.CALLS_MULTIPLIED: vocabulary.DB_OPERATION_NAME,
}
"""Attribute under which the subject's name is evidence."""


def groups(
    findings: Iterable[Finding],
    *,
    services: Mapping[str, ServiceCode],
    timeline: Timeline,
    revision_of: Callable[[str, str | None], str | None],
) -> list[FailureGroup]:
    """One failure group for the findings of one identity, ordered by id.

    Args:
        revision_of: (service, text that names what ran) -> full sha or None.
    """
    found = folded(findings)
    return [_group(found[name], services, timeline, revision_of) for name in sorted(found)]


def folded(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Identity -> the first of its findings to begin, with all that was seen of any.

    Two revisions that begin on one day and are slow both, or one name of requests and of messages, are one drift.
    """
    alike: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        alike[identity(finding)].append(finding)
    return {name: _folded(same) for name, same in alike.items()}


def title(finding: Finding) -> str:
    """What was found, in one sentence."""
    before = _percent(finding.before_hits, finding.before_spans)
    since = _percent(finding.hits, finding.spans)
    subject = finding.subject
    match finding.detector:
        case Detector.DENIALS_ROSE:
            return f"{subject} refuses {since} of its requests, {before} before"
        case Detector.DENIALS_STOPPED:
            return f"{subject} stopped refusing requests: {since}, {before} before"
        case Detector.CALLERS_UNAUTHENTICATED:
            return f"{subject} grants requests that name no user: {since}, {before} before"
        case Detector.HOST_IS_NEW:
            return f"calls to {subject}, which was not called in the week before"
        case Detector.CONSTRAINTS_BROKEN:
            return f"{since} of the calls to {subject} break a rule of the database, {before} before"
        case Detector.VALUES_EMPTY:
            return f"{finding.aspect} of {subject} is empty, null or zero: {since}, {before} before"
        case Detector.PERSONAL_DATA_SENT:
            return f"attribute {subject} holds personal data ({finding.aspect})"
        case Detector.OPERATION_SLOWER:
            return f"{subject} is slower: 95th percentile {finding.aspect} ms"
        case Detector.CALLS_MULTIPLIED:
            return f"{subject} is called more often per request: {finding.aspect}"


def identity(finding: Finding) -> str:
    """Id of the group that a finding becomes."""
    _, fingerprint = _fingerprint(finding)
    day = finding.onset_at.date().isoformat()
    told = "\x00".join((fingerprint, finding.service, finding.environment, day))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _fingerprint(finding: Finding) -> tuple[dict[str, str], str]:
    """(what contributes, 16 hex digits)."""
    parts = {"detector": str(finding.detector), "subject": finding.subject}
    if finding.detector in (Detector.VALUES_EMPTY, Detector.PERSONAL_DATA_SENT):
        parts["aspect"] = finding.aspect
    told = "\x00".join((drift_detectors.VERSION, *parts.values()))
    return parts, hashlib.sha256(told.encode()).hexdigest()[:16]


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    return "none" if part == 0 else f"{share:.2g} %" if share < 99.5 else f"{share:.0f} %"


def _folded(findings: list[Finding]) -> Finding:
    first = min(findings, key=lambda f: (f.onset_at, f.revision or "", f.aspect))
    # The same hours may have been looked at on two days.
    moments = dict.fromkeys(moment for finding in findings for moment in finding.moments)
    last_seen_at = max(finding.last_seen_at for finding in findings)
    return replace(first, last_seen_at=last_seen_at, moments=tuple(moments))


def _group(
    finding: Finding,
    services: Mapping[str, ServiceCode],
    timeline: Timeline,
    revision_of: Callable[[str, str | None], str | None],
) -> FailureGroup:
    code = services.get(finding.service, ServiceCode(None))

    def sha_of(revision: str | None, at: datetime) -> CommitSha | None:
        running = timeline.at(finding.service, finding.environment, at)
        stated = revision_of(finding.service, revision) if code.repository else None
        sha = stated or (running["sha"] if running else None)
        return CommitSha(sha) if sha else None

    moments: dict[str | None, list[Moments]] = defaultdict(list)
    for begin, end, revision, count in finding.moments:
        spread = Moments.spread(micros(begin), micros(end), count, MOMENTS_MAX)
        moments[sha_of(revision, begin)].append(spread)
    failures = Occurrences({sha: merged(parts) for sha, parts in moments.items()})
    said = title(finding)
    ranked = tuple(RankedCategory(category, score, said) for category, score in _CATEGORIES[finding.detector])
    parts, fingerprint = _fingerprint(finding)
    onset_sha = sha_of(finding.revision, finding.onset_at)
    running = timeline.at(finding.service, finding.environment, finding.onset_at)
    row: dict[str, Any] = {
        "group_id": identity(finding),
        "fingerprint": fingerprint,
        "fingerprint_version": drift_detectors.VERSION,
        "fingerprint_parts": json.dumps(parts, sort_keys=True, ensure_ascii=False),
        "service": finding.service,
        "environment": finding.environment,
        "operation": finding.subject,
        "title": said,
        "exception_type": None,
        "message_template": None,
        "category": str(ranked[0].category),
        "categories": json.dumps(
            [{"category": str(r.category), "score": r.score, "reason": r.reason} for r in ranked],
            ensure_ascii=False,
        ),
        "first_seen_at": finding.onset_at,
        "last_seen_at": finding.last_seen_at,
        "failing_trace_count": sum(count for *_, count in finding.moments),
        "sample_trace_id": finding.trace_id,
        "sample_span_id": finding.span_id,
        "repository": code.repository,
        "onset_sha": onset_sha,
        "previous_sha": running["previous_sha"] if running else None,
        "is_partial": False,
        "callers": [],
        "detector": str(finding.detector),
    }
    return FailureGroup(
        row=row,
        frames=[],
        failures=failures,
        facts=FailureFacts(message=None, attributes=_named(finding)),
        categories=ranked,
        is_dependency_leaf=False,
        is_garbage_caller=False,
        callee=None,
        entry=finding.subject,
    )


def _named(finding: Finding) -> dict[str, object]:
    """The names that a change would have to touch: the route without its method, the host, the table, the attribute."""
    subject = finding.subject
    key = _ATTRIBUTES.get(finding.detector)
    if key == vocabulary.HTTP_ROUTE:
        method, _, route = subject.partition(" ")
        subject = route if method.isupper() and route else subject
    if key is not None:
        return {key: subject}
    return {name: name for name in (subject, finding.aspect)}

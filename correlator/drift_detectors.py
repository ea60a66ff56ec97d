"""Detectors of failures that raise no error, each with its test and the effect that it asks for. Pure.

A series (a route, a host, a table, an attribute, an operation) is held against its own days before. What is found
must be unlikely by chance, and large: ``drift_statistics`` tests, :data:`SHARES` and the constants below say how large.
Silence is normal: too few spans, too short a baseline, or a change of the telemetry itself give no finding.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from correlator import drift_statistics, durations
from schemas.vocabulary import Detector, Signal, SpanKind

Row = Mapping[str, Any]

VERSION = "1"
P_VALUE_MAX = 1e-6
"""Nominal chance that is accepted of all series of one kind and day together. Far below what one would like to promise,
because hours have heavier tails than the tests know: at 1e-3 one quiet world in thirty gave a finding, and drifts of the
sizes asked for below give 1e-10 and less."""

HOST_P_VALUE_MAX = 1e-3

CELLS_MIN = 3
"""Hours that a changed share must last from a revision's beginning; twice as many elsewhere: visitors who try again and
again make odd hours."""

HOST_BASELINE_CALLS, HOST_BASELINE_HOURS, HOST_CALLS_MIN = 200, 12, 5
"""Calls and hours of the days before that did not go to the host, and calls that did since."""

PERSONAL_HITS_MIN = 3

SLOWER_FACTOR, SLOW_SHARE_MIN, SLOW_SPANS_MIN = 2.0, 0.15, 20
"""The 95th percentile must double, and so many spans be slower than nineteen in twenty were before."""

LOAD_FACTOR_MAX = 2.0
"""More requests in an hour than so many times the busiest hour before explain slowness by themselves."""

CALLS_FACTOR, CALLS_MORE_MIN, CALLS_MIN = 3.0, 0.5, 50
"""Calls per request must triple, and rise by so many."""

MIX_MARGIN = 1.5
"""A route whose share grew by as much as the calls did, but for this margin, may be what makes them."""

TELEMETRY_SHARE = 0.9
"""When every route of a service loses its users at once, its telemetry changed, not its doors."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One drift. ``moments``: (begin, end, revision as sent, count) of what was seen, hour by hour; counts are of spans.

    ``trace_id``, ``span_id``: hex of one span that shows it, '' when only counts are known.
    """

    service: str
    environment: str
    detector: Detector
    subject: str
    aspect: str
    onset_at: datetime
    last_seen_at: datetime
    revision: str | None
    before_hits: int
    before_spans: int
    hits: int
    spans: int
    p_value: float
    trace_id: str
    span_id: str
    moments: tuple[tuple[datetime, datetime, str | None, int], ...]


@dataclass(frozen=True, slots=True)
class _Share:
    """How a share must change: ``hits_min`` in the stretch, share at least ``factor`` times and ``more`` above that of
    before (of a fall: at most its ``factor``-th part), where before it was within [``least``, ``most``]."""

    signal: Signal
    is_rise: bool
    hits_min: int
    factor: float
    more: float = 0.0
    least: float = 0.0
    most: float = 1.0
    before_spans_min: int = 100
    spans_min: int = 20


SHARES: Mapping[Detector, _Share] = {
    Detector.DENIALS_ROSE: _Share(Signal.DENIED, True, hits_min=20, factor=3, more=0.05),
    # Twenty denials must be missing that the share of before would have brought.
    Detector.DENIALS_STOPPED: _Share(Signal.DENIED, False, hits_min=20, factor=10, least=0.01),
    Detector.CALLERS_UNAUTHENTICATED: _Share(
        Signal.ANONYMOUS, True, hits_min=10, factor=3, more=0.02, most=0.2
    ),
    Detector.CONSTRAINTS_BROKEN: _Share(Signal.CONSTRAINT, True, hits_min=10, factor=3, more=0.01),
    Detector.VALUES_EMPTY: _Share(Signal.EMPTY_VALUE, True, hits_min=10, factor=3, more=0.05, most=0.5),
}
"""Detectors of changed shares: likelihood ratio of the best stretch of hours against all others."""


def of_shares(cells: Sequence[Row], day: date) -> list[Finding]:
    """Changes of shares that began on ``day``.

    Args:
        cells: rows of ``drift_cells.sql`` in its order.
    """
    series = [
        list(found)
        for _, found in groupby(
            cells, key=lambda c: (c["service"], c["environment"], c["signal"], c["subject"], c["aspect"])
        )
    ]
    found = []
    for detector, asked in SHARES.items():
        tested = [listed for listed in series if listed[0]["signal"] == asked.signal]
        found += [f for listed in tested if (f := _of_share(listed, detector, asked, day))]
    # A route that stops refusing grants what it refused, to nobody that is named: that is one failure, told once.
    stopped = {(f.service, f.environment, f.subject) for f in found if f.detector is Detector.DENIALS_STOPPED}
    return [
        f
        for f in found
        if f.detector is not Detector.CALLERS_UNAUTHENTICATED
        or (f.service, f.environment, f.subject) not in stopped
    ]


def _of_share(cells: Sequence[Row], detector: Detector, asked: _Share, day: date) -> Finding | None:
    tested = cells[0]["series_count"]
    cells = cells[-drift_statistics.CELLS_MAX :]
    best = drift_statistics.stretch(
        np.array([c["hit_count"] for c in cells], float),
        np.array([c["span_count"] for c in cells], float),
        _starts(cells),
        before_spans_min=asked.before_spans_min,
        spans_min=asked.spans_min,
        cells_min=CELLS_MIN,
        is_rise=asked.is_rise,
    )
    if best is None or best.p_value * tested > P_VALUE_MAX or cells[best.begin]["hour_at"].date() != day:
        return None
    before, inside = best.before_share, cells[best.begin : best.end]
    if not asked.least <= before <= asked.most:
        return None
    if asked.is_rise:
        counted = best.hits
        is_large = best.share >= asked.factor * before and best.share >= before + asked.more
        # Some odd hours must not carry the others: each half of the stretch shows a quarter of it at least.
        middle = (len(inside) + 1) // 2
        is_large = is_large and all(
            _share_of(half) >= before + (best.share - before) / 4
            for half in (inside[:middle], inside[middle:])
        )
    else:
        # What is missing is what counts.
        counted = round(before * best.spans) - best.hits
        is_large = best.share <= before / asked.factor
    if not is_large or counted < asked.hits_min:
        return None
    if detector is Detector.CALLERS_UNAUTHENTICATED and _is_of_telemetry(inside, best.share):
        return None
    kind = "hit" if asked.is_rise else "miss"
    sample = next((c for c in inside if c[f"{kind}_trace_id"]), None)
    moments = []
    for cell in inside:
        count = cell["hit_count"] if asked.is_rise else round(before * cell["span_count"]) - cell["hit_count"]
        if count > 0:
            begin = (cell["hit_at"] if asked.is_rise else None) or cell["first_seen_at"]
            moments.append((begin, cell["last_seen_at"], cell["revision"], int(count)))
    first = inside[0]
    return Finding(
        service=first["service"],
        environment=first["environment"],
        detector=detector,
        subject=first["subject"],
        aspect=first["aspect"],
        onset_at=moments[0][0],
        last_seen_at=moments[-1][1],
        revision=moments[0][2],
        before_hits=best.before_hits,
        before_spans=best.before_spans,
        hits=best.hits,
        spans=best.spans,
        p_value=best.p_value,
        trace_id=sample[f"{kind}_trace_id"] if sample else "",
        span_id=sample[f"{kind}_span_id"] if sample else "",
        moments=tuple(moments),
    )


def _share_of(cells: Sequence[Row]) -> float:
    return float(sum(c["hit_count"] for c in cells) / sum(c["span_count"] for c in cells))


def _starts(cells: Sequence[Row]) -> npt.NDArray[np.bool_]:
    """Whether a revision was not seen before a cell."""
    seen: set[str | None] = set()
    starts = []
    for cell in cells:
        starts.append(bool(seen) and cell["revision"] not in seen)
        seen.add(cell["revision"])
    return np.array(starts, bool)


def _is_of_telemetry(inside: Sequence[Row], share: float) -> bool:
    """True when the whole service stopped to name users: one of several routes that lost them tells of a door."""
    onset = inside[0]["hour_at"]
    named = sum(c["service_misses"] for c in inside if c["hour_at"] > onset)
    is_whole = any(c["hour_at"] > onset for c in inside) and named == 0
    return share >= TELEMETRY_SHARE and is_whole and inside[0]["service_subjects"] > 1


def of_first_seen(rows: Iterable[Row]) -> list[Finding]:
    """New hosts that are called, and attributes that begin to hold personal data.

    A host counts as new when so many calls of the days before would hardly have missed it: at its share of the calls
    since, (1 - share)^before is the chance. Link-local addresses, where clouds keep credentials, count at once.

    Args:
        rows: of ``drift_first_seen.sql``.
    """
    found = []
    for row in rows:
        p_value = 1.0
        if row["signal"] == Signal.OUTBOUND:
            detector = Detector.HOST_IS_NEW
            is_link_local = row["subject"].startswith("169.254.")
            share = min(row["hit_count"] / max(row["since_count"], 1), 1 - 1e-9)
            p_value = float((1 - share) ** row["before_count"])
            if row["before_count"] < HOST_BASELINE_CALLS or row["before_hours"] < HOST_BASELINE_HOURS:
                continue
            if not is_link_local and (row["hit_count"] < HOST_CALLS_MIN or p_value > HOST_P_VALUE_MAX):
                continue
        else:
            detector = Detector.PERSONAL_DATA_SENT
            if row["hit_count"] < PERSONAL_HITS_MIN:
                continue
        found.append(
            Finding(
                service=row["service"],
                environment=row["environment"],
                detector=detector,
                subject=row["subject"],
                aspect=row["aspect"],
                onset_at=row["first_seen_at"],
                last_seen_at=row["last_seen_at"],
                revision=row["revision"],
                before_hits=0,
                before_spans=row["before_count"],
                hits=row["hit_count"],
                spans=row["since_count"],
                p_value=p_value,
                trace_id=row["hit_trace_id"],
                span_id=row["hit_span_id"],
                moments=((row["first_seen_at"], row["last_seen_at"], row["revision"], row["hit_count"]),),
            )
        )
    return found


def of_operations(rows: Sequence[Row]) -> list[Finding]:
    """Operations that a new revision made slow, and calls that it makes more often per request.

    Args:
        rows: of ``drift_operations.sql`` in its order.
    """
    listed = [
        list(found)
        for _, found in groupby(
            rows, key=lambda r: (r["service"], r["environment"], r["revision"], r["operation"], r["kind"])
        )
    ]
    found = []
    for cells in listed:
        before = [c for c in cells if not c["is_after"]]
        after = [c for c in cells if c["is_after"]]
        if len(before) >= 3 and len(after) >= 2:
            test = _of_calls if cells[0]["kind"] == SpanKind.CLIENT else _of_duration
            finding = test(before, after, cells[0]["operation_count"])
            if finding:
                found.append(finding)
    return found


def _of_duration(before: Sequence[Row], after: Sequence[Row], tested: int) -> Finding | None:
    usual, counts = _buckets(before), _buckets(after)
    was, now = durations.quantile_ms(usual, 0.95), durations.quantile_ms(counts, 0.95)
    if min(sum(usual.values()), sum(counts.values())) < SLOW_SPANS_MIN or was is None or now is None:
        return None
    busiest = max(c["request_count"] for c in before)
    is_load = np.mean([c["request_count"] for c in after]) > LOAD_FACTOR_MAX * busiest
    limit = durations.quantile_bucket(usual, 0.95)
    slow = [sum(n for bucket, n in _buckets([c]).items() if bucket > limit) for c in after]
    slow_before = [sum(n for bucket, n in _buckets([c]).items() if bucket > limit) for c in before]
    spans = [c["span_count"] for c in after]
    if is_load or now < SLOWER_FACTOR * was or sum(slow) < SLOW_SHARE_MIN * sum(spans):
        return None
    p_value = drift_statistics.share_p_value(
        np.array(slow_before, float),
        np.array([c["span_count"] for c in before], float),
        np.array(slow, float),
        np.array(spans, float),
    )
    return _of_revision(
        Detector.OPERATION_SLOWER, before, after, slow, p_value, tested, (sum(slow_before), was, now)
    )


def _of_calls(before: Sequence[Row], after: Sequence[Row], tested: int) -> Finding | None:
    after = [c for c in after if c["request_count"]]
    before = [c for c in before if c["request_count"]]
    calls, requests = sum(c["span_count"] for c in after), sum(c["request_count"] for c in after)
    calls_before, requests_before = (
        sum(c["span_count"] for c in before),
        sum(c["request_count"] for c in before),
    )
    if len(after) < 2 or min(calls_before, requests_before, requests) < CALLS_MIN:
        return None
    rate, was = calls / requests, calls_before / requests_before
    if rate < CALLS_FACTOR * was or rate < was + CALLS_MORE_MIN:
        return None
    if after[0]["mix_growth"] * MIX_MARGIN >= rate / was:
        return None
    p_value = drift_statistics.rate_p_value(
        np.array([c["span_count"] for c in before], float),
        np.array([c["request_count"] for c in before], float),
        np.array([c["span_count"] for c in after], float),
        np.array([c["request_count"] for c in after], float),
    )
    counts = [c["span_count"] for c in after]
    return _of_revision(
        Detector.CALLS_MULTIPLIED, before, after, counts, p_value, tested, (calls_before, was, rate)
    )


def _of_revision(
    detector: Detector,
    before: Sequence[Row],
    after: Sequence[Row],
    counts: Sequence[int],
    p_value: float,
    tested: int,
    figures: tuple[int, float, float],
) -> Finding | None:
    if p_value * tested > P_VALUE_MAX:
        return None
    first = after[0]
    field = "request_count" if detector is Detector.CALLS_MULTIPLIED else "span_count"
    hour = timedelta(hours=1)
    moments = [
        (c["hour_at"], c["hour_at"] + hour, c["revision"], int(n))
        for c, n in zip(after, counts, strict=True)
        if n
    ]
    before_hits, was, now = figures
    return Finding(
        service=first["service"],
        environment=first["environment"],
        detector=detector,
        subject=first["operation"],
        aspect=f"{was:.3g} -> {now:.3g}",
        onset_at=first["started_at"],
        last_seen_at=moments[-1][1],
        revision=first["revision"],
        before_hits=before_hits,
        before_spans=sum(c[field] for c in before),
        hits=sum(counts),
        spans=sum(c[field] for c in after),
        p_value=p_value,
        trace_id="",
        span_id="",
        moments=tuple(moments),
    )


def _buckets(cells: Iterable[Row]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for cell in cells:
        for part in cell["duration_counts"]:
            for bucket, count in part.items() if isinstance(part, dict) else part:
                counts[bucket] += count
    return counts

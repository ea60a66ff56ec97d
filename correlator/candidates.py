"""Which changes may be behind a failure group, and how the prior mass of all changes is shared among them.

First the deployed range of the failing service (previous revision .. running revision at the onset), then its older
ranges, each deployment back at a lower share, then the ranges of the services that the failing span calls and of those
that sent what it worked on, then whatever blame names outside all of these. Source: DESIGN "Suspects"; numbers in ``weights.toml``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from correlator.failure_groups import FailureGroup, ServiceCode
from correlator.mainlines import Mainline
from correlator.revisions import Timeline, touches
from correlator.weights import Weights
from schemas.vocabulary import ChangeKind, FailureCategory

Row = Mapping[str, Any]

SELDOM_KINDS = frozenset({ChangeKind.DOCS, ChangeKind.FORMATTER})
SENT_CATEGORIES = frozenset({FailureCategory.LOGIC_UNHANDLED, FailureCategory.DATA_INTEGRITY})
SIZELESS_KINDS = frozenset({ChangeKind.CONFIGURATION, ChangeKind.DEPENDENCY, ChangeKind.LOCKFILE})


@dataclass(frozen=True, slots=True)
class Listed:
    """One candidate: a change, the deployment that carried it, and its share of the prior, any positive number.

    ``steps_back`` counts deployments between the one that carried it and the onset: 0 is the onset's own range.
    """

    change: Row
    share: float
    steps_back: int
    service: str
    is_callee: bool
    deployed_at: datetime | None
    is_sender: bool = False

    @property
    def is_in_range(self) -> bool:
        return self.steps_back == 0

    @property
    def is_own(self) -> bool:
        """True for what ran in the service that failed."""
        return not (self.is_callee or self.is_sender)


def listed(
    group: FailureGroup,
    *,
    callees: Sequence[str],
    timeline: Timeline,
    mainlines: Mapping[str, Mainline],
    services: Mapping[str, ServiceCode],
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    is_late: bool,
    weights: Weights,
    senders: Sequence[str] = (),
) -> list[Listed]:
    """Candidates of ``group``, each change once at its highest share, ordered by sha.

    Args:
        is_late: the onset's revision had served the operation well for long before it failed.
        callees: services below the root-cause span in the sample trace.
        senders: services that sent what the failing one worked on.
        paths_of: (repository, change sha) -> paths it touches.
    """
    row = group.row
    decay = weights.prior["late_range_decay" if is_late else "older_range_decay"]
    found: dict[str, Listed] = {}
    shares = dict.fromkeys(senders if may_be_sent(group) else (), weights.prior["sender_share"])
    shares |= {s: 1.0 if s == group.callee else weights.prior["callee_share"] for s in callees}
    shares |= {row["service"]: 1.0}
    for service in sorted(shares, key=lambda s: (s != row["service"], s)):
        ranges = deployed_before(
            service,
            row,
            is_callee=service in callees and service != row["service"],
            is_sender=service not in callees and service != row["service"],
            service_share=shares[service],
            decay=decay,
            timeline=timeline,
            mainlines=mainlines,
            services=services,
            paths_of=paths_of,
            weights=weights,
        )
        for candidate in ranges:
            known = found.get(candidate.change["sha"])
            if known is None or candidate.share > known.share:
                found[candidate.change["sha"]] = candidate
    mainline = mainlines.get(row["repository"] or "")
    for frame in group.frames:
        sha = frame["blamed_change"]
        change = mainline.change(sha) if mainline and sha else None
        if change is not None and sha not in found:
            # Blame put it on the list, whatever its size: it counts like a change of a few lines.
            share = min(_share(change, weights), weights.prior["older_share_max"])
            share *= decay ** (weights.prior["older_ranges_max"] + 1)
            found[sha] = Listed(change, share, -1, row["service"], False, None)
    return [found[sha] for sha in sorted(found)]


def may_be_sent(group: FailureGroup) -> bool:
    """Whether what was sent may have been at fault: the code tripped over a value, and no peer, host or load is to blame."""
    return (
        group.row["detector"] is None
        and group.callee is None
        and not group.is_dependency_leaf
        and group.categories[0].category in SENT_CATEGORIES
    )


def deployed_before(
    service: str,
    row: Row,
    *,
    is_callee: bool,
    service_share: float,
    decay: float,
    timeline: Timeline,
    mainlines: Mapping[str, Mainline],
    services: Mapping[str, ServiceCode],
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    weights: Weights,
    is_sender: bool = False,
) -> list[Listed]:
    """Changes that ran in ``service`` when ``row`` began, newest range first.

    Args:
        row: ``environment`` and ``first_seen_at`` of what began.
        service_share: factor on the shares of the service's changes.
        decay: factor on the shares per deployment back.
    """
    intervals = timeline.of(service, row["environment"])
    newest = timeline.index_at(service, row["environment"], row["first_seen_at"])
    code = services.get(service, ServiceCode(None))
    mainline = mainlines.get(code.repository or "")
    if newest is None or mainline is None or code.repository is None:
        return []
    others = sorted({s.path for s in services.values() if s.repository == code.repository})
    oldest = row["first_seen_at"] - timedelta(days=weights.prior["older_days_max"])
    candidates: list[Listed] = []
    for steps_back, index in enumerate(range(newest, -1, -1)):
        interval = intervals[index]
        is_too_old = interval["started_at"] < oldest or steps_back > weights.prior["older_ranges_max"]
        if steps_back and is_too_old:
            break
        new, old = interval["sha"], interval["previous_sha"]
        until, beside = mainline.reach(new, interval["started_at"]) if new else (None, frozenset())
        after, before = mainline.reach(old, _ran_since(intervals, index, old)) if old else (None, frozenset())
        if until is not None and after is not None:
            factor = decay**steps_back * service_share
            brought = [c for c in mainline.between(after, until) if c["sha"] not in before]
            for change in [*brought, *_picked(mainline, beside - before, after, until)]:
                paths = paths_of.get((code.repository, change["sha"]), ())
                if touches(paths, code.path, others):
                    share = _share(change, weights) * factor
                    candidates.append(
                        Listed(
                            change, share, steps_back, service, is_callee, interval["started_at"], is_sender
                        )
                    )
    return candidates


def _ran_since(intervals: Sequence[Row], index: int, sha: str) -> datetime:
    """When the revision that ran before an interval began to: what it held is judged by then."""
    earlier = (row["started_at"] for row in reversed(intervals[:index]) if row["sha"] == sha)
    moment: datetime = next(earlier, intervals[index]["started_at"])
    return moment


def _picked(mainline: Mainline, beside: frozenset[str], after: int, until: int) -> Iterator[Row]:
    """Changes that a branch held without all that landed before them; what lies in (``after``, ``until``] is told already."""
    for sha in sorted(beside):
        change = mainline.change(sha)
        if change is not None and change["position"] > max(after, until):
            yield change


def _share(change: Row, weights: Weights) -> float:
    """Prior share by size; what cannot fail at run time gets a token share."""
    kind = change["kind"]
    if kind in SELDOM_KINDS:
        return weights.prior["docs_or_test"]
    lines = min(change["lines_added"] + change["lines_deleted"], weights.prior["size_lines_max"])
    if lines == 0 and kind not in SIZELESS_KINDS:
        return weights.prior["docs_or_test"]
    return float(max(lines, 1) ** weights.prior["size_exponent"])

"""How well the answers agree with the truth: figures over cases, and tables of them as text."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from scipy import stats

from worlds.cases import Case

CONFIRMING = frozenset({"named_by_incident", "named_by_fix", "reverted_after", "human_verdict"})
BINS = 10


@dataclass(frozen=True, slots=True)
class Score:
    """Shares are 0..1, None without a case. Precision and recall are of "no change" as the heaviest."""

    count: int
    change_count: int
    top_1: float | None
    top_3: float | None
    change_top_1: float | None
    change_top_3: float | None
    no_change_precision: float | None
    no_change_recall: float | None
    ece: float | None


def score(cases: Sequence[Case]) -> Score:
    changed = [c for c in cases if c.truth]
    unchanged = [c for c in cases if not c.truth]
    said = [c for c in cases if c.top() == ""]
    return Score(
        len(cases),
        len(changed),
        _share(cases, lambda c: c.is_right()),
        _share(cases, lambda c: c.truth in c.named(3)),
        _share(changed, lambda c: c.is_right()),
        _share(changed, lambda c: c.truth in c.named(3)),
        _share(said, lambda c: not c.truth),
        _share(unchanged, lambda c: c.top() == ""),
        ece(cases),
    )


def _share(cases: Sequence[Case], holds: Callable[[Case], bool]) -> float | None:
    return sum(map(holds, cases)) / len(cases) if cases else None


def weighed(cases: Iterable[Case]) -> list[tuple[float, bool]]:
    """(weight, is it the culprit) of every change and no change of every case; "unattributed" claims nothing."""
    found = []
    for case in cases:
        for s in case.suspects:
            if s["candidate"] != "unattributed":
                found.append((float(s["weight"]), (s["sha"] or "") == case.truth))
    return found


def ece(cases: Iterable[Case]) -> float | None:
    """Expected calibration error over ten bins of weight."""
    pairs = weighed(cases)
    if not pairs:
        return None
    return sum(abs(sum(w for w, _ in b) - sum(t for _, t in b)) for b in _binned(pairs).values()) / len(pairs)


def _binned(pairs: Sequence[tuple[float, bool]]) -> dict[int, list[tuple[float, bool]]]:
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for weight, is_true in pairs:
        bins[min(int(weight * BINS), BINS - 1)].append((weight, is_true))
    return bins


def is_confirmed(case: Case) -> bool:
    """A revert, a fix's reference or a person names one of the suspects."""
    return any(p["kind"] in CONFIRMING for s in case.suspects for p in s["evidence"])


# --- tables ----------------------------------------------------------------------------------------------


def report(cases: Sequence[Case]) -> str:
    parts = [
        table("by kind of case", [*_by(cases, lambda c: c.noun), ("all", score(cases))]),
        table(
            "with and without later truth",
            _by(cases, lambda c: "confirmed" if is_confirmed(c) else "unconfirmed"),
        ),
        table("by mechanism", _by(cases, lambda c: f"{'' if c.truth else '(no change) '}{c.mechanism}")),
        _peers(cases),
        _reliability(cases),
    ]
    return "\n\n".join(parts)


def intervals(cells: Mapping[str, Sequence[Case]]) -> str:
    """Per cell: top-1 with its interval, and the mean weight of what stands first beside how often it is right.

    Intervals are of means over worlds (a world's cases stand and fall together), 95 %, by the spread between worlds.
    """
    head = f"{'by cell of the ladder':<28}{'worlds':>7}{'top-1':>8}{'95 %':>16}{'first weighs':>14}{'95 %':>16}{'is right':>10}"
    lines = [head, "-" * len(head)]
    for name, cases in cells.items():
        by_seed: dict[int, list[Case]] = defaultdict(list)
        for case in cases:
            by_seed[case.seed].append(case)
        first = [[s for s in c.suspects[:1] if s["candidate"] != "unattributed"] for c in cases]
        claimed = [(c, float(s[0]["weight"])) for c, s in zip(cases, first, strict=True) if s]
        right = _between([[float(c.is_right()) for c in listed] for listed in by_seed.values()])
        weight = _between([[w for c, w in claimed if c.seed == seed] for seed in by_seed])
        true = sum(c.is_right() for c, _ in claimed) / len(claimed) if claimed else 0.0
        lines.append(f"{name:<28}{len(by_seed):>7}{right:>24}{weight:>30}{true:>10.3f}")
    return "\n".join(lines)


def _between(worlds: Sequence[Sequence[float]]) -> str:
    """Mean over all values and its interval, as text; worlds are the units (ratio estimator, t quantile)."""
    listed = [w for w in worlds if w]
    total = sum(map(len, listed))
    mean = sum(map(sum, listed)) / total
    if len(listed) < 2:
        return f"{mean:.3f}  {'':<14}"
    residuals = [sum(w) - mean * len(w) for w in listed]
    spread = sqrt(len(listed) / (len(listed) - 1) * sum(r * r for r in residuals)) / total
    margin = float(stats.t.ppf(0.975, len(listed) - 1)) * spread
    return f"{mean:.3f}  {max(mean - margin, 0):.3f} to {min(mean + margin, 1):.3f}"


def _by(cases: Sequence[Case], key: Callable[[Case], str]) -> list[tuple[str, Score]]:
    parts: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        parts[key(case)].append(case)
    return [(name, score(parts[name])) for name in sorted(parts)]


def table(title: str, rows: Sequence[tuple[str, Score]]) -> str:
    head = f"{title:<34}{'cases':>7}{'top-1':>8}{'top-3':>8}{'culprit@1':>11}{'culprit@3':>11}{'none prec':>11}{'none rec':>10}{'ECE':>7}"
    lines = [head, "-" * len(head)]
    for name, s in rows:
        lines.append(
            f"{name:<34}{s.count:>7}{_p(s.top_1):>8}{_p(s.top_3):>8}{_p(s.change_top_1):>11}{_p(s.change_top_3):>11}"
            f"{_p(s.no_change_precision):>11}{_p(s.no_change_recall):>10}{_p(s.ece):>7}"
        )
    return "\n".join(lines)


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _peers(cases: Sequence[Case]) -> str:
    changed = [c for c in cases if c.truth]
    names = sorted({name for c in cases for name in c.peers})
    lines = [f"{'culprit@1 beside peers':<34}{'cases':>7}{'right':>8}{'answers':>9}", "-" * 58]
    lines.append(
        f"{'ours':<34}{len(changed):>7}{_p(_share(changed, lambda c: c.is_right())):>8}{_p(_share(changed, lambda c: c.top() not in ('', '?'))):>9}"
    )
    for name in names:
        right, answered = (
            _share(changed, lambda c, n=name: c.peers.get(n) == c.truth),
            _share(changed, lambda c, n=name: bool(c.peers.get(n))),
        )
        lines.append(f"{name:<34}{len(changed):>7}{_p(right):>8}{_p(answered):>9}")
    return "\n".join(lines)


def _reliability(cases: Sequence[Case]) -> str:
    lines = [f"{'weight':<12}{'claims':>8}{'mean weight':>13}{'true':>8}", "-" * 41]
    for number, pairs in sorted(_binned(weighed(cases)).items()):
        mean, true = sum(w for w, _ in pairs) / len(pairs), sum(t for _, t in pairs) / len(pairs)
        lines.append(
            f"{number / BINS:.1f}-{(number + 1) / BINS:.1f}     {len(pairs):>8}{mean:>13.3f}{true:>8.3f}"
        )
    return "\n".join(lines)


def miss(case: Case) -> str:
    """One line on a case that was answered wrongly."""
    heaviest = [
        (s["candidate"], (s["sha"] or "")[:10], round(s["weight"], 3), [p["kind"] for p in s["evidence"]])
        for s in case.suspects[:3]
    ]
    truth = case.truth[:10] if case.truth else "no change"
    return f"{case.seed} {case.noun} {case.id} {case.mechanism}: {case.title[:70]} | {truth} | {heaviest}"


def row(case: Case, cell: dict[str, Any]) -> dict[str, Any]:
    """One case with the evidence of each candidate, for fitting weights."""
    return {
        "seed": case.seed, "noun": case.noun, "id": case.id, "title": case.title, "mechanism": case.mechanism,
        "truth": case.truth, "flag": case.flag, "facts": case.facts, "peers": case.peers, "is_confirmed": is_confirmed(case), "changes": case.changes,
        "weighed": case.weighed,
        **cell, "suspects": case.suspects,
    }  # fmt: skip

"""How often do the product's intervals hold the truth, how wide are they beside an oracle's, and where is the middle?

``make coverage`` (figures: tests/benchmarks/RESULTS.md). Every figure comes from ``metrics.answer`` on the tables of a
simulated company; only the truth and the oracle, who knows every culprit and every author, are computed here.
"""

import argparse
import math
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import metric_builders as build
import numpy as np
from rich.console import Console
from rich.table import Table
from simulations import promises
from simulations.worlds import CATEGORIES, CATEGORY_SHARES, SCENARIOS, Scenario, World, world

from correlator import metrics
from correlator.metric_data import MetricData

SIZES = (30, 100, 1000)
RATIO_METHODS = ("armblind_crude", "armaware_mh", "armaware_mh_tagcorrected")
MARKED, OTHER = "ai_marked", "not_ai_marked"


@dataclass(slots=True)
class Tally:
    """What a figure was in many worlds. ``width``: of the log for ratios, else plain; the oracle's beside it."""

    hits: list[bool] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    truths: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    open_: list[bool] = field(default_factory=list)
    caveats: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(
        self,
        low: float | None,
        high: float | None,
        truth: float,
        *,
        value: float | None,
        hidden: bool,
        oracle: float | None = None,
        is_ratio: bool = False,
    ) -> None:
        """One world's figure; ``oracle``: the width of the oracle's interval, on the same scale."""
        self.hidden.append(hidden)
        if low is None and high is None:
            return
        bottom, top = low or 0.0, math.inf if high is None else high
        self.hits.append(bottom <= truth <= top)
        self.truths.append(truth)
        self.open_.append(high is None)
        if value is not None:
            self.values.append(value)
        if oracle and math.isfinite(oracle):
            wide = math.log(top / bottom) if is_ratio and bottom > 0 else top - bottom
            self.widths.append(math.inf if is_ratio and bottom <= 0 else wide / oracle)


Board = dict[tuple[str, str, int], Tally]


def run(scenario: Scenario, n: int, runs: int, seed: int, *, has_rates: bool = True) -> Board:
    """Every figure of ``runs`` worlds of ``n`` changes per arm; without ``has_rates`` the ratios of failures only."""
    board: Board = defaultdict(Tally)
    for number in range(runs):
        found = world(scenario, n, seed + number)
        data = found.data()
        if has_rates and not scenario.hides:
            _rates(board, found, data, n)
            _lines(board, found, data, n)
        _ratios(board, found, data, n)
    return board


def _ask(metric: str, found: World, data: MetricData, **fields: object) -> metrics.MetricAnswer:
    return metrics.answer(build.ask(metric, end=found.scenario.days, **fields), data)


def _rates(board: Board, found: World, data: MetricData, n: int) -> None:
    name = found.scenario.name
    repeats = 1 + found.scenario.recurrences
    marked = found.is_marked == 1
    risk = {MARKED: float(found.risk[marked].mean()), OTHER: float(found.risk[~marked].mean())}
    size = {MARKED: int(marked.sum()), OTHER: int((~marked).sum())}
    for metric, scale in (("change_failure_rate", 1.0), ("incidents_per_100_changes", 100 * repeats)):
        for row in _ask(metric, found, data, group_by=("arm",)).rows:
            arm = row.groups["arm"]
            if arm in risk:
                p = risk[arm]
                oracle = 2 * 1.96 * scale * math.sqrt(p * (1 - p) / size[arm])
                board[name, f"{metric} {arm}", n].add(
                    row.low, row.high, scale * p, value=row.value, hidden=row.status != "ok", oracle=oracle
                )
    answer = _ask(
        "failure_category_rate", found, data, group_by=("arm", "category"), filters={"outcome": ("incident",)}
    )
    share = dict(zip(CATEGORIES, CATEGORY_SHARES, strict=True))
    for row in answer.rows:
        arm, category = row.groups["arm"], row.groups["category"]
        if arm in risk and category in share:
            truth = 100 * repeats * risk[arm] * share[category]
            oracle = 2 * 1.96 * math.sqrt(truth * 100 / size[arm])
            board[name, f"failure_category_rate {arm}", n].add(
                row.low, row.high, truth, value=row.value, hidden=row.status != "ok", oracle=oracle
            )


def _lines(board: Board, found: World, data: MetricData, n: int) -> None:
    name = found.scenario.name
    truth = {}
    for arm, chosen in ((MARKED, found.is_marked == 1), (OTHER, found.is_marked == 0)):
        lines = found.lines[chosen]
        truth[arm] = float((lines * found.rework_risk[chosen]).sum() / lines.sum())
    for row in _ask("line_rework_rate", found, data, group_by=("arm",)).rows:
        arm = row.groups["arm"]
        if arm in truth:
            board[name, f"line_rework_rate {arm}", n].add(
                row.low, row.high, truth[arm], value=row.value, hidden=row.status != "ok"
            )
    _compare(board, found, data, "line_rework_ratio", None, n)


def _ratios(board: Board, found: World, data: MetricData, n: int) -> None:
    known = oracle_interval(found)
    _compare(board, found, data, "change_failure_ratio", known, n)
    if known is not None:
        board[found.scenario.name, "oracle", n].add(
            known[1], known[2], found.scenario.ratio, value=known[0], hidden=False
        )


def _compare(
    board: Board,
    found: World,
    data: MetricData,
    metric: str,
    known: tuple[float, float, float] | None,
    n: int,
) -> None:
    answer = _ask(metric, found, data)
    oracle = math.log(known[2] / known[1]) if known else None
    for row in answer.rows:
        if row.groups["comparison"] != f"{MARKED}:{OTHER}":
            continue
        tally = board[found.scenario.name, f"{metric} {row.groups['method']}", n]
        tally.add(
            row.low,
            row.high,
            found.scenario.ratio,
            value=row.value if row.value is not None or row.low is None else row.extra.get("value_hidden"),
            hidden=row.status != "ok",
            oracle=oracle,
            is_ratio=True,
        )
        for code in answer.meta["caveats"]:
            tally.caveats[code] += 1


def oracle_interval(found: World) -> tuple[float, float, float] | None:
    """Mantel-Haenszel with Greenland and Robins' variance, from true culprits and true authors; None: no event in an arm."""
    keys, at = np.unique(found.stratum, return_inverse=True)
    sums = [
        np.bincount(at[found.is_ai == arm], weights=values[found.is_ai == arm], minlength=keys.size)
        for arm in (1, 0)
        for values in (found.failed.astype(float), np.ones(found.count))
    ]
    a, n1, c, n0 = sums
    both = (n1 > 0) & (n0 > 0)
    a, n1, c, n0 = a[both], n1[both], c[both], n0[both]
    total = n1 + n0
    r, s = (a * n0 / total).sum(), (c * n1 / total).sum()
    if not r or not s:
        return None
    variance = (((a + c) * n1 * n0 - a * c * total) / total**2).sum() / (r * s)
    half = 1.96 * math.sqrt(variance)
    return r / s, r / s * math.exp(-half), r / s * math.exp(half)


def show(board: Board, runs: dict[int, int], only: str | None = None) -> Table:
    """Coverage, share hidden, width beside the oracle, and middle over truth, by scenario and figure."""
    table = Table(title="Coverage of 95 % intervals", title_justify="left")
    table.add_column("scenario")
    table.add_column("figure", no_wrap=True)
    for n in runs:
        table.add_column(f"n={n}: holds / hidden / width / middle", no_wrap=True, justify="right")
    for name, figure in dict.fromkeys((s, f) for s, f, _ in board):
        if only and only not in figure:
            continue
        cells = []
        for n in runs:
            tally = board.get((name, figure, n))
            cells.append(cell(tally) if tally else "–")
        table.add_row(name, figure, *cells)
    return table


def cell(tally: Tally) -> str:
    """``holds / hidden / width / middle`` of one figure."""
    holds = f"{np.mean(tally.hits):.3f}" if tally.hits else "–"
    width = f"{np.median(tally.widths):.2f}" if tally.widths else "–"
    middle = f"{np.median(tally.values) / np.mean(tally.truths):.2f}" if tally.values else "–"
    open_ = f" ({np.mean(tally.open_):.0%} open)" if any(tally.open_) else ""
    return f"{holds} / {np.mean(tally.hidden):.0%} / {width}{open_} / {middle}"


def main() -> None:
    """Run the scenarios that were asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help=f"scenarios ({', '.join(SCENARIOS)}), or: promises")
    parser.add_argument(
        "--runs",
        type=int,
        default=200,
        help="worlds of 1,000 changes per arm; three times as many smaller ones",
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="show figures whose name holds this")
    parser.add_argument("--ratios", action="store_true", help="the ratios of failures alone")
    given = parser.parse_args()
    if given.what == ["promises"]:
        for name in ("A", "B59", "B44"):
            for n in (300, 600):
                print(
                    f"{name}, {n} changes per arm and window: {promises.kept(name, n, given.runs, given.seed)}"
                )
        return
    board: Board = {}
    runs = {n: given.runs if n >= 1000 else 3 * given.runs for n in given.sizes}
    started = time.perf_counter()
    for name in given.what or list(SCENARIOS):
        for n, count in runs.items():
            board |= run(SCENARIOS[name], n, count, given.seed, has_rates=not given.ratios)
        print(f"{name} after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    Console(width=200).print(show(board, runs, given.only))


if __name__ == "__main__":
    main()

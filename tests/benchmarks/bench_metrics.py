"""One answer with its intervals, beside a plain loop that counts the same crude figures over rows in memory.

The loop knows no interval, no draws, no digest and no coverage; its figures are those of the answer, which is checked.
``cold`` is the first question after the facts changed (columns and digest are made), ``warm`` every later one.
"""

import random
import resource
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from math import isclose
from time import process_time
from typing import Any

import metric_builders as build
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from benchmarks.measures import Board, Cost, side_by_side

from correlator import metrics
from correlator.metrics import MetricAnswer, MetricData
from schemas import tables
from schemas.store import arrow

SIZES = {"small": (500, 25), "medium": (5000, 250), "large": (20_000, 1000)}
LARGEST = (100_000, 5000)
"""Changes, outcomes."""
WINDOW_DAYS = 60.0
ORIGINS = ("ai", "mixed", "human", "unknown", "unknown", "automation")
ARMS = {"ai": "ai_marked", "mixed": "ai_marked", "human": "not_ai_marked", "unknown": "not_ai_marked"}
METRIC = "failure_groups_per_100_changes"

Rows = list[dict[str, Any]]


@pytest.mark.parametrize("size", SIZES)
def bench_metrics(board: Board, size: str) -> None:
    changes, outcomes, data = _facts(*SIZES[size])
    shape = f"{size}: {len(changes):,} changes, {SIZES[size][1]:,} outcomes"
    query = build.ask(METRIC, group_by=("arm",), end=WINDOW_DAYS)
    counted = _counted(changes, outcomes)
    _assert_same(metrics.answer(query, data), counted)
    for state in ("cold", "warm"):

        def ours(is_cold: bool = state == "cold") -> None:
            metrics.answer(query, _unread(data) if is_cold else data)

        spent, loop = side_by_side(
            ours, lambda: _counted(changes, outcomes), items=len(changes), rounds=3 if state == "cold" else 5
        )
        note = f"{spent.seconds * 1000:.0f} ms an answer"
        board.add(
            "metrics",
            f"{state}, {shape}",
            item="change",
            ours=spent,
            against="plain loop, counts only",
            baseline=loop,
            note=note,
        )


@pytest.mark.parametrize(
    "metric", ["failure_rate", "failure_ratio", "line_rework_rate", "failure_category_rate"]
)
def bench_metrics_of_a_page(board: Board, metric: str) -> None:
    """The other figures of a dashboard's first page on the maximal data, warm, beside the same loop."""
    changes, outcomes, data = _facts(*LARGEST)
    groups = {"failure_ratio": (), "failure_category_rate": ("arm", "category")}.get(metric, ("arm",))
    query = build.ask(metric, group_by=groups, end=WINDOW_DAYS)
    metrics.answer(query, data)
    spent, loop = side_by_side(
        lambda: metrics.answer(query, data), lambda: _counted(changes, outcomes), items=len(changes), rounds=2
    )
    note = f"{spent.seconds * 1000:.0f} ms an answer"
    shape = f"warm, maximal: {metric}"
    board.add(
        "metrics",
        shape,
        item="change",
        ours=spent,
        against="plain loop, counts only",
        baseline=loop,
        note=note,
    )


def bench_every_metric(board: Board) -> None:
    """100,000 changes and 5,000 incidents: each metric once, and by each of its groups; memory at the end.

    Says which question is the slowest, and how long a recomputation of all takes.
    """
    data = _facts(*LARGEST)[2]
    data = _as_incidents(data)
    questions = [
        build.ask(metric.id, group_by=group_by, end=WINDOW_DAYS)
        for metric in metrics.METRICS.values()
        for group_by in [(), *((name,) for name in metric.group_bys)]
    ]
    shape = f"{len(data.changes):,} changes, 5,000 incidents"

    def timed(asked: list[metrics.MetricQuery]) -> list[tuple[float, str]]:
        found = []
        for query in asked:
            began = process_time()
            metrics.answer(query, data)
            found.append(
                (process_time() - began, f"{query.metric} by {', '.join(query.group_by) or 'nothing'}")
            )
        return found

    plain = [query for query in questions if not query.group_by]
    for name, asked in (
        ("cold, each metric once", plain),
        ("warm, each metric once", plain),
        ("warm, by each group", questions),
    ):
        spent = timed(asked)
        whole = Cost(sum(seconds for seconds, _ in spent), len(asked))
        slowest = max(spent)
        ordered = sorted(seconds for seconds, _ in spent)
        board.add(
            "metrics",
            f"{name}, {shape}",
            item="question",
            ours=whole,
            against="the median question",
            baseline=Cost(ordered[len(ordered) // 2] * len(asked), len(asked)),
            note=f"{whole.seconds:.1f} s for {len(asked)}; slowest {slowest[0] * 1000:.0f} ms: {slowest[1]}; "
            f"p90 {ordered[int(0.9 * len(ordered))] * 1000:.0f} ms; "
            f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB with the rows of the facts",
        )


def _as_incidents(data: MetricData) -> MetricData:
    """The same with every outcome counted as an incident too, and reviews of two changes in three."""
    kinds = data.outcomes.set_column(
        data.outcomes.column_names.index("kind"), "kind", pa.array(["incident"] * len(data.outcomes))
    )
    states = data.outcomes.filter(pc.equal(data.outcomes["rank"], 1))
    incidents = [
        build.incident(row["outcome_id"], service=row["service"], category=row["category"])
        | {"opened_at": row["occurred_at"], "resolved_at": row["occurred_at"] + timedelta(hours=3)}
        for row in states.select(["outcome_id", "service", "category", "occurred_at"]).to_pylist()
    ]
    reviewed = [
        {**build.review(0), "repository": row["repository"], "sha": row["sha"], "comment_count": k % 5}
        for k, row in enumerate(data.changes.select(["repository", "sha"]).to_pylist())
        if k % 3
    ]
    return replace(
        data,
        outcomes=pa.concat_tables([data.outcomes, kinds]),
        incidents=arrow(tables.INCIDENT_STATES, incidents),
        reviews=pa.Table.from_pylist(reviewed, schema=build.REVIEWS),
        deployments=arrow(
            tables.DEPLOYMENT_OUTCOMES,
            [
                build.deployment(k * WINDOW_DAYS / 5000, service=f"service-{k % 10}", is_failed=k % 9 == 0)
                for k in range(5000)
            ],
        ),
    )


@cache
def _facts(change_count: int, outcome_count: int) -> tuple[Rows, Rows, MetricData]:
    """Sixty days of changes in ten repositories; each outcome is shared by up to three changes and what stays open."""
    chance = random.Random(5)
    changes = []
    for number in range(change_count):
        landed = chance.uniform(0, WINDOW_DAYS - 1)
        changes.append(
            build.change(
                number,
                origin=chance.choice(ORIGINS),
                landed=landed,
                deployed=landed + chance.uniform(0, 0.9),
                repository=f"acme/part-{number % 10}",
                services=[f"service-{number % 10}"],
                size_band=chance.choice(("small", "medium", "large")),
                lines_added=chance.randint(1, 400),
            )
        )
    outcomes: Rows = []
    for number in range(outcome_count):
        first = chance.randrange(change_count)
        shared = [changes[(first + 10 * step) % change_count] for step in range(chance.choice((1, 2, 3)))]
        at = min(c["deployed_at"] for c in shared) + timedelta(days=chance.uniform(0.1, 10))
        weights = [round(0.9 / len(shared), 6)] * len(shared)
        rows = build.outcome(f"group-{number}", {}, kind="failure_group")[:0]
        for rank, (row, weight) in enumerate(zip(shared, weights, strict=True), start=1):
            rows += build.outcome(
                f"group-{number}",
                {row["sha"]: weight, "unattributed": round(1 - weight, 6)},
                kind="failure_group",
                repository=row["repository"],
                service=f"service-{number % 10}",
                category=chance.choice(("logic_unhandled", "integration", "data_integrity")),
            )[:1]
            rows[-1] |= {
                "rank": rank,
                "occurred_at": at,
                "sha": row["sha"],
                "candidate": "change",
                "weight": weight,
            }
        rest = {"candidate": "unattributed", "repository": None, "sha": None, "rank": len(rows) + 1}
        outcomes += [*rows, rows[0] | rest | {"weight": round(1 - sum(weights), 6)}]
    reworks = [
        build.rework(
            c["sha"],
            lines=c["lines_added"],
            reworked=min(c["lines_added"], number % 30),
            repository=c["repository"],
        )
        for number, c in enumerate(changes)
    ]
    return changes, outcomes, build.data(changes, outcomes, reworks=reworks)


def _unread(data: MetricData) -> MetricData:
    """The same facts as a correlation leaves them: nothing cached yet."""
    return MetricData(data.changes, data.outcomes, data.rework, data.deployments, data.incidents, data.as_of)


def _counted(changes: Rows, outcomes: Rows) -> dict[str, tuple[int, float]]:
    """Arm -> (mature changes, weight of the failure groups that followed them within 14 days)."""
    start, end = build.day(0), build.day(WINDOW_DAYS)
    follow_up = timedelta(days=14)
    arm_of: dict[tuple[str, str], tuple[str, datetime]] = {}
    n: dict[str, int] = defaultdict(int)
    mass: dict[str, float] = defaultdict(float)
    for change in changes:
        deployed, arm = change["deployed_at"], ARMS.get(change["origin"], "automation")
        if not change["is_code"] or deployed is None or not start <= deployed < end:
            continue
        if deployed + follow_up <= build.day(100):
            arm_of[change["repository"], change["sha"]] = (arm, deployed)
            n[arm] += 1
    for share in outcomes:
        found = arm_of.get((share["repository"], share["sha"]))
        if found is None or share["kind"] != "failure_group":
            continue
        arm, deployed = found
        if deployed <= share["occurred_at"] < deployed + follow_up:
            mass[arm] += share["weight"]
    return {arm: (n[arm], mass[arm]) for arm in n}


def _assert_same(answer: MetricAnswer, counted: dict[str, tuple[int, float]]) -> None:
    for row in answer.rows:
        n, mass = counted[row.groups["arm"]]
        assert row.n == n
        assert row.numerator is not None
        assert isclose(row.numerator, mass, rel_tol=1e-6), (row, mass)

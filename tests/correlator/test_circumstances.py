"""What surrounds a failure group."""

from datetime import datetime
from time import perf_counter
from typing import Any

from failure_builders import HOUR, REPOSITORY, change, group, hours, sha

from correlator import circumstances, mainlines
from correlator.evidence_in_time import Circumstances
from correlator.failure_groups import FailureGroup
from correlator.revisions import Timeline
from correlator.traces import Sample


def interval(n: int, at: float, previous: int | None) -> dict[str, Any]:
    return {
        "service": "checkout",
        "environment": "production",
        "started_at": hours(at),
        "sha": sha(n),
        "previous_sha": None if previous is None else sha(previous),
        "is_rollback": previous is not None and n < previous,
    }


def around(
    failing: FailureGroup,
    changes: list[dict[str, Any]] | None = None,
    *,
    deployed_at: dict[str, datetime] | None = None,
    intervals: list[dict[str, Any]] | None = None,
    sample: Sample | None = None,
) -> Circumstances:
    return circumstances.around(
        failing,
        traffic={},
        timeline=Timeline(intervals or []),
        mainline=mainlines.by_repository(changes)[REPOSITORY] if changes else None,
        landed_or_deployed=deployed_at or {},
        sample=sample or Sample(),
        route_paths=frozenset(),
        named=frozenset(),
        as_of=hours(1000),
        is_sampling_known=True,
    )


FAILING = group(failed_at=[hours(10), hours(20)], revision=sha(3))


def test_a_revert_that_was_deployed_after_the_failure_began_mends_it() -> None:
    changes = [change(3), change(4, landed_at=hours(9), reverts=[sha(3)])]
    assert around(FAILING, changes).reverters == {}
    found = around(FAILING, changes, deployed_at={sha(4): hours(20)})
    assert found.reverters == {sha(3): (sha(4), hours(20))}


def test_of_several_fixes_the_one_that_ended_the_failure_counts() -> None:
    changes = [change(3), *(change(n, landed_at=hours(3 * n), fixes=[sha(3)]) for n in (5, 7, 9))]
    assert around(FAILING, changes).fixers == {sha(3): (sha(7), hours(21))}
    going_on = group(failed_at=[hours(10), hours(500)])
    assert around(going_on, changes).fixers == {sha(3): (sha(5), hours(15))}


def test_a_rollback_ends_a_failure_though_old_instances_still_answered() -> None:
    rows = [interval(1, 0, None), interval(3, 9, 1), interval(1, 20, 3)]
    lingering = group(failed_at=[hours(10), hours(20.2)], revision=sha(3))
    ended = around(lingering, intervals=rows).ended_by
    assert ended is not None
    assert ended["started_at"] == hours(20)


def test_a_failure_that_goes_on_in_the_next_revision_was_not_ended_by_it() -> None:
    rows = [interval(1, 0, None), interval(3, 9, 1), interval(5, 20, 3)]
    failing = group(failed_at=[hours(10), hours(20.2)], revisions=[sha(3), sha(5)])
    assert around(failing, intervals=rows).ended_by is None


def test_deployments_of_callees_and_senders_after_the_onset_are_known() -> None:
    rows = [
        {**interval(2, 5, 1), "service": "stock"},
        {**interval(4, 15, 2), "service": "stock"},
        {**interval(5, 16, 2), "service": "prices"},
        {**interval(5, 17, 2), "service": "ads"},
    ]
    sample = Sample(callees=("stock",), senders=("prices",))
    assert around(FAILING, intervals=rows, sample=sample).peers_deployed_at == (hours(16), hours(15))
    away = group(failed_at=[hours(10)], callee="stock")
    assert around(away, intervals=rows, sample=sample).peers_deployed_at == (hours(15),)


def test_many_groups_on_a_long_mainline_take_seconds() -> None:
    changes = [change(n) for n in range(50_000)]
    line = mainlines.by_repository(changes)[REPOSITORY]
    failing = [group(f"g{n}", [hours(n)]) for n in range(500)]
    began = perf_counter()
    for one in failing:
        circumstances.around(
            one,
            traffic={},
            timeline=Timeline([]),
            mainline=line,
            landed_or_deployed={},
            sample=Sample(),
            route_paths=frozenset(),
            named=frozenset(),
            as_of=hours(1) + HOUR,
            is_sampling_known=False,
        )
    assert perf_counter() - began < 2

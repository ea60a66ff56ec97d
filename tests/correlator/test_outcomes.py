"""What happened to changes, counted once and where it happened."""

from collections import defaultdict
from collections.abc import Sequence
from math import fsum
from time import perf_counter
from typing import Any

from failure_builders import HOUR, REPOSITORY, T0, change, group, hours, incident, nobody, nothing, on, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator import mainlines, outcomes
from correlator.revisions import Timeline
from schemas.records import Suspect

Row = dict[str, Any]


def state(number: int = 1, **overrides: Any) -> Row:
    """A row of ``incident_states``."""
    return incident(number, category="unknown", is_false_alarm=False, **overrides)


def line(*changes: Row) -> dict[str, mainlines.Mainline]:
    listed = changes or tuple(change(n) for n in range(12))
    return mainlines.by_repository(listed)


def ran(n: int, at: float, previous: int | None, **overrides: Any) -> Row:
    """One row of ``running_revisions``."""
    return {
        "service": "checkout",
        "environment": "production",
        "started_at": hours(at),
        "repository": REPOSITORY,
        "sha": sha(n),
        "previous_sha": None if previous is None else sha(previous),
        "is_rollback": previous is not None and n < previous,
        "deployment_id": None,
        **overrides,
    }


def rollbacks(
    rows: Sequence[Row],
    groups: Sequence[Row] = (),
    suspects: dict[str, list[Suspect]] | None = None,
    **more: Any,
) -> list[Row]:
    lines = line()
    return outcomes.of_rollbacks(
        rows,
        groups,
        suspects or {},
        mainlines=lines,
        repository_of={sha(n): REPOSITORY for n in range(12)},
        **more,
    )


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=7))
def test_the_weights_of_a_rollback_sum_to_one(masses: list[float]) -> None:
    began = group(revision=sha(9), failed_at=[hours(9.5)]).row
    total = sum(masses)
    blamed = [on(mass / total, n + 2) for n, mass in enumerate(masses)]
    rows = rollbacks([ran(1, 10, 9)], [began], {"g1": blamed})
    assert round(fsum(row["weight"] for row in rows), 9) == 1.0
    assert len(rows) == len(masses)


def test_a_rollback_that_no_failure_explains_is_nobody_s() -> None:
    (row,) = rollbacks([ran(1, 10, 9)])
    assert (row["candidate"], row["weight"]) == ("unattributed", 1.0)


def test_the_only_change_that_a_rollback_undoes_is_its_cause() -> None:
    (row,) = rollbacks([ran(8, 10, 9)])
    assert (row["sha"], row["weight"]) == (sha(9), 1.0)


def test_failures_of_an_unnamed_environment_explain_a_rollback_in_production() -> None:
    began = group(revision=sha(9), failed_at=[hours(9.5)], environment="").row
    (row,) = rollbacks([ran(1, 10, 9)], [began], {"g1": [on(0.7, 4), nobody(0.3)]})
    assert row["sha"] == sha(4)


def test_a_rollback_past_a_later_deployment_is_that_of_the_failures_on_the_earlier_one() -> None:
    # 6 brought the failure, 9 was deployed on top, and both are taken back.
    began = group(revision=sha(6), failed_at=[hours(6.5)]).row
    (row,) = rollbacks([ran(1, 10, 9)], [began], {"g1": [on(0.8, 5), on(0.2, 1)]})
    assert (row["sha"], row["weight"]) == (sha(5), 1.0)


def test_what_happens_in_staging_is_no_outcome() -> None:
    asked: dict[str, Any] = {"repository_of": {}, "production": ("production", "")}
    assert not rollbacks([ran(1, 10, 9, environment="staging")], production=("production", ""))
    groups = [group(environment="staging").row]
    assert outcomes.of_groups(groups, {"g1": [on(1, 1)]}, **asked) == []
    states = [state(1, environment="staging"), state(2, environment=None), state(3, environment="Prod")]
    found = outcomes.of_incidents(states, {s["incident_id"]: [nobody(1.0)] for s in states}, **asked)
    assert [row["outcome_id"] for row in found] == ["generic:INC-2", "generic:INC-3"]


def test_duplicates_and_false_alarms_are_no_outcome() -> None:
    states = [state(1), state(2) | {"is_false_alarm": True}, state(3) | {"duplicate_of": "generic:INC-1"}]
    suspects = {s["incident_id"]: [on(0.6, 1), nothing(0.4)] for s in states}
    rows = outcomes.of_incidents(states, suspects, repository_of={})
    assert [(row["outcome_id"], row["rank"], row["weight"]) for row in rows] == [
        ("generic:INC-1", 1, 0.6),
        ("generic:INC-1", 2, 0.4),
    ]


# --- reverts and hotfixes ---------------------------------------------------------------------------


def history(changes: Sequence[Row], states: Sequence[Row], paths: dict[int, list[str]]) -> list[Row]:
    return outcomes.of_history(
        line(*changes),
        states,
        paths_of={(REPOSITORY, sha(n)): touched for n, touched in paths.items()},
        services={
            "checkout": (REPOSITORY, "services/checkout"),
            "pricing": (REPOSITORY, "services/pricing"),
        },
    )


FIX = change(2, kind="fix", fixes=[sha(1)])


def test_a_fix_within_a_day_of_an_incident_in_its_service_is_a_hotfix() -> None:
    found = history([change(0), change(1), FIX], [state()], {2: ["services/checkout/app.py"]})
    assert [(row["kind"], row["sha"]) for row in found] == [("hotfix", sha(1))]


def test_a_fix_of_another_service_is_no_hotfix() -> None:
    assert history([change(0), change(1), FIX], [state()], {2: ["services/pricing/app.py"]}) == []


def test_a_fix_of_shared_code_is_a_hotfix() -> None:
    assert len(history([change(0), change(1), FIX], [state()], {2: ["lib/money.py"]})) == 1


def test_a_false_alarm_makes_no_hotfix() -> None:
    alarm = state() | {"is_false_alarm": True}
    assert history([change(0), change(1), FIX], [alarm], {2: ["services/checkout/app.py"]}) == []


def test_a_fix_before_or_long_after_the_incident_is_no_hotfix() -> None:
    for opened in (hours(3), hours(-23)):
        alarm = state(opened_at=opened)
        assert history([change(0), change(1), FIX], [alarm], {2: ["services/checkout/app.py"]}) == []


def test_landing_again_is_no_failure_of_the_revert() -> None:
    changes = [change(0), change(1, kind="revert", reverts=[sha(0)]), change(2, reverts=[sha(1)])]
    assert [row["sha"] for row in history(changes, [], {})] == [sha(0)]


def test_an_incident_without_an_environment_counts_whatever_production_is_called() -> None:
    alarm = state(environment=None)
    suspects = {alarm["incident_id"]: [nobody(1.0)]}
    assert outcomes.of_incidents([alarm], suspects, repository_of={}, production=("",))


def test_a_fork_of_a_repository_tells_no_revert_twice() -> None:
    changes = [change(0), change(1, reverts=[sha(0)])]
    fork = [change(0, repository="acme/fork"), change(1, repository="acme/fork", reverts=[sha(0)])]
    found = outcomes.of_history(line(*changes, *fork), [], paths_of={}, services={})
    assert [(row["kind"], row["sha"], row["weight"]) for row in found] == [("revert", sha(0), 1.0)]


def test_many_fixes_and_many_incidents_take_seconds() -> None:
    changes = [change(n, kind="fix", fixes=[sha(0)]) for n in range(1, 20_000)]
    states = [state(n, opened_at=hours(4 * n + 0.5)) for n in range(5_000)]
    began = perf_counter()
    history([change(0), *changes], states, {n: ["services/pricing/app.py"] for n in range(20_000)})
    assert perf_counter() - began < 5


# --- deployments --------------------------------------------------------------------------------------


def deployments(
    rows: Sequence[Row],
    carried: dict[int, tuple[str, float]],
    *,
    states: Sequence[Row] = (),
    suspects: dict[str, list[Suspect]] | None = None,
    mends: Sequence[Row] = (),
) -> list[Row]:
    first = [
        {
            "service": service,
            "environment": "production",
            "deployed_at": hours(at),
            "sha": sha(n),
        }
        for n, (service, at) in carried.items()
    ]
    return outcomes.of_deployments(
        Timeline(rows),
        sorted({(row["service"], row["environment"]) for row in rows}),
        change_deployments=first,
        changes={sha(n): change(n) for n in range(12)},
        states=states,
        suspects=defaultdict(list, suspects or {}),
        hotfixes=mends,
    )


def mend(kind: str, by: int, victim: int, at: float) -> Row:
    return {
        "kind": kind,
        "outcome_id": f"{sha(by)}:{sha(victim)}",
        "sha": sha(victim),
        "occurred_at": hours(at),
    }


TWO = [ran(2, 10, 1), ran(5, 40, 2)]
CARRIED = {2: ("checkout", 10.0), 5: ("checkout", 40.0)}


def test_a_deployment_that_a_hotfix_mends_soon_has_failed_until_the_hotfix_runs() -> None:
    first, second = deployments(TWO, CARRIED, mends=[mend("hotfix", 5, 2, 30)])
    assert (first["is_failed"], first["recovered_at"]) == (True, hours(40))
    assert (second["is_failed"], second["is_unplanned"]) == (False, True)


def test_a_hotfix_of_an_old_change_is_unplanned_but_fails_no_old_deployment() -> None:
    first, second = deployments([ran(2, 10, 1), ran(5, 400, 2)], {2: ("checkout", 10), 5: ("checkout", 400)},
                                mends=[mend("hotfix", 5, 2, 390)])  # fmt: skip
    assert not first["is_failed"]
    assert second["is_unplanned"]


def test_the_first_of_several_fixes_decides_the_recovery() -> None:
    rows = [*TWO, ran(8, 60, 5)]
    mends = [mend("hotfix", 8, 2, 50), mend("hotfix", 5, 2, 30)]
    found = deployments(rows, CARRIED | {8: ("checkout", 60.0)}, mends=mends)
    assert found[0]["recovered_at"] == hours(40)
    assert [row["is_unplanned"] for row in found] == [False, True, True]


def test_a_revert_soon_after_fails_a_deployment_and_a_late_one_does_not() -> None:
    first, second = deployments(TWO, CARRIED, mends=[mend("revert", 5, 2, 35)])
    assert (first["is_failed"], second["is_unplanned"]) == (True, True)
    first, second = deployments(TWO, CARRIED, mends=[mend("revert", 5, 2, 300)])
    assert (first["is_failed"], second["is_unplanned"]) == (False, False)


def test_an_incident_fails_the_deployment_that_carried_most_of_its_mass() -> None:
    alarm = state(opened_at=hours(41), resolved_at=hours(45))
    found = deployments(
        TWO, CARRIED, states=[alarm], suspects={"generic:INC-1": [on(0.8, 5), on(0.1, 2), nobody(0.1)]}
    )
    assert [(row["is_failed"], row["recovered_at"]) for row in found] == [(False, None), (True, hours(45))]


def test_shared_code_fails_the_deployment_of_the_service_with_the_incident_only() -> None:
    rows = [ran(2, 10, 1), ran(2, 11, 1, service="pricing"), ran(2, 12, 1, service="search")]
    first = [
        {
            "service": row["service"],
            "environment": "production",
            "deployed_at": row["started_at"],
            "sha": sha(2),
        }
        for row in rows
    ]
    found = outcomes.of_deployments(
        Timeline(rows),
        [(row["service"], "production") for row in rows],
        change_deployments=first,
        changes={},
        states=[state(opened_at=hours(13))],
        suspects={"generic:INC-1": [on(1.0, 2)]},
        hotfixes=[],
    )
    assert [row["service"] for row in found if row["is_failed"]] == ["checkout"]


def test_an_incident_of_the_caller_fails_the_deployment_of_the_callee() -> None:
    rows = [ran(2, 10, 1, service="pricing")]
    (found,) = deployments(
        rows,
        {2: ("pricing", 10.0)},
        states=[state(opened_at=hours(13))],
        suspects={"generic:INC-1": [on(1.0, 2)]},
    )
    assert found["is_failed"]


def test_thousands_of_deployments_and_incidents_take_seconds() -> None:
    rows = [ran(2, n, 1) for n in range(10_000)]
    first = [
        {"service": "checkout", "environment": "production", "deployed_at": hours(n), "sha": f"{n:040x}"}
        for n in range(10_000)
    ]
    states = [state(n, opened_at=T0 + 2 * n * HOUR) for n in range(5_000)]
    began = perf_counter()
    outcomes.of_deployments(
        Timeline(rows),
        [("checkout", "production")],
        change_deployments=first,
        changes={},
        states=states,
        suspects={s["incident_id"]: [on(0.6, 1), nobody(0.4)] for s in states},
        hotfixes=[],
    )
    assert perf_counter() - began < 5

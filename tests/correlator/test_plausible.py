"""Which revisions may have run where nothing names one."""

from datetime import datetime
from math import fsum
from typing import Any

import pytest
from evidence_builders import interval
from failure_builders import REPOSITORY, change, hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator import mainlines, plausible
from correlator.plausible import Plausible, Posterior
from correlator.revisions import Timeline

LINE = 40
"""Changes of the mainline; change n lands 24 n hours after T0, and all touch every service."""


def hour(at: float, n: int | None, service: str = "checkout") -> dict[str, Any]:
    """Spans of the hour after ``at``, that name change ``n`` or nothing."""
    return {
        "service": service,
        "environment": "production",
        "sha": None if n is None else sha(n),
        "first_seen_at": hours(at),
        "last_seen_at": hours(at + 0.9),
    }


def ran(n: int, at: float, previous: int | None = None, **overrides: Any) -> dict[str, Any]:
    return {**interval(n, at, previous), "basis": "deployment", "repository": REPOSITORY, **overrides}


def posterior(
    intervals: list[dict[str, Any]] | None = None,
    seen: list[dict[str, Any]] | None = None,
    services: tuple[str, ...] = ("checkout", "cart"),
) -> Posterior:
    changes = [change(n, landed_at=hours(24 * n)) for n in range(LINE)]
    return Posterior(
        timeline=Timeline(intervals or []),
        hours=seen or [],
        mainlines=mainlines.by_repository(changes),
        services=dict.fromkeys(services, (REPOSITORY, "")),
        paths_of={(REPOSITORY, c["sha"]): ["app.py"] for c in changes},
        as_of=hours(24 * LINE),
    )


def likeliest(found: tuple[Plausible, ...]) -> tuple[str, str]:
    return found[0].sha, found[0].basis


def test_a_known_revision_leaves_no_doubt() -> None:
    told = posterior([ran(3, 80), ran(5, 130, 3, basis="spans")], [hour(130, 5), hour(200, 5)])
    assert told.at("checkout", "production", hours(100)) == ()
    assert told.at("checkout", "production", hours(150)) == ()


def test_before_anything_is_known_a_head_of_the_mainline_ran() -> None:
    found = posterior().at("checkout", "production", hours(24 * 10 + 2))
    assert {one.basis for one in found} == {"custom"}
    assert sha(10) in {one.sha for one in found}
    assert sha(11) not in {one.sha for one in found}


def test_code_that_nobody_knows_tells_nothing() -> None:
    assert posterior(services=("cart",)).at("checkout", "production", hours(100)) == ()


def test_what_was_only_seen_long_ago_may_have_been_replaced() -> None:
    """Change 3 was last seen at hour 90; three days later three more have landed."""
    told = posterior([ran(3, 80, basis="spans")], [hour(80, 3), hour(90, 3)])
    assert told.at("checkout", "production", hours(91.5)) == ()
    found = told.at("checkout", "production", hours(162))
    assert fsum(one.probability for one in found) == pytest.approx(1)
    assert {one.sha for one in found} == {sha(n) for n in (3, 5, 6)}
    soon = told.at("checkout", "production", hours(100))
    assert likeliest(soon) == (sha(3), "last_known")
    assert soon[0].probability > next(one.probability for one in found if one.sha == sha(3))


def test_what_ran_between_two_known_revisions_lies_between_them() -> None:
    """A revision that nobody can read ran between change 3 and change 6."""
    unread = ran(0, 170, 3, sha=None, revision="mystery")
    found = posterior([ran(3, 80), unread, ran(6, 500, 3)]).at("checkout", "production", hours(300))
    assert {one.sha for one in found} <= {sha(n) for n in (3, 4, 5, 6)}


def test_the_services_own_lead_times_tell_how_old_its_revision_is() -> None:
    """Each change was deployed 50 hours after it landed, until deployments were told no more."""
    known = [ran(n, 24 * n + 50, n - 1, ended_at=hours(24 * (n + 1) + 50)) for n in range(1, 10)]
    told = posterior([*known, ran(0, 320, 9, sha=None, revision="mystery")])
    assert likeliest(told.at("checkout", "production", hours(330))) == (sha(11), "own_lead_times")


def test_services_that_are_delivered_together_run_the_same() -> None:
    both = [
        ran(n, 24 * n + 10, n - 2, service=service, ended_at=hours(24 * n + 58))
        for n in range(2, 12, 2)
        for service in ("checkout", "cart")
    ]
    cart = ran(12, 24 * 12 + 10, 10, service="cart")
    found = posterior([*both, cart, ran(0, 299, 10, sha=None, revision="?")]).at(
        "checkout", "production", hours(310)
    )
    assert likeliest(found) == (sha(12), "sister_services")
    assert found[0].probability > 0.7


@given(
    st.lists(
        st.tuples(st.integers(0, LINE - 1), st.floats(0, 900), st.sampled_from(["spans", "deployment"])),
        max_size=6,
        unique_by=lambda known: round(known[1], 3),
    ),
    st.floats(0, 950),
)
def test_a_distribution_sums_to_one_and_is_the_same_in_any_order(
    known: list[tuple[int, float, str]], moment: float
) -> None:
    rows = [ran(n, at, basis=basis, ended_at=None) for n, at, basis in sorted(known, key=lambda k: k[1])]
    seen = [hour(at, n) for n, at, _ in known]
    found = posterior(rows, seen).at("checkout", "production", hours(moment))
    assert not found or fsum(one.probability for one in found) == pytest.approx(1, abs=1e-9)
    assert found == posterior(rows[::-1], seen[::-1]).at("checkout", "production", hours(moment))


def test_unnamed_hours_are_told_as_intervals_that_each_sum_to_one() -> None:
    seen = [hour(at, None) for at in range(200, 260)]
    rows = posterior([ran(3, 80, basis="spans")], [hour(80, 3), *seen]).rows()
    sums: dict[datetime, list[float]] = {}
    for row in rows:
        sums.setdefault(row["started_at"], []).append(row["probability"])
    assert min(sums) == hours(200)
    assert max(row["ended_at"] for row in rows) == hours(259.9)
    assert all(fsum(found) == pytest.approx(1, abs=1e-9) for found in sums.values())
    assert rows == posterior([ran(3, 80, basis="spans")], [*seen[::-1], hour(80, 3), *seen[:9]]).rows()


def test_before_the_first_known_revision_another_one_ran_if_spans_came() -> None:
    known = [ran(6, 170, basis="spans")]
    seen = [hour(170, 6), *(hour(at, None) for at in range(100, 170))]
    found = posterior(known, seen).before("checkout", "production", hours(170))
    assert fsum(one.probability for one in found) == pytest.approx(1)
    assert sha(6) in {one.sha for one in found}
    assert posterior(known, seen[:1]).before("checkout", "production", hours(170)) == ()


def test_few_hypotheses_stand_for_many_and_lose_no_mass() -> None:
    found = [Plausible(sha(n), 0.05, "custom") for n in range(20)]
    chosen = plausible.hypotheses(found, {sha(n): n for n in range(20)})
    assert len(chosen) == plausible.HYPOTHESES_MAX
    assert fsum(one.probability for one in chosen) == pytest.approx(1)
    assert [one.sha for one in chosen] == sorted(one.sha for one in chosen)

"""Every metric against one company that fits on a page, worked out by hand from the table below, not from our output.

The data end on day 100; questions are about days 0 to 100 and followed for 14 days. All code of ``acme/shop``, in one
service, except D1, which is documentation. AI-marked: A and Y, 8 mature + 2 young. Not AI-marked: H and U, 8.

| changes | origin     | landed | deployed | lines + | lines - | review               | approved after | comments |
| ------- | ---------- | ------ | -------- | ------- | ------- | -------------------- | -------------- | -------- |
| A1..A6  | ai         | 0      | 1        | 100     | 25      | at once              | 1..6 h         | 0        |
| A7      | mixed, 0.3 | 0      | 1        | 100     | 25      | after changes, by 2  | 10 h           | 4        |
| A8      | mixed, 0.3 | 0      | 1        | 100     | 25      | unreviewed           |                | 0        |
| H1..H4  | human      | 0.5    | 1        | 50      | 0       | after changes        | 8 h            | 1 each   |
| H5, H6  | human      | 0.5    | 1        | 50      | 0       | not approved         |                | 1 each   |
| U1, U2  | unknown    | 0      | 1        | 50      | 0       | at once              | 2 h            | 0        |
| B1..B5  | automation | 0      | 1        | 20      | 0       | unknown              |                |          |
| Y1, Y2  | ai         | 94     | 95       | 10      | 0       | unknown              |                |          |
| N1      | human      | 0      | never    | 30      | 0       | unknown              |                |          |

A4 and H5 are fixes, H6 is a revert. What happened, on day 2: failure groups g1 (A1, security) and g2 (A2 or H1, integration); a
rollback (A3 1/4, no change 3/4); H6 reverts A1; H5 mends H2 in a hurry. Incidents: I1 (A1 or A2, high), I2 (A1, low), I3 (U1 0.6,
no change 0.4, high; still open), I4 (A4, a false alarm), I5 and I6 (from outside: no change carries them).
"""

from pathlib import Path
from typing import Any

import pytest
from metric_builders import (
    ask,
    change,
    data,
    day,
    deployment,
    incident,
    outcome,
    requests,
    review,
    rework,
    sha,
)

from correlator.metric_catalogue import METRICS
from correlator.metrics import MetricAnswer, MetricData, MetricRow, answer

HOUR = 1 / 24


def company() -> MetricData:
    a = [
        change(
            f"A{i}",
            origin="ai" if i < 7 else "mixed",
            lines_deleted=25,
            kind="fix" if i == 4 else "feature",
            tools=["claude-code"] if i < 6 else ["cursor"],
            models=["m-1"] if i < 7 else [],
        )
        for i in range(1, 9)
    ]
    h = [
        change(f"H{i}", landed=0.5, lines_added=50, kind={5: "fix", 6: "revert"}.get(i, "feature"))
        for i in range(1, 7)
    ]
    u = [change(f"U{i}", origin="unknown", lines_added=50) for i in (1, 2)]
    b = [change(f"B{i}", origin="automation", lines_added=20) for i in range(1, 6)]
    y = [change(f"Y{i}", origin="ai", landed=94, deployed=95, lines_added=10) for i in (1, 2)]
    n = [change("N1", deployed=None, lines_added=30)]
    d = [change("D1", is_code=False, kind="docs")]
    return data(
        [*a, *h, *u, *b, *y, *n, *d],
        [
            *outcome("g1", {"A1": 1.0}, kind="failure_group", category="security"),
            *outcome("g2", {"A2": 0.5, "H1": 0.5}, kind="failure_group", category="integration"),
            *outcome("roll", {"A3": 0.25, "no_change": 0.75}, kind="rollback"),
            *outcome(f"{sha('H6')}:{sha('A1')}", {"A1": 1.0}, kind="revert"),
            *outcome(f"{sha('H5')}:{sha('H2')}", {"H2": 1.0}, kind="hotfix"),
            *outcome("I1", {"A1": 0.5, "A2": 0.5}, severity="high"),
            *outcome("I2", {"A1": 1.0}, severity="low"),
            *outcome("I3", {"U1": 0.6, "no_change": 0.4}, severity="high"),
            *outcome("I4", {"A4": 1.0}, severity="high"),
        ],
        reworks=[
            rework(
                "A1",
                reworked=100,
                lines_fixed_30d=100,
                lines_alive_7d=0,
                lines_alive_30d=0,
                reverted_at=day(3),
            ),
            rework("A2", reworked=20),
            rework("A3", observed_days=60.0),
            rework("A4", lines_alive_90d=42),
            *(rework(f"A{i}") for i in range(5, 9)),
            rework("H1", lines=50, reworked=10),
            *(rework(f"H{i}", lines=50) for i in range(2, 7)),
            *(rework(f"U{i}", lines=50) for i in (1, 2)),
            *(rework(f"B{i}", lines=20) for i in range(1, 6)),
            *(rework(f"Y{i}", lines=10, observed_days=6.0) for i in (1, 2)),
            rework("N1", lines=30),
        ],
        reviews=[
            *(review(f"A{i}", approved=i * HOUR) for i in range(1, 7)),
            review("A7", "approved_after_changes", approved=10 * HOUR, approval_count=2, comment_count=4),
            review("A8", "unreviewed"),
            *(
                review(f"H{i}", "approved_after_changes", approved=8 * HOUR, comment_count=1)
                for i in range(1, 5)
            ),
            *(review(f"H{i}", "not_approved", comment_count=1) for i in (5, 6)),
            *(review(f"U{i}", approved=2 * HOUR) for i in (1, 2)),
        ],
        deployments=[
            deployment(1, is_failed=True, recovered_at=day(1 + 5 * HOUR)),
            deployment(2, is_rollback=True, is_unplanned=True),
            deployment(3),
            deployment(4, is_failed=True, recovered_at=day(4 + 10 * HOUR)),
            deployment(5),
            deployment(6, is_unplanned=True),
            deployment(7),
            deployment(8),
            deployment(95),
        ],
        incidents=[
            incident("I1", resolved=2 + 2 * HOUR, detection_delay_s=60.0),
            incident("I2", resolved=2 + 4 * HOUR, detection_delay_s=120.0),
            incident("I3", resolved=None, detection_delay_s=300.0),
            incident("I4", is_false_alarm=True),
            incident("I5", resolved=2 + 6 * HOUR, detection_delay_s=600.0),
            incident("I6", resolved=2 + 8 * HOUR),
        ],
        request_days=[
            *(requests(d, 250_000.0) for d in range(10)),
            requests(1, 9_000_000.0, service="gateway", is_known=False),
        ],
        teams={"shop": ("acme/shop",)},
    )


COMPANY = company()


def found(metric: str, *group_by: str, **fields: Any) -> MetricAnswer:
    return answer(ask(metric, end=100.0, min_n=1, group_by=group_by, **fields), COMPANY)


def row(answered: MetricAnswer, *names: str) -> MetricRow:
    rows = [r for r in answered.rows if tuple(r.groups.values()) == names]
    assert len(rows) == 1, [r.groups for r in answered.rows]
    return rows[0]


def arms(
    metric: str, **fields: Any
) -> tuple[tuple[float | None, int | None], tuple[float | None, int | None]]:
    """(value, n) of AI-marked changes and of the others."""
    answered = found(metric, "arm", **fields)
    return tuple((r.value, r.n) for r in (row(answered, "ai_marked"), row(answered, "not_ai_marked")))  # type: ignore[return-value]


def near(*values: float) -> Any:
    return pytest.approx(values, abs=1e-6)


# (metric, numerator of AI-marked, denominator, value, then the same of the others). Each line is worked out beside it.
BY_ARM = [
    # A1 surely (g1, and its revert: once), A2 1/2, A3 1/4; H1 1/2, H2.
    ("failure_rate", 1.75, 8, 0.21875, 1.5, 8, 0.1875),
    # A1 surely by I2, whatever I1; A2 1/2. U1 0.6.
    ("change_failure_rate", 1.5, 8, 0.1875, 0.6, 8, 0.075),
    # I1 is theirs whole (1/2 + 1/2), I2; the false alarm is nobody's. Per 100 of 8 changes.
    ("incidents_per_100_changes", 2.0, 0.08, 25.0, 0.6, 0.08, 7.5),
    # g1 + half of g2; the other half.
    ("failure_groups_per_100_changes", 1.5, 0.08, 18.75, 0.5, 0.08, 6.25),
    # 8 x 100 lines; 8 x 50 lines.
    ("incidents_per_1000_lines", 2.0, 0.8, 2.5, 0.6, 0.4, 1.5),
    # 8 x 125 lines; nothing was deleted by the others.
    ("incidents_per_1000_changed_lines", 2.0, 1.0, 2.0, 0.6, 0.4, 1.5),
    # 8 x 2 weeks and 2 young ones x 5 days = 16 + 10/7 weeks; 8 x 2 weeks.
    ("incidents_per_100_change_weeks", 2.0, 0.174286, 11.475410, 0.6, 0.16, 3.75),
    # A1; N1 has landed too, so the others are 9. The young are not observed for 30 days.
    ("revert_rate", 1, 8, 0.125, 0, 9, 0.0),
    # A1 wholly, 20 lines of A2; 10 lines of H1 in 8 x 50 + 30.
    ("line_rework_rate", 120, 800, 0.15, 10, 430, 0.023256),
    # A1 with 100 %, but A2 and H1 with 20 % are under a quarter.
    ("share_of_changes_reworked", 1, 8, 0.125, 0, 9, 0.0),
    # The revert took the 100 lines of A1; nobody mended the rest.
    ("lines_fixed_rate", 100, 800, 0.125, 0, 430, 0.0),
    # A8 in 8; nobody in 8 (N1's forge told nothing of it).
    ("unreviewed_share", 1, 8, 0.125, 0, 8, 0.0),
    # 6 at once of 7 approved; U1 and U2 of 6.
    ("first_pass_share", 6, 7, 0.857143, 2, 6, 0.333333),
    # 6 x 1 + 2 by two; H1..H4, U1, U2.
    ("approvals_per_change", 8, 8, 1.0, 6, 8, 0.75),
    # 4 on A7; one on each H.
    ("review_comments_per_change", 4, 8, 0.5, 6, 8, 0.75),
    # A4 of 8 + 2 young; H5 and H6 of 8 + N1.
    ("firefighting_load", 1, 10, 0.1, 2, 9, 0.222222),
]


@pytest.mark.parametrize(("metric", "x1", "n1", "rate1", "x0", "n0", "rate0"), BY_ARM)
def test_a_rate_by_arm_is_what_hands_count(
    metric: str, x1: float, n1: float, rate1: float, x0: float, n0: float, rate0: float
) -> None:
    answered = found(metric, "arm")
    for name, x, n, rate in (("ai_marked", x1, n1, rate1), ("not_ai_marked", x0, n0, rate0)):
        got = row(answered, name)
        assert (got.numerator, got.denominator, got.value) == near(x, n, rate), name
        assert got.low is not None
        assert got.high is not None
        assert got.low <= rate + 1e-6
        assert got.high >= rate - 1e-6


def test_two_intervals_worked_out_by_hand() -> None:
    # Wilson, 1 of 8, z^2 = 3.8415: center (0.125 + 3.8415/16) / (1 + 3.8415/8) = 0.36509 / 1.48018 = 0.24665;
    # half 1.95996/1.48018 x sqrt(0.125 x 0.875 / 8 + 3.8415 / 256) = 1.32414 x 0.16935 = 0.22424.
    unreviewed = row(found("unreviewed_share", "arm"), "ai_marked")
    assert (unreviewed.low, unreviewed.high) == pytest.approx((0.02241, 0.47089), abs=5e-5)
    # No failure of 5 by automation: Jeffreys' upper end is Beta(1/2, 11/2) at 97.5 %, in tables 0.3793.
    assert row(found("failure_rate", "arm"), "automation").high == pytest.approx(0.3793, abs=5e-4)


def test_what_is_left_out_is_counted() -> None:
    meta = found("failure_rate").meta
    # Y1 and Y2 are young, N1 never ran, D1 is no code: 8 + 8 + 5 are left.
    assert (meta["changes"], meta["immature"], meta["never_deployed"]) == (21, 2, 1)
    coverage = meta["coverage"]
    # 14 of 16 that are not automation carry evidence; 5 of 21 are automation.
    assert (coverage["tagged_share"], coverage["unknown_share"]) == near(0.875, 0.125)
    assert coverage["automation_share"] == pytest.approx(5 / 21, abs=1e-6)


def test_outcomes_by_kind_severity_and_category() -> None:
    by_kind = found("failure_rate", "outcome")
    # g1 + g2 1/2 + 1/2; the rollback 1/4; the revert of A1; the hotfix of H2; of 21 changes.
    for kind, x in (("failure_group", 2.0), ("rollback", 0.25), ("revert", 1.0), ("hotfix", 1.0)):
        assert (row(by_kind, kind).numerator, row(by_kind, kind).n) == (x, 21)
    by_severity = found("incidents_per_100_changes", "severity")
    # high: I1 + 0.6 of I3 per 0.21; low: I2.
    assert row(by_severity, "high").value == pytest.approx(1.6 / 0.21, abs=1e-6)
    assert row(by_severity, "low").value == pytest.approx(1.0 / 0.21, abs=1e-6)
    by_category = found("failure_category_rate", "arm", "category")
    assert row(by_category, "ai_marked", "security").value == 12.5
    assert row(by_category, "ai_marked", "integration").value == 6.25
    assert row(by_category, "not_ai_marked", "integration").value == 6.25
    assert row(by_category, "ai_marked", "security").extra["share"] == pytest.approx(1 / 1.5)


def test_changes_by_tool_model_team_and_review() -> None:
    ai = {"filters": {"arm": ("ai_marked",)}}
    by_tool = found("failure_rate", "tool", **ai)
    # A1..A5 failed 1 + 1/2 + 1/4 times; A6..A8 are too few to show.
    assert (row(by_tool, "claude-code").numerator, row(by_tool, "claude-code").n) == (1.75, 5)
    assert row(by_tool, "cursor").suppressed == "cohort_below_5"
    by_model = found("failure_rate", "model", **ai)
    assert (row(by_model, "m-1").numerator, row(by_model, "m-1").n) == (1.75, 6)
    assert (
        row(found("failure_rate", "team"), "shop").numerator,
        row(found("failure_rate", "team"), "shop").n,
    ) == (
        3.25,
        21,
    )
    by_review = found("failure_rate", "review")
    # At once: A1..A6, U1, U2. After changes: A7, H1..H4, of which H1 half and H2 surely failed.
    assert (row(by_review, "approved_at_once").numerator, row(by_review, "approved_at_once").n) == (1.75, 8)
    after = row(by_review, "approved_after_changes")
    assert (after.numerator, after.n) == (1.5, 5)


def test_what_got_past_review() -> None:
    # At once and mature: A1..A6 with 1 + 1/2 + 1/4; of the others only U1 and U2, too few to show.
    assert arms("review_escape_rate") == ((pytest.approx(1.75 / 6), 6), (None, None))
    assert found("review_escape_rate").meta["by_arm"] == {
        "ai_marked": {
            "approved": 7,
            "first_pass_share": pytest.approx(6 / 7),
            "escape_rate": pytest.approx(1.75 / 6),
            "escape_low": pytest.approx(0.06, abs=0.06),
            "escape_high": pytest.approx(0.7, abs=0.1),
        },
        "not_ai_marked": {
            "approved": 6,
            "first_pass_share": pytest.approx(2 / 6),
            "escape_rate": None,
            "escape_low": None,
            "escape_high": None,
        },
    }


def test_times_of_review() -> None:
    # 1 2 3 4 5 6 10 hours; 2 2 8 8 8 8 hours.
    assert arms("review_time") == ((4.0, 7), (8.0, 6))
    assert row(found("review_time", "arm"), "ai_marked").extra["mean"] == pytest.approx(31 / 7)
    # 125 lines in 240 minutes; 50 lines in 480 minutes.
    assert arms("review_pace") == ((pytest.approx(125 / 240), 7), (pytest.approx(50 / 480), 6))


def test_lines_die_from_age_to_age() -> None:
    answered = found("line_survival", "arm")
    # By day 7 A1 is gone: 700 of 800. By day 30 A2 lost 20 of those: x 680 / 700. On day 90 A3 has not been seen for so long:
    # 80 + 5 x 100 lines were alive on day 30, of which A4 lost 58: x 522 / 580.
    expected = {"7": (0.875, 700, 800, 8), "30": (0.85, 680, 700, 8), "90": (0.765, 522, 580, 7)}
    for age, (share, alive, before, n) in expected.items():
        got = row(answered, "ai_marked", age)
        assert (got.value, got.numerator, got.denominator, got.n) == near(share, alive, before, n)
        assert got.low is not None
        assert got.high is not None
        assert 0 <= got.low <= share <= got.high <= 1


def test_share_of_output_with_its_bounds() -> None:
    # 6 x 100 + 2 x 30 + 2 x 10 = 680 of 800 + 300 + 100 + 100 + 20 + 30 = 1350; the 100 lines of U could be AI's too.
    got = row(found("ai_share_of_output"))
    assert (got.value, got.low, got.high) == near(680 / 1350, 680 / 1350, 780 / 1350)
    assert got.extra["unknown_lines"] == 100


def test_firefighting() -> None:
    answered = found("firefighting_load")
    got = row(answered)
    # A4, H5, H6 of 24 that landed; H6 takes back A1, H5 mends H2. Lines: 125 + 50 + 50 of 1350 + 200.
    assert (got.numerator, got.n, got.extra["urgent"]) == (3, 24, 2)
    assert got.extra["lines_share"] == pytest.approx(225 / 1550)
    assert answered.meta["mended_by_arm"] == {"ai_marked": 1, "not_ai_marked": 1, "automation": 0}


def test_deployments() -> None:
    failed = found("deployment_change_failure_rate")
    # 2 of the 8 that are 14 days old; 2 of 7 that are no rollback.
    assert (row(failed, "all").value, row(failed, "without_rollbacks").value) == near(0.25, 2 / 7)
    assert failed.meta["immature"] == 1
    # The rollback and the one of day 6, of 9.
    assert row(found("deployment_rework_rate")).value == pytest.approx(2 / 9)
    assert row(found("deployment_frequency")).value == pytest.approx(9 / 100)
    # 5 incidents that are no false alarm, 9 deployments, 10 days of 250,000 requests.
    assert row(found("incidents_per_100_deployments")).value == pytest.approx(500 / 9)
    asked = found("incidents_per_million_requests")
    assert row(asked).value == pytest.approx(2.0)
    assert asked.meta["services_of_unknown_sampling"] == ["gateway"]


def test_times_of_delivery() -> None:
    # From landing to day 1: 24 h for A and U, 12 h for H, 24 h for Y.
    assert arms("lead_time") == ((24.0, 10), (12.0, 8))
    # 2 4 6 8 hours and one open: 0.8, 0.6, 0.4 are left after the first three.
    restored = row(found("time_to_restore"))
    assert (restored.value, restored.n, restored.extra["censored"]) == (6.0, 5, 1)
    assert restored.extra["mean"] == 5.0
    # 5 and 10 hours: after the first a half is left.
    recovered = row(found("failed_deployment_recovery_time"))
    assert (recovered.value, recovered.n) == (5.0, 2)
    # 60 120 300 600 seconds.
    assert row(found("detection_delay")).value == pytest.approx(3.5)


def test_coverage() -> None:
    answered = found("coverage")
    # Deployed: 10 + 8 + 5 = 23 of 24 that landed. Not automation: 18, of which U1 and U2 are unknown.
    # Outcomes: g1, g2, roll, revert, hotfix, I1, I2, I3 = 8. Given to changes: 1 + 1 + 1/4 + 1 + 1 + 1 + 1 + 0.6.
    expected = {
        "tagged_share": 16 / 18,
        "unknown_share": 2 / 18,
        "automation_share": 5 / 23,
        "services_with_traces": 1.0,
        "services_with_revision": 1.0,
        "deployed_share": 23 / 24,
        "attributed_mass": 6.85 / 8,
        "no_change_mass": 1.15 / 8,
        "unattributed_mass": 0.0,
    }
    for name, value in expected.items():
        assert row(answered, name).value == pytest.approx(value, abs=1e-6), name


# --- ratios -----------------------------------------------------------------------------------------
#
# Ratios need 100 changes an arm, so they have a company of their own. AI is used where failing is common:
#
# | stratum     | AI-marked, failed | others, failed | reworked lines of 100 each, AI-marked | others |
# | ----------- | ----------------- | -------------- | ------------------------------------- | ------ |
# | small       | 100, 10           | 50, 4          | 20                                    | 10     |
# | large       | 50, 2             | 100, 2         | 10                                    | 5      |
# | all         | 150, 12           | 150, 6         | 2,500 of 15,000                       | 1,000 of 15,000 |
#
# 30 of the others in "large" are unknown, one of which failed. One outcome could be given to nobody. Each change is
# deployed alone and every failure is seen before the next deployment.

STRATA = (("small", "ai", 100, 10, 20), ("small", "human", 50, 4, 10), ("large", "ai", 50, 2, 10))
LARGE_OTHERS = (("large", "human", 70, 1, 5), ("large", "unknown", 30, 1, 5))


def confounded(kind: str) -> MetricData:
    changes, outcomes, reworks = [], [], []
    for band, origin, n, failed, lines in (*STRATA, *LARGE_OTHERS):
        for i in range(n):
            name, at = f"{band[0]}{origin[0]}{i}", 1 + len(changes) / 100
            changes.append(change(name, origin=origin, deployed=at, size_band=band))
            reworks.append(rework(name, reworked=lines))
            if i < failed:
                outcomes += outcome(name, {name: 1.0}, kind=kind, at=at + 0.001)
    outcomes += outcome("nobody", {"unattributed": 1.0}, kind=kind, at=0.5)
    return data(changes, outcomes, reworks=reworks)


@pytest.mark.parametrize(
    ("metric", "kind"), [("failure_ratio", "failure_group"), ("change_failure_ratio", "incident")]
)
def test_a_ratio_of_failures_is_what_hands_count(metric: str, kind: str) -> None:
    answered = answer(ask(metric), confounded(kind))
    rows = {
        r.groups["method"]: r for r in answered.rows if r.groups["comparison"] == "ai_marked:not_ai_marked"
    }
    # 12 / 150 over 6 / 150.
    crude = rows["armblind_crude"]
    assert (crude.value, crude.numerator, crude.denominator) == near(2.0, 8.0, 4.0)
    assert crude.extra["e_value"] == pytest.approx(2 + 2**0.5)
    # Mantel-Haenszel: R = 10 x 50/150 + 2 x 100/150 = 4.6667, S = 4 x 100/150 + 2 x 50/150 = 3.3333, R / S = 1.4. It is drawn,
    # with a little added to both sums, so it comes near.
    assert rows["armaware_mh"].value == pytest.approx(1.4, abs=0.04)
    assert rows["armaware_mh"].extra["overlap_share"] == 1.0
    # One change per deployment: both naive rules say what is so.
    assert rows["last_deployment"].value == pytest.approx(2.0)
    assert rows["share_weighted"].value == pytest.approx(2.0)
    # Strict: 12 / 150 over 5 / 120.
    strict = {r.groups["method"]: r for r in answered.rows if r.groups["comparison"] == "ai_marked:human"}
    assert strict["armblind_crude"].value == pytest.approx(1.92)
    bounds = answered.meta["bounds"]
    # 12 / 179 over 6 / 121; 13 / 151 over 5 / 149.
    assert bounds["unknown_lowest"] == pytest.approx((12 / 179) / (6 / 121), abs=1e-6)
    assert bounds["unknown_highest"] == pytest.approx((13 / 151) / (5 / 149), abs=1e-6)
    # One more failed change of the others: 0.08 over 7 / 150; or of the AI-marked: 13 / 150 over 0.04.
    assert bounds["unattributed_to_others"] == pytest.approx(0.08 / (7 / 150), abs=1e-5)
    assert bounds["unattributed_to_ai"] == pytest.approx((13 / 150) / 0.04, abs=1e-5)


def test_a_ratio_of_line_rework_is_what_hands_count() -> None:
    answered = answer(ask("line_rework_ratio"), confounded("failure_group"))
    rows = {
        r.groups["method"]: r for r in answered.rows if r.groups["comparison"] == "ai_marked:not_ai_marked"
    }
    # 2,500 / 15,000 over 1,000 / 15,000; within strata 20 over 10 and 10 over 5.
    assert rows["armblind_crude"].value == pytest.approx(2.5)
    assert rows["armaware_mh"].value == pytest.approx(2.0)


def test_every_metric_is_worked_out_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert not [metric for metric in METRICS if f'"{metric}"' not in source]

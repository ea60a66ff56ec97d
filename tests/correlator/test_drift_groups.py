"""A drift becomes a failure group: its words, its category, its revision and its moments."""

import json
from datetime import timedelta

import pytest
from failure_builders import REPOSITORY, T0, hours, sha

from correlator import drift_groups
from correlator.drift_detectors import Finding
from correlator.failure_groups import FailureGroup, ServiceCode
from correlator.revisions import Timeline
from schemas import tables
from schemas.records import RepositoryName
from schemas.vocabulary import Detector, FailureCategory

RUNNING = [
    {
        "service": "checkout",
        "environment": "production",
        "started_at": T0 + timedelta(hours=begin),
        "ended_at": None,
        "sha": sha(n),
        "previous_sha": sha(n - 1),
        "is_rollback": False,
    }
    for n, begin in ((1, -100), (2, -1))
]


def finding(detector: Detector, **overrides: object) -> Finding:
    given: dict[str, object] = {
        "service": "checkout",
        "environment": "production",
        "detector": detector,
        "subject": "GET /account",
        "aspect": "",
        "onset_at": T0,
        "last_seen_at": hours(2),
        "revision": sha(2),
        "before_hits": 5,
        "before_spans": 1000,
        "hits": 300,
        "spans": 1000,
        "p_value": 1e-9,
        "trace_id": "0" * 31 + "1",
        "span_id": "0" * 15 + "2",
        "moments": ((T0, hours(1), sha(2), 200), (hours(1), hours(2), sha(2), 100)),
        **overrides,
    }
    return Finding(**given)  # type: ignore[arg-type]


def group(detector: Detector, **overrides: object) -> FailureGroup:
    return group_of(finding(detector, **overrides))


def group_of(*findings: Finding) -> FailureGroup:
    (made,) = drift_groups.groups(
        findings,
        services={"checkout": ServiceCode(RepositoryName(REPOSITORY))},
        timeline=Timeline(RUNNING),
        revision_of=lambda _, text: text if text and len(text) == 40 else None,
    )
    return made


@pytest.mark.parametrize("detector", Detector)
def test_every_drift_is_a_row_of_failure_groups_with_a_sentence_and_a_category(detector: Detector) -> None:
    made = group(detector, aspect="mail address")
    assert set(made.row) == set(tables.FAILURE_GROUPS.column_names)
    assert made.row["detector"] == detector
    assert "GET /account" in made.row["title"]
    assert made.categories[0].category is not FailureCategory.UNKNOWN
    assert json.loads(made.row["categories"])[0]["category"] == made.row["category"]


def test_its_moments_are_spread_over_their_hours_on_the_revision_that_ran() -> None:
    made = group(Detector.DENIALS_ROSE)
    assert len(made.failures) == made.row["failing_trace_count"] == 300
    assert made.failures.count(sha(2)) == 300
    assert made.failures.until(hours(1)) - made.failures.before(T0) >= 200
    assert (made.row["onset_sha"], made.row["previous_sha"]) == (sha(2), sha(1))


def test_without_a_revision_what_ran_at_the_time_is_taken() -> None:
    moments = ((T0, hours(1), None, 20),)
    assert group(Detector.DENIALS_ROSE, revision=None, moments=moments).row["onset_sha"] == sha(2)


def test_its_subject_is_evidence_under_the_name_of_its_attribute() -> None:
    assert group(Detector.DENIALS_STOPPED).facts.attributes == {"http.route": "/account"}
    assert group(Detector.HOST_IS_NEW, subject="evil.example").facts.attributes == {
        "server.address": "evil.example"
    }
    assert group(Detector.VALUES_EMPTY, aspect="cart.total").facts.attributes == {
        "GET /account": "GET /account",
        "cart.total": "cart.total",
    }


def test_a_drift_that_begins_again_another_day_is_another_group_of_one_fingerprint() -> None:
    first, later = (
        group(Detector.DENIALS_ROSE),
        group(Detector.DENIALS_ROSE, onset_at=T0 + timedelta(days=2)),
    )
    assert first.row["fingerprint"] == later.row["fingerprint"]
    assert first.row["group_id"] != later.row["group_id"]
    assert group(Detector.DENIALS_ROSE, hits=299).row["group_id"] == first.row["group_id"]


def test_two_revisions_of_one_day_that_are_slow_both_are_one_drift_of_the_first() -> None:
    first = finding(Detector.OPERATION_SLOWER, aspect="90 to 410")
    second = finding(
        Detector.OPERATION_SLOWER,
        aspect="90 to 380",
        onset_at=hours(3),
        last_seen_at=hours(5),
        revision=sha(3),
        moments=((hours(3), hours(5), sha(3), 40), *first.moments),
    )
    one, other = group_of(first, second), group_of(second, first)
    assert one == other
    assert one.row["title"] == "GET /account is slower: 95th percentile 90 to 410 ms"
    assert (one.row["first_seen_at"], one.row["last_seen_at"]) == (T0, hours(5))
    assert one.row["onset_sha"] == sha(2)
    assert len(one.failures) == one.row["failing_trace_count"] == 340, "what both saw counts once"
    assert (one.failures.count(sha(2)), one.failures.count(sha(3))) == (300, 40)

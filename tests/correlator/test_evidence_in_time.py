"""What traffic, deployments, reverts and fixes say of when a failure began and ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import log

import numpy as np
import pytest
from evidence_builders import RULED, around, by_kind, failing, interval, listed, requests
from failure_builders import hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator.evidence_in_time import (
    ENDED_MARGIN,
    Circumstances,
    is_late,
    no_change_prior,
    of_no_change,
    of_time,
)
from correlator.failure_groups import FailureGroup
from correlator.occurrences import Occurrences, micros
from schemas import vocabulary
from schemas.records import SuspectEvidence
from schemas.vocabulary import EvidenceKind, FailureCategory

DOWN = FailureCategory.DEPENDENCY_INFRASTRUCTURE
FAILING = failing(failed_at=[hours(10)] * 20)
"""Twenty failures ten hours after T0, on the revision of change 3, that went out an hour before."""
FRESH = requests((1, 1, 400), (9, 3, 2), (10, 3, 98))
"""Four hundred earlier requests did not fail; a fifth of those to the onset's revision does."""


def kinds(evidence: Sequence[SuspectEvidence]) -> set[EvidenceKind]:
    return {piece.kind for piece in evidence}


def of(
    circumstances: Circumstances, failure: FailureGroup = FAILING, **candidate: object
) -> set[EvidenceKind]:
    return kinds(of_time(listed(3, **candidate), failure, circumstances, RULED))  # type: ignore[arg-type]


def innocent(circumstances: Circumstances, failure: FailureGroup = FAILING) -> set[EvidenceKind]:
    return kinds(of_no_change(failure, circumstances, weights=RULED))


# --- first seen ------------------------------------------------------------------------------------------


def test_a_failure_that_the_earlier_traffic_should_have_shown_was_brought_by_its_deployment() -> None:
    found = by_kind(of_time(listed(3), FAILING, around(traffic=FRESH), RULED))
    assert found[EvidenceKind.FIRST_SEEN] == pytest.approx(log(RULED.maximum("first_seen_max")), abs=1e-5)
    assert found[EvidenceKind.CHANGE_POINT] > 0


def test_first_seen_needs_known_sampling() -> None:
    assert of(around(traffic=FRESH, is_sampling_known=False)) == set()


def test_first_seen_needs_a_known_deployment_and_known_traffic() -> None:
    assert of(around(traffic=FRESH), deployed_at=None) == set()
    assert of(around()) == set()


@pytest.mark.parametrize(("earlier", "is_shown"), [(14, False), (15, True)])
def test_first_seen_needs_at_least_three_expected_failures_before(earlier: int, is_shown: bool) -> None:
    """A fifth of the requests fails: fourteen earlier ones may well have been lucky."""
    traffic = requests((1, 1, earlier), (10, 3, 100))
    assert (EvidenceKind.FIRST_SEEN in of(around(traffic=traffic))) == is_shown


def test_first_seen_grows_with_the_traffic_before_and_is_bounded() -> None:
    values = [
        by_kind(of_time(listed(3), FAILING, around(traffic=requests((1, 1, n), (10, 3, 100))), RULED))
        for n in (16, 18, 1_000_000)
    ]
    seen = [found[EvidenceKind.FIRST_SEEN] for found in values]
    assert seen[0] < seen[1] < seen[2] <= log(RULED.maximum("first_seen_max")) + 1e-6


def test_a_revision_that_served_well_for_long_gets_no_first_seen_evidence() -> None:
    served = around(traffic=requests((1, 1, 400), (9, 3, 15), (10, 3, 85)))
    assert EvidenceKind.FIRST_SEEN not in of(served)


def test_a_failure_that_began_with_the_traffic_is_a_change_point_and_a_late_one_is_none() -> None:
    at_once = around(traffic=requests((10, 3, 100)))
    assert of(at_once) == {EvidenceKind.CHANGE_POINT}
    assert of(around(traffic=requests((9, 3, 40), (10, 3, 60)))) == set()


def test_only_the_onsets_own_range_is_dated_by_traffic() -> None:
    assert of(around(traffic=FRESH), steps_back=1) == set()
    assert of(around(traffic=FRESH), steps_back=-1) == set()


# --- named, reverted, mended, rolled back ----------------------------------------------------------------------


@pytest.mark.parametrize("steps_back", [0, 2, -1])
def test_a_change_that_the_incident_names_is_named_wherever_it_was_listed(steps_back: int) -> None:
    named = around(named=frozenset({sha(3)}))
    assert of(named, steps_back=steps_back) == {EvidenceKind.NAMED_BY_INCIDENT}
    assert of(around(named=frozenset({sha(4)}))) == set()


def test_a_revert_speaks_for_the_change_that_it_takes_back_and_for_no_other() -> None:
    reverted = around(reverters={sha(3): (sha(8), hours(10.1))})
    assert of(reverted) == {EvidenceKind.REVERTED_AFTER}
    assert of_time(listed(2), FAILING, reverted, RULED) == []
    after_the_end = around(reverters={sha(3): (sha(8), hours(50))})
    assert of_time(listed(2), FAILING, after_the_end, RULED) == []


def test_a_fix_speaks_for_the_change_that_it_names() -> None:
    (piece,) = of_time(listed(3), FAILING, around(fixers={sha(3): (sha(8), hours(11))}), RULED)
    assert piece.kind is EvidenceKind.NAMED_BY_FIX
    assert piece.facts == {"change": sha(8)}


@pytest.mark.parametrize("at", [9, 10])
def test_a_revert_from_before_the_failure_is_no_evidence(at: float) -> None:
    assert of(around(reverters={sha(3): (sha(8), hours(at))})) == set()


def test_a_revert_that_did_not_end_the_failure_is_no_evidence() -> None:
    reverted_at = hours(12)
    for last, is_ended in ((reverted_at + ENDED_MARGIN, True), (reverted_at + ENDED_MARGIN * 2, False)):
        going_on = failing(failed_at=[hours(10), last])
        found = of(around(reverters={sha(3): (sha(8), reverted_at)}), going_on)
        assert (EvidenceKind.REVERTED_AFTER in found) == is_ended


def test_a_rollback_that_ended_the_failure_speaks_for_the_range_that_it_took_back() -> None:
    rolled_back = around(ended_by=interval(1, 11, 3))
    assert of(rolled_back) == {EvidenceKind.ROLLED_BACK_AFTER}
    assert of(rolled_back, steps_back=1) == set()
    assert of(rolled_back, is_callee=True) == set()
    assert of(around(ended_by=interval(5, 11, 3))) == set()


# --- no change is to blame ------------------------------------------------------------------------------------


def test_a_dependency_that_is_down_needs_its_category() -> None:
    down = failing(
        category=DOWN, is_dependency_leaf=True, attributes={vocabulary.SERVER_ADDRESS: "pay.example.org"}
    )
    (piece,) = of_no_change(down, around(), weights=RULED)
    assert piece.kind is EvidenceKind.DEPENDENCY_DOWN
    assert "pay.example.org" in piece.detail
    assert innocent(around(), failing(category=FailureCategory.INTEGRATION, is_dependency_leaf=True)) == set()
    assert innocent(around(), failing(category=DOWN)) == set()


def test_a_strangers_garbage_is_nobodys_change() -> None:
    assert innocent(around(), failing(is_garbage_caller=True)) == {EvidenceKind.CALLER_GARBAGE}


def test_a_failure_of_the_first_known_revision_predates_every_candidate() -> None:
    first = around(onset_interval=interval(3, 9.5, None))
    assert innocent(first) == {EvidenceKind.PREDATES_RANGE}
    assert innocent(around(onset_interval=None)) == set()


def test_a_failure_more_than_a_day_after_the_deployment_is_far_from_it_once_traffic_shows_it() -> None:
    late = failing(failed_at=[hours(40)] * 20)
    served = requests((20, 3, 100), (40, 3, 100))
    deployed = around(onset_interval=interval(3, 10, 1), traffic=served)
    assert EvidenceKind.FAR_FROM_DEPLOYMENT in innocent(deployed, late)
    unserved = around(onset_interval=interval(3, 10, 1), traffic=requests((40, 3, 100)))
    assert EvidenceKind.FAR_FROM_DEPLOYMENT not in innocent(unserved, late)
    recent = around(onset_interval=interval(3, 16.5, 1), traffic=served)
    assert EvidenceKind.FAR_FROM_DEPLOYMENT not in innocent(recent, late)


def test_a_callee_that_was_just_deployed_is_a_deployment_nearby() -> None:
    late = failing(failed_at=[hours(40)] * 20)
    served = requests((20, 3, 100), (40, 3, 100))
    nearby = around(onset_interval=interval(3, 10, 1), traffic=served, callee_deployed_at=hours(39))
    assert EvidenceKind.FAR_FROM_DEPLOYMENT not in innocent(nearby, late)


# --- how it ended -----------------------------------------------------------------------------------------------


ENDED = around(traffic=requests((10, 3, 40), (11, 3, 50), (12, 3, 50)))
"""Half of the requests of one hour failed, none of the hundred after it."""


def test_a_failure_that_ended_while_traffic_went_on_and_nothing_was_deployed_speaks_for_no_change() -> None:
    found = by_kind(of_no_change(FAILING, ENDED, weights=RULED))
    assert set(found) == {EvidenceKind.ENDED_WITHOUT_DEPLOYMENT}
    assert 0 < found[EvidenceKind.ENDED_WITHOUT_DEPLOYMENT] <= log(6) + 1e-6


def test_a_failure_that_a_deployment_ended_does_not() -> None:
    ended = around(traffic=ENDED.traffic, ended_by=interval(5, 10.5, 3))
    assert innocent(ended) == set()


def test_traffic_after_the_next_deployment_says_nothing_of_an_end_by_itself() -> None:
    followed = around(traffic=ENDED.traffic, onset_interval=interval(3, 9.5, 1, ended_at=hours(11)))
    assert innocent(followed) == set()


def test_a_failure_that_may_still_go_on_did_not_end() -> None:
    assert innocent(around(traffic=requests((10, 3, 40)))) == set()
    assert innocent(around(traffic=requests((10, 3, 40), (11, 3, 4)))) == set()
    assert innocent(around(traffic=ENDED.traffic, as_of=hours(11))) == set()


# --- the clock ---------------------------------------------------------------------------------------------------


def test_a_revision_is_late_once_three_failures_were_due() -> None:
    assert not is_late(
        FAILING, around(traffic=requests((9, 3, 14), (10, 3, 86)), onset_interval=interval(3, 9, 1))
    )
    assert is_late(
        FAILING, around(traffic=requests((9, 3, 15), (10, 3, 85)), onset_interval=interval(3, 9, 1))
    )
    assert not is_late(
        FAILING, around(traffic=requests((8, 1, 500), (10, 3, 100)), onset_interval=interval(3, 9, 1))
    )
    assert not is_late(FAILING, around(traffic=requests((9, 3, 500)), onset_interval=None))


def test_a_fresh_deployment_makes_no_change_less_likely_and_an_old_failure_more() -> None:
    fresh_until = timedelta(minutes=RULED.prior["fresh_minutes"])
    fresh, usual, old, unknown = (
        no_change_prior(failing(failed_at=[at]), around(onset_interval=row), RULED)
        for at, row in (
            (hours(9) + fresh_until, interval(3, 9, 1)),
            (hours(9) + 2 * fresh_until, interval(3, 9, 1)),
            (hours(9), interval(3, 9, None)),
            (hours(9), None),
        )
    )
    assert fresh < usual < old
    assert unknown == usual


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4), st.integers(0, 5000)), max_size=12),
    st.integers(0, 50),
    st.integers(1, 30),
)
def test_what_traffic_says_is_bounded_and_repeatable(
    ran: list[tuple[int, int, int]], deployed: int, failures: int
) -> None:
    failure = failing(failed_at=[hours(50.5)] * failures)
    stated = around(traffic=requests(*sorted(ran)), onset_interval=interval(3, deployed, 1))
    found = [
        *of_time(listed(3, deployed_at=hours(deployed)), failure, stated, RULED),
        *of_no_change(failure, stated, weights=RULED),
    ]
    assert all(0 <= piece.log_lr <= log(50) + 1e-6 for piece in found)
    assert not {EvidenceKind.FIRST_SEEN, EvidenceKind.FAR_FROM_DEPLOYMENT} <= kinds(found)


def test_a_revision_that_served_well_for_long_is_no_change_point() -> None:
    failure = failing(failed_at=[hours(40)] * 200)
    served = around(traffic=requests((1, 1, 1000), (20, 3, 100), (40, 3, 1000)))
    assert of_time(listed(3), failure, served, RULED) == []


# --- revisions at the same time ----------------------------------------------------------------------------

CANARY = requests((10, 3, 60), (10, 1, 300))
"""Change 3 serves a sixth of the requests, change 1 the others, in one hour."""


def test_only_the_revision_with_the_change_fails_while_others_serve_the_same() -> None:
    found = by_kind(of_time(listed(3), FAILING, around(traffic=CANARY, is_sampling_known=False), RULED))
    assert found[EvidenceKind.CONCURRENT_REVISIONS] == pytest.approx(
        log(RULED.maximum("concurrent_revisions_max")), abs=1e-5
    )
    assert EvidenceKind.CHANGE_POINT not in found
    assert EvidenceKind.REVISIONS_ALIKE not in innocent(around(traffic=CANARY))


def test_revisions_that_fail_alike_speak_for_no_change() -> None:
    both = replace(
        FAILING,
        failures=Occurrences(
            {
                sha(3): np.array([micros(hours(10.2) + timedelta(seconds=n)) for n in range(10)]),
                sha(1): np.array([micros(hours(10.3) + timedelta(seconds=n)) for n in range(50)]),
            }
        ),
    )
    assert EvidenceKind.REVISIONS_ALIKE in innocent(around(traffic=CANARY), both)
    assert EvidenceKind.CONCURRENT_REVISIONS not in of(around(traffic=CANARY), both)


def test_revisions_that_never_served_together_are_not_compared() -> None:
    assert EvidenceKind.CONCURRENT_REVISIONS not in of(around(traffic=requests((9, 1, 300), (10, 3, 60))))

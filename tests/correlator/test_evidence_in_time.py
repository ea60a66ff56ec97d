"""What traffic, deployments, reverts and fixes say of when a failure began and ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import log

import pytest
from evidence_builders import RULED, around, by_kind, failing, frame, interval, listed, requests
from failure_builders import hours, moments, sha
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


# --- when it began ----------------------------------------------------------------------------------------


def began(circumstances: Circumstances, failure: FailureGroup = FAILING, **candidate: object) -> float:
    """The log ratio of when the failure began; 0 where that says nothing."""
    found = by_kind(of_time(listed(3, **candidate), failure, circumstances, RULED))  # type: ignore[arg-type]
    return found.get(EvidenceKind.CHANGE_POINT, 0.0) + found.get(EvidenceKind.SERVED_WELL, 0.0)


def test_a_failure_that_comes_at_once_where_long_traffic_was_well_was_brought_by_its_deployment() -> None:
    assert of(around(traffic=FRESH)) == {EvidenceKind.CHANGE_POINT}
    assert began(around(traffic=FRESH)) > log(20)


def test_when_it_began_needs_known_sampling_a_known_deployment_and_known_traffic() -> None:
    assert of(around(traffic=FRESH, is_sampling_known=False)) == set()
    assert of(around(traffic=FRESH), deployed_at=None) == set()
    assert of(around()) == set()


def test_the_more_traffic_was_well_before_the_more_the_moment_says_up_to_a_bound() -> None:
    found = [began(around(traffic=requests((1, 1, n), (10, 3, 100)))) for n in (1, 20, 40, 1_000_000)]
    assert 0 < found[0] < found[1] < found[2] < found[3]
    assert found[3] == pytest.approx(log(RULED.maximum("change_point_max")), abs=1e-5)


def test_a_revision_that_served_well_for_long_did_not_bring_it_but_may_have_delayed_it() -> None:
    rows = [((1, 1, 400), (9, 3, served), (10, 3, 100)) for served in (0, 10, 100, 100_000)]
    found = [began(around(traffic=requests(*row))) for row in rows]
    assert found[0] > found[1] > found[2]
    assert found[3] == pytest.approx(log(RULED.prior["delayed_onset"]), abs=0.2)


def test_a_deployment_within_the_hour_of_the_onset_is_not_charged_with_the_whole_hour() -> None:
    soon = began(around(traffic=requests((1, 1, 400), (9, 1, 1000), (10, 3, 100))), deployed_at=hours(9.99))
    late = began(around(traffic=requests((1, 1, 400), (9, 1, 1000), (10, 3, 100))), deployed_at=hours(9))
    assert soon > 0 > late


def test_older_deployments_are_dated_by_traffic_too() -> None:
    assert of(around(traffic=FRESH), steps_back=1, deployed_at=hours(1)) == {EvidenceKind.SERVED_WELL}


# --- more requests than ever ------------------------------------------------------------------------------


def test_a_crowd_explains_failures_of_room_and_time_and_no_others() -> None:
    crowd = around(traffic=requests(*((n, 1, 40) for n in range(1, 9)), (10, 3, 200)))
    resource = failing(failed_at=[hours(10)] * 20, category=FailureCategory.RESOURCE_PERFORMANCE)
    assert EvidenceKind.CROWD in innocent(crowd, resource)
    assert EvidenceKind.CROWD not in innocent(crowd, failing(failed_at=[hours(10)] * 20))
    usual = around(traffic=requests(*((n, 1, 40) for n in range(1, 9)), (10, 3, 50)))
    assert EvidenceKind.CROWD not in innocent(usual, resource)
    unknown = around(traffic=requests((10, 3, 200)))
    assert EvidenceKind.CROWD not in innocent(unknown, resource)


@pytest.mark.parametrize(
    "message",
    [
        "[Errno 28] No space left on device: 'a'",
        "x509: certificate has expired",
        "getaddrinfo ENOTFOUND pay.example",
    ],
)
def test_a_fault_outside_of_the_code_is_taken_at_its_word(message: str) -> None:
    assert EvidenceKind.OUTSIDE_FAULT in innocent(around(), failing(message=message))
    assert EvidenceKind.OUTSIDE_FAULT not in innocent(around(), failing(message="no disk was chosen"))


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


def test_a_mend_that_came_when_it_had_ended_or_elsewhere_is_weak() -> None:
    def ratio(circumstances: Circumstances, failure: FailureGroup, touched: Sequence[str]) -> float:
        pieces = of_time(listed(3), failure, circumstances, RULED, touched_by=lambda _: touched)
        return by_kind(pieces)[EvidenceKind.REVERTED_AFTER]

    mended = around(reverters={sha(3): (sha(8), hours(12))})
    shown = failing(frame(path="shop/cart.py"), failed_at=[hours(10)] * 20)
    whole = RULED.log_ratio(EvidenceKind.REVERTED_AFTER)
    doubtful = log(RULED.maximum("doubtful_mend"))
    assert ratio(mended, shown, ["shop/cart.py"]) == pytest.approx(whole, abs=1e-5)
    assert ratio(mended, shown, ["shop/mail.py"]) == pytest.approx(doubtful, abs=1e-5)
    ended = around(reverters=mended.reverters, traffic=requests((10, 3, 40), (11, 3, 400)))
    assert ratio(ended, shown, ["shop/cart.py"]) == pytest.approx(doubtful, abs=1e-5)


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


@pytest.mark.parametrize(
    ("at", "kinds"),
    [
        (hours(10.05), set()),
        (hours(12.9), {EvidenceKind.ENDED_WITHOUT_DEPLOYMENT}),
        (hours(8), {EvidenceKind.ENDED_WITHOUT_DEPLOYMENT}),
    ],
    ids=["as it ended", "long after", "before"],
)
def test_the_deployment_of_a_peer_ends_a_failure_if_it_came_as_the_failure_ended(
    at: datetime, kinds: set[EvidenceKind]
) -> None:
    assert innocent(around(traffic=ENDED.traffic, peers_deployed_at=(at,))) == kinds


def test_a_failure_of_room_or_time_ends_with_the_load_whatever_was_deployed_then() -> None:
    crowded = failing(failed_at=[hours(10)] * 20, category=FailureCategory.RESOURCE_PERFORMANCE)
    ended = around(traffic=ENDED.traffic, peers_deployed_at=(hours(10.05),))
    assert EvidenceKind.ENDED_WITHOUT_DEPLOYMENT in innocent(ended, crowded)


def test_a_sender_is_not_judged_by_what_ran_here() -> None:
    """Its deployment was not rolled back with ours."""
    rolled_back = around(ended_by=interval(1, 11, 3))
    assert EvidenceKind.ROLLED_BACK_AFTER in of(rolled_back)
    assert EvidenceKind.ROLLED_BACK_AFTER not in of(rolled_back, is_sender=True)


def test_traffic_after_the_next_deployment_says_nothing_of_an_end_by_itself() -> None:
    followed = around(traffic=ENDED.traffic, onset_interval=interval(3, 9.5, 1, ended_at=hours(11)))
    assert innocent(followed) == set()


def test_a_failure_that_may_still_go_on_did_not_end() -> None:
    assert innocent(around(traffic=requests((10, 3, 40)))) == set()
    assert innocent(around(traffic=requests((10, 3, 40), (11, 3, 4)))) == set()
    assert innocent(around(traffic=ENDED.traffic, as_of=hours(11))) == set()


# --- the clock ---------------------------------------------------------------------------------------------------


def test_a_revision_is_late_once_three_failures_were_due() -> None:
    for served, is_due in ((3, False), (400, True)):
        traffic = requests((9, 3, served), (10, 3, 100))
        assert is_late(FAILING, around(traffic=traffic, onset_interval=interval(3, 9, 1))) == is_due
    assert not is_late(
        FAILING, around(traffic=requests((8, 1, 500), (10, 3, 100)), onset_interval=interval(3, 9, 1))
    )
    assert not is_late(FAILING, around(traffic=requests((9, 3, 500)), onset_interval=None))


def test_a_fresh_deployment_makes_no_change_less_likely_and_an_old_failure_more() -> None:
    fresh_until = timedelta(minutes=RULED.prior["fresh_minutes"])
    fresh, usual, old, unknown = (
        no_change_prior(failing(failed_at=[at]), around(onset_interval=row, is_sampling_known=False), RULED)
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
    low, high = RULED.prior["delayed_onset"], RULED.maximum("change_point_max")
    assert all(log(low) - 1e-6 <= piece.log_lr <= log(high) + 1e-6 for piece in found)
    assert not {EvidenceKind.CHANGE_POINT, EvidenceKind.SERVED_WELL} <= kinds(found)


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
                sha(3): moments([micros(hours(10.2) + timedelta(seconds=n)) for n in range(10)]),
                sha(1): moments([micros(hours(10.3) + timedelta(seconds=n)) for n in range(50)]),
            }
        ),
    )
    assert EvidenceKind.REVISIONS_ALIKE in innocent(around(traffic=CANARY), both)
    assert EvidenceKind.CONCURRENT_REVISIONS not in of(around(traffic=CANARY), both)


def test_revisions_that_never_served_together_are_not_compared() -> None:
    assert EvidenceKind.CONCURRENT_REVISIONS not in of(around(traffic=requests((9, 1, 300), (10, 3, 60))))

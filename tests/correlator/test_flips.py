"""Flags that were flipped and configuration that was changed without a commit."""

from datetime import timedelta
from math import fsum, log
from typing import Any

import pytest
from evidence_builders import RULED, by_kind, failing
from failure_builders import T0, hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator import suspects
from correlator.flips import Flips
from correlator.suspects import CandidateChange
from schemas.vocabulary import Candidate, EvidenceKind

FAILING = failing(failed_at=[hours(10) + timedelta(minutes=n) for n in range(20)])


def evaluated(
    variant: str, at: float, total: int, failed: int = 0, key: str = "new-prices", **more: Any
) -> dict[str, Any]:
    """One row of ``flag_hours.sql``: an hour of checkout."""
    return {
        "service": "checkout",
        "environment": "production",
        "subject": key,
        "aspect": variant,
        "hour_at": T0 + timedelta(hours=int(at)),
        "first_seen_at": hours(at),
        "span_count": total,
        "hit_count": failed,
        **more,
    }


def told(value: str, at: float, **more: Any) -> dict[str, Any]:
    """One row of ``setting_changes``."""
    return {
        "change_id": f"{value}-{at}",
        "kind": "flag",
        "key": "new-prices",
        "value": value,
        "service": None,
        "environment": None,
        "occurred_at": hours(at),
        **more,
    }


def found(*rows: dict[str, Any], callees: tuple[str, ...] = ()) -> dict[str, CandidateChange]:
    flips = Flips([r for r in rows if "aspect" in r], [r for r in rows if "key" in r])
    return {c.sha: c for c in flips.candidates(FAILING, callees=callees, weights=RULED)}


def kinds(candidate: CandidateChange) -> dict[EvidenceKind, float]:
    return by_kind(candidate.evidence)


def test_the_sooner_a_failure_follows_a_flip_the_more_it_says() -> None:
    weights = [
        kinds(found(told("on", at))["new-prices = on"])[EvidenceKind.FLIPPED_BEFORE]
        for at in (9.9, 9.2, 5, -9)
    ]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0
    assert found(told("on", 10.5)) == found(told("on", -20)) == {}


def test_configuration_is_a_candidate_of_its_own_kind() -> None:
    assert (
        found(told("8", 9.9, kind="configuration", key="pool.size"))["pool.size = 8"].candidate
        is Candidate.CONFIGURATION
    )


def test_a_flip_elsewhere_is_no_candidate() -> None:
    assert found(told("on", 9.9, service="mail")) == {}
    assert found(told("on", 9.9, environment="staging")) == {}
    assert set(found(told("on", 9.9, service="mail"), callees=("mail",))) == {"new-prices = on"}
    assert set(found(told("on", 9.9, service="checkout", environment="prod"))) == {"new-prices = on"}


SPLIT = (
    evaluated("off", 8, 100),
    evaluated("off", 9, 90),
    evaluated("on", 9.9, 10, 8),
    evaluated("off", 10, 50),
    evaluated("on", 10, 50, 25),
)


def test_spans_show_a_variant_that_was_not_there_and_that_only_it_fails() -> None:
    shown = found(*SPLIT)
    assert set(shown) == {"new-prices = on"}
    assert kinds(shown["new-prices = on"])[EvidenceKind.VARIANT_FAILS] == pytest.approx(
        log(RULED.maximum("variant_fails_max")), abs=1e-5
    )


def test_variants_that_fail_alike_speak_against_the_flag() -> None:
    alike = (
        evaluated("off", 8, 100),
        evaluated("off", 10, 400, 100),
        evaluated("on", 9.9, 50),
        evaluated("on", 10, 400, 101),
    )
    assert kinds(found(*alike, evaluated("off", 9, 50))["new-prices = on"])[EvidenceKind.VARIANT_FAILS] < 0


def test_a_share_that_jumps_is_a_flip() -> None:
    steps = (
        evaluated("on", 7, 5),
        evaluated("off", 6, 100),
        evaluated("off", 7, 95),
        evaluated("off", 8, 95),
        evaluated("on", 8, 5),
    )
    assert kinds(found(*steps, evaluated("on", 9.95, 90), evaluated("off", 9, 10))["new-prices = on"])[
        EvidenceKind.FLIPPED_BEFORE
    ] == pytest.approx(RULED.log_ratio(EvidenceKind.FLIPPED_BEFORE), abs=1e-5)


def test_what_is_told_and_shown_at_once_is_one_flip_and_a_flip_back_that_ends_it_says_more() -> None:
    one = found(*SPLIT, told("on", 9.8))
    assert set(one) == {"new-prices = on"}
    back = found(told("on", 9.9), told("off", 10.5))["new-prices = on"]
    assert EvidenceKind.FLIPPED_BACK_AFTER in kinds(back)
    assert EvidenceKind.FLIPPED_BACK_AFTER not in kinds(
        found(told("on", 9.9), told("on", 10.5))["new-prices = on"]
    )


@given(
    st.permutations(
        (*SPLIT, told("on", 9.8), told("off", 10.5), told("8", 9, kind="configuration", key="pool"))
    )
)
def test_facts_in_any_order_give_the_same_candidates(rows: list[dict[str, Any]]) -> None:
    assert found(*rows) == found(*sorted(rows, key=repr))


def test_a_flag_takes_weight_beside_changes_and_all_sums_to_one() -> None:
    flag = found(*SPLIT)["new-prices = on"]
    weighed = suspects.weigh(
        [CandidateChange(sha(3), 3.0, ()), flag],
        [],
        no_change_prior=0.4,
        is_revision_known=False,
        weights=RULED,
    )
    first = weighed[0]
    assert (first.candidate, first.sha, first.setting) == (Candidate.FLAG, None, "new-prices = on")
    assert RULED.cap["unknown_revision"] < first.weight <= RULED.cap["default"]
    assert fsum(s.weight for s in weighed) == pytest.approx(1, abs=1e-9)
    mixed = suspects.mixed([(0.5, weighed), (0.5, weighed)])
    assert [(s.candidate, s.setting) for s in mixed] == [(s.candidate, s.setting) for s in weighed]

"""The weights are data: complete, in order, and within what a likelihood ratio and a probability can be."""

from math import exp, log

import pytest
from evidence_builders import RULED

from correlator import evidence_in_diffs
from correlator.weights import load, piece
from schemas.vocabulary import EvidenceKind

FRAME_KINDS = (EvidenceKind.BLAMED_LINE, EvidenceKind.CHANGED_FUNCTION, EvidenceKind.CHANGED_FILE)
SAID_BY_PEOPLE = {EvidenceKind.FALSE_ALARM, EvidenceKind.HUMAN_VERDICT}
BOUNDED = {
    EvidenceKind.CHANGED_TOKEN: "changed_token_max",
    EvidenceKind.CHANGED_MATTER: "changed_matter_max",
    EvidenceKind.CHANGE_POINT: "change_point_max",
    EvidenceKind.CONCURRENT_REVISIONS: "concurrent_revisions_max",
    EvidenceKind.VARIANT_FAILS: "variant_fails_max",
    EvidenceKind.REVISIONS_ALIKE: "revisions_alike_max",
    EvidenceKind.ONE_INSTANCE: "one_instance_max",
    **{kind: f"{kind}_max" for kind in evidence_in_diffs.KINDS},
}


@pytest.mark.parametrize("kind", sorted(set(EvidenceKind) - SAID_BY_PEOPLE))
def test_every_kind_of_evidence_has_a_ratio_and_only_untouched_speaks_for_innocence(
    kind: EvidenceKind,
) -> None:
    if kind is EvidenceKind.SERVED_WELL:
        assert 0 < RULED.prior["delayed_onset"] < 1
    elif kind in BOUNDED:
        assert RULED.maximum(BOUNDED[kind]) > 1
    elif kind is EvidenceKind.UNTOUCHED:
        assert RULED.log_ratio(kind) < 0
    else:
        assert RULED.log_ratio(kind) > 0


@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_frames_count_for_less_the_further_out_they_are_and_never_for_nothing(kind: EvidenceKind) -> None:
    ratios = [RULED.log_ratio(kind, step) for step in range(7)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > ratios[2] > 0
    assert ratios[4] == ratios[6] > 0


def test_a_blamed_line_says_more_than_its_function_and_that_more_than_its_file() -> None:
    for step in range(5):
        blamed, function, file = (RULED.log_ratio(kind, step) for kind in FRAME_KINDS)
        assert blamed > function > file


def test_a_ratio_that_is_one_number_is_the_same_at_every_frame() -> None:
    assert RULED.log_ratio(EvidenceKind.REVERTED_AFTER, 3) == RULED.log_ratio(EvidenceKind.REVERTED_AFTER)


def test_caps_rise_with_what_is_known_and_none_is_certainty() -> None:
    cap = RULED.cap
    assert (
        0 < cap["fold"] < cap["unknown_revision"] < cap["blame_only"] < cap["default"] < cap["confirmed"] < 1
    )


def test_priors_and_trust_are_parts_of_a_whole() -> None:
    no_change = [RULED.prior[name] for name in ("no_change_fresh", "no_change", "no_change_old")]
    assert no_change == sorted(no_change)
    assert all(prior > 0 and prior + RULED.prior["unattributed"] < 1 for prior in no_change)
    assert all(0 < factor < 1 for factor in RULED.trust.values())
    assert 0 < RULED.prior["docs_or_test"] < 1


def test_what_served_well_for_long_fades_more_slowly() -> None:
    assert RULED.prior["older_range_decay"] < RULED.prior["late_range_decay"] < 1


def test_the_weights_carry_a_version_and_are_read_once() -> None:
    assert RULED.version
    assert load() is RULED


def test_a_piece_takes_the_ratio_of_its_kind_unless_one_is_stated() -> None:
    by_table = piece(EvidenceKind.BLAMED_LINE, RULED, "wrote it", step=1, line=7)
    assert exp(by_table.log_lr) == pytest.approx(15, rel=1e-5)
    assert by_table.facts == {"line": 7}
    assert piece(EvidenceKind.BLAMED_LINE, RULED, "wrote it", log_lr=0.0).log_lr == 0.0


def test_a_piece_is_rounded_so_that_equal_facts_give_equal_bytes() -> None:
    assert piece(EvidenceKind.CHANGE_POINT, RULED, "seen", log_lr=log(3)).log_lr == round(log(3), 6)

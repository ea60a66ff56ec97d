"""Weights sum to one, evidence moves them the right way, caps hold."""

from math import fsum, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import suspects, weights
from correlator.suspects import CandidateChange
from schemas.records import Suspect, SuspectEvidence
from schemas.vocabulary import Candidate, EvidenceKind

RULED = weights.load()


def piece(kind: EvidenceKind, ratio: float) -> SuspectEvidence:
    return SuspectEvidence(kind, log(ratio), f"{kind} {ratio}")


def change(name: str, *evidence: SuspectEvidence, share: float = 1.0) -> CandidateChange:
    return CandidateChange(name * 40, share, evidence)


def weighed(
    candidates: list[CandidateChange],
    no_change: list[SuspectEvidence] | None = None,
    *,
    prior: float = 0.4,
    is_revision_known: bool = True,
) -> list[Suspect]:
    return suspects.weigh(
        candidates, no_change or [], no_change_prior=prior, is_revision_known=is_revision_known, weights=RULED
    )


def mass(found: list[Suspect], name: str) -> float:
    return next((s.weight for s in found if (s.sha or s.candidate) == name), 0.0)


BLAMED = piece(EvidenceKind.BLAMED_LINE, 40)
TOKEN = piece(EvidenceKind.CHANGED_TOKEN, 10)
FIRST = piece(EvidenceKind.CHANGE_POINT, 50)
UNTOUCHED = piece(EvidenceKind.UNTOUCHED, 0.3)


def test_without_candidates_nothing_is_blamed() -> None:
    found = weighed([])
    assert {s.candidate for s in found} == {Candidate.NO_CHANGE, Candidate.UNATTRIBUTED}
    assert fsum(s.weight for s in found) == pytest.approx(1, abs=1e-9)


def test_a_blamed_line_outweighs_a_bystander() -> None:
    found = weighed([change("a", BLAMED, FIRST), change("b", UNTOUCHED, FIRST)])
    assert found[0].sha == "a" * 40
    assert mass(found, "a" * 40) > 0.7
    assert mass(found, "b" * 40) < 0.05


def test_a_dependency_that_is_down_outweighs_a_bystander_deployment() -> None:
    down = piece(EvidenceKind.DEPENDENCY_DOWN, 30)
    found = weighed([change("a", UNTOUCHED), change("b", UNTOUCHED)], [down])
    assert mass(found, Candidate.NO_CHANGE) > 0.8


def test_evidence_of_one_kind_is_not_multiplied() -> None:
    once = weighed([change("a", BLAMED), change("b", UNTOUCHED)])
    twice = weighed([change("a", BLAMED, piece(EvidenceKind.BLAMED_LINE, 15)), change("b", UNTOUCHED)])
    assert mass(once, "a" * 40) == mass(twice, "a" * 40)


def test_blame_alone_is_capped_and_the_rest_is_unattributed() -> None:
    found = weighed([change("a", piece(EvidenceKind.BLAMED_LINE, 1e9))])
    assert mass(found, "a" * 40) == RULED.cap["blame_only"]
    assert mass(found, Candidate.UNATTRIBUTED) > 0.1


def test_an_unknown_revision_caps_every_change() -> None:
    found = weighed([change("a", BLAMED, TOKEN, FIRST)], is_revision_known=False)
    assert mass(found, "a" * 40) <= RULED.cap["unknown_revision"]


def test_a_revert_lifts_the_cap() -> None:
    found = weighed([change("a", BLAMED, TOKEN, piece(EvidenceKind.REVERTED_AFTER, 200))])
    assert mass(found, "a" * 40) > RULED.cap["default"]


def test_groups_of_an_incident_are_mixed_by_their_shares() -> None:
    one = weighed([change("a", BLAMED, FIRST)])
    other = weighed([], [piece(EvidenceKind.DEPENDENCY_DOWN, 30)])
    found = suspects.mixed([(0.6, one), (0.3, other)])
    assert fsum(s.weight for s in found) == pytest.approx(1, abs=1e-9)
    assert mass(found, "a" * 40) == pytest.approx(0.6 * mass(one, "a" * 40), abs=2e-6)
    assert mass(found, Candidate.UNATTRIBUTED) >= 0.1


RATIOS = st.floats(0.01, 1000)
KINDS = st.sampled_from(list(EvidenceKind))
PIECES = st.lists(st.builds(piece, KINDS, RATIOS), max_size=5)


@given(
    st.lists(st.tuples(st.floats(0.01, 400), PIECES), max_size=12),
    PIECES,
    st.floats(0.01, 0.9),
    st.booleans(),
)
def test_weights_of_one_group_sum_to_one(
    drawn: list[tuple[float, list[SuspectEvidence]]],
    no_change: list[SuspectEvidence],
    prior: float,
    is_revision_known: bool,
) -> None:
    candidates = [
        CandidateChange(f"{index:040x}", share, tuple(evidence))
        for index, (share, evidence) in enumerate(drawn)
    ]
    found = weighed(candidates, no_change, prior=prior, is_revision_known=is_revision_known)
    assert fsum(s.weight for s in found) == pytest.approx(1, abs=1e-9)
    assert all(0 <= s.weight <= 1 for s in found)
    backwards = weighed(candidates[::-1], no_change[::-1], prior=prior, is_revision_known=is_revision_known)
    assert [(s.candidate, s.sha, s.weight) for s in backwards] == [
        (s.candidate, s.sha, s.weight) for s in found
    ]


def test_what_people_name_stays_listed_however_light() -> None:
    """A post-mortem that names another change than its fix does is not silently folded away."""
    named = piece(EvidenceKind.NAMED_BY_INCIDENT, 200)
    found = weighed(
        [change("a", BLAMED, FIRST, piece(EvidenceKind.NAMED_BY_FIX, 150)), change("b", named, UNTOUCHED)]
    )
    assert 0 < mass(found, "b" * 40) < RULED.cap["fold"]
    assert mass(weighed([change("a", BLAMED, FIRST), change("b", UNTOUCHED)]), "b" * 40) == 0

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.change_requests import detect_change_request
from correlator.origins import MemberCommit, change_origin
from schemas.records import ProvenanceEvidence, ProvenanceVerdict
from schemas.vocabulary import Confidence, Origin, Role


def a_verdict(
    origin: Origin, role: Role = Role.NONE, confidence: Confidence = Confidence.A, basis: str = "declared"
) -> ProvenanceVerdict:
    is_ai = origin is Origin.AI
    tools = ("claude-code",) if is_ai else ()
    evidence = ProvenanceEvidence(
        "trailer", "co-authored-by", "claude-code" if is_ai else None, None, role, confidence, "x", origin
    )
    is_known = origin is not Origin.UNKNOWN
    return ProvenanceVerdict(
        origin=origin,
        role=role,
        tools=tools,
        models=(),
        confidence=confidence if is_known else None,
        basis=basis if is_known else "none",
        conflict=False,
        catalogue_version="1",
        evidence=(evidence,) if is_known else (),
    )


AI = a_verdict(Origin.AI, Role.COAUTHOR)
AI_B = a_verdict(Origin.AI, Role.ASSIST, Confidence.B)
SUGGESTED = a_verdict(Origin.AI, Role.SUGGESTION)
HUMAN = a_verdict(Origin.HUMAN)
HUMAN_BY_POLICY = a_verdict(Origin.HUMAN, confidence=Confidence.B, basis="policy")
HUMAN_BY_NOTE = a_verdict(Origin.HUMAN, basis="attested_lines")
MACHINE = a_verdict(Origin.AUTOMATION, basis="automation")
UNKNOWN = a_verdict(Origin.UNKNOWN)


def member(
    verdict: ProvenanceVerdict, lines: int, ai: int | None = None, human: int | None = None
) -> MemberCommit:
    return MemberCommit("a" * 40, verdict, lines, ai, human)


@pytest.mark.parametrize(
    ("members", "origin", "basis"),
    [
        ([], Origin.UNKNOWN, "none"),
        ([member(AI, 10)], Origin.AI, "declared"),
        ([member(AI, 10), member(UNKNOWN, 10)], Origin.AI, "declared"),
        ([member(AI, 9), member(UNKNOWN, 10)], Origin.MIXED, "declared"),
        ([member(AI, 9), member(HUMAN, 10)], Origin.MIXED, "declared"),
        ([member(AI, 0)], Origin.AI, "declared"),
        ([member(AI, 0), member(HUMAN, 10)], Origin.UNKNOWN, "none"),
        ([member(HUMAN, 5), member(HUMAN_BY_POLICY, 5)], Origin.HUMAN, "policy"),
        ([member(HUMAN, 5), member(UNKNOWN, 5)], Origin.UNKNOWN, "none"),
        ([member(MACHINE, 5), member(MACHINE, 0)], Origin.AUTOMATION, "automation"),
        ([member(MACHINE, 5), member(HUMAN, 5)], Origin.UNKNOWN, "none"),
        ([member(SUGGESTED, 50)], Origin.UNKNOWN, "none"),
    ],
)
def test_class_follows_the_added_lines(members: list[MemberCommit], origin: Origin, basis: str) -> None:
    found = change_origin(members)
    assert (found.origin, found.basis) == (origin, basis)


def test_an_undeclared_share_is_not_measured() -> None:
    found = change_origin([member(AI, 30), member(UNKNOWN, 10)])
    assert (found.ai_share, found.marked_share) == (None, 0.75)


def test_a_note_measures_the_share() -> None:
    found = change_origin([member(AI, 30, ai=12, human=3), member(UNKNOWN, 10)])
    assert (found.origin, found.ai_share, found.basis) == (Origin.MIXED, 0.3, "attested_lines")


def test_a_mark_beside_a_note_without_ai_lines_keeps_the_lines_nobody_typed() -> None:
    found = change_origin([member(AI, 30, ai=0, human=5)])
    assert (found.origin, found.ai_share, found.marked_share) == (Origin.AI, None, round(25 / 30, 6))


def test_lines_known_as_human_measure_a_share_of_zero() -> None:
    found = change_origin([member(HUMAN_BY_NOTE, 30, ai=0, human=30)])
    assert (found.origin, found.ai_share) == (Origin.HUMAN, 0.0)


def test_suggestions_are_shown_apart() -> None:
    found = change_origin([member(SUGGESTED, 50), member(UNKNOWN, 1)])
    assert (found.tools, found.suggesting_tools) == ((), ("claude-code",))


def test_confidence_is_a_only_where_a_alone_gives_the_class() -> None:
    assert change_origin([member(AI, 10), member(AI_B, 1)]).confidence is Confidence.A
    assert change_origin([member(AI, 1), member(AI_B, 10)]).confidence is Confidence.B


def test_the_cutoff_is_a_setting() -> None:
    members = [member(AI, 6), member(UNKNOWN, 4)]
    assert change_origin(members, ai_cutoff=0.5).origin is Origin.AI
    assert change_origin(members, ai_cutoff=0.8).origin is Origin.MIXED


def test_an_agents_branch_fills_in_for_unmarked_members_only() -> None:
    request = detect_change_request("Fix", "", "codex/fix-7")
    found = change_origin([member(UNKNOWN, 10)], change_request=request)
    assert (found.origin, found.tools, found.confidence) == (Origin.AI, ("codex",), Confidence.B)
    assert change_origin([member(HUMAN, 10)], change_request=request).origin is Origin.HUMAN
    assert change_origin([member(MACHINE, 10)], change_request=request).origin is Origin.AUTOMATION


def test_a_requests_no_makes_unmarked_members_human_and_is_a_conflict_beside_ai() -> None:
    request = detect_change_request("Fix", "### Was AI tooling used?\n\nNo\n", "fix")
    found = change_origin([member(UNKNOWN, 10)], change_request=request)
    assert (found.origin, found.basis, found.confidence) == (Origin.HUMAN, "declared", Confidence.B)
    assert change_origin([member(AI, 10)], change_request=request).conflict


@given(
    st.lists(
        st.builds(
            member, st.sampled_from([AI, AI_B, SUGGESTED, HUMAN, MACHINE, UNKNOWN]), st.integers(0, 50)
        ),
        max_size=4,
    )
)
def test_order_of_members_does_not_matter(members: list[MemberCommit]) -> None:
    assert len({change_origin(order) for order in permutations(members)}) == 1


@given(st.lists(st.builds(member, st.just(UNKNOWN), st.integers(0, 50)), max_size=4))
def test_unknown_is_never_human(members: list[MemberCommit]) -> None:
    assert change_origin(members).origin is Origin.UNKNOWN

"""What a change touched, held against the stack, the message and the category of a failure."""

from collections.abc import Sequence
from math import log
from typing import Any

import pytest
from evidence_builders import PATH, RULED, around, by_kind, failing, frame, hunk, interval, listed, requests
from failure_builders import hours, sha

from correlator.candidates import Listed
from correlator.evidence_in_code import NEAR_LINES, of_code
from correlator.evidence_in_time import Circumstances
from correlator.failure_groups import FailureGroup
from correlator.tokens import TokenRarity
from schemas.records import SuspectEvidence
from schemas.vocabulary import EvidenceKind, FailureCategory

BLAMED, FUNCTION, FILE = EvidenceKind.BLAMED_LINE, EvidenceKind.CHANGED_FUNCTION, EvidenceKind.CHANGED_FILE
FIRST, SECOND, THIRD = frame("shop/a.py"), frame("shop/b.py"), frame("shop/c.py")
SERVED_WELL = around(traffic=requests((0, 3, 900), (10, 3, 100)), onset_interval=interval(3, 0, 1))
"""Nine hundred requests to the onset's revision did not fail before the first of a hundred did."""


def found(
    failure: FailureGroup,
    candidate: Listed | None = None,
    *,
    touched: Sequence[str] = (),
    hunks: Sequence[dict[str, Any]] = (),
    others: Sequence[Sequence[str]] = (("x",), ("y",), ("z",), ("v",), ("w",)),
    circumstances: Circumstances | None = None,
) -> list[SuspectEvidence]:
    """Evidence of change 3 among candidates that touch the tokens of ``others``."""
    ours = frozenset(token for row in hunks for token in row["tokens"])
    return of_code(
        candidate or listed(3),
        failure,
        touched=touched,
        hunks=hunks,
        tokens=TokenRarity({"ours": ours, **{str(n): frozenset(t) for n, t in enumerate(others)}}),
        around=circumstances or around(),
        weights=RULED,
    )


def kinds(evidence: Sequence[SuspectEvidence]) -> set[EvidenceKind]:
    return {piece.kind for piece in evidence}


# --- what is not touched ------------------------------------------------------------------------------


def test_a_candidate_that_touches_nothing_the_failure_shows_loses_weight() -> None:
    (piece,) = found(
        failing(FIRST), touched=["shop/other.py"], hunks=[hunk("shop/other.py", tokens=["gift"])]
    )
    assert piece.kind is EvidenceKind.UNTOUCHED
    assert piece.log_lr < 0


def test_words_of_the_category_alone_do_not_make_it_touch_the_failure() -> None:
    failure = failing(FIRST, category=FailureCategory.SECURITY)
    evidence = found(failure, touched=["shop/login.py"], hunks=[hunk("shop/login.py", tokens=["auth_token"])])
    assert kinds(evidence) == {EvidenceKind.UNTOUCHED, EvidenceKind.CHANGED_MATTER}


def test_a_touched_frame_takes_the_mark_of_innocence_away() -> None:
    assert EvidenceKind.UNTOUCHED not in kinds(found(failing(FIRST), touched=["shop/a.py"]))


# --- the stack ----------------------------------------------------------------------------------------


def test_blame_of_the_innermost_frame_outweighs_the_third() -> None:
    values = [
        by_kind(found(failing(*(frame(blamed=3 if step == at else 1) for at in range(3)))))[BLAMED]
        for step in range(3)
    ]
    assert values[0] > values[1] > values[2] > 0


def test_blame_speaks_only_for_the_change_that_wrote_the_line() -> None:
    assert BLAMED not in kinds(found(failing(frame(blamed=1)), touched=[PATH]))


def test_blame_names_the_line_and_the_commit_that_a_person_can_check() -> None:
    (piece,) = found(failing(frame(line=7, blamed=3, blamed_sha="side")))
    assert piece.facts == {"path": PATH, "line": 7, "commit": "side"}


def test_frames_outside_of_the_repository_are_no_steps_of_the_stack() -> None:
    foreign = frame(path=None, line=9)
    assert found(failing(foreign, foreign, frame(blamed=3))) == found(failing(frame(blamed=3)))


def test_frames_far_out_say_nothing() -> None:
    deep = [frame(f"shop/{n}.py", blamed=1) for n in range(5)]
    assert kinds(found(failing(*deep, frame(blamed=3)), touched=[PATH])) == {EvidenceKind.UNTOUCHED}


def test_a_changed_file_says_more_the_further_in_its_frame_is() -> None:
    failure = failing(FIRST, SECOND, THIRD)
    values = [by_kind(found(failure, touched=[f"shop/{name}.py"]))[FILE] for name in "abc"]
    assert values[0] > values[1] > values[2] > 0


def test_a_changed_file_says_less_of_a_change_that_touches_many() -> None:
    many = [f"shop/{n}.py" for n in range(200)]
    one, spread = (by_kind(found(failing(frame()), touched=t))[FILE] for t in ([PATH], [PATH, *many]))
    assert 0 < spread < one


def test_the_function_that_git_names_over_a_hunk_is_changed_wherever_it_lies() -> None:
    failure = failing(frame(function="Basket.price", line=40))
    assert FUNCTION in kinds(found(failure, touched=[PATH], hunks=[hunk(heading="def price(self):")]))
    assert FUNCTION not in kinds(found(failure, touched=[PATH], hunks=[hunk(heading="def priceless(self):")]))
    assert FUNCTION not in kinds(found(failure, touched=[PATH], hunks=[hunk("shop/b.py", heading="price")]))


@pytest.mark.parametrize(("distance", "is_near"), [(0, True), (NEAR_LINES, True), (NEAR_LINES + 1, False)])
def test_a_hunk_within_a_few_lines_of_the_failing_one_changes_its_function(
    distance: int, is_near: bool
) -> None:
    for start in (100 + distance, 100 - distance):
        evidence = found(failing(frame(line=100)), touched=[PATH], hunks=[hunk(start=start)])
        assert (FUNCTION in kinds(evidence)) == is_near


def test_a_failure_without_a_stack_speaks_for_no_file() -> None:
    assert kinds(found(failing(), touched=[PATH], hunks=[hunk(start=40)])) == {EvidenceKind.UNTOUCHED}


# --- how far the raising line is trusted -----------------------------------------------------------------


def test_a_refused_call_trusts_its_raising_line_less() -> None:
    plain, refused = (
        by_kind(found(failing(frame(blamed=3), callee=callee)))[BLAMED] for callee in (None, "stock")
    )
    assert refused == pytest.approx(plain * RULED.trust["refused_call"], abs=1e-5)


def test_a_call_that_could_not_reach_its_peer_trusts_its_raising_line_less() -> None:
    away = FailureCategory.DEPENDENCY_INFRASTRUCTURE
    plain = by_kind(found(failing(frame(blamed=3), category=away)))[BLAMED]
    unreached = by_kind(found(failing(frame(blamed=3), category=away, is_dependency_leaf=True)))[BLAMED]
    assert unreached == pytest.approx(plain * RULED.trust["dependency_leaf"], abs=1e-5)


def test_a_leaf_call_that_failed_by_our_own_doing_is_trusted_in_full() -> None:
    ours = failing(frame(blamed=3), category=FailureCategory.DATA_INTEGRITY, is_dependency_leaf=True)
    assert by_kind(found(ours))[BLAMED] == by_kind(found(failing(frame(blamed=3))))[BLAMED]


def test_code_that_refuses_garbage_is_trusted_less_and_so_are_the_names_it_shows() -> None:
    row = hunk(tokens=["voucher"])
    plain, garbage = (
        by_kind(
            found(
                failing(frame(blamed=3), message="voucher", is_garbage_caller=g), touched=[PATH], hunks=[row]
            )
        )
        for g in (False, True)
    )
    for kind in (BLAMED, EvidenceKind.CHANGED_TOKEN):
        assert 0 < garbage[kind] < plain[kind]


def test_code_that_served_well_for_long_is_hardly_touched_by_its_deployment_but_blame_counts_fully() -> None:
    failure = failing(frame(blamed=3), failed_at=[hours(10)] * 100)
    hunks = [hunk(start=40)]
    fresh = by_kind(found(failure, touched=[PATH], hunks=hunks))
    late = by_kind(found(failure, touched=[PATH], hunks=hunks, circumstances=SERVED_WELL))
    assert late[BLAMED] == fresh[BLAMED]
    for kind in (FILE, FUNCTION):
        assert late[kind] == pytest.approx(fresh[kind] * RULED.trust["late_onset"], abs=1e-5)


# --- lines older than every range ----------------------------------------------------------------------


def test_a_line_older_than_every_range_is_a_latent_fault_at_most() -> None:
    failure = failing(frame(blamed=0))
    old = listed(0, steps_back=-1, deployed_at=None)
    (piece,) = found(failure, old, touched=[PATH], hunks=[hunk(start=40, tokens=["price"])])
    assert piece.kind is EvidenceKind.OLDER_THAN_RANGE
    assert 0 < piece.log_lr < RULED.log_ratio(BLAMED)


# --- routes and configuration ----------------------------------------------------------------------------


def test_the_file_that_serves_the_route_counts_where_no_frame_maps() -> None:
    served = around(route_paths=frozenset({"shop/routes.py"}))
    touched = ["shop/routes.py"]
    assert EvidenceKind.CHANGED_ROUTE_FILE in kinds(found(failing(), touched=touched, circumstances=served))
    assert EvidenceKind.CHANGED_ROUTE_FILE not in kinds(
        found(failing(FIRST), touched=touched, circumstances=served)
    )


def test_the_file_that_serves_the_refused_route_counts_beside_the_stack() -> None:
    served = around(route_paths=frozenset({"stock/routes.py"}))
    evidence = found(failing(FIRST, callee="stock"), touched=["stock/routes.py"], circumstances=served)
    assert kinds(evidence) == {EvidenceKind.CHANGED_ROUTE_FILE}


@pytest.mark.parametrize("path", ["deploy/values.yaml", "package-lock.json", "pyproject.toml"])
def test_configuration_and_locks_count_for_failures_of_configuration(path: str) -> None:
    configured = failing(category=FailureCategory.CONFIGURATION_DEPLOY)
    assert EvidenceKind.CHANGED_CONFIGURATION in kinds(found(configured, touched=[path]))
    assert kinds(found(failing(), touched=[path])) == {EvidenceKind.UNTOUCHED}


# --- names -------------------------------------------------------------------------------------------------


def test_a_name_that_the_failure_shows_speaks_for_the_change_that_touches_it() -> None:
    failure = failing(message="no rate for voucher")
    (piece,) = found(failure, touched=[PATH], hunks=[hunk(start=7), hunk(start=70, tokens=["voucher"])])
    assert piece.kind is EvidenceKind.CHANGED_TOKEN
    assert piece.facts == {"tokens": ["voucher"], "path": PATH, "line": 70}
    assert 0 < piece.log_lr <= log(RULED.maximum("changed_token_max")) + 1e-6


def test_names_of_other_exceptions_in_the_trace_count_too() -> None:
    shown = around(trace_words=frozenset({"voucher"}))
    evidence = found(failing(), touched=[PATH], hunks=[hunk(tokens=["voucher"])], circumstances=shown)
    assert kinds(evidence) == {EvidenceKind.CHANGED_TOKEN}


def test_a_name_that_most_candidates_touch_speaks_for_none() -> None:
    evidence = found(
        failing(message="voucher"),
        touched=[PATH],
        hunks=[hunk(tokens=["voucher"])],
        others=[["voucher"], ["voucher"], ["x"], ["y"]],
    )
    assert kinds(evidence) == {EvidenceKind.UNTOUCHED}


@pytest.mark.parametrize("path", ["tests/test_orders.py", "docs/guide.md", "package-lock.json"])
def test_names_in_what_cannot_run_count_for_nothing(path: str) -> None:
    failure = failing(message="voucher", category=FailureCategory.SECURITY)
    evidence = found(failure, touched=[path], hunks=[hunk(path, tokens=["voucher", "auth_token"])])
    assert kinds(evidence) == {EvidenceKind.UNTOUCHED}


def test_matter_of_the_category_speaks_for_the_change_within_its_bound() -> None:
    tokens = ["auth_token", "login_role", "jwt", "csrf_secret", "permission"]
    failure = failing(FIRST, category=FailureCategory.SECURITY)
    value = by_kind(found(failure, touched=[PATH], hunks=[hunk(tokens=tokens)]))[EvidenceKind.CHANGED_MATTER]
    assert value == pytest.approx(log(RULED.maximum("changed_matter_max")), abs=1e-5)
    other = failing(FIRST, category=FailureCategory.LOGIC_UNHANDLED)
    assert kinds(found(other, touched=[PATH], hunks=[hunk(tokens=tokens)])) == {EvidenceKind.UNTOUCHED}


def test_evidence_does_not_depend_on_the_order_of_paths_and_hunks() -> None:
    failure = failing(frame(blamed=3), SECOND, message="voucher and gift", category=FailureCategory.SECURITY)
    touched = [PATH, "shop/b.py", "shop/auth.py"]
    hunks = [
        hunk(start=40),
        hunk("shop/b.py", start=9, tokens=["voucher"]),
        hunk("shop/auth.py", tokens=["gift", "auth"]),
    ]
    assert found(failure, touched=touched, hunks=hunks) == found(
        failure, touched=touched[::-1], hunks=hunks[::-1]
    )


def test_who_wrote_a_change_is_no_evidence() -> None:
    failure = failing(frame(blamed=3), message="voucher")
    row = hunk(tokens=["voucher"])
    marked = listed(3, origin="ai", ai_share=1.0, tools=["claude-code"])
    plain = listed(3, origin="human", tools=[])
    assert marked.change["sha"] == sha(3)
    assert found(failure, marked, touched=[PATH], hunks=[row]) == found(
        failure, plain, touched=[PATH], hunks=[row]
    )

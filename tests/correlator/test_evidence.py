"""All evidence of one failure, weighed: who gets how much of its mass."""

import ast
from math import fsum
from pathlib import Path
from random import Random
from typing import Any

import pytest
from evidence_builders import (
    PATH,
    RULED,
    around,
    failing,
    frame,
    hunk,
    interval,
    listed,
    mass,
    requests,
    weighed,
)
from failure_builders import hours, sha
from hypothesis import given
from hypothesis import strategies as st

import correlator.evidence
from correlator.candidates import Listed
from correlator.evidence_in_time import Circumstances
from schemas.vocabulary import Candidate, EvidenceKind, FailureCategory

ROOM = Path(correlator.evidence.__file__).parent
BLIND = sorted(
    {*ROOM.glob("evidence*.py"), *(ROOM / f"{n}.py" for n in ("candidates", "suspects", "tokens"))}
)
OTHER = "shop/stock.py"


def test_the_change_that_wrote_the_failing_line_outweighs_the_bystanders_of_its_range() -> None:
    found = weighed(
        failing(frame(blamed=3)), [listed(2), listed(3), listed(4)], touched={3: [PATH], 4: [OTHER]}
    )
    assert found[0].sha == sha(3)
    assert mass(found, 3) > 5 * max(mass(found, 2), mass(found, 4))


def test_the_writer_of_the_innermost_line_outweighs_the_writer_of_the_third() -> None:
    stack = failing(frame("a.py", blamed=2), frame("b.py", blamed=9), frame("c.py", blamed=4))
    found = weighed(stack, [listed(2), listed(4)])
    assert mass(found, 2) > mass(found, 4) > 0


def test_a_change_that_touches_the_stack_outweighs_one_that_does_not() -> None:
    found = weighed(failing(frame(blamed=0)), [listed(2), listed(3)], touched={2: [OTHER], 3: [PATH]})
    assert mass(found, 3) > mass(found, 2)


def test_the_only_change_to_name_what_the_message_names_is_told_from_its_range() -> None:
    names = {2: ["stock"], 3: ["voucher"], 4: ["ledger"], 5: ["basket"]}
    found = weighed(
        failing(message="unknown voucher"),
        [listed(n) for n in names],
        touched={n: [PATH] for n in names},
        hunks={n: [hunk(tokens=tokens)] for n, tokens in names.items()},
    )
    named = [mass(found, n) for n in names]
    assert named[1] == max(named) > 1.5 * named[0]


def test_a_dependency_that_is_down_leaves_little_to_the_changes() -> None:
    away = failing(frame(), category=FailureCategory.DEPENDENCY_INFRASTRUCTURE, is_dependency_leaf=True)
    found = weighed(away, [listed(2), listed(3)], touched={3: [PATH]})
    assert mass(found, Candidate.NO_CHANGE) > 0.7
    ours = weighed(failing(frame(), is_dependency_leaf=True), [listed(2), listed(3)], touched={3: [PATH]})
    assert mass(ours, Candidate.NO_CHANGE) < 0.5


@pytest.mark.parametrize("kind", ["formatter", "docs"])
def test_a_change_that_can_hardly_fail_does_not_become_likely_by_being_alone(kind: str) -> None:
    token = listed(3, share=RULED.prior["docs_or_test"], kind=kind)
    assert mass(weighed(failing(frame()), [token]), 3) == 0
    touching, likely = (weighed(failing(frame()), [c], touched={3: [PATH]}) for c in (token, listed(3)))
    assert mass(touching, Candidate.NO_CHANGE) > mass(touching, 3)
    assert mass(likely, 3) > mass(likely, Candidate.NO_CHANGE)


def test_without_a_known_revision_no_change_weighs_over_half() -> None:
    stack = failing(frame(blamed=3), message="voucher", revision=None)
    found = weighed(stack, [listed(3)], touched={3: [PATH]}, hunks={3: [hunk(start=40, tokens=["voucher"])]})
    assert mass(found, 3) == RULED.cap["unknown_revision"]


def test_lines_and_files_alone_never_look_certain() -> None:
    found = weighed(failing(frame(blamed=3)), [listed(3)], touched={3: [PATH]}, hunks={3: [hunk(start=40)]})
    assert mass(found, 3) == RULED.cap["blame_only"]


def test_a_revert_that_ended_the_failure_confirms_one_of_two_changes_of_the_failing_file() -> None:
    reverted = around(reverters={sha(2): (sha(8), hours(11))})
    found = weighed(
        failing(frame()), [listed(2), listed(3)], reverted, touched={2: [PATH], 3: [PATH], 8: [PATH]}
    )
    assert found[0].sha == sha(2)
    assert found[0].weight > RULED.cap["default"]


def test_a_failure_that_ended_by_itself_leaves_more_to_no_change() -> None:
    stack = failing(frame(), failed_at=[hours(10)] * 20)
    traffic = requests((10, 3, 40), (11, 3, 100))
    by_itself = weighed(stack, [listed(3)], around(traffic=traffic))
    ended = weighed(stack, [listed(3)], around(traffic=traffic, ended_by=interval(5, 10.5, 3)))
    assert mass(by_itself, Candidate.NO_CHANGE) > mass(ended, Candidate.NO_CHANGE)


def test_without_candidates_no_change_is_named() -> None:
    found = weighed(failing(frame(blamed=3)), [])
    assert {s.candidate for s in found} == {Candidate.NO_CHANGE, Candidate.UNATTRIBUTED}
    assert fsum(s.weight for s in found) == pytest.approx(1, abs=1e-9)


def test_each_kind_of_evidence_counts_once_for_a_change() -> None:
    once = weighed(failing(frame(blamed=3)), [listed(3), listed(2)])
    often = weighed(failing(*[frame(blamed=3)] * 5), [listed(3), listed(2)])
    kinds = [piece.kind for piece in often[0].evidence]
    assert len(kinds) == len(set(kinds))
    assert [s.weight for s in once] == [s.weight for s in often]


def test_every_share_of_a_change_comes_with_evidence() -> None:
    found = weighed(failing(frame(blamed=3)), [listed(n) for n in range(2, 6)], touched={4: [PATH]})
    assert all(s.evidence for s in found if s.candidate is Candidate.CHANGE)


# --- laws -----------------------------------------------------------------------------------------------------------

PATHS = (PATH, OTHER, "shop/auth.py", "deploy/values.yaml", "docs/guide.md", "tests/test_orders.py")
TOKENS = ("voucher", "gift", "auth_token", "request", "Basket")

FRAMES = st.lists(
    st.builds(
        frame,
        st.sampled_from([*PATHS, None]),
        st.none() | st.integers(1, 500),
        blamed=st.none() | st.integers(0, 9),
        function=st.sampled_from([None, "price", "Basket.add"]),
    ),
    max_size=7,
)
HUNKS = st.lists(
    st.builds(
        hunk,
        st.sampled_from(PATHS),
        start=st.integers(0, 500),
        tokens=st.lists(st.sampled_from(TOKENS), unique=True, max_size=4),
        heading=st.none() | st.sampled_from(["def price(self):", "class Basket"]),
    ),
    max_size=4,
)
CANDIDATES = st.lists(
    st.builds(
        listed,
        st.integers(0, 9),
        share=st.floats(0.001, 40),
        steps_back=st.integers(-1, 4),
        is_callee=st.booleans(),
        deployed_at=st.none() | st.integers(0, 9).map(hours),
    ),
    max_size=8,
    unique_by=lambda c: str(c.change["sha"]),
)
MENDED = st.dictionaries(
    st.integers(0, 9).map(sha), st.tuples(st.just(sha(15)), st.integers(8, 40).map(hours)), max_size=2
)
CIRCUMSTANCES = st.builds(
    around,
    traffic=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4), st.integers(0, 3000)), max_size=6).map(
        lambda ran: requests(*sorted(ran))
    ),
    onset_interval=st.sampled_from([None, interval(3, 9.9, 1), interval(3, 1, None)]),
    ended_by=st.sampled_from([None, interval(5, 30, 3), interval(1, 30, 3)]),
    is_sampling_known=st.booleans(),
    reverters=MENDED,
    fixers=MENDED,
    route_paths=st.frozensets(st.sampled_from(PATHS), max_size=2),
    named=st.frozensets(st.integers(0, 9).map(sha), max_size=1),
)
FAILURES = st.fixed_dictionaries(
    {
        "failed_at": st.lists(st.integers(10, 30).map(hours), min_size=1, max_size=5),
        "message": st.none() | st.sampled_from(["no voucher", "request for 'gift'", ""]),
        "is_dependency_leaf": st.booleans(),
        "is_garbage_caller": st.booleans(),
        "revision": st.none() | st.just(sha(3)),
        "callee": st.none() | st.just("stock"),
        "category": st.sampled_from(FailureCategory),
    }
)
TOUCHED = st.dictionaries(st.integers(0, 9), st.lists(st.sampled_from(PATHS), unique=True, max_size=6))


@given(
    FAILURES,
    FRAMES,
    CANDIDATES,
    CIRCUMSTANCES,
    TOUCHED,
    st.dictionaries(st.integers(0, 9), HUNKS),
    st.randoms(),
)
def test_weights_of_every_group_sum_to_one_whatever_the_evidence_and_its_order(
    stated: dict[str, Any],
    frames: list[dict[str, Any]],
    candidates: list[Listed],
    circumstances: Circumstances,
    touched: dict[int, list[str]],
    hunks: dict[int, list[dict[str, Any]]],
    chance: Random,
) -> None:
    failure = failing(*frames, **stated)
    found = weighed(failure, candidates, circumstances, touched=touched, hunks=hunks)
    assert fsum(s.weight for s in found) == pytest.approx(1, abs=1e-9)
    assert all(0 <= s.weight <= 1 for s in found)
    blamed = [s for s in found if s.candidate is Candidate.CHANGE]
    others = sorted(s.candidate for s in found if s.candidate is not Candidate.CHANGE)
    assert others == [Candidate.NO_CHANGE, Candidate.UNATTRIBUTED]
    assert {s.sha for s in blamed} <= {c.change["sha"] for c in candidates}
    assert all(s.weight <= RULED.cap["confirmed"] for s in blamed)
    # The same facts in another order, and told by whom the changes were written, give the same answer.
    shuffled = [
        Listed(
            {**c.change, "origin": chance.choice(["ai", "human", "unknown"]), "tools": ["claude-code"]},
            c.share,
            c.steps_back,
            c.service,
            c.is_callee,
            c.deployed_at,
        )
        for c in candidates
    ]
    chance.shuffle(shuffled)
    again = weighed(failure, shuffled, circumstances, touched=touched, hunks=dict(reversed(hunks.items())))
    assert again == found


# --- who wrote a change is no input ---------------------------------------------------------------------------------

WRITERS = {"origin", "origins", "provenance", "tool", "tools", "ai_share", "author", "authors", "confidence"}


def words(path: Path) -> set[str]:
    """Every name, attribute, imported module and text of a module but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            found.add(node.arg or "")
        elif isinstance(node, ast.alias):
            found |= set(node.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            found |= set((node.module or "").split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            found |= set(node.value.split())
    return {word.lower() for word in found}


@pytest.mark.parametrize("path", BLIND, ids=lambda path: path.name)
def test_who_wrote_a_change_is_no_input_of_a_suspicion(path: Path) -> None:
    assert not words(path) & WRITERS


def test_every_file_of_the_evidence_is_read_for_it() -> None:
    names = {path.name for path in BLIND}
    assert {"evidence.py", "evidence_in_code.py", "evidence_in_time.py", "candidates.py"} <= names
    # The reading itself finds what it looks for, where it stands.
    assert "provenance" in words(ROOM / "changes.py")
    assert "tools" in words(ROOM / "histories.py")


@pytest.mark.parametrize("kind", EvidenceKind)
def test_no_kind_of_evidence_names_a_writer(kind: EvidenceKind) -> None:
    assert not set(kind.value.split("_")) & (WRITERS | {"ai"})


def test_a_change_that_the_incident_names_is_not_folded_away_by_the_stack() -> None:
    named = around(named=frozenset({sha(2)}))
    found = weighed(
        failing(frame(blamed=3)),
        [listed(2), listed(3)],
        named,
        touched={2: ["shop/other.py"], 3: [PATH]},
        hunks={3: [hunk(start=40)]},
    )
    assert mass(found, 2) > mass(found, 3)


def test_line_function_and_file_of_one_stack_are_not_multiplied() -> None:
    line = weighed(failing(frame(blamed=3)), [listed(3), listed(2)], around())
    everything = weighed(
        failing(frame(blamed=3)),
        [listed(3), listed(2)],
        around(),
        touched={3: [PATH]},
        hunks={3: [hunk(start=40)]},
    )
    assert mass(everything, 3) == mass(line, 3)


def test_a_long_hunk_that_holds_the_failing_line_changes_its_function() -> None:
    long = {3: [hunk(start=30, new_count=100)]}
    found = weighed(failing(frame(line=60)), [listed(3)], around(), touched={3: [PATH]}, hunks=long)
    assert EvidenceKind.CHANGED_FUNCTION in {piece.kind for piece in found[0].evidence}

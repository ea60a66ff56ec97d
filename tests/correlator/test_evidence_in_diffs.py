"""Each sign of a diff against the failure that it explains, and the laws that all of them keep."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from math import log

import pytest
from evidence_builders import PATH, RULED, by_kind, failing, frame, listed, mass, weighed
from failure_builders import sha
from hypothesis import given
from hypothesis import strategies as st

from correlator import change_diffs
from correlator.evidence_in_diffs import KINDS, of_diffs
from correlator.failing_code import FailingCode, lacking
from correlator.failure_groups import FailureGroup
from schemas.records import DiffHunk, SuspectEvidence
from schemas.vocabulary import EvidenceKind, FailureCategory


def hunk(
    path: str = "shop/rates.py", removed: str = "", added: str = "", heading: str | None = None
) -> DiffHunk:
    return DiffHunk(path, None, "M", 10, 10, heading, tuple(removed.splitlines()), tuple(added.splitlines()))


QUIET = hunk("shop/other.py", "", "nothing_of_interest = 1")


def found(
    failure: FailureGroup,
    code: FailingCode,
    ours: Sequence[DiffHunk],
    others: Mapping[int, Sequence[DiffHunk]] | None = None,
    *,
    is_callee: bool = False,
    is_sender: bool = False,
    service: str = "checkout",
) -> dict[EvidenceKind, float]:
    """Kinds that change 3 shows among candidates that do something else."""
    hunks = {3: ours, **(others or {1: [QUIET], 2: [QUIET], 4: [QUIET]})}
    pieces = of_diffs(
        failure,
        [listed(n, is_callee=is_callee, is_sender=is_sender, service=service) for n in hunks],
        code,
        diffs={sha(n): change_diffs.read(tuple(rows)) for n, rows in hunks.items()},
        weights=RULED,
    )
    return by_kind(pieces[sha(3)])


def code(**overrides: object) -> FailingCode:
    """One frame whose failing line calls ``tax_of``, in a function that reads ``limit``."""
    stated: dict[str, object] = {
        "statements": (frozenset({"tax_of", "basket"}),),
        "called": (frozenset({"tax_of"}),),
        "bodies": (frozenset({"tax_of", "basket", "limit"}),),
        "functions": ("price",),
        **overrides,
    }
    return FailingCode(**stated)  # type: ignore[arg-type]


NULL = failing(frame(), exception_type="TypeError", message="'NoneType' object is not subscriptable")
SLOW = failing(frame(), message="deadline exceeded", category=FailureCategory.RESOURCE_PERFORMANCE)
REFUSED = failing(exception_type="Denied", message="not in this country, says the bank")


@pytest.mark.parametrize(
    ("kind", "failure", "around", "ours"),
    [
        (EvidenceKind.RAISES_MESSAGE, REFUSED, code(), hunk(added='    raise Denied("not in this country")')),
        (EvidenceKind.RAISES_TYPE, REFUSED, code(), hunk(added="    raise Denied(country)")),
        (
            EvidenceKind.REMOVED_NAME,
            NULL,
            code(lacking=frozenset({"escape"})),
            hunk(removed="def escape(text):"),
        ),
        (EvidenceKind.MISSING_NAME, NULL, code(lacking=frozenset({"escape"})), hunk(added="x = text.escape")),
        (
            EvidenceKind.CHANGED_SIGNATURE,
            NULL,
            code(),
            hunk(removed="def tax_of(basket):", added="def tax_of(basket, rate):"),
        ),
        (
            EvidenceKind.CHANGED_CALLEE,
            NULL,
            code(),
            hunk(added="    return None", heading="def tax_of(basket):"),
        ),
        (EvidenceKind.CHANGED_VALUE, NULL, code(), hunk(removed="limit = 10", added="limit = 0")),
        (EvidenceKind.CHANGED_IMPORT, NULL, code(imports=frozenset({"shop/rates.py"})), hunk(added="x = 1")),
        (EvidenceKind.CHANGED_CODE_NAME, NULL, code(), hunk(added="    basket = load()")),
        (EvidenceKind.REMOVED_GUARD, NULL, code(), hunk(removed="    if basket is None:", added="    pass")),
        (EvidenceKind.ADDED_LOAD, SLOW, code(), hunk(added="    for item in basket:")),
        (
            EvidenceKind.CHANGED_BOUND,
            NULL,
            code(raising=frozenset({"pricing"})),
            hunk("requirements.txt", "pricing==1.0", "pricing==2.0"),
        ),
    ],
)
def test_a_diff_that_explains_the_failure_shows_it(
    kind: EvidenceKind, failure: FailureGroup, around: FailingCode, ours: DiffHunk
) -> None:
    value = found(failure, around, [ours])[kind]
    assert 0 < value <= log(RULED.maximum(f"{kind}_max")) + 1e-6
    assert kind not in found(failure, FailingCode(), [QUIET])


def test_a_callee_that_drops_a_field_breaks_its_contract() -> None:
    failure = failing(exception_type="KeyError", message="'gift_note'")
    ours = [hunk(removed="    gift_note: str = ''")]
    assert EvidenceKind.CHANGED_CONTRACT in found(failure, FailingCode(), ours, is_callee=True)
    assert EvidenceKind.CHANGED_CONTRACT not in found(failure, FailingCode(), ours)


@pytest.mark.parametrize("role", ["is_callee", "is_sender"])
@pytest.mark.parametrize(
    ("message", "statement"),
    [
        ("'gift_note'", frozenset[str]()),
        ('Cannot invoke "Order.getGiftNote()" because "order" is null', frozenset[str]()),
        ("runtime error: invalid memory address or nil pointer dereference", frozenset({"GiftNote"})),
    ],
    ids=["the field", "its accessor", "on the failing line"],
)
def test_a_peer_that_writes_a_field_no_more_breaks_whoever_reads_it(
    role: str, message: str, statement: frozenset[str]
) -> None:
    failure = failing(exception_type="KeyError", message=message)
    renamed = [hunk(removed='  send("orders", {"gift_note": a})', added='  send("orders", {"remark": a})')]
    reads = FailingCode(
        statements=(statement,), called=(frozenset(),), bodies=(frozenset(),), functions=("price",)
    )
    assert EvidenceKind.CHANGED_CONTRACT in found(failure, reads, renamed, **{role: True})
    assert EvidenceKind.CHANGED_CONTRACT not in found(failure, reads, renamed)
    moved = [*renamed, hunk("shop/sends.py", added='  send("orders", {"gift_note": a})')]
    assert EvidenceKind.CHANGED_CONTRACT not in found(failure, reads, moved, is_sender=True)


REFUSED = failing(callee="stock", attributes={"http.response.status_code": 422})


@pytest.mark.parametrize(
    ("removed", "added", "is_sign"),
    [
        ("  if len(note) > 200:", "  if len(note) > 50:", True),
        ("", "  if not order.note:", True),
        ("  if len(note) > 200:", "", False),
        ("  total = 1", "  total = 2", False),
        ("  if (a > 1) {", "      if (a > 1) {", False),
    ],
    ids=["set otherwise", "added", "taken away", "no check", "only indented"],
)
def test_a_service_that_begins_to_refuse_checks_otherwise(removed: str, added: str, is_sign: bool) -> None:
    ours = [hunk(removed=removed, added=added)]
    told = found(REFUSED, FailingCode(), ours, is_callee=True, service="stock")
    assert (EvidenceKind.CHANGED_CONTRACT in told) == is_sign


def test_a_check_says_nothing_where_another_service_refused_or_nobody_did() -> None:
    ours = [hunk(added="  if not order.note:")]
    assert EvidenceKind.CHANGED_CONTRACT not in found(
        REFUSED, FailingCode(), ours, is_callee=True, service="prices"
    )
    failed = failing(callee="stock", attributes={"http.response.status_code": 503})
    assert EvidenceKind.CHANGED_CONTRACT not in found(
        failed, FailingCode(), ours, is_callee=True, service="stock"
    )


def test_the_500_of_any_exception_is_no_status_that_a_change_names() -> None:
    assert EvidenceKind.RAISES_TYPE not in found(NULL, code(), [hunk(added="answer(500)")])


def test_what_every_candidate_shows_tells_them_apart_by_less() -> None:
    ours = [hunk(removed="def escape(text):")]
    around = code(lacking=frozenset({"escape"}))
    alone = found(NULL, around, ours)[EvidenceKind.REMOVED_NAME]
    shared = found(NULL, around, ours, {1: ours, 2: ours, 4: ours})[EvidenceKind.REMOVED_NAME]
    assert shared < alone / 2


def test_a_huge_change_loses_what_it_holds_by_chance() -> None:
    ours = hunk(added="    basket = load()")
    noise = hunk("shop/noise.py", "", "\n".join(f"noise_{n} = 1" for n in range(2000)))
    small, large = (
        found(NULL, code(), rows)[EvidenceKind.CHANGED_CODE_NAME] for rows in ([ours], [ours, noise])
    )
    assert 0 < large < small


def test_a_function_of_the_same_name_far_from_the_stack_says_less() -> None:
    ours = [hunk(added="    return None", heading="def tax_of(basket):")]
    far = found(NULL, code(), ours)[EvidenceKind.CHANGED_CALLEE]
    near = found(NULL, code(imports=frozenset({"shop/rates.py"})), ours)[EvidenceKind.CHANGED_CALLEE]
    assert far < near


def test_the_change_that_removed_what_is_missing_outweighs_the_one_that_touched_the_raising_file() -> None:
    failure = failing(
        frame(line=3), exception_type="ImportError", message="cannot import name 'escape' from 'shop'"
    )
    around = FailingCode(lacking=lacking("ImportError", failure.facts.message))
    suspects = weighed(
        failure,
        [listed(2), listed(3)],
        touched={2: [PATH], 3: ["shop/text.py"]},
        code=around,
        diffs={2: [hunk(PATH, "", "x = 1")], 3: [hunk("shop/text.py", "def escape(text):")]},
    )
    assert mass(suspects, 3) > mass(suspects, 2)


def _pieces(order: Sequence[DiffHunk]) -> dict[str, list[SuspectEvidence]]:
    return of_diffs(NULL, [listed(3)], code(), diffs={sha(3): change_diffs.read(tuple(order))}, weights=RULED)


def test_the_order_of_hunks_does_not_matter() -> None:
    hunks = [
        hunk(removed="def tax_of(basket):", added="def tax_of(basket, rate):"),
        hunk("shop/a.py", "    if basket is None:", "    basket = load()"),
        hunk("shop/b.py", "limit = 10", "limit = 0"),
    ]
    assert len({repr(_pieces(order)) for order in permutations(hunks)}) == 1


def test_who_wrote_a_change_is_not_read() -> None:
    diffs = {sha(3): change_diffs.read((hunk(removed="def tax_of(basket):"),))}
    by_origin = [
        of_diffs(NULL, [listed(3, origin=origin)], code(), diffs=diffs, weights=RULED)
        for origin in ("ai", "human")
    ]
    assert by_origin[0] == by_origin[1]


LINES = st.lists(st.text(alphabet="abcdefi =():.'\"{}[]\\,#", max_size=40), max_size=6)


@given(
    removed=LINES,
    added=LINES,
    path=st.sampled_from(["a.py", "a.ts", "a.go", "A.java", "go.mod", "uv.lock", "x"]),
)
def test_any_diff_gives_pieces_within_their_maxima(removed: list[str], added: list[str], path: str) -> None:
    made = DiffHunk(path, None, "M", 1, 1, None, tuple(removed), tuple(added))
    for piece in _pieces([made])[sha(3)]:
        assert piece.kind in KINDS
        assert 0 <= piece.log_lr <= log(RULED.maximum(f"{piece.kind}_max")) + 1e-6

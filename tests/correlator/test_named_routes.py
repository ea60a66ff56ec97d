"""What a change did to the routes that an incident names."""

from math import log
from typing import Any

from correlator import named_routes, weights
from correlator.complaints import Complaint
from schemas.records import DiffHunk
from schemas.vocabulary import EvidenceKind

RULED = weights.load()
HITS = {("shop/routes.py", 40)}


def hunk(start: int, removed: tuple[str, ...] = (), added: tuple[str, ...] = (), **changed: Any) -> DiffHunk:
    told: dict[str, Any] = {
        "path": "shop/routes.py", "old_path": None, "status": "M", "old_start": start, "new_start": start,
        "heading": None, "removed": removed, "added": added,
    }  # fmt: skip
    return DiffHunk(**(told | changed))


def kinds(complaint: Complaint, *hunks: DiffHunk) -> dict[EvidenceKind, float]:
    found = named_routes.evidence(complaint, HITS, {"a": hunks}, RULED)
    return {piece.kind: piece.log_lr for piece in found.get("a", ())}


def test_who_took_the_gate_from_the_route_that_stands_open_is_suspected_most() -> None:
    gate = hunk(38, removed=('@requires("admin")',))
    found = kinds(Complaint.OPEN_ACCESS, gate)
    assert set(found) == {EvidenceKind.CHANGED_FUNCTION, EvidenceKind.REMOVED_GUARD}
    elsewhere = kinds(
        Complaint.OPEN_ACCESS, hunk(5, removed=("app.use(authenticate)",), path="shop/server.js")
    )
    assert set(elsewhere) == {EvidenceKind.REMOVED_GUARD}
    assert 0 < elsewhere[EvidenceKind.REMOVED_GUARD] < found[EvidenceKind.REMOVED_GUARD]


def test_a_gate_that_only_moved_and_a_comment_about_one_let_nobody_in() -> None:
    moved = hunk(38, removed=('  @requires("admin")',), added=('    @requires("admin")',))
    comment = hunk(38, removed=("# only an admin may do this",))
    for one in (moved, comment):
        assert EvidenceKind.REMOVED_GUARD not in kinds(Complaint.OPEN_ACCESS, one)


def test_directives_in_comments_are_gates() -> None:
    for line in (
        "//auth:role admin",
        "// @role admin",
        "#[guard(admin)]",
        "@PreAuthorize(\"hasRole('ADMIN')\")",
    ):
        assert EvidenceKind.REMOVED_GUARD in kinds(Complaint.OPEN_ACCESS, hunk(38, removed=(line,))), line


def test_lines_beside_a_route_say_more_than_its_file_of_what_shows_in_no_span() -> None:
    assert set(kinds(Complaint.WRONG_DATA, hunk(44, added=("total = round(total)",)))) == {
        EvidenceKind.CHANGED_FUNCTION
    }
    assert set(kinds(Complaint.WRONG_DATA, hunk(400, added=("x = 1",)))) == {EvidenceKind.CHANGED_ROUTE_FILE}
    assert set(kinds(Complaint.REFUSALS, hunk(44, added=("x = 1",)))) == {EvidenceKind.CHANGED_ROUTE_FILE}
    assert kinds(Complaint.WRONG_DATA, hunk(44, added=("x = 1",), path="shop/prices.py")) == {}


def test_of_slowness_work_that_was_added_counts_wherever_it_stands() -> None:
    work = hunk(7, added=("for line in lines:", "    db.query(line)"), path="shop/prices.py")
    found = kinds(Complaint.SLOWNESS, work)
    assert found == {EvidenceKind.ADDED_LOAD: round(log(RULED.maximum("added_load_max")), 6)}
    assert kinds(Complaint.SLOWNESS, hunk(40, added=("x = 1",))) == {}


def test_a_route_is_looked_for_by_what_stands_before_its_parameters() -> None:
    assert named_routes.before_parameters("/orders/{id}/lines") == "/orders/"
    assert named_routes.before_parameters("/orders/:id") == "/orders/"
    assert named_routes.before_parameters("/orders") == ""

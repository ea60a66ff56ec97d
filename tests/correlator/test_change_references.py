import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import change_references


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("Merge pull request #12 from acme/rates\n\nAdd rates", 12),
        ("Add rates (#12)", 12),
        ("Add rates (!12)", 12),
        ('Revert "Add rates (#12)" (#13)', 13),
        ('Revert "Add rates (#12)"', None),
        ("Merged in rates (pull request #7)", 7),
        ("Merged PR 31: Add rates", 31),
        ("Merge branch 'rates' into 'main'\n\nAdd rates\n\nSee merge request acme/shop!44", 44),
        ("Mend #12", None),
        ("", None),
    ],
)
def test_the_number_of_the_request_is_read_as_each_forge_writes_it(message: str, number: int | None) -> None:
    assert change_references.read(message).number == number


def test_a_revert_names_what_it_takes_back() -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    read = change_references.read(f'Revert "Add rates (#12)"\n\nThis reverts commit {sha}.')
    assert read.reverted_shas == (sha,)
    assert read.reverted_subject == "Add rates"
    assert change_references.read("revert: add rates\n\nThis reverts commit 0123456.").reverted_shas == (
        "0123456",
    )
    assert change_references.read("Undo\n\nReverts acme/shop#12").reverted_numbers == (12,)
    assert change_references.read('Reapply "Add rates"').reverted_subject == 'Revert "Add rates"'


@pytest.mark.parametrize(
    ("title", "is_revert"),
    [
        ('Revert "x"', True),
        ("revert: x", True),
        ("Reverts the rates", True),
        ("[3.1] Revert x", True),
        ('Reapply "x"', True),
        ("Add revert button", False),
        ("Reverting is hard, document it", True),
        ("Reapply styles", False),
        ("Revertible operations", False),
    ],
)
def test_a_title_says_whether_it_is_a_revert(title: str, is_revert: bool) -> None:
    assert change_references.is_revert(title) is is_revert


def test_a_fixes_trailer_names_a_commit_and_a_fixes_keyword_an_issue() -> None:
    read = change_references.read('Mend\n\nFixes: 54a4f0239f2e ("Add rates")\nFixes #7, #8 and acme/web#9')
    assert read.fixed_shas == ("54a4f0239f2e",)
    assert read.fixed_issues == ("#7", "#8", "acme/web#9")
    assert read.closes == ("#7", "#8", "acme/web#9")


def test_incidents_and_links_are_closed_as_written() -> None:
    read = change_references.read(
        "Mend\n\nCloses: INC-7\nresolves https://example.com/acme/shop/issues/4\nIncident: OPS-12"
    )
    assert read.closes == ("INC-7", "https://example.com/acme/shop/issues/4", "OPS-12")
    assert read.fixed_issues == ("OPS-12",)


def test_the_title_of_a_forge_merge_stands_in_its_body() -> None:
    assert change_references.title_of("Merge pull request #12 from acme/x\n\nfix: rates") == "fix: rates"
    assert change_references.title_of("Merge branch 'x'") == "Merge branch 'x'"
    assert change_references.title_of("\n\nAdd rates\n\nbody") == "Add rates"


@given(st.text(max_size=400))
def test_any_text_is_read_within_bounds(message: str) -> None:
    read = change_references.read(message * 30)
    for found in (read.reverted_shas, read.fixed_shas, read.closes, read.reverted_numbers):
        assert len(found) <= change_references.REFERENCES_MAX

from hypothesis import given
from hypothesis import strategies as st

from correlator import message_lines
from correlator.message_lines import Context


def contexts(message: str) -> list[tuple[str, Context]]:
    return [(line.text, line.context) for line in message_lines.read(message)]


def test_the_first_line_with_text_is_the_subject() -> None:
    assert contexts("\n\nAdd basket\nBody") == [("Add basket", Context.SUBJECT), ("Body", Context.OWN)]


def test_bullets_emphasis_and_headings_are_stripped() -> None:
    lines = message_lines.read("S\n\n* One\n- **Two**\n1. Three\n## Four\n- [X] Five\n")
    assert [line.text for line in lines[1:]] == ["One", "Two", "Three", "Four", "[x] Five"]
    assert [line.is_heading for line in lines[1:]] == [False, False, False, True, False]


def test_closed_fences_are_fenced_and_open_ones_are_not() -> None:
    assert contexts("S\n```\nA: b\n```\nC: d")[1:] == [
        ("```", Context.FENCED),
        ("A: b", Context.FENCED),
        ("```", Context.FENCED),
        ("C: d", Context.OWN),
    ]
    assert ("C: d", Context.OWN) in contexts("S\n```\nA: b\nC: d")


def test_the_rule_of_a_squash_closes_nothing_but_ends_an_open_fence() -> None:
    assert ("C: d", Context.OWN) in contexts("S\n```sh\nrun\n---------\nC: d\n```")


def test_quotes_comments_diffs_and_code_lines_are_quotations() -> None:
    message = "S\n> A: b\n<!--\nC: d\n-->\n-E: f\n+G: h\n`I: j`\n"
    assert all(context is Context.QUOTED for _, context in contexts(message)[1:])


def test_what_a_colon_introduces_is_an_example_unless_it_announces_credits() -> None:
    assert contexts("S\n\nLooks like this:\n\n    A: b\n\nEnd")[2:] == [
        ("A: b", Context.QUOTED),
        ("End", Context.OWN),
    ]
    assert contexts("S\n\nAI disclosure:\n\n- A: b\n")[2] == ("A: b", Context.OWN)


def test_spelled_out_newlines_part_a_line_before_a_trailer_only() -> None:
    assert contexts("S\n\nDone.\\n\\nCo-authored-by: A <a@b.example>")[1:] == [
        ("Done.", Context.OWN),
        ("Co-authored-by: A <a@b.example>", Context.OWN),
    ]
    assert contexts('S\n\nprints "\\n\\nCo-authored-by: A"')[1:] == [
        ('prints "\\n\\nCo-authored-by: A"', Context.OWN)
    ]


def test_sentences_are_put_together_over_lines() -> None:
    message = "S\n\nThis module is long and was mostly\nwritten by hand. It works. Really.\n\nNext one\n"
    assert list(message_lines.sentences(message_lines.read(message)))[1:] == [
        "This module is long and was mostly written by hand.",
        "It works.",
        "Really.",
        "Next one",
    ]


@given(st.text(alphabet=st.sampled_from("ab:`~<!->#*[x] \n\r\\"), max_size=200))
def test_never_fails_and_blank_lines_are_left_out(text: str) -> None:
    lines = message_lines.read(text)
    assert all(line.raw.strip() for line in lines)
    assert sum(line.context is Context.SUBJECT for line in lines) == bool(lines)
    list(message_lines.sentences(lines))

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import commit_lines
from correlator.commit_lines import BadLine, CommitLine

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CLAUDE = "Co-Authored-By: Claude <noreply@anthropic.com>"


def read(*values: Any) -> list[CommitLine | BadLine]:
    lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return list(commit_lines.read(lines, now=NOW))


def one(**fields: Any) -> CommitLine:
    (found,) = read({"message": "Fix", **fields})
    assert isinstance(found, CommitLine), found
    return found


def test_a_bad_line_is_named_and_the_rest_goes_on() -> None:
    found = read({"message": "a"}, "", "{", "[1]", {"sha": "b" * 40}, {"message": "c"})
    assert [f.number for f in found] == [1, 3, 4, 5, 6]
    assert [f.reason for f in found if isinstance(f, BadLine)] == [
        "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "not a JSON object",
        "message: a text is needed",
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"authored_at": "yesterday"}, "authored_at: 'yesterday' is no RFC 3339 time"),
        ({"authored_at": True}, "authored_at: True is no RFC 3339 time"),
        ({"author_name": 3}, "author_name: not a text"),
        ({"parents": -1}, "parents: neither a count nor a list of ids"),
        ({"parents": "x"}, "parents: neither a count nor a list of ids"),
        ({"notes": 5}, "notes: neither a text nor an object with a text"),
        ({"message": None}, "message: a text is needed"),
    ],
)
def test_a_wrong_field_is_told_by_name(fields: dict[str, Any], reason: str) -> None:
    (found,) = read({"message": "Fix", **fields})
    assert found == BadLine(1, reason)


def test_what_a_line_leaves_out_says_nothing() -> None:
    commit = one().commit
    assert (commit.authored_at, commit.author_name, commit.parents, commit.note) == (NOW, "", (), None)
    commit = one(author_name="Ada", author_email="ada@shop.example", authored_at=1772449200).commit
    assert (commit.committer_name, commit.committer_email) == ("Ada", "ada@shop.example")
    assert commit.committed_at == datetime(2026, 3, 2, 11, tzinfo=UTC)


def test_times_keep_their_zone_and_naive_ones_are_utc() -> None:
    assert one(authored_at="2026-03-02T10:00:00+02:00").commit.authored_at == NOW + timedelta(hours=8)
    assert one(authored_at="2026-03-02T10:00:00").commit.authored_at == NOW + timedelta(hours=10)


def test_a_note_comes_as_text_or_inside_an_object() -> None:
    note = "a.py\n  s_0123456789abcd::t_0123456789abcd 1-2\n---\n{}"
    for value in (note, {"text": note, "ai_lines": 2}):
        assert one(notes=value).commit.note == note


def test_an_explanation_has_its_evidence_and_is_json() -> None:
    told = commit_lines.explained(one(repo="acme/shop", sha="A" * 40, message=f"Fix\n\n{CLAUDE}").commit)
    assert json.loads(json.dumps(told)) == told
    assert (told["repo"], told["sha"], told["origin"], told["role"], told["tools"], told["confidence"]) == (
        "acme/shop",
        "a" * 40,
        "ai",
        "coauthor",
        ["claude-code"],
        "A",
    )
    assert told["evidence"][0]["matched_text"] == CLAUDE


@given(st.text() | st.dictionaries(st.sampled_from(["message", "repo", "parents", "notes"]), st.text()))
def test_no_line_fails(value: Any) -> None:
    for found in read(value):
        if isinstance(found, CommitLine):
            json.dumps(commit_lines.explained(found.commit))

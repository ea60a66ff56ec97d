"""Answers and accuracies from JSON lines, on the command line and without an installation."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api import explain
from api.cli import cli
from schemas.errors import MalformedInput

ASKED = [
    {"id": "a", "kind": "span", "language": "python", "exception_type": "KeyError", "message": "'colour'"},
    {
        "id": "b",
        "kind": "status_combo",
        "attributes": {"http.response.status_code": 503, "span.kind": "CLIENT"},
    },
    {"id": "c", "kind": "incident_text", "message": "Customers charged twice", "exception_type": None},
    {"id": 4},
]


def lines(rows: list[dict[str, object]]) -> str:
    return "\n".join(json.dumps(row) for row in rows) + "\n\n"


def test_each_failure_gets_one_line_with_its_ranked_categories() -> None:
    done = CliRunner().invoke(cli, ["explain", "failure", "-"], input=lines(ASKED))
    assert done.exit_code == 0, done.output
    answers = [json.loads(line) for line in done.output.splitlines()]
    assert [a["id"] for a in answers] == ["a", "b", "c", 4]
    assert [a["category"] for a in answers] == [
        "logic_unhandled",
        "dependency_infrastructure",
        "data_integrity",
        "unknown",
    ]
    for answer in answers:
        assert set(answer) == {"id", "category", "ranked"}
        assert answer["ranked"][0]["category"] == answer["category"]
        assert all(set(hit) == {"category", "score", "reason"} for hit in answer["ranked"])


@pytest.mark.parametrize("line", [b"[1]", b"{", b"7", b'"text"', b"\xff{}", b'{"a":' * 100_000])
def test_a_line_that_is_no_object_is_refused_by_its_number(line: bytes) -> None:
    with pytest.raises(MalformedInput, match="line 2"):
        list(explain.json_lines([b"{}", line]))


def test_a_field_of_the_wrong_type_is_refused_by_its_name() -> None:
    with pytest.raises(MalformedInput, match="message"):
        explain.failure({"message": 7})
    with pytest.raises(MalformedInput, match="attributes"):
        explain.failure({"attributes": []})


def test_labelled_rows_give_accuracies_as_table_or_json(tmp_path: Path) -> None:
    labelled = [
        {**ASKED[0], "category": "logic_unhandled", "also_plausible": []},
        {**ASKED[1], "category": "resource_performance", "also_plausible": ["dependency_infrastructure"]},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text(lines(labelled))
    told = CliRunner().invoke(cli, ["evaluate", "categories", str(file), "--json"])
    found = json.loads(told.output)
    assert found["exact"]["value"] == 0.5
    assert found["plausible"]["value"] == 1.0
    assert found["confusion"]["resource_performance"] == {"dependency_infrastructure": 1}
    shown = CliRunner().invoke(cli, ["evaluate", "categories", str(file)])
    assert "with plausible" in shown.output
    assert shown.exit_code == 0


def test_rows_without_a_known_label_are_refused() -> None:
    done = CliRunner().invoke(cli, ["evaluate", "categories", "-"], input=lines(ASKED))
    assert isinstance(done.exception, MalformedInput)

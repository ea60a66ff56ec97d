"""``aftermerge explain`` and ``aftermerge evaluate``: JSON lines in, JSON lines out, without a server."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from api import evaluate, explain
from api.cli import cli
from schemas.errors import MalformedInput

PYTHON = 'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in f\n    g()\nKeyError: 1'
GO = "panic: x\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/srv/a.go:3 +0x1d"


def label(
    text: str, language: str, exception: dict[str, Any], frames: list[dict[str, Any]]
) -> dict[str, Any]:
    chain = [exception | {"relation_to_outer": None, "frames": frames}]
    return {"id": language, "language": language, "text": text, "exception": exception, "frames": frames} | {
        "chain": chain
    }


LABELS = [
    label(
        PYTHON,
        "python",
        {"type": "KeyError", "message": "1"},
        [{"file": "/srv/a.py", "function": "f", "line": 3, "in_app": True}],
    ),
    label(
        GO,
        "go",
        {"type": "panic", "message": "y"},
        [
            {"file": "/srv/a.go", "function": "main.f", "line": 3, "in_app": None},
            {"file": "/srv/a.go", "function": "main.g", "line": 9, "in_app": None},
        ],
    ),
]


def test_a_stack_is_explained_as_labels_are_spelled() -> None:
    found = explain.stacktrace({"id": 7, "language": "python", "text": PYTHON})
    assert found["id"] == 7
    assert found["exception"] == {"type": "KeyError", "message": "1"}
    assert found["frames"] == [{"file": "/srv/a.py", "function": "f", "line": 3, "in_app": True}]
    assert [link["relation_to_outer"] for link in found["chain"]] == [None]


def test_text_without_a_frame_is_answered_with_nothing() -> None:
    found = explain.stacktrace({"id": "x", "text": "it failed"})
    assert (found["language"], found["frames"], found["chain"]) == (None, [], [])


@pytest.mark.parametrize("line", ["{", "[1]", "3", '"text"'])
def test_a_line_that_is_no_object_is_named_by_its_number(line: str) -> None:
    with pytest.raises(MalformedInput, match="line 2"):
        list(explain.json_lines(["{}", line]))


def test_the_command_reads_standard_input_and_prints_a_line_per_row() -> None:
    rows = "\n".join(json.dumps({"id": n, "text": text}) for n, text in enumerate((PYTHON, GO)))
    result = CliRunner().invoke(cli, ["explain", "stacktrace", "-"], input=rows + "\n\n")
    assert result.exit_code == 0
    assert [json.loads(line)["language"] for line in result.stdout.splitlines()] == ["python", "go"]


def test_agreement_counts_what_is_missing_and_names_what_is_wrong() -> None:
    python, go = evaluate.stacktraces(LABELS)[1], evaluate.stacktraces(LABELS)[0]
    assert (python["frames_exact"], python["traces_whole"], python["messages_exact"], python["wrong"]) == (
        1,
        1,
        1,
        [],
    )
    assert (go["frames"], go["frames_exact"], go["traces_whole"], go["messages_exact"]) == (2, 0.5, 0, 0)
    assert (go["types_exact"], go["in_app_exact"], go["wrong"]) == (1, None, ["go"])


def test_the_table_has_a_row_for_all(tmp_path: Any) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, LABELS)))
    result = CliRunner().invoke(cli, ["evaluate", "stacktraces", "--untold", "--json", str(path)])
    assert result.exit_code == 0
    assert [row["language"] for row in json.loads(result.stdout)] == ["go", "python", "all"]

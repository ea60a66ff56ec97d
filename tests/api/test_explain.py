"""``aftermerge explain`` and ``aftermerge evaluate``: JSON lines in, JSON lines out, without a server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from repository_builder import RepositoryBuilder
from rest_client import rest
from typer.testing import CliRunner

from api import evaluate, explain
from api.cli import cli
from api.installation import Installation
from schemas import tables
from schemas.errors import MalformedInput
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope

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


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    built = RepositoryBuilder(tmp_path / "shop")
    built.commit(
        "Begin", {"services/cart/src/cart.ts": "one\n\n\n\n\n\ntotal\n", "services/cart/app.py": "a = 1\n"}
    )
    with Installation.open(Settings(data=tmp_path / "data")) as opened:
        opened.add_repository("acme/shop", str(built.path))
        opened.sync()
        opened.map_service("cart", "acme/shop", "services/cart")
        opened.correlate()
        opened.store.append_rows(
            tables.SERVICE_REPOSITORIES,
            [{"service": "cart", "repository": "acme/shop", "path": "services/cart", "basis": "stated"}],
            replace=True,
        )
        yield opened


def test_a_frame_is_explained_by_its_rule_down_to_the_commit(installation: Installation) -> None:
    found = installation.explain_frame({"id": 1, "service": "cart", "file": "/app/app.py", "line": 1})
    assert (found["path"], found["rule"], found["line"]) == ("services/cart/app.py", "service", 1)
    assert found["blamed_sha"] == installation.list_repositories()[0]["head_sha"]
    assert found["id"] == 1


def test_a_mapping_by_hand_wins_and_says_so(installation: Installation) -> None:
    asked = {"service": "cart", "file": "/opt/x/y.py", "line": 1}
    before = installation.explain_frame(asked)
    assert (before["path"], before["reason"]) == (None, "no file of the tree has this name")
    installation.map_files("cart", "/opt/x/y.py", "services/cart/app.py")
    assert installation.explain_frame(asked)["rule"] == "manual"


def test_a_source_map_leads_to_the_line_of_the_source(installation: Installation) -> None:
    asked = {
        "service": "cart",
        "file": "https://x.example.org/dist/main.3f9c2a1b.js",
        "line": 1,
        "column": 121,
    }
    assert installation.explain_frame(asked)["rule"] == "unmapped"
    content = (Path(__file__).parent.parent / "golden" / "source_maps" / "main.3f9c2a1b.js.map").read_bytes()
    row = {"service": "cart", "version": "1.4.0", "file": "dist/main.3f9c2a1b.js", "content_sha256": "0" * 64}
    row |= {
        "content": zstandard.compress(content),
        "byte_count": len(content),
        "received_at": datetime.now(UTC),
    }
    installation.store.append_rows(tables.SOURCE_MAPS, [row])
    found = installation.explain_frame(asked | {"version": "1.4.0"})
    assert (found["path"], found["line"]) == ("services/cart/src/cart.ts", 7)
    assert found["source"] == {"file": "../src/cart.ts", "line": 7}


def test_a_frame_without_a_service_is_refused(installation: Installation) -> None:
    with pytest.raises(MalformedInput, match="service"):
        installation.explain_frame({"file": "a.py"})


def test_a_service_that_nobody_knows_has_no_path(installation: Installation) -> None:
    found = installation.explain_frame({"service": "none", "file": "/app/app.py", "line": 1})
    assert (found["repository"], found["path"]) == (None, None)


def test_a_running_server_answers_the_same(installation: Installation) -> None:
    port = rest(installation.store, operations=installation)
    asked = {"service": "cart", "file": "/app/app.py", "line": 1}
    found = port.post("/v1/code/frame", TokenScope.READ, json=asked).json()
    assert found == installation.explain_frame(asked)
    assert port.post("/v1/code/frame", TokenScope.READ, json={"file": "a.py"}).status_code == 422
    assert rest(Store.open()).post("/v1/code/frame", TokenScope.READ, json=asked).status_code == 501

"""``explain commit`` and ``evaluate provenance``: no server, no data folder, nothing written."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from repository_builder import RepositoryBuilder
from server_process import refused, run

from api import cli

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"


@pytest.fixture(autouse=True)
def here(command_line: None) -> None:
    """Every test runs the command line in this process, in an empty folder."""


def line(message: str = "Fix", **fields: Any) -> str:
    return json.dumps({"repo": "acme/shop", "sha": "a" * 40, "message": message, **fields})


def test_lines_of_a_file_or_stdin_are_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = line("Fix" + CLAUDE, authored_at="2026-03-02T10:00:00Z") + "\n\n" + line()
    file = tmp_path / "commits.jsonl"
    file.write_text(text)
    told = [json.loads(said) for said in run(capsys, "explain", "commit", str(file)).splitlines()]
    assert [(t["origin"], t["tools"]) for t in told] == [("ai", ["claude-code"]), ("unknown", [])]
    assert list(told[0])[:7] == ["repo", "sha", "origin", "role", "tools", "confidence", "evidence"]
    for arguments in ((), ("-",)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert [json.loads(s) for s in run(capsys, "explain", "commit", *arguments).splitlines()] == told
    assert list(tmp_path.iterdir()) == [file]


def test_a_bad_line_is_named_the_rest_goes_on_and_the_exit_code_tells(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "commits.jsonl"
    file.write_bytes(
        b'{"message": \n' + line("Fix \udcff".encode("utf-8", "replace").decode()).encode() + b"\n[]\n"
    )
    sys.argv = ["aftermerge", "explain", "commit", str(file)]
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert len(said.out.splitlines()) == 1
    assert f"{file} line 1: not JSON" in said.err
    assert f"{file} line 3: not a JSON object" in said.err
    assert "2 lines were left out" in said.err


def test_a_line_beyond_the_bound_is_refused_and_read_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("correlator.commit_lines.LINE_CHARACTERS_MAX", 200)
    file = tmp_path / "commits.jsonl"
    file.write_text(line("x" * 1000) + "\n" + line() + "\n")
    said = refused(capsys, "explain", "commit", str(file))
    assert "line 1: longer than 200 characters" in said
    assert "line 2" not in said


def test_revisions_of_a_repository_are_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "shop")
    builder.commit("first", {"a.py": "a\n"})
    builder.commit("second" + CLAUDE, {"a.py": "b\n"})
    at = ("explain", "commit", "--repo", str(builder.path))
    (head,) = [json.loads(s) for s in run(capsys, *at).splitlines()]
    assert (head["repo"], head["sha"], head["origin"]) == ("shop", builder.head(), "ai")
    both = [json.loads(s)["origin"] for s in run(capsys, *at, "HEAD~1", "HEAD").splitlines()]
    assert both == ["unknown", "ai"]
    assert "names no commit" in refused(capsys, *at, "--", "--output=evil")
    assert "is no git repository" in refused(capsys, "explain", "commit", "--repo", str(tmp_path))


def test_labels_are_compared_with_verdicts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "labelled.jsonl"
    file.write_text(
        "\n".join(
            [
                line("Fix" + CLAUDE, label="ai", tool="claude-code", authored_at="2026-03-02T10:00:00Z"),
                line("Fix", label="unknown", hard=["mention_only"]),
                line("Fix", label="ai", tool="codex"),
            ]
        )
    )
    found = json.loads(run(capsys, "evaluate", "provenance", str(file), "--json"))
    assert (found["ai"]["precision"]["value"], found["ai"]["recall"]["value"]) == (1.0, 0.5)
    assert found["tools"]["codex"] == {"labelled": 1, "found": 0, "precision": None, "recall": 0.0}
    said = run(capsys, "evaluate", "provenance", str(file))
    assert "ai recall      0.5000 (1 of 2" in said
    assert "line 3: ai, said unknown" in said
    file.write_text(file.read_text() + "\n" + line())
    assert "line 4: label: one of ai, human, automation, unknown is needed" in refused(
        capsys, "evaluate", "provenance", str(file)
    )


def test_a_file_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("explain", "commit"), ("evaluate", "provenance")):
        assert "cannot be read" in refused(capsys, *command, "nowhere.jsonl")

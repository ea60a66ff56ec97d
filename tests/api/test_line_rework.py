"""Line rework of a repository by its path: no server, no data folder, the repository untouched."""

import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest
from repository_builder import START, RepositoryBuilder
from server_process import refused, run

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"


@pytest.fixture(autouse=True)
def here(command_line: None) -> None:
    """Every test runs the command line in this process."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RepositoryBuilder:
    """One AI-marked change of six lines: two replaced after 10 days, one moved, one replaced after 40."""
    built = RepositoryBuilder(tmp_path_factory.mktemp("shop"))
    lines = [f"value_{n} = compute({n})" for n in range(6)]

    def commit(day: int, message: str, text: list[str], **files: str) -> str:
        return built.commit(
            message,
            {"shop/prices.py": "\n".join(text) + "\n", **files},
            when=START + timedelta(days=day),
        )

    commit(0, f"Add prices{CLAUDE}", lines)
    lines[0:2] = ["first = 1", "second = 2"]
    commit(10, "fix: prices", lines)
    commit(12, "Move the last one up", [lines[5], *lines[:5]], **{"package-lock.json": "{\n}\n"})
    lines = [lines[5], *lines[:4], "fifth = 5"]
    commit(40, "Replace one", lines)
    return built


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def told(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder, *options: str
) -> list[dict[str, str]]:
    return rows(run(capsys, "rework", "--repo", str(source.path), "--csv", *options))


def test_each_mature_change_is_a_row_of_what_became_of_its_lines(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder
) -> None:
    before = sorted(source.path.rglob("*"))
    first, second = told(capsys, source, "--days", "30")
    assert sorted(source.path.rglob("*")) == before
    assert (first["added"], first["reworked"], first["fixed"], first["origin"]) == ("6", "2", "2", "ai")
    assert (first["alive_7d"], first["alive_30d"], first["alive_90d"]) == ("6", "4", "")
    assert (first["reworked_same_author"], first["reworked_other_author"]) == ("2", "0")
    assert (second["added"], second["reworked"], second["kind"]) == ("2", "0", "fix")


def test_the_window_is_as_long_as_asked(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder
) -> None:
    assert [row["reworked"] for row in told(capsys, source, "--days", "9")] == ["0", "0", "0"]
    assert [row["reworked"] for row in told(capsys, source, "--days", "40")] == ["3"]


def test_a_later_start_leaves_out_older_changes_and_keeps_the_others_as_they_are(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder
) -> None:
    whole = told(capsys, source, "--days", "20")
    late = told(capsys, source, "--days", "20", "--since", (START + timedelta(days=5)).date().isoformat())
    assert late == whole[1:]


def test_counted_as_git_blame_counts_a_moved_line_dies_and_every_file_counts(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder
) -> None:
    plain = told(capsys, source, "--days", "20", "--no-moves", "--no-ignore-revs", "--all-files")
    assert [(row["added"], row["reworked"]) for row in plain] == [("6", "3"), ("2", "0"), ("3", "0")]


def test_without_csv_cohorts_are_compared_and_what_cannot_be_read_is_told_last(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder, tmp_path: Path
) -> None:
    table = run(capsys, "rework", "--repo", f"acme/shop={source.path}")
    assert f"| acme/shop | `{source.head()[:12]}` | 2026-01-05 | AI-marked | 1 | 6 | 33.3" in table
    (tmp_path / "none").mkdir()
    said = refused(capsys, "rework", "--repo", str(tmp_path / "none"), "--repo", str(source.path))
    assert "none" in said


def test_a_table_of_changes_is_of_one_repository(
    capsys: pytest.CaptureFixture[str], source: RepositoryBuilder
) -> None:
    again = ("--repo", str(source.path), "--repo", str(source.path))
    assert "one repository" in refused(capsys, "rework", *again, "--csv")

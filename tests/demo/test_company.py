"""The history of the company: it applies, it is marked as real histories are, and what was deployed runs."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from demo import history, people, releases, replay, repository, truth
from demo.fleet import PROJECT

FAILS_TO_START = ("r16", "inventory")

# Imports the application of one service at several revisions in one interpreter, oldest first.
IMPORTS = """
import os, sys
service, database, *folders = sys.argv[1:]
for folder in folders:
    added = [f"{folder}/services/{service}", f"{folder}/lib"]
    sys.path[:0] = added
    before = set(sys.modules)
    try:
        import app
        print(len(app.application.routes))
    except Exception as error:
        print(repr(error))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(folder) or name.startswith("acme"):
            del sys.modules[name]
    del sys.path[:2]
"""


def log(written: repository.Written, form: str, *arguments: str) -> list[str]:
    return repository.git(written.path, "log", f"--format={form}", *arguments).decode().splitlines()


def message(written: repository.Written, key: str) -> str:
    return repository.git(written.path, "show", "-s", "--format=%B", written.shas[key]).decode()


def test_every_change_is_one_commit_in_order(written: repository.Written) -> None:
    assert repository.git(written.path, "fsck", "--strict") == b""
    mainline = log(written, "%H", "--first-parent", "--reverse", "main")
    assert mainline == [written.shas[change.key] for change in written.mainline]
    assert 50 <= len(mainline) <= 60


def test_two_writings_are_the_same_history(
    written: repository.Written, started_unix_s: int, tmp_path: Path
) -> None:
    again = repository.write(tmp_path / "again.git", history.read(), started_unix_s)
    assert again.shas == written.shas


def test_the_tree_in_git_is_the_tree_in_memory(written: repository.Written, tmp_path: Path) -> None:
    newest = written.mainline[-1].key
    folder = repository.check_out(written.path, written.shas[newest], tmp_path / "files")
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files == written.trees[newest]


def test_the_history_spans_eight_weeks_and_no_more(written: repository.Written, started_unix_s: int) -> None:
    times = [int(line) - started_unix_s for line in log(written, "%ct", "--all")]
    assert min(times) >= 0
    assert 49 * 86_400 < max(times) < releases.DAYS * 86_400


def test_agents_leave_the_marks_that_they_really_leave(written: repository.Written) -> None:
    found = "\n".join(log(written, "%an <%ae>%n%cn <%ce>%n%B", "--all"))
    for mark in (
        "Co-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>",
        "🤖 Generated with [Claude Code](https://claude.com/claude-code)",
        "copilot-swe-agent[bot] <198982749+Copilot@users.noreply.github.com>",
        "Agent-Logs-Url: ",
        "Co-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>",
        "Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>",
        "Cursor Agent <cursoragent@cursor.com>",
        "Tomas Herrera (aider) <tomas@acme.example>",
        "Co-authored-by: aider (gpt-5.1) <aider@aider.chat>",
        "Co-authored-by: Codex <noreply@openai.com>",
        "Assisted-by: Claude:",
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        "GitHub <noreply@github.com>",
        "Claude Fontaine <claude.fontaine@acme.example>",
    ):
        assert mark in found, mark


def test_the_unmarked_agent_leaves_none(written: repository.Written) -> None:
    (key,) = truth.UNMARKED_AI_CHANGES
    assert truth.origin(key) == "ai"
    text = message(written, key).lower()
    assert not any(
        word in text for word in ("claude", "copilot", "cursor", "aider", "co-authored", "generated")
    )


def test_the_note_of_git_ai_attests_the_lines_that_the_commit_adds(written: repository.Written) -> None:
    key = next(change.key for change in written.changes if change.git_ai)
    note = repository.git(written.path, "notes", "--ref=ai", "show", written.shas[key]).decode()
    ranges, _, record = note.partition("---\n")
    assert '"schema_version": "authorship/3.0.0"' in record
    added = repository.git(written.path, "show", "--numstat", "--format=", written.shas[key]).decode()
    for line in added.splitlines():
        count, _, path = line.split("\t")
        attested = ranges.split(f"{path}\n")[1].splitlines()[0].split()[-1]
        bounds = [[int(n) for n in part.split("-")] for part in attested.split(",")]
        assert sum(bound[-1] - bound[0] + 1 for bound in bounds) == int(count)


def test_there_is_a_merge_a_squash_a_revert_and_a_fix_that_names_its_cause(
    written: repository.Written,
) -> None:
    assert len(log(written, "%H", "--merges", "main")) == 1
    assert len(log(written, "%H", "--grep=(#[0-9]*)$", "main")) >= 5
    assert f"This reverts commit {written.shas['32']}." in message(written, "34")
    assert f"Fixes: {written.shas['26'][:12]}" in message(written, "29")


def test_the_formatter_run_changes_no_meaning_and_blame_can_skip_it(written: repository.Written) -> None:
    diff = repository.git(written.path, "show", "--format=", "--numstat", written.shas["30"]).decode().split()
    assert sum(int(n) for n in diff[0::3]) == sum(int(n) for n in diff[1::3]) > 50
    listed = repository.git(written.path, "show", "main:.git-blame-ignore-revs").decode()
    assert written.shas["30"] in listed


def test_everybody_who_commits_is_known() -> None:
    for change in history.read():
        assert {change.by, change.committer} <= set(people.IDENTITIES)


@pytest.mark.parametrize("service", releases.SERVICES)
def test_every_deployed_revision_starts(written: repository.Written, service: str, tmp_path: Path) -> None:
    paths = replay.touched_paths(written)
    numbers = {change.key: number for number, change in enumerate(written.mainline)}
    reached, deployed = -1, []
    for release in releases.PLAN:
        if release.rollback:
            continue
        carried = written.mainline[reached + 1 : numbers[release.upto] + 1]
        reached = numbers[release.upto]
        if service in releases.services_of(carried, paths):
            deployed.append(release)
    folders = [
        repository.check_out(written.path, written.shas[release.upto], tmp_path / release.key)
        for release in deployed
    ]
    environment = {
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "INVENTORY_TOKEN": "token",
        **{f"{name}_DATABASE": str(tmp_path / f"{name}.sqlite") for name in ("INVENTORY", "CHECKOUT")},
        **{
            f"{name}_URL": "http://127.0.0.1:9" for name in ("INVENTORY", "CHECKOUT", "PAYMENTS", "WAREHOUSE")
        },
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, service, str(tmp_path), *map(str, folders)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = dict(zip([release.key for release in deployed], done.stdout.splitlines(), strict=True))
    for key, answer in answers.items():
        if (key, service) == FAILS_TO_START:
            assert answer == "KeyError('INVENTORY_REGION')"
        else:
            assert int(answer) >= 3, key


def test_deployments_carry_one_to_four_changes(written: repository.Written) -> None:
    numbers = {change.key: number for number, change in enumerate(written.mainline)}
    reached = [-1, *(numbers[release.upto] for release in releases.PLAN if not release.rollback)]
    sizes = [after - before for before, after in pairwise(reached)]
    assert set(sizes) <= {1, 2, 3, 4}
    assert sum(size > 1 for size in sizes) > len(sizes) / 2

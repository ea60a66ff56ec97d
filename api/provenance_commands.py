"""Commands about who wrote a commit or change: ``explain``, ``evaluate``.

``explain commit`` and ``evaluate provenance`` need no server, no data folder and no network: a pipeline runs them on
lines of JSON, or on any repository on disk.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.markup import escape

from api import listings
from api.console import JsonOption, err, out, print_answer, settings
from schemas.errors import MalformedInput

if TYPE_CHECKING:
    from correlator.commit_lines import CommitLine

FileArgument = Annotated[str, typer.Argument(metavar="[FILE]", help="JSON lines; - or nothing: stdin.")]


def add_to(explain: typer.Typer, evaluate: typer.Typer) -> None:
    """Add these commands to the groups of that name."""
    explain.command("commit")(explain_commit)
    evaluate.command("provenance")(evaluate_provenance)


def explain_commit(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE | REV...]",
            help="JSON lines (fields: docs/provenance.md; - or nothing: stdin); with --repo, revisions or A..B.",
        ),
    ] = None,
    repo: Annotated[Path | None, typer.Option(help="A repository on disk: explain its revisions.")] = None,
) -> None:
    """Say who wrote each commit, as one JSON line with its evidence. Needs no server."""
    from correlator import commit_lines

    if repo is not None:
        from collector import foreign
        from schemas.records import RepositoryName

        chosen = settings()
        name = RepositoryName(repo.expanduser().resolve().name.removesuffix(".git"))
        with foreign.borrowed(repo, chosen) as git:
            for commit in foreign.commits(git, name, names or ["HEAD"], chosen):
                _write(commit_lines.explained(commit))
        return
    if len(names or []) > 1:
        raise MalformedInput("one file is read at a time", hint="for revisions: --repo PATH REV...")
    lines = _Lines((names or ["-"])[0])
    for line in lines.good():
        _write(commit_lines.explained(line.commit))
    lines.refuse_bad()


def evaluate_provenance(file: FileArgument = "-", as_json: JsonOption = False) -> None:
    """Compare the verdicts on labelled commits (JSON lines) with their labels. Needs no server."""
    from correlator import commit_lines, evaluation

    lines = _Lines(file)
    judged = [
        evaluation.Judged(line.number, line.fields, commit_lines.explained(line.commit))
        for line in lines.good(check=evaluation.check_label)
    ]
    if judged:
        print_answer(evaluation.evaluate(judged), as_json=as_json, table=listings.evaluation)
    lines.refuse_bad()
    if not judged:
        raise MalformedInput("no line could be scored", hint="each line needs a message and a label")


class _Lines:
    """The commits of a file of JSON lines. A bad line is told as it comes and counted; the others go on."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._bad_count = 0

    def good(self, check: Callable[[Mapping[str, Any]], None] | None = None) -> Iterator["CommitLine"]:
        """Those that can be read and that ``check`` does not refuse."""
        from correlator import commit_lines

        with _opened(self._file) as lines:
            for line in commit_lines.read(_bounded(lines), now=datetime.now(UTC)):
                if isinstance(line, commit_lines.BadLine):
                    self._tell(line.number, line.reason)
                    continue
                try:
                    if check is not None:
                        check(line.fields)
                except MalformedInput as error:
                    self._tell(line.number, str(error))
                else:
                    yield line

    def refuse_bad(self) -> None:
        """The exit code of a file with bad lines is 1, after everything else was answered.

        Raises:
            MalformedInput: there were some.
        """
        if self._bad_count:
            told = "1 line was" if self._bad_count == 1 else f"{self._bad_count} lines were"
            raise MalformedInput(
                f"{told} left out, as told above", hint="the others are answered; mend these, or drop them"
            )

    def _tell(self, number: int, reason: str) -> None:
        self._bad_count += 1
        where = "stdin" if self._file == "-" else self._file
        err.print(f"[bold red]error:[/] {escape(f'{where} line {number}: {reason}')}", highlight=False)


def _bounded(lines: TextIO) -> Iterator[str]:
    """Lines, none of which is held beyond the bound by more than one character: the rest of it is read away."""
    from correlator.commit_lines import LINE_CHARACTERS_MAX

    while line := lines.readline(LINE_CHARACTERS_MAX + 1):
        if len(line) > LINE_CHARACTERS_MAX:
            rest = line
            while rest and not rest.endswith("\n"):
                rest = lines.readline(LINE_CHARACTERS_MAX)
        yield line


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    """A text file, or stdin, as UTF-8 with replacement: one bad byte spoils no line."""
    if file == "-":
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        yield sys.stdin
        return
    try:
        with Path(file).open(encoding="utf-8", errors="replace", newline="\n") as opened:
            yield opened
    except OSError as error:
        raise MalformedInput(
            f"{file} cannot be read: {error.strerror}", hint="give a file of JSON lines, or - for stdin"
        ) from error


def _write(value: dict[str, Any]) -> None:
    # Not through the console: a pipeline wants the bytes as they are, one object a line.
    out.file.write(json.dumps(value, ensure_ascii=False) + "\n")

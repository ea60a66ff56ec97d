"""The command line: serve, and everything that a person or a pipeline asks of an installation.

Commands speak to the running server of the data folder; only without one do they open the store themselves. What only
one way needs is imported there: a command that asks a running server is one small request, and should feel like it.
"""

import json
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console, RenderableType
from rich.markup import escape

from api import client, listings, weeks
from api.client import Client
from schemas.errors import AftermergeError, StoreError
from schemas.settings import Settings, load
from schemas.vocabulary import SERVICE_NAME, TokenScope

if TYPE_CHECKING:
    from api.installation import Installation


def _group(help_text: str) -> typer.Typer:
    # A bug is a plain traceback: the prettier one prints values, tokens among them.
    return typer.Typer(
        help=help_text, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


cli = _group("What did our changes do after they were merged?")
repo = _group("Repositories that we mirror.")
service = _group("Where the code of each service lives.")
token = _group("Bearer tokens.")
cli.add_typer(repo, name="repo")
cli.add_typer(service, name="service")
cli.add_typer(token, name="token")
explain = _group("What is this? From JSON lines, without a server.")
evaluate = _group("How good are the answers on labelled rows? JSON lines in, figures out, without a server.")
cli.add_typer(explain, name="explain")
cli.add_typer(evaluate, name="evaluate")

PIPED_WIDTH = 200
"""Columns of a table that no terminal bounds."""
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, soft_wrap=True)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder (AFTERMERGE_DATA; default ./data).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LinesArgument = Annotated[typer.FileBinaryRead, typer.Argument(help="JSON lines; - is the standard input.")]


def main() -> None:
    """Run the command line; an error of ours is one sentence, a hint and exit code 1."""
    try:
        cli()
    except AftermergeError as error:
        _refuse(str(error), error.hint)
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            said = problem["msg"].removeprefix("Value error, ")
            err.print(f"[bold red]error:[/] {escape(f'setting {name}: {said}' if name else said)}")
        _refuse(None, "settings come from aftermerge.toml, AFTERMERGE_* variables and options")


def _refuse(sentence: str | None, hint: str) -> None:
    if sentence is not None:
        err.print(f"[bold red]error:[/] {escape(sentence)}", highlight=False)
    if hint:
        err.print(f"[dim]hint:[/] {escape(hint)}", highlight=False)
    sys.exit(1)


def _settings(**given: Any) -> Settings:
    """Settings of file, environment and options.

    Raises:
        ValidationError: a setting that cannot be.
        StoreError: a file or a variable that cannot be read at all.
    """
    from pydantic_settings import SettingsError

    try:
        return load(**given)
    except ValidationError:
        raise
    except (SettingsError, ValueError, OSError) as error:
        cause = error.__cause__ or error
        raise StoreError(
            f"the settings cannot be read: {error if cause is error else f'{error}: {cause}'}",
            hint="look at aftermerge.toml and the AFTERMERGE_* variables",
        ) from error


def _begin() -> None:
    """What a process that opens the store wants: private files, and a log on stderr."""
    import os

    import structlog

    os.umask(0o077)
    is_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def _reach(
    data: Path | None, *, makes: bool = False, loads: bool = False
) -> Iterator["Client | Installation"]:
    """The running server's client, or the installation itself.

    Args:
        data: as stated on the command line.
        makes: an installation that is not there yet is made.
        loads: what a killed server had acknowledged is loaded first, and the settings file's repositories stated.
    """
    settings = _settings(data=data)
    found = client.running(settings)
    if found is not None:
        yield found
        return
    if not makes and not settings.store_path.exists():
        raise StoreError(
            f"there is no installation in {settings.data.absolute()}",
            hint="name its folder with --data, or make one: aftermerge serve",
        )
    from api.installation import Installation

    _begin()
    with Installation.open(settings) as opened:
        if loads:
            opened.load_spool()
            try:
                opened.state_settings()
            except AftermergeError as error:
                err.print(f"[yellow]warning:[/] {escape(str(error))}", highlight=False)
        yield opened


def _print(value: Any, *, as_json: bool, table: Callable[[Any], RenderableType]) -> None:
    if as_json:
        print(listings.as_json(value))
    else:
        out.print(table(value), highlight=False, markup=False)


@cli.command()
def serve(
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    otlp_grpc_port: Annotated[int | None, typer.Option(help="OTLP/gRPC (default 4317).")] = None,
    otlp_http_port: Annotated[int | None, typer.Option(help="OTLP/HTTP (default 4318).")] = None,
    api_port: Annotated[int | None, typer.Option(help="REST and dashboard (default 8080).")] = None,
) -> None:
    """Receive telemetry, correlate it with git, serve the answers. Ctrl-C drains and stops."""
    settings = _settings(
        data=data, host=host, otlp_grpc_port=otlp_grpc_port, otlp_http_port=otlp_http_port, api_port=api_port
    )
    import asyncio

    from api.serve import serve as run

    _begin()
    asyncio.run(run(settings))


# --- repositories and services ------------------------------------------------------------------------


@repo.command("add")
def repo_add(
    repository: Annotated[str, typer.Argument(help="owner/name")],
    source: Annotated[str, typer.Argument(help="Path or URL to fetch from.")],
    url: Annotated[str | None, typer.Option(help="Repository URL that its services send.")] = None,
    assume_unmarked: Annotated[str | None, typer.Option(help="'human': unmarked commits are human.")] = None,
    assume_unmarked_from: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this date on.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Add a repository and fetch its history."""
    start = assume_unmarked_from.date() if assume_unmarked_from else None
    # The server has a working directory of its own.
    stated = source if "://" in source or not Path(source).exists() else str(Path(source).resolve())
    policy: dict[str, Any] = {"url": url, "assume_unmarked": assume_unmarked}
    with _reach(data, makes=True) as reached, _progress(f"fetching {repository}") as progress:
        if isinstance(reached, Client):
            body = {"repository": repository, "source": stated, **policy}
            body["assume_unmarked_from"] = start.isoformat() if start else None
            reached.call("POST", "/v1/operations/repositories", body)
            rows = reached.call("POST", "/v1/operations/sync", {"repository": repository})["repositories"]
        else:
            reached.add_repository(repository, stated, assume_unmarked_from=start, **policy)
            rows = reached.sync(repository, progress=progress)
    for row in rows:
        counts = f"{row['commit_count']} commits, {row['change_count']} changes"
        _say(f"{row['repository']}: {counts} on {row['default_branch']}")


@repo.command("list")
def repo_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the repositories."""
    with _reach(data, loads=True) as reached:
        if isinstance(reached, Client):
            rows = reached.call("GET", "/v1/operations/repositories")["repositories"]
        else:
            rows = reached.list_repositories()
    _print(rows, as_json=as_json, table=lambda found: listings.rows(found, listings.REPOSITORY))


@repo.command("sync")
def repo_sync(
    repository: Annotated[str | None, typer.Argument(help="owner/name (default: all).")] = None,
    data: DataOption = None,
) -> None:
    """Fetch new commits, notes and tags."""
    with _reach(data, loads=True) as reached, _progress("fetching") as progress:
        if isinstance(reached, Client):
            rows = reached.call("POST", "/v1/operations/sync", {"repository": repository})["repositories"]
        else:
            rows = reached.sync(repository, progress=progress)
    for row in rows:
        head = str(row["head_sha"])[:10] if row["head_sha"] else "none: it has no commit yet"
        _say(f"{row['repository']}: {row['change_count']} changes, head {head}")


@repo.command("remove")
def repo_remove(
    repository: Annotated[str, typer.Argument(help="owner/name")], data: DataOption = None
) -> None:
    """Forget a repository and its mirror."""
    with _reach(data) as reached:
        if isinstance(reached, Client):
            reached.call("DELETE", "/v1/operations/repositories", repository=repository)
        else:
            reached.remove_repository(repository)
    _say(f"{repository}: removed")


@service.command("map")
def service_map(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help=f"{SERVICE_NAME} of its telemetry.")],
    repository: Annotated[str, typer.Option(help="owner/name")],
    path: Annotated[str, typer.Option(help="Directory inside the repository.")] = "",
    data: DataOption = None,
) -> None:
    """State where a service's code lives."""
    with _reach(data, loads=True) as reached:
        if isinstance(reached, Client):
            body = {"service": name, "repository": repository, "path": path}
            reached.call("POST", "/v1/operations/service-mappings", body)
        else:
            reached.map_service(name, repository, path)
    _say(f"{name}: {repository}/{path}".rstrip("/"))


# --- answers --------------------------------------------------------------------------------------------


@cli.command()
def status(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Say how the server and the store are doing: telemetry, backlog, last correlation, repositories."""
    with _reach(data) as reached:
        if isinstance(reached, Client):
            found = reached.call("GET", "/v1/operations/status")
        else:
            found = reached.status()
    _print(found, as_json=as_json, table=listings.status)


@cli.command()
def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Say per service what is known, and what is missing for an answer."""
    with _reach(data, loads=True) as reached:
        if isinstance(reached, Client):
            rows = reached.call("GET", "/v1/services")["items"]
        else:
            rows = reached.doctor()
    _print(rows, as_json=as_json, table=listings.doctor)


@cli.command()
def correlate(
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="RFC 3339 time; facts that occurred until then.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Infer now. With --as-of: answer for the past, leaving the current inferences as they are."""
    moment = _moment(as_of) if as_of else None
    with _reach(data, loads=True) as reached, _progress("correlating"):
        if isinstance(reached, Client):
            body = {"as_of": moment.isoformat() if moment else None}
            found = reached.call("POST", "/v1/operations/correlate", body)
        else:
            found = reached.correlated(as_of=moment)
    _print(found, as_json=as_json, table=listings.correlation)


@cli.command()
def rebuild(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Delete every inference and infer again from the facts: the digest must be the same."""
    # Not the spool: more facts would rightly give another digest.
    with _reach(data) as reached, _progress("rebuilding"):
        if isinstance(reached, Client):
            found = reached.call("POST", "/v1/operations/rebuild")
        else:
            found = reached.rebuilt()
    _print(found, as_json=as_json, table=listings.correlation)


@cli.command("report")
def report_command(
    week: Annotated[str | None, typer.Option(help="ISO week, e.g. 2026-W47 (default: this week).")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder for the files (default: DATA/reports).")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the weekly incident attribution report as JSON, HTML and Markdown, and print their paths."""
    chosen = week or weeks.week_of(datetime.now(UTC))
    weeks.week_start(chosen)
    with _reach(data, loads=True) as reached, _progress(f"reporting {chosen}"):
        if isinstance(reached, Client):
            document = reached.call("POST", "/v1/operations/report", {"week": chosen})
        else:
            document = reached.report(chosen)
    from api import report_files, terminal

    paths = report_files.write(document, to or _settings(data=data).data / report_files.FOLDER)
    if as_json:
        print(listings.as_json({"week": chosen, "paths": [str(path) for path in paths]}))
        return
    # Not soft-wrapped: the tables of a report are laid out for a width.
    out.print(terminal.summary(document), soft_wrap=False)
    for path in paths:
        _say(str(path))


# --- answers from what is given ----------------------------------------------------------------------------


@explain.command("failure")
def explain_failure(rows: LinesArgument) -> None:
    """Category of each failure, ranked with reasons: {id, kind, language, exception_type, message, attributes} in."""
    from api import explain as answers

    for row in answers.lines(rows):
        print(json.dumps(answers.failure(row), ensure_ascii=False))


@evaluate.command("categories")
def evaluate_categories(rows: LinesArgument, as_json: JsonOption = False) -> None:
    """Accuracy of the categories on labelled failures: exact, with plausible, confusion with intervals."""
    from api import evaluate as measured
    from api import explain as answers

    found = measured.categories(answers.lines(rows))
    _print(found, as_json=as_json, table=measured.categories_table)


# --- tokens ---------------------------------------------------------------------------------------------


@token.command("list")
def token_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the tokens; their secrets are not kept."""
    with _reach(data) as reached:
        if isinstance(reached, Client):
            rows = reached.call("GET", "/v1/tokens")["items"]
        else:
            from api import auth

            rows = [found.model_dump(mode="json") for found in auth.listing(reached.store)]
    _print(rows, as_json=as_json, table=lambda found: listings.rows(found, listings.TOKEN))


@token.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="For what or whom it is.")],
    scope: Annotated[TokenScope, typer.Option(help="What it may do.")] = TokenScope.READ,
    data: DataOption = None,
) -> None:
    """Create a token and print it, once."""
    with _reach(data, makes=True) as reached:
        if isinstance(reached, Client):
            made = reached.call("POST", "/v1/tokens", {"name": name, "scope": str(scope)})["token"]
        else:
            from api import auth

            now = datetime.now(UTC)
            made = auth.create(reached.store, name=name, scope=scope, now=now, actor=auth.LOCAL).token
    print(made)


@token.command("rotate")
def token_rotate(token_id: str, data: DataOption = None) -> None:
    """Replace a token by a new one of the same scope, and print that, once."""
    with _reach(data) as reached:
        if isinstance(reached, Client):
            made = reached.call("POST", f"/v1/tokens/{_quoted(token_id)}/rotate")["token"]
        else:
            from api import auth

            now, folder = datetime.now(UTC), reached.settings.data
            made = auth.rotate(reached.store, token_id, now=now, actor=auth.LOCAL, data_folder=folder).token
    print(made)


@token.command("revoke")
def token_revoke(token_id: str, data: DataOption = None) -> None:
    """Make a token useless at once."""
    with _reach(data) as reached:
        if isinstance(reached, Client):
            reached.call("DELETE", f"/v1/tokens/{_quoted(token_id)}")
        else:
            from api import auth

            auth.revoke(reached.store, token_id, now=datetime.now(UTC), actor=auth.LOCAL)
    _say(f"{token_id}: revoked")


@token.command("login")
def token_login(data: DataOption = None) -> None:
    """Print a one-time link that logs a browser in."""
    reached = client.running(_settings(data=data))
    if reached is None:
        raise StoreError("no server runs on this data folder", hint="start it: aftermerge serve")
    print(reached.api_url + reached.call("POST", "/v1/operations/login-link")["path"])


# --- a terminal ---------------------------------------------------------------------------------------


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the current step, on a terminal only."""
    if not err.is_terminal:
        yield lambda _: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=text)


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False)


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise AftermergeError(
            f"{text!r} is no RFC 3339 time", hint="for example 2026-11-15T00:00:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()

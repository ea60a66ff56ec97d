"""The command line: serve, and everything that a person or a pipeline asks of an installation.

Commands speak to the running server of the data folder; only without one do they open the store themselves. What only
one way needs is imported there: a command that asks a running server is one small request, and should feel like it.
"""

import sys
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from api import (
    client,
    explain_commands,
    listings,
    memory,
    provenance_commands,
    provenance_ledger_commands,
    weeks,
)
from api.client import Client
from api.console import DataOption, JsonOption, err, out
from api.console import begin as _begin
from api.console import group as _group
from api.console import print_answer as _print
from api.console import progress as _progress
from api.console import reach as _reach
from api.console import say as _say
from api.console import settings as _settings
from schemas.errors import AftermergeError, MalformedInput, StoreError
from schemas.vocabulary import SERVICE_NAME, TokenScope

cli = _group("What did our changes do after they were merged?")
repo = _group("Repositories that we mirror.")
service = _group("Where the code of each service lives.")
token = _group("Bearer tokens.")
explain = _group("Why we say what we say: JSON lines in, JSON lines out.")
evaluate = _group("How right we are, against labels.")
cli.add_typer(repo, name="repo")
cli.add_typer(service, name="service")
cli.add_typer(token, name="token")
cli.add_typer(explain, name="explain")
cli.add_typer(evaluate, name="evaluate")
explain_commands.add_to(explain, evaluate)
provenance_commands.add_to(explain, evaluate)
provenance_ledger_commands.add_to(cli)


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
    memory.keep_at_work()
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
    assume_unmarked: Annotated[
        str | None, typer.Option(help="'human': unmarked commits are human; 'none': no longer.")
    ] = None,
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


@service.command("map-files")
def service_map_files(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help=f"{SERVICE_NAME} of its telemetry.")],
    prefix: Annotated[str, typer.Argument(help="What the files in its stacks begin with, e.g. /app.")],
    path: Annotated[str, typer.Argument(help="What stands there in the repository; '' for its root.")] = "",
    data: DataOption = None,
) -> None:
    """State what the files in a service's stacks stand for; it wins over what is derived."""
    with _reach(data, loads=True) as reached:
        if isinstance(reached, Client):
            reached.call("PUT", "/v1/code/mappings", {"service": name, "prefix": prefix, "path": path})
        else:
            reached.map_files(name, prefix, path)
    _say(f"{name}: {prefix} -> {path or '(root)'}")


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


@cli.command("backtest")
def backtest_command(
    after: Annotated[
        float,
        typer.Option(help="Hours after its onset at which each failure is answered.", min=0.0, max=168.0),
    ] = 1.0,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold attribution against what the team said later: reverts, fixes, rollbacks, post-mortems, verdicts.

    Each failure that one of these explains is answered again as of its onset, blind to all that came later.
    """
    with _reach(data, loads=True) as reached, _progress("answering again"):
        if isinstance(reached, Client):
            found = reached.call("GET", "/v1/backtest", after_hours=after)
        else:
            found = reached.backtest(after)
    from api import backtest

    _print(found, as_json=as_json, table=backtest.summary)


@cli.command("rework")
def rework_command(
    repositories: Annotated[
        list[str], typer.Option("--repo", help="Path or URL; OWNER/NAME=PATH names it. Repeatable.")
    ],
    days: Annotated[float, typer.Option(help="Window after landing, in days.", min=0.0)] = 30.0,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Follow lines from this date on: faster.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="One row per mature change, of one repository.")] = False,
    moves: Annotated[bool, typer.Option(help="A moved or indented line keeps its owner.")] = True,
    ignore_revs: Annotated[bool, typer.Option(help="Honour .git-blame-ignore-revs.")] = True,
    all_files: Annotated[bool, typer.Option("--all-files", help="Not only code and tests.")] = False,
) -> None:
    """Measure line rework of repositories, without an installation: AI-marked changes beside unknown ones.

    Counted as git blame counts: --no-moves --no-ignore-revs --all-files.
    """
    if csv and len(repositories) > 1:
        raise MalformedInput("--csv tells of one repository", hint="run it once for each --repo")
    from api import line_rework, rework_tables

    _begin()
    counting = line_rework.Counting(moves=moves, ignored_revisions=ignore_revs, code_only=not all_files)
    settings = _settings(history_from=since.date() if since else None)
    found, failed = [], []
    for source in repositories:
        with _progress(f"fetching {source}") as progress:
            try:
                found.append(line_rework.measure(source, settings, counting=counting, progress=progress))
            except AftermergeError as error:
                failed.append(error)
    if csv and found:
        line_rework.write_csv(sys.stdout, found[0], days=days)
    elif found:
        print(rework_tables.markdown(found, days=days), end="")
    # What could be measured is told first; one that cannot be read does not cost the others.
    for other in failed[:-1]:
        err.print(f"[bold red]error:[/] {escape(str(other))}", highlight=False)
    if failed:
        raise failed[-1]


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

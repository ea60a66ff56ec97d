"""The command line: serve, and everything that a person or a pipeline asks of an installation.

Commands speak to the running server of the data folder; only without one do they open the store themselves.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from api import auth, client, installation, report
from api.installation import Installation
from schemas.errors import AftermergeError
from schemas.settings import load
from schemas.vocabulary import TokenScope

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="What did our changes do after they were merged?"
)
repo = typer.Typer(no_args_is_help=True, help="Repositories that we mirror.")
service = typer.Typer(no_args_is_help=True, help="Where the code of each service lives.")
token = typer.Typer(no_args_is_help=True, help="Bearer tokens.")
cli.add_typer(repo, name="repo")
cli.add_typer(service, name="service")
cli.add_typer(token, name="token")

out = Console()
err = Console(stderr=True)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder (AFTERMERGE_DATA; default ./data).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line; an error of ours is one sentence, a hint and exit code 1."""
    _log_to_stderr()
    try:
        cli()
    except AftermergeError as error:
        err.print(f"[bold red]error:[/] {error}", highlight=False)
        if error.hint:
            err.print(f"[dim]hint:[/] {error.hint}", highlight=False)
        sys.exit(1)
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            err.print(f"[bold red]error:[/] setting {name}: {problem['msg']}", highlight=False)
        sys.exit(1)


def _log_to_stderr() -> None:
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
def _reach(data: Path | None) -> Iterator[client.Client | Installation]:
    """The running server's client, or the installation itself."""
    settings = load(data=data)
    found = client.running(settings)
    if found is not None:
        yield found
        return
    if not settings.store_path.exists():
        settings.data.mkdir(parents=True, exist_ok=True)
    with Installation.open(settings) as opened:
        yield opened


def _print(value: Any, *, as_json: bool, table: Callable[[Any], Table | str]) -> None:
    if as_json:
        print(json.dumps(value, default=str, indent=2, ensure_ascii=False))
    else:
        out.print(table(value))


@cli.command()
def serve(
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    otlp_grpc_port: Annotated[int | None, typer.Option(help="OTLP/gRPC (default 4317).")] = None,
    otlp_http_port: Annotated[int | None, typer.Option(help="OTLP/HTTP (default 4318).")] = None,
    api_port: Annotated[int | None, typer.Option(help="REST and dashboard (default 8080).")] = None,
) -> None:
    """Receive telemetry, correlate it with git, serve the answers. Ctrl-C drains and stops."""
    from api.serve import serve as run

    settings = load(
        data=data, host=host, otlp_grpc_port=otlp_grpc_port, otlp_http_port=otlp_http_port, api_port=api_port
    )
    asyncio.run(run(settings))


# --- repositories and services ------------------------------------------------------------------------


@repo.command("add")
def repo_add(
    repository: Annotated[str, typer.Argument(help="owner/name")],
    source: Annotated[str, typer.Argument(help="Path or URL to fetch from.")],
    url: Annotated[str | None, typer.Option(help="vcs.repository.url.full that its services send.")] = None,
    assume_unmarked: Annotated[str | None, typer.Option(help="'human': unmarked commits are human.")] = None,
    assume_unmarked_from: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this date on.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Add a repository and fetch its history."""
    start = assume_unmarked_from.date() if assume_unmarked_from else None
    stated = source if "://" in source or not Path(source).exists() else str(Path(source).resolve())
    with _reach(data) as reached, _progress(f"fetching {repository}") as progress:
        if isinstance(reached, Installation):
            reached.add_repository(
                repository, stated, url=url, assume_unmarked=assume_unmarked, assume_unmarked_from=start
            )
            rows = reached.sync(repository, progress=progress)
        else:
            body = {
                "repository": repository,
                "source": stated,
                "url": url,
                "assume_unmarked": assume_unmarked,
                "assume_unmarked_from": start.isoformat() if start else None,
            }
            reached.call("POST", "/v1/operations/repositories", body)
            rows = reached.call("POST", "/v1/operations/sync", {"repository": repository})["repositories"]
    for row in rows:
        out.print(
            f"{row['repository']}: {row['commit_count']} commits, {row['change_count']} changes on {row['default_branch']}"
        )


@repo.command("list")
def repo_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the repositories."""
    with _reach(data) as reached:
        rows = (
            reached.list_repositories()
            if isinstance(reached, Installation)
            else reached.call("GET", "/v1/operations/repositories")["repositories"]
        )
    columns = (
        "repository",
        "source",
        "default_branch",
        "change_count",
        "head_sha",
        "assume_unmarked",
        "synced_at",
    )
    _print(rows, as_json=as_json, table=lambda found: _table(found, columns))


@repo.command("sync")
def repo_sync(repository: Annotated[str | None, typer.Argument()] = None, data: DataOption = None) -> None:
    """Fetch new commits, notes and tags."""
    with _reach(data) as reached, _progress("fetching") as progress:
        if isinstance(reached, Installation):
            rows = reached.sync(repository, progress=progress)
        else:
            rows = reached.call("POST", "/v1/operations/sync", {"repository": repository})["repositories"]
    for row in rows:
        out.print(f"{row['repository']}: {row['change_count']} changes, head {str(row['head_sha'])[:10]}")


@repo.command("remove")
def repo_remove(repository: str, data: DataOption = None) -> None:
    """Forget a repository and its mirror."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            reached.remove_repository(repository)
        else:
            reached.call("DELETE", "/v1/operations/repositories", repository=repository)
    out.print(f"{repository}: removed")


@service.command("map")
def service_map(
    name: Annotated[str, typer.Argument(help="service.name")],
    repository: Annotated[str, typer.Option(help="owner/name")],
    path: Annotated[str, typer.Option(help="Directory inside the repository.")] = "",
    data: DataOption = None,
) -> None:
    """State where a service's code lives."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            reached.map_service(name, repository, path)
        else:
            body = {"service": name, "repository": repository, "path": path}
            reached.call("POST", "/v1/operations/service-mappings", body)
    out.print(f"{name}: {repository}/{path}".rstrip("/"))


# --- answers --------------------------------------------------------------------------------------------


@cli.command()
def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Say per service what is known, and what is missing for an answer."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            rows = reached.doctor()
        else:
            rows = reached.call("GET", "/v1/services")["items"]
    _print(rows, as_json=as_json, table=_doctor_table)


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
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            found = reached.correlated(as_of=moment)
        else:
            found = reached.call(
                "POST", "/v1/operations/correlate", {"as_of": moment.isoformat() if moment else None}
            )
    _print(found, as_json=as_json, table=_correlation_text)


@cli.command()
def rebuild(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Delete every inference and infer again from the facts: the digest must be the same."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            found = reached.rebuilt()
        else:
            found = reached.call("POST", "/v1/operations/rebuild", {})
    _print(found, as_json=as_json, table=_correlation_text)


@cli.command("report")
def report_command(
    week: Annotated[str | None, typer.Option(help="ISO week, e.g. 2026-W47 (default: this week).")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder for the files (default: DATA/reports).")] = None,
    data: DataOption = None,
) -> None:
    """Write the weekly incident attribution report as JSON, HTML and Markdown."""
    from api import terminal

    chosen = week or report.week_of(datetime.now(UTC))
    settings = load(data=data)
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            document = reached.report(chosen)
        else:
            document = reached.call("POST", "/v1/operations/report", {"week": chosen})
    folder = to or settings.data / "reports"
    paths = write_report(document, folder, chosen)
    out.print(terminal.summary(document))
    for path in paths:
        out.print(str(path), soft_wrap=True, highlight=False)


def write_report(document: dict[str, Any], folder: Path, week: str) -> list[Path]:
    """Write the three forms of a report; returns their paths: HTML, Markdown, JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "html": report.render_html(document),
        "md": report.render_markdown(document),
        "json": json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
    }
    paths = []
    for suffix, text in forms.items():
        path = (folder / f"{week}.{suffix}").resolve()
        installation.write_private(path, text)
        paths.append(path)
    return paths


# --- tokens ---------------------------------------------------------------------------------------------


@token.command("list")
def token_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the tokens; their secrets are not kept."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            rows = [t.model_dump(mode="json") for t in auth.listing(reached.store)]
        else:
            rows = reached.call("GET", "/v1/tokens")["items"]
    columns = ("token_id", "name", "scope", "created_at", "expires_at", "revoked_at", "last_used_at")
    _print(rows, as_json=as_json, table=lambda found: _table(found, columns))


@token.command("create")
def token_create(
    name: str,
    scope: Annotated[TokenScope, typer.Option(help="What it may do.")] = TokenScope.READ,
    data: DataOption = None,
) -> None:
    """Create a token and print it, once."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            made = auth.create(
                reached.store, name=name, scope=scope, now=datetime.now(UTC), actor=auth.LOCAL
            ).token
        else:
            made = reached.call("POST", "/v1/tokens", {"name": name, "scope": str(scope)})["token"]
    print(made)


@token.command("rotate")
def token_rotate(token_id: str, data: DataOption = None) -> None:
    """Replace a token by a new one of the same scope, and print that, once."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            folder = reached.settings.data
            made = auth.rotate(
                reached.store, token_id, now=datetime.now(UTC), actor=auth.LOCAL, data_folder=folder
            ).token
        else:
            made = reached.call("POST", f"/v1/tokens/{token_id}/rotate", {})["token"]
    print(made)


@token.command("revoke")
def token_revoke(token_id: str, data: DataOption = None) -> None:
    """Make a token useless at once."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            auth.revoke(reached.store, token_id, now=datetime.now(UTC), actor=auth.LOCAL)
        else:
            reached.call("DELETE", f"/v1/tokens/{token_id}")
    out.print(f"{token_id}: revoked")


@token.command("login")
def token_login(data: DataOption = None) -> None:
    """Print a one-time link that logs a browser in."""
    with _reach(data) as reached:
        if isinstance(reached, Installation):
            raise AftermergeError("no server runs on this data folder", hint="start it: aftermerge serve")
        print(reached.api_url + reached.call("POST", "/v1/operations/login-link", {})["path"])


# --- shapes for a terminal --------------------------------------------------------------------------------


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the current step, on a terminal only."""
    if not err.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=text)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if row.get(c) is None else str(row[c]) for c in columns))
    return table


def _doctor_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("service", "repository", "revision", "frames", "incidents", "missing for an answer"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            str(row["service"]),
            "/".join(part for part in (row.get("repository"), row.get("path")) if part) or "unknown",
            _percent(row.get("revision_share")),
            _percent(row.get("frame_share")),
            str(row.get("incident_count", "")),
            "; ".join(row.get("missing") or ()) or "nothing",
        )
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _correlation_text(found: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{count} {name}" for name, count in sorted((found.get("counts") or {}).items()) if count
    )
    lines = [
        f"as of {found['as_of']}",
        f"digest {found['digest']}",
        counts or "facts unchanged: nothing to do",
    ]
    return "\n".join(lines)


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

"""Commands about provenance that an installation keeps: coverage, statements of people, imports, audits of the tags."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from api import listings
from api.client import Client
from api.console import DataOption, JsonOption, err, group, print_answer, reach, say
from schemas.errors import MalformedInput
from schemas.vocabulary import AuditLabel

if TYPE_CHECKING:
    from api.installation import Installation

provenance = group("Who wrote what: coverage, statements, imports.")
audit = group("How often the tags are right, by people's labels.")

RECORDS_PER_REQUEST = 500
_KEYS = {"a": AuditLabel.AI, "o": AuditLabel.OTHER, "u": AuditLabel.UNSURE}
_QUESTION = "did an AI tool write some or all of the lines it adds? [a]i, [o]ther, [u]nsure, [q]uit: "


def add_to(cli: typer.Typer) -> None:
    """Add these commands to the command line."""
    cli.add_typer(provenance, name="provenance")
    cli.add_typer(audit, name="audit")


@provenance.command("coverage")
def coverage(
    repository: Annotated[str | None, typer.Option(help="owner/name (default: all).")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say per repository and month how much of what landed is declared."""
    with reach(data, loads=True) as reached:
        if isinstance(reached, Client):
            rows = reached.call("GET", "/v1/provenance/coverage", repository=repository)["rows"]
        else:
            from api import provenance as answers

            rows = answers.coverage(reached.store, repository=repository)
    print_answer(rows, as_json=as_json, table=listings.coverage)


@provenance.command("state")
def state(
    repository: Annotated[str, typer.Argument(help="owner/name")],
    sha: Annotated[str, typer.Argument(help="Commit, or a merge for its whole change.")],
    origin: Annotated[str, typer.Argument(help="ai | human | automation | unknown | none (take it back).")],
    tool: Annotated[list[str] | None, typer.Option(help="AI tool; may be repeated.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why you know.")] = None,
    data: DataOption = None,
) -> None:
    """State who wrote a commit. It goes before every mark, is kept with your token, and can be taken back."""
    stated = None if origin == "none" else origin
    with reach(data) as reached:
        if isinstance(reached, Client):
            body = {"repository": repository, "sha": sha, "origin": stated, "tools": tool or []}
            row = reached.call("POST", "/v1/provenance/statements", body | {"reason": reason})
        else:
            from api import auth
            from api import provenance as answers

            row = answers.state(
                reached.store,
                repository=repository,
                sha=sha,
                origin=stated,
                tools=tool or (),
                reason=reason,
                now=datetime.now(UTC),
                actor=auth.LOCAL,
            )
    said = f"stated as {stated}" if stated else "statement taken back"
    say(f"{row['repository']}@{row['sha'][:10]}: {said}; it holds from the next correlation on")


@provenance.command("statements")
def statements(
    repository: Annotated[str | None, typer.Option(help="owner/name (default: all).")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what people stated, newest first."""
    with reach(data) as reached:
        if isinstance(reached, Client):
            rows = reached.call("GET", "/v1/provenance/statements", repository=repository)["items"]
        else:
            from api import provenance as answers

            rows = answers.statements(reached.store, repository)
    print_answer(
        rows, as_json=as_json, table=lambda found: listings.rows(found, listings.PROVENANCE_STATEMENT)
    )


@provenance.command("import")
def import_traces(
    file: Annotated[Path, typer.Argument(help="Agent Trace records, one JSON object a line.")],
    data: DataOption = None,
) -> None:
    """Import Agent Trace records: which lines of a commit an AI or a person wrote."""
    taken = bad = 0
    with reach(data, loads=True) as reached:
        for records, refused in _records(file):
            bad += refused
            taken += _take(reached, records)
    say(f"{taken} line ranges taken")
    if bad:
        raise MalformedInput(
            f"{bad} records were left out, as told above", hint="mend these; the others are in"
        )


def _records(file: Path) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Good records in batches, each with how many bad ones were told since the batch before."""
    from pydantic import ValidationError

    from schemas.intake import AgentTraceReport

    batch: list[dict[str, Any]] = []
    bad = 0
    try:
        opened = file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MalformedInput(
            f"{file} cannot be read: {error.strerror}", hint="give a JSON lines file"
        ) from error
    with opened as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                AgentTraceReport.model_validate(record)
            except ValidationError as error:
                fault = error.errors(include_url=False)[0]
                told = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            except (ValueError, RecursionError) as error:
                told = f"not JSON: {error}"
            else:
                batch.append(record)
                if len(batch) == RECORDS_PER_REQUEST:
                    yield batch, bad
                    batch, bad = [], 0
                continue
            bad += 1
            err.print(f"[bold red]error:[/] {escape(f'{file} line {number}: {told}')}", highlight=False)
    yield batch, bad


def _take(reached: "Client | Installation", records: list[dict[str, Any]]) -> int:
    if not records:
        return 0
    if isinstance(reached, Client):
        return int(reached.call("POST", "/v1/intake/agent-traces", records)["accepted"])
    return reached.take("agent-traces", json.dumps(records).encode()).accepted


# --- audits -------------------------------------------------------------------------------------------


@audit.command("provenance")
def audit_provenance(
    sample: Annotated[int, typer.Option(help="Changes to draw.")] = 200,
    seed: Annotated[int | None, typer.Option(help="Equal changes and seed, equal sample.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Changes landed from then on (default: the first marked one)."
        ),
    ] = None,
    audit_id: Annotated[str | None, typer.Option("--audit", help="Go on with this audit.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the drawn changes here as CSV, to be labelled.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Take labels from such a CSV.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw changes, ask people who wrote them, and say how often the tags are right. The rates then use it."""
    with reach(data, loads=True) as reached:
        bad = 0
        if labels is not None:
            found, bad = _from_file(reached, labels, audit_id)
        elif audit_id is not None:
            found = _read(reached, audit_id)
        else:
            found = _draw(reached, sample, seed, since.replace(tzinfo=UTC) if since else None)
        if to is not None:
            _write(found, to)
            say(
                f"audit {found['audit_id']}: {len(found['items'])} changes in {to}; fill in the column label,"
            )
            say(f"then: aftermerge audit provenance --labels {to}")
        elif labels is None and sys.stdin.isatty() and not as_json:
            found = _ask(reached, found)
    print_answer(found, as_json=as_json, table=listings.audit)
    if bad:
        raise MalformedInput(
            f"{bad} labels were left out, as told above", hint=f"a label is one of {', '.join(AuditLabel)}"
        )


def _draw(
    reached: "Client | Installation", sample: int, seed: int | None, since: datetime | None
) -> dict[str, Any]:
    if isinstance(reached, Client):
        drawn: dict[str, Any] = reached.call(
            "POST",
            "/v1/provenance/audits",
            {"sample": sample, "seed": seed, "since": since.isoformat() if since else None},
        )
        return drawn
    from api import auth
    from api import provenance as answers

    return answers.draw_audit(
        reached.store, sample=sample, seed=seed, since=since, now=datetime.now(UTC), actor=auth.LOCAL
    )


def _read(reached: "Client | Installation", audit_id: str) -> dict[str, Any]:
    if isinstance(reached, Client):
        found: dict[str, Any] = reached.call("GET", f"/v1/provenance/audits/{audit_id}")
        return found
    from api import provenance as answers

    return answers.audit(reached.store, audit_id)


def _label(
    reached: "Client | Installation", audit_id: str, stated: Sequence[dict[str, str]]
) -> dict[str, Any]:
    if isinstance(reached, Client):
        found: dict[str, Any] = reached.call(
            "PUT", f"/v1/provenance/audits/{audit_id}/labels", {"labels": list(stated)}
        )
        return found
    from api import auth
    from api import provenance as answers

    return answers.label(reached.store, audit_id, stated, now=datetime.now(UTC), actor=auth.LOCAL)


def _ask(reached: "Client | Installation", found: dict[str, Any]) -> dict[str, Any]:
    """Show each change that has no label yet; every answer is kept at once, so that one can stop at any time."""
    waiting = [item for item in found["items"] if item["label"] is None]
    for number, item in enumerate(waiting, 1):
        say(f"\n{number} of {len(waiting)}: {item['repository']}@{item['sha']}")
        request = f"#{item['number']} " if item["number"] else ""
        say(f"  {request}{item['subject']}")
        say(f"  landed {item['landed_at']}, +{item['lines_added']} -{item['lines_deleted']} lines")
        answer = ""
        while answer not in (*_KEYS, "q"):
            answer = input(_QUESTION).strip().lower()[:1]
        if answer == "q":
            break
        stated = {"repository": item["repository"], "sha": item["sha"], "label": str(_KEYS[answer])}
        found = _label(reached, found["audit_id"], [stated])
    return found


_COLUMNS = ("audit_id", "repository", "sha", "number", "landed_at", "lines_added", "lines_deleted", "subject")


def _write(found: dict[str, Any], to: Path) -> None:
    from api.flat_rows import as_csv

    rows = [
        {name: item.get(name, found["audit_id"]) for name in _COLUMNS} | {"label": item["label"]}
        for item in found["items"]
    ]
    to.write_text(as_csv(rows), encoding="utf-8", newline="")


def _from_file(
    reached: "Client | Installation", file: Path, audit_id: str | None
) -> tuple[dict[str, Any], int]:
    """Take the labels of a CSV; empty ones are not yet given, wrong ones are told and left out."""
    stated: list[dict[str, str]] = []
    bad = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MalformedInput(
            f"{file} cannot be read: {error}", hint="give the CSV that --to wrote, with its labels"
        ) from error
    for number, row in enumerate(rows, 2):
        label = (row.get("label") or "").strip().lower()
        if not label:
            continue
        if label not in set(AuditLabel) or not row.get("repository") or not row.get("sha"):
            bad += 1
            err.print(f"[bold red]error:[/] {escape(f'{file} line {number}: no label: {label!r}')}")
            continue
        stated.append({"repository": row["repository"], "sha": row["sha"], "label": label})
    named = audit_id or next((row["audit_id"] for row in rows if row.get("audit_id")), None)
    if named is None or not stated:
        raise MalformedInput(
            f"{file} holds no label of an audit", hint="keep its column audit_id and fill in the column label"
        )
    return _label(reached, named, stated), bad

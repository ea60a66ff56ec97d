"""Commands that say why: ``explain`` and ``evaluate``, on JSON lines; most need no server and no data folder."""

import urllib.parse
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api import listings
from api.client import Client
from api.console import DataOption, JsonOption, out, print_answer, reach, settings
from schemas.errors import MalformedInput


class CulpritMode(StrEnum):
    """What is asked for: among all ancestors, among the changes of a window, or as each row says."""

    AUTO = "auto"
    LOCATION = "location"
    RANGE = "range"


def add_to(explain: typer.Typer, evaluate: typer.Typer) -> None:
    """Add these commands to the groups of that name."""
    explain.command("stacktrace")(explain_stacktrace)
    explain.command("frame")(explain_frame)
    explain.command("failure")(explain_failure)
    explain.command("culprit")(explain_culprit)
    explain.command("incident")(explain_incident)
    evaluate.command("stacktraces")(evaluate_stacktraces)
    evaluate.command("categories")(evaluate_categories)
    evaluate.command("culprits")(evaluate_culprits)


LinesArgument = Annotated[
    typer.FileText, typer.Argument(metavar="FILE", encoding="utf-8", help="JSON lines; - for standard input.")
]
ReposOption = Annotated[
    Path, typer.Option("--repos", help="Folder of repositories, owner+name each; bare or work trees.")
]


def explain_stacktrace(source: LinesArgument) -> None:
    """Exceptions and frames of {id, language?, text}. Needs no server."""
    from api import explain as explanations

    for row in explanations.json_lines(source):
        print(listings.as_line(explanations.stacktrace(row)))


def explain_frame(source: LinesArgument, data: DataOption = None) -> None:
    """Path, line and commit of {service, file, line?, function?, module?, column?, revision?, version?}, and why."""
    from api import explain as explanations

    with reach(data, loads=True) as reached:
        for row in explanations.json_lines(source):
            if isinstance(reached, Client):
                found = reached.call("POST", "/v1/code/frame", {k: v for k, v in row.items() if k != "id"})
                found["id"] = row.get("id")
            else:
                found = reached.explain_frame(row)
            print(listings.as_line(found))


def explain_incident(
    incident_id: Annotated[
        str, typer.Argument(metavar="INCIDENT", help="source:id, or the sender's id where it is unique.")
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who may have caused an incident: failure, trace, frames, candidates with evidence in words, and what was said before."""
    from api import chains, queries

    with reach(data, loads=True) as reached:
        if isinstance(reached, Client):
            path = f"/v1/incidents/{urllib.parse.quote(incident_id, safe=':')}/attributions"
            found, said = reached.call("GET", path), reached.call("GET", f"{path}/history")["items"]
        else:
            answer = queries.attributions(reached.store, incident_id)
            if answer is None:
                raise MalformedInput(f"no incident is called {incident_id}", hint="see: GET /v1/incidents")
            found, said = answer, queries.said(reached.store, "incident", answer["incident"]["id"])
    if as_json:
        print(listings.as_json({**found, "said": said}))
    else:
        for line in chains.lines(found, said):
            out.print(line, highlight=False, markup=False)


def evaluate_stacktraces(
    source: LinesArgument,
    untold: Annotated[bool, typer.Option("--untold", help="Do not tell the parser the language.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Agreement with labelled traces {id, language, text, exception, frames, chain}, per language."""
    from api import evaluate as evaluations
    from api import explain as explanations

    found = evaluations.stacktraces(explanations.json_lines(source), is_told=not untold)
    print_answer(found, as_json=as_json, table=lambda rows: listings.shares(rows, evaluations.STACKTRACES))


def explain_failure(source: LinesArgument) -> None:
    """Category of each failure, ranked with reasons: {id, kind, language, exception_type, message, attributes} in."""
    from api import explain as explanations

    for row in explanations.json_lines(source):
        print(listings.as_line(explanations.failure(row)))


def evaluate_categories(source: LinesArgument, as_json: JsonOption = False) -> None:
    """Accuracy of the categories on labelled failures: exact, with plausible, confusion with intervals."""
    from api import evaluate as evaluations
    from api import explain as explanations

    found = evaluations.categories(explanations.json_lines(source))
    print_answer(found, as_json=as_json, table=evaluations.categories_table)


def explain_culprit(
    source: LinesArgument,
    repos: ReposOption = Path(),
    mode: Annotated[
        CulpritMode, typer.Option(help="auto: range where a row has a window.")
    ] = CulpritMode.AUTO,
) -> None:
    """Commits that brought what a fix mends, with weights: {id, repo, fix_sha, window?} in. Needs no server."""
    from api import culprits
    from api import explain as explanations

    rows = explanations.json_lines(source)
    for found in culprits.explained(rows, repos, str(mode), settings()):
        print(listings.as_line(found))


def evaluate_culprits(
    source: LinesArgument,
    repos: ReposOption = Path(),
    mode: Annotated[
        CulpritMode, typer.Option(help="auto: both; windows are drawn by the seed.")
    ] = CulpritMode.AUTO,
    all_rows: Annotated[bool, typer.Option("--all", help="Also rows that say strict: false.")] = False,
    seed: Annotated[int, typer.Option(help="Of the windows and the intervals.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Accuracy of culprits on labelled fixes, beside plain git blame: the labels are inducing_shas."""
    from api import culprits
    from api import explain as explanations

    rows = [row for row in explanations.json_lines(source) if all_rows or row.get("strict") is not False]
    modes = culprits.MODES if mode is CulpritMode.AUTO else (str(mode),)
    found = culprits.evaluated(rows, repos, settings(), seed=seed, modes=modes)
    print_answer(found, as_json=as_json, table=culprits.table)

"""Rows and figures as the command line shows them: tables, a few lines, JSON. Returns text and rich tables, prints nothing."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_FRACTION = re.compile(r"(T\d\d:\d\d:\d\d)\.\d+")

REPOSITORY = (
    "repository",
    "source",
    "default_branch",
    "change_count",
    "head_sha",
    "assume_unmarked",
    "assume_unmarked_from",
    "synced_at",
)
TOKEN = ("token_id", "name", "scope", "created_at", "expires_at", "revoked_at", "last_used_at")
PROVENANCE_STATEMENT = ("repository", "sha", "stated_at", "origin", "tools", "reason", "token_id")
DOCTOR = ("service", "repository", "revision", "frames", "incidents", "missing for an answer")


def as_json(value: Any) -> str:
    """``value`` as indented JSON; times are RFC 3339."""
    return json.dumps(value, default=_plain, indent=2, ensure_ascii=False)


def as_line(value: Any) -> str:
    """``value`` as one line of JSON."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def shares(found: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> Table:
    """One line per row; shares have three digits, so that 0.979 and 0.980 differ."""
    return rows(
        ({k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()} for row in found), columns
    )


def rows(found: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> Table:
    """One line per row; what is null is empty."""
    table = _table(columns)
    for row in found:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def doctor(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """One line per service: what is known of it, and what is missing for an answer."""
    if not found:
        return "no service has been seen yet: send telemetry, a deployment or an incident"
    table = _table(DOCTOR)
    for row in found:
        place = "/".join(part for part in (row.get("repository"), row.get("path")) if part)
        table.add_row(
            _cell(row["service"]),
            place or "unknown",
            _percent(row.get("revision_share")),
            _percent(row.get("frame_share")),
            _cell(row.get("incident_count")),
            "; ".join(_advised(item) for item in row.get("advice") or ()) or "nothing",
        )
    return table


def _advised(item: Mapping[str, Any]) -> str:
    gain = item.get("gain")
    return f"{item['detail']} (+{_percent(gain)})" if gain else str(item["detail"])


def correlation(found: Mapping[str, Any]) -> str:
    """A correlation or rebuild: as of when, its digest, what it wrote."""
    counts = ", ".join(
        f"{count} {name}" for name, count in sorted((found.get("counts") or {}).items()) if count
    )
    lines = [f"as of {_cell(found['as_of'])}", f"digest {found['digest']}"]
    if found.get("digest_before"):
        if found["is_same"]:
            lines.append("the same as before")
        else:
            why = "facts have arrived since"
            if found["are_facts_same"]:
                why = (
                    "equal facts and rules: a fault of ours"
                    if found["are_rules_same"]
                    else "the rules have changed"
                )
            lines.append(f"before: {found['digest_before']} ({why})")
    lines.append(counts or "nothing to infer from yet")
    return "\n".join(lines)


def status(found: Mapping[str, Any]) -> str:
    """One line per figure, in the order in which an operator asks."""
    told: list[tuple[str, str]] = []
    server = found["server"]
    if server is None:
        told.append(("server", "none runs on this data folder"))
    else:
        told.append(
            ("server", f"{server['api_url']}, process {server['pid']}, since {_cell(server['started_at'])}")
        )
        for signal, figures in server["signals"].items():
            told.append((signal, _signal(figures)))
        told.append(("stored", _reasons(server["stored"]) or "nothing yet"))
        told.append(("values dropped, hashed, scrubbed or cut", _reasons(server["values_altered"]) or "none"))
        if server["spool_damage"] or server["load_failures"]:
            damage = _reasons(server["spool_damage"]) or "no damage"
            told.append(("spool", f"{damage}; {server['load_failures']} failed loads"))
        if server["quarantined_segments"]:
            told.append(
                ("quarantine", f"{server['quarantined_segments']} damaged segments in spool/quarantine")
            )
        if server["decode_fallbacks"]:
            told.append(("decoded by the slow way", _reasons(server["decode_fallbacks"])))
        if server["sync_ms_mean"] is not None:
            told.append(("disk", f"{server['sync_ms_mean']} ms for a write and sync, on average"))
        told.append(("loader lag", f"{server['loader_lag_s']} s"))
    told.append(("backlog", f"{found['backlog_bytes']:,} bytes accepted, not in the store yet"))
    held = found["held"]
    told.append(("held", f"{held['span_count']:,} spans, {held['exception_count']:,} exceptions"))
    run = found["correlation"]
    told.append(
        (
            "last correlation",
            f"as of {_cell(run['as_of'])}, digest {run['inferences_digest']}" if run else "none yet",
        )
    )
    for row in found["repositories"]:
        synced = f"synced {_cell(row['synced_at'])}" if row["synced_at"] else "never synced"
        told.append((row["repository"], f"{row['change_count']:,} changes, {synced}"))
    if not found["repositories"]:
        told.append(("repositories", "none: aftermerge repo add OWNER/NAME PATH_OR_URL"))
    for name, job in (server or {}).get("jobs", {}).items():
        outcome = f"failed: {job['error']}" if job["error"] else "ok"
        told.append((f"job {name}", f"{outcome}, {_cell(job['ended_at'])} after {job['duration_s']} s"))
    width = max(len(what) for what, _ in told)
    return "\n".join(f"{what:<{width}}  {figure}" for what, figure in told)


def evaluation(found: Mapping[str, Any]) -> RenderableType:
    """Precision and recall, the confusion table, tools, hard cases, and the lines that were wrong."""
    origins = ("ai", "human", "automation", "unknown")
    confusion = _table(("label", *(f"said {origin}" for origin in origins)))
    for label, row in found["confusion"].items():
        confusion.add_row(label, *(str(row[origin]) for origin in origins))
    tools = _table(("tool", "labelled", "found", "precision", "recall"))
    for tool, row in found["tools"].items():
        tools.add_row(
            tool,
            str(row["labelled"]),
            str(row["found"]),
            _fraction(row["precision"]),
            _fraction(row["recall"]),
        )
    hard = _table(("hard case", "lines", "false ai", "missed ai"))
    for name, row in found["hard"].items():
        hard.add_row(name, str(row["lines"]), str(row["false_ai"]), str(row["missed_ai"]))
    wrong = [f"line {e['line']}: {e['label']}, said {e['origin']}: {e['matched']}" for e in found["errors"]]
    mistaken = [f"line {e['line']}: tool {e['tool']}, said {e['tools']}" for e in found["wrong_tools"]]
    return Group(
        f"{found['lines']} lines, {found['scored']} scored",
        f"ai precision   {_share(found['ai']['precision'])}",
        f"ai recall      {_share(found['ai']['recall'])}",
        f"tool right     {_share(found['tool_right'])}",
        *("", confusion, "", tools),
        *(("", hard) if found["hard"] else ()),
        *(Text(line) for line in ("", *wrong, *mistaken) if wrong or mistaken),
    )


def coverage(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """One line per repository and month, one column per figure, as percentages."""
    if not found:
        return "nothing has landed yet: add a repository, and correlate"
    figures = list(dict.fromkeys(row["figure"] for row in found))
    months: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found:
        month = months.setdefault((row["repository"], str(_plain(row["time"]))[:7]), {})
        month[row["figure"]] = row["value"]
        if row["figure"] == "notes_share":
            month["commits"] = row["n"]
    table = _table(("repository", "month", "commits", *(f.removesuffix("_share") for f in figures)))
    for (repository, name), month in sorted(months.items()):
        table.add_row(repository, name, _cell(month["commits"]), *(_percent(month[f]) for f in figures))
    return table


def audit(found: Mapping[str, Any]) -> str:
    """What the labels of an audit say of the tags."""
    told = found["figures"]
    lines = [
        f"audit {found['audit_id']}: {told['labelled']} of {told['drawn']} labelled, {told['unsure']} unsure",
        *(f"{name}  {_ends(told[name])}" for name in ("sensitivity", "specificity", "prevalence")),
        "the rates use it"
        if told["is_used"]
        else "too few labels for the rates: ten of marked changes and ten of others are needed",
    ]
    return "\n".join(lines)


def _ends(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{found['value']:.3f} (95 % {found['low']:.3f} to {found['high']:.3f})"


def _share(found: Mapping[str, Any]) -> str:
    counts = f"{found['numerator']} of {found['denominator']}"
    if found["value"] is None:
        return f"- ({counts})"
    return f"{found['value']:.4f} ({counts}; 95 % {found['low']:.4f} to {found['high']:.4f})"


def _fraction(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cell(value: Any) -> str:
    """``value`` as text; a time loses its fraction, which nobody reads."""
    return "" if value is None else _FRACTION.sub(r"\1", str(_plain(value)))


def _plain(value: Any) -> Any:
    # As the REST port writes it, so that a command says the same with a server and without one.
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _signal(figures: Mapping[str, Any]) -> str:
    text = f"{figures['received']:,} received, {figures['accepted']:,} accepted"
    if figures["rejected"]:
        text += f"; rejected: {_reasons(figures['rejected'])}"
    if figures["requests_refused"]:
        text += f"; requests refused: {_reasons(figures['requests_refused'])}"
    return text


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())

"""A backtest in words: sentences that the terminal and the page share, and the terminal's tables.

Reads ``Correlator.backtest``; computes nothing but percentages.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from api import lexicon, wording

Row = Mapping[str, Any]

PEERS = {
    "newest_deployed": "Newest commit of the last deployment",
    "blamed_at_head": "Who last wrote the top frame's line, at HEAD",
}
SHOWN_MIN = 0.005
LABELS = {
    "verdict": "a person's verdict",
    "named": "an incident or post-mortem names it",
    "false_alarm": "people called it a false alarm",
    "revert": "a revert",
    "fix": "a fix that refers to it",
    "rollback": "a rollback",
}
_DETAILS = {"prior": "no evidence, the prior alone", "nothing": "nobody was named"}


def sentences(found: Row) -> list[str]:
    """What a backtest says, the most important first."""
    n, exact, none, ranged = found["failures"], found["exact"], found["no_change"], found["range"]
    total, labelled = n["groups"] + n["incidents"], n["groups_labelled"] + n["incidents_labelled"]
    hours = found["after_s"] / 3600
    when = f"{hours:g} h after it began" if hours else "at its first failure"
    told = [
        f"Of {n['groups']} failure groups and {n['incidents']} incidents, {labelled} have a label: somebody reverted, "
        f"fixed, rolled back, named or judged. {total - labelled} have none, and say nothing here.",
    ]
    if not n["cases"]:
        return [*told, "There is nothing to hold attribution against yet."]
    told.append(
        f"Each of the {n['cases']} ({n['causes']} causes) was answered again as of {when}, blind to everything later."
    )
    if exact["n"]:
        told.append(
            f"The true change came first in {share(exact['top_1'])}, among the first three in "
            f"{share(exact['top_3'])}, and had {ends(exact['mass'])} of the weight on average."
        )
        for rule, name in PEERS.items():
            peer = exact["peers"][rule]
            told.append(f"{name}: right in {share(peer['top_1'])}; it answered {peer['answered']} times.")
    if ranged["n"]:
        told.append(
            f"Of rollbacks that took several changes back, one of these came first in {share(ranged['top_1'])}."
        )
    if none["recall"]["denominator"]:
        told.append(f"Where no change was to blame we said so in {share(none['recall'])}.")
    if none["precision"]["denominator"]:
        told.append(f"Where we said that no change is to blame, that was true in {share(none['precision'])}.")
    ece = found["calibration"]["ece"]
    if ece["value"] is not None:
        told.append(f"What we said is off by {ends(ece)} on average (expected calibration error).")
    if n["told_before"]:
        told.append(f"{n['told_before']} could be seen to be solved before they were reported: left out.")
    return told


def summary(found: Row) -> RenderableType:
    """A backtest for a terminal."""
    parts: list[RenderableType] = [
        Text("How right was attribution, by what the team said later?", style="bold"),
        *(Padding(Text(text), (0, 0, 0, 2)) for text in sentences(found)),
    ]
    if found["failures"]["cases"]:
        parts += [Text(), _reliability(found["calibration"])]
        for key, title in (
            ("by_evidence", "Led by"),
            ("by_label", "Told by"),
            ("by_service", "Service"),
            ("by_subject", "Of"),
        ):
            parts += [Text(), _breakdown(title, found[key], key)]
        parts += [Text(), Text("Every case, the wrong ones first", style="bold")]
        ordered = sorted(found["cases"], key=lambda c: (c["is_right"], c["onset_at"], c["id"]))
        for case in ordered:
            parts += [Text(), *(Text(line) for line in told(case))]
    parts += [Text(), *(Text(text, style="dim") for text in found["caveats"])]
    return Group(*parts)


def told(case: Row) -> list[str]:
    """One case in lines: what failed, what we said, what was true, and why we were wrong."""
    verdict = "right" if case["is_right"] else "WRONG"
    where = case["service"] or "no service named"
    lines = [f"{verdict}  {case['subject']} {case['id']}  {where}  {wording.moment(case['onset_at'])}"]
    lines.append(f"   failed  {case['title']}")
    listed = [f"{s['weight']:.2f} {_named(s)}" for s in case["said"] if s["weight"] >= SHOWN_MIN]
    lines.append(f"   said    {'; '.join(listed) or 'nothing'}")
    lines.append(f"   truth   {truth(case)}")
    if case["led_by"] not in ("nothing", "prior"):
        lines.append(f"   led by  {evidence_name(case['led_by'])}")
    if case["why"]:
        lines.append(f"   why     {case['why']}")
    return lines


def truth(case: Row) -> str:
    """What is held to be true of a case, and who says so."""
    changes = case["label"]["changes"]
    named = ", ".join(f"{wording.short_sha(c['sha'])} {c['subject'] or ''}".strip() for c in changes[:4])
    more = f" and {len(changes) - 4} more" if len(changes) > 4 else ""
    said = f"one of {named}{more}" if case["label"]["is_range"] else named or "no change is to blame"
    return f"{said} – {case['label']['detail']}"


def evidence_name(kind: str) -> str:
    """What led to an answer, in words."""
    return lexicon.EVIDENCE.get(kind) or _DETAILS.get(kind) or kind


def label_name(kind: str) -> str:
    """Who told the truth, in words."""
    return LABELS.get(kind, kind)


def share(found: Row) -> str:
    """``6 of 8 (75 %, 41 to 93)``."""
    counts = f"{found['numerator']} of {found['denominator']}"
    if found["value"] is None:
        return counts
    return f"{counts} ({found['value']:.0%}, {100 * found['low']:.0f} to {100 * found['high']:.0f})"


def ends(found: Row) -> str:
    """``0.71 (0.60 to 0.82)``; without an interval where there is one cause only."""
    if found["value"] is None:
        return "–"
    if found["low"] is None:
        return f"{found['value']:.2f}"
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _named(suspect: Row) -> str:
    if suspect["candidate"] == "change":
        return f"{wording.short_sha(suspect['sha'])} {suspect['subject'] or ''}".strip()
    return "no change" if suspect["candidate"] == "no_change" else "not attributed"


def _reliability(found: Row) -> Table:
    table = _table("When we said", "n", "said on average", "was right (95 %)")
    for row in found["bins"]:
        if row["n"]:
            table.add_row(
                f"{row['from']:.1f} to {row['to']:.1f}",
                str(row["n"]),
                f"{row['said']:.2f}",
                share(row["right"]),
            )
    return table


def _breakdown(title: str, rows: list[Row], key: str) -> Table:
    names = {"by_evidence": evidence_name, "by_label": label_name}
    table = _table(title, "n", "right (95 %)", "weight on the truth")
    for row in rows:
        name = names[key](row["key"]) if key in names else row["key"]
        table.add_row(name, str(row["n"]), share(row["right"]), f"{row['mass']:.2f}")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table

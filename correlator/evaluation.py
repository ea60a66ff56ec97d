"""How well provenance verdicts agree with labels: precision, recall, confusion, tools, hard cases. Counts only.

Scored is AI against not AI first, as the labels of ``human`` against ``unknown`` are a matter of policy. Labels of low
confidence are counted and not scored. Form of the labels: ``label`` (ai, human, automation, unknown), and optional
``tool`` or ``tools``, ``ai_role``, ``label_confidence`` (high, medium, low) and ``hard`` (names of hard cases).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from correlator import estimates
from schemas.errors import MalformedInput
from schemas.vocabulary import Origin

LABELS = (Origin.AI, Origin.HUMAN, Origin.AUTOMATION, Origin.UNKNOWN)
ERRORS_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """A label beside the verdict on the same commit (an object of ``commit_lines.explained``)."""

    number: int
    fields: Mapping[str, Any]
    verdict: Mapping[str, Any]

    @property
    def label(self) -> str:
        return str(self.fields["label"])

    @property
    def origin(self) -> str:
        return str(self.verdict["origin"])

    @property
    def tool(self) -> str | None:
        """The labelled tool; of several the first."""
        listed = self.fields.get("tools") or ()
        return self.fields.get("tool") or (listed[0] if listed else None)

    @property
    def is_scored(self) -> bool:
        return self.fields.get("label_confidence") != "low"

    @property
    def is_tool_right(self) -> bool:
        return bool(self.verdict["tools"]) and self.verdict["tools"][0] == self.tool


def check_label(fields: Mapping[str, Any]) -> None:
    """Refuse a line that cannot be scored.

    Raises:
        MalformedInput: no known ``label``, or ``hard`` or ``tools`` that are no lists of text.
    """
    if fields.get("label") not in set(LABELS):
        raise MalformedInput(f"label: one of {', '.join(LABELS)} is needed")
    if not isinstance(fields.get("tool"), str | None):
        raise MalformedInput("tool: not a text")
    for name in ("hard", "tools"):
        value = fields.get(name)
        if value is not None and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            raise MalformedInput(f"{name}: not a list of texts")


def evaluate(judged: Iterable[Judged]) -> dict[str, Any]:
    """Figures over all lines, as one JSON object.

    Returns:
        ``ai``: precision and recall of AI against not AI, each ``{value, low, high, numerator, denominator}`` with a
        Wilson interval (95 %). ``confusion``: label -> origin -> lines. ``tool_right``: share of true positives with
        a labelled tool whose leading tool is that one. ``tools``: per tool, labelled and found counts, precision and
        recall. ``roles``: label -> verdict -> lines, of true positives. ``hard``: per hard case, its lines, false ai
        and missed ai. ``errors``: the lines where AI and not AI disagree, the first
        :data:`ERRORS_SHOWN_MAX`; ``wrong_tools`` likewise.
    """
    everything = list(judged)
    scored = [j for j in everything if j.is_scored]
    true = [j for j in scored if j.label == j.origin == Origin.AI]
    false = [j for j in scored if j.label != Origin.AI and j.origin == Origin.AI]
    missed = [j for j in scored if j.label == Origin.AI and j.origin != Origin.AI]
    named = [j for j in true if j.tool]
    wrong = [j for j in named if not j.is_tool_right]
    confusion = Counter((j.label, j.origin) for j in scored)
    return {
        "lines": len(everything),
        "scored": len(scored),
        "ai": {
            "precision": share(len(true), len(true) + len(false)),
            "recall": share(len(true), len(true) + len(missed)),
        },
        "confusion": {label: {str(o): confusion[label, o] for o in LABELS} for label in map(str, LABELS)},
        "tool_right": share(len(named) - len(wrong), len(named)),
        "tools": _tools(scored),
        "roles": _pairs(
            (str(j.fields["ai_role"]), j.verdict["role"]) for j in true if j.fields.get("ai_role")
        ),
        "hard": _hard(scored),
        "errors": [_told(j) for j in (*false, *missed)][:ERRORS_SHOWN_MAX],
        "wrong_tools": [_told(j) | {"tool": j.tool} for j in wrong][:ERRORS_SHOWN_MAX],
    }


def share(count: int, total: int) -> dict[str, Any]:
    """``count`` of ``total`` with its Wilson interval; null where there is nothing to divide by."""
    low, high = estimates.wilson(np.array([float(count)]), np.array([float(total)]))
    ends = (None, None) if total == 0 else (round(float(low[0]), 6), round(float(high[0]), 6))
    value = round(count / total, 6) if total else None
    return {"value": value, "low": ends[0], "high": ends[1], "numerator": count, "denominator": total}


def _tools(scored: Sequence[Judged]) -> dict[str, Any]:
    """Per tool, one against the rest: by its label, and by the leading tool of the verdict."""
    labelled = Counter(j.tool for j in scored if j.label == Origin.AI and j.tool)
    found = Counter(j.verdict["tools"][0] for j in scored if j.verdict["tools"])
    both = Counter(j.tool for j in scored if j.label == Origin.AI and j.tool and j.is_tool_right)
    return {
        tool: {
            "labelled": labelled[tool],
            "found": found[tool],
            "precision": share(both[tool], found[tool])["value"],
            "recall": share(both[tool], labelled[tool])["value"],
        }
        for tool in sorted({*labelled, *found}, key=lambda tool: (-labelled[tool], tool))
    }


def _hard(scored: Sequence[Judged]) -> dict[str, Any]:
    found: dict[str, Counter[str]] = {}
    for j in scored:
        for name in j.fields.get("hard") or ():
            counts = found.setdefault(name, Counter())
            counts["lines"] += 1
            counts["false_ai"] += j.label != Origin.AI and j.origin == Origin.AI
            counts["missed_ai"] += j.label == Origin.AI and j.origin != Origin.AI
    return {name: dict(counts) for name, counts in sorted(found.items())}


def _pairs(found: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (label, verdict), count in sorted(Counter(found).items()):
        table.setdefault(label, {})[verdict] = count
    return table


def _told(j: Judged) -> dict[str, Any]:
    return {
        "line": j.number,
        "repo": j.verdict["repo"],
        "sha": j.verdict["sha"],
        "label": j.label,
        "origin": j.origin,
        "tools": j.verdict["tools"],
        "matched": [e["matched_text"] for e in j.verdict["evidence"]][:3],
    }

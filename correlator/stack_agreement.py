"""How well parsed stacks agree with labelled ones: frames, whole traces, type and message, per language. Pure.

A label is a row of JSON: ``{id, language, text, exception {type, message}, frames, chain}``, frames innermost first
with file, function and line. Frames are compared place by place from the innermost on, so that one frame too many or
too few spoils those behind it; absent and empty are equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]

COMPARED = ("file", "function", "line")


@dataclass(slots=True)
class Agreement:
    """Counts of one language. ``frames`` is the larger of labelled and found, summed over its traces."""

    traces: int = 0
    whole: int = 0
    types: int = 0
    messages: int = 0
    chains: int = 0
    frames: int = 0
    frames_exact: int = 0
    in_app_labelled: int = 0
    in_app_exact: int = 0
    wrong: list[str] = field(default_factory=list)

    def row(self, language: str) -> dict[str, Any]:
        """Shares in 0..1, None where there is nothing to compare."""
        return {
            "language": language,
            "traces": self.traces,
            "frames": self.frames,
            "frames_exact": _share(self.frames_exact, self.frames),
            "traces_whole": _share(self.whole, self.traces),
            "types_exact": _share(self.types, self.traces),
            "messages_exact": _share(self.messages, self.traces),
            "chains_whole": _share(self.chains, self.traces),
            "in_app_exact": _share(self.in_app_exact, self.in_app_labelled),
            "wrong": self.wrong,
        }


def compare(pairs: Iterable[tuple[Row, Row]]) -> list[dict[str, Any]]:
    """One row per language and one for ``all``, from pairs of (label, answer of ``explain stacktrace``)."""
    found: dict[str, Agreement] = {}
    total = Agreement()
    for label, answer in pairs:
        for counts in (found.setdefault(str(label["language"]), Agreement()), total):
            _count(counts, label, answer)
    return [counts.row(language) for language, counts in sorted(found.items())] + [total.row("all")]


def _count(counts: Agreement, label: Row, answer: Row) -> None:
    expected, got = _frames(label["frames"]), _frames(answer["frames"])
    said, heard = label["exception"], answer["exception"]
    is_whole = expected == got
    is_type = (said["type"] or "") == (heard["type"] or "")
    is_message = (said["message"] or "") == (heard["message"] or "")
    counts.traces += 1
    counts.frames += max(len(expected), len(got))
    counts.frames_exact += sum(one == other for one, other in zip(expected, got, strict=False))
    counts.whole += is_whole
    counts.types += is_type
    counts.messages += is_message
    counts.chains += _chain(label) == _chain(answer)
    for one, other in zip(label["frames"], answer["frames"], strict=False):
        if one.get("in_app") is not None:
            counts.in_app_labelled += 1
            counts.in_app_exact += one["in_app"] is other["in_app"]
    if not (is_whole and is_type and is_message):
        counts.wrong.append(str(label["id"]))


def _chain(row: Row) -> list[Any]:
    return [
        (link["type"] or "", link["message"] or "", _frames(link["frames"]))
        for link in row.get("chain") or ()
    ]


def _frames(frames: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [tuple(frame.get(key) for key in COMPARED) for frame in frames]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""How well the product's rules do on labelled data, one function per kind; ``aftermerge evaluate`` prints the tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from api import explain
from correlator import stack_agreement

STACKTRACES = (
    "language",
    "traces",
    "frames",
    "frames_exact",
    "traces_whole",
    "types_exact",
    "messages_exact",
    "chains_whole",
    "in_app_exact",
)
"""Columns of the table of :func:`stacktraces`."""


def stacktraces(labels: Iterable[Mapping[str, Any]], *, is_told: bool = True) -> list[dict[str, Any]]:
    """Rows per language and for all, with the ids of the traces that are wrong.

    Args:
        labels: ``{id, language, text, exception, frames, chain}`` as ``correlator/stack_agreement.py`` has them.
        is_told: the parser is told the language, as ``telemetry.sdk.language`` would; else it must find it.
    """
    pairs = []
    for label in labels:
        asked = {"id": label["id"], "text": label["text"]}
        pairs.append(
            (label, explain.stacktrace(asked | ({"language": label["language"]} if is_told else {})))
        )
    return stack_agreement.compare(pairs)

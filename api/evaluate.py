"""How well the product's rules do on labelled data, one function per kind; ``aftermerge evaluate`` prints the tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from api import explain
from correlator import category_accuracy, stack_agreement
from correlator.category_accuracy import Labelled
from schemas.errors import MalformedInput
from schemas.vocabulary import FailureCategory

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


def categories(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracy of failure categories, as ``category_accuracy.measure`` tells it.

    Args:
        rows: as :func:`explain.failure` takes them, with ``category`` and ``also_plausible``.

    Raises:
        MalformedInput: a row has no category, or one that we do not know; there is no row.
    """
    labelled = []
    known = set(FailureCategory)
    for number, row in enumerate(rows, 1):
        if row.get("category") not in known:
            raise MalformedInput(
                f"row {number} is not labelled: category is {row.get('category')!r}",
                hint=f"one of {', '.join(known)}",
            )
        labelled.append(
            Labelled(
                id=str(row.get("id", number)),
                kind=str(row.get("kind") or "span"),
                category=row["category"],
                also_plausible=tuple(row.get("also_plausible") or ()),
                ranked=explain.rank(row),
            )
        )
    if not labelled:
        raise MalformedInput("there is no row to evaluate", hint="one JSON object per line")
    return category_accuracy.measure(labelled)


def categories_table(found: Mapping[str, Any]) -> RenderableType:
    """The figures of :func:`categories` for a terminal."""
    figures = Table("rows", "n", "exact", "with plausible")
    figures.add_row("all", *_accuracies(found))
    for kind, both in found["by_kind"].items():
        figures.add_row(kind, *_accuracies(both))
    names = [entry["category"] for entry in found["classes"]]
    confusion = Table("labelled \\ predicted", *(name[:12] for name in names), "recall", "precision")
    for entry in found["classes"]:
        counts = found["confusion"].get(entry["category"], {})
        cells = [str(counts.get(name) or "·") for name in names]
        confusion.add_row(entry["category"], *cells, _share(entry["recall"]), _share(entry["precision"]))
    wrong = Table("not exact", "labelled", "predicted", "plausible", "because")
    for row in found["wrong"]:
        is_plausible = "yes" if row["is_plausible"] else "no"
        wrong.add_row(row["id"], row["category"], row["predicted"], is_plausible, row["reason"])
    return Group(figures, confusion, wrong)


def _accuracies(both: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(both["exact"]["denominator"]), _share(both["exact"]), _share(both["plausible"])


def _share(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "-"
    return f"{share['value']:.3f} ({share['low']:.2f}-{share['high']:.2f})"

"""What the texts of root causes have in common: exception, message without its ids, frames of the stack. Pure.

Two root causes whose texts have the same key, and whose other columns agree, are told apart by nothing that the
fingerprint, the frames or the category are made of. So one of them is looked at, and the others are counted
(:class:`Shape`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from correlator import fingerprint, frames
from correlator.occurrences import Moments, Numbers, Times

Row = Mapping[str, Any]

VERSION = "2"
"""Raised whenever equal texts could give another key."""

_STACKS_KEPT = 1024
_MESSAGE = "\x1a"
_MESSAGE_CHARS_MIN = 8
"""A shorter message may stand in a stack by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Failures:
    """When one shape failed: rows of ``failures.sql`` as arrays of one length, in order of ``first_at``.

    ``counts`` root causes, of which the first failed at ``first_at`` and the last at ``last_at``, in ``trace_counts`` traces.
    ``traces``: a key that is equal for equal traces, in whatever shape they failed.
    """

    first_at: Times
    last_at: Times
    counts: Numbers
    traces: np.ndarray[Any, np.dtype[np.uint64]]
    trace_counts: Numbers

    @property
    def total(self) -> int:
        """Number of root causes."""
        return int(self.counts.sum())

    @property
    def moments(self) -> Moments:
        """When they failed. Of one row the first stands for itself and the last for all others: no time is known of them."""
        several = self.counts > 1
        at = np.concatenate([self.first_at, self.last_at[several]])
        counts = np.concatenate([np.ones_like(self.counts), self.counts[several] - 1])
        order = np.argsort(at, kind="stable")
        return Moments(at[order], counts[order])

    def part(self, start: int, end: int) -> "Failures":
        """Rows ``start`` to ``end``, that one excluded."""
        return Failures(*(column[start:end] for column in self._columns))

    def until(self, at: int) -> "Failures | None":
        """What was known at ``at`` (microseconds since the Unix epoch); None when nothing was. Of a row that the time
        parts its first failure alone."""
        found = self.part(0, int(np.searchsorted(self.first_at, at, side="right")))
        if not len(found.first_at):
            return None
        is_whole = found.last_at <= at
        return Failures(
            found.first_at,
            np.where(is_whole, found.last_at, found.first_at),
            np.where(is_whole, found.counts, 1),
            found.traces,
            np.where(is_whole, found.trace_counts, 1),
        )

    @property
    def _columns(self) -> tuple[np.ndarray[Any, Any], ...]:
        return self.first_at, self.last_at, self.counts, self.traces, self.trace_counts


@dataclass(frozen=True, slots=True)
class Shape:
    """Root causes that are alike.

    ``first``: columns of ``failure_shapes``. ``named``: trace ids of some of them that incidents name.
    """

    first: Row
    failures: Failures
    named: frozenset[str] = frozenset()


def trace_count(shapes: Iterable[Shape]) -> int:
    """How many traces failed in any of ``shapes``."""
    listed = list(shapes)
    keys = np.concatenate([shape.failures.traces for shape in listed])
    counts = np.concatenate([shape.failures.trace_counts for shape in listed])
    order = np.argsort(keys)
    _, starts = np.unique(keys[order], return_index=True)
    # Of what a backtest parts one shape may tell of fewer traces than another.
    return int(np.maximum.reduceat(counts[order], starts).sum())


def text_key(row: Row) -> str:
    """32 hex digits; ``row`` has the columns of ``arrived_texts.sql``."""
    message, text = row["exception_message"] or "", row["exception_stacktrace"]
    type_, said, stack = row["exception_type"], message or row["status_message"] or "", ""
    if text:
        is_long = len(message) >= _MESSAGE_CHARS_MIN
        # Most stacks differ in their message only, and that is known: what is left is read once.
        skeleton = text.replace(message, _MESSAGE) if is_long else text
        root_type, root_message, stack = _read_stack(skeleton, row["sdk_language"])
        type_, said = root_type or type_, (root_message or "").replace(_MESSAGE, message) or said
    parts = (
        VERSION,
        type_,
        fingerprint.template(said),
        stack,
        row["sdk_language"],
        fingerprint.operation_template(row["name"]),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=_STACKS_KEPT)
def _read_stack(text: str, language: str | None) -> tuple[str | None, str | None, str]:
    """Type and message of the root cause, and a digest of every frame."""
    found = frames.parse(text, language)
    if found is None:
        return None, None, "unread"
    told = [
        [link.type, [[f.file, f.module, f.function, f.line, f.in_app] for f in link.frames]]
        for link in found.chain
    ]
    digest = hashlib.sha256(json.dumps([found.language, told]).encode()).hexdigest()[:32]
    return found.root_cause.type, found.root_cause.message, digest

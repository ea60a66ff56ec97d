"""What the texts of root causes have in common: exception, message without its ids, frames of the stack. Pure.

Two root causes whose texts have the same key, and whose other columns agree, are told apart by nothing that the
fingerprint, the frames or the category are made of. So one of them is looked at, and the others are counted
(:class:`Shape`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from correlator import fingerprint, frames
from correlator.occurrences import Times

Row = Mapping[str, Any]

VERSION = "2"
"""Raised whenever equal texts could give another key."""

_STACKS_KEPT = 1024
_MESSAGE = "\x1a"
_MESSAGE_CHARS_MIN = 8
"""A shorter message may stand in a stack by chance."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Root causes that are alike.

    ``first``: columns of ``failure_shapes``. ``failed_at``: one time per root cause. ``traces``: for each of them a key
    that is equal for equal traces. ``named``: trace ids of some of them that incidents name.
    """

    first: Row
    failed_at: Times
    traces: np.ndarray[Any, np.dtype[np.uint64]]
    named: frozenset[str] = frozenset()


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

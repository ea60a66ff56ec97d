"""A small encoder of source maps, the opposite of ``correlator/source_maps.py`` and independent of it."""

import json
from collections.abc import Sequence
from typing import Any

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

Segment = tuple[int, ...]
"""(column,), (column, source, line, column) or (column, source, line, column, name); all 0-based and absolute."""


def number(value: int) -> str:
    rest, text = ((-value << 1) | 1) if value < 0 else value << 1, ""
    while True:
        digit, rest = rest & 31, rest >> 5
        text += ALPHABET[digit | (32 if rest else 0)]
        if not rest:
            return text


def mappings(lines: Sequence[Sequence[Segment]]) -> str:
    before = [0, 0, 0, 0, 0]
    told = []
    for segments in lines:
        before[0] = 0
        texts = []
        for segment in segments:
            texts.append("".join(number(value - before[place]) for place, value in enumerate(segment)))
            before[: len(segment)] = segment
        told.append(",".join(texts))
    return ";".join(told)


def source_map(lines: Sequence[Sequence[Segment]], **more: Any) -> str:
    document = {"version": 3, "sources": ["../src/a.ts", "../src/b.ts"], "names": ["total", "price"]}
    return json.dumps(document | {"mappings": mappings(lines)} | more)

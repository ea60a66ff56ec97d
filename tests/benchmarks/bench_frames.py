"""Stacks of each language, real and hostile, beside splitting the same text into lines and no more."""

from pathlib import Path

import pytest
from benchmarks.measures import Board, side_by_side

from correlator import frames

GOLDEN = Path(__file__).parent.parent / "golden" / "stack_traces"
HOSTILE_CHARS = 1_000_000
ROUNDS = 200
HOSTILE = {
    "python": '  File "a", line 1, in b\n',
    "rust": "   0: a::b\n             at ./x.rs:1:1\n",
    "go": "main.f(0x1)\n\t/a/b.go:1\n",
    "elixir": "    (app 1.0) lib/x.ex:12: M.f/1\n",
    "php": "#0 /srv/a.php(12): f(Array)\n",
    "dart": "#0      f (package:a/b.dart:1:2)\n",
    "swift": "0x1, f at /x.swift:1\n",
    "ruby": "from a.rb:1:in `x'\n",
    "java": "Caused by: a.b.C: m\n\tat a.b.C.d(C.java:1)\n",
    "dotnet": "   at A.B(C d) in /x:line 1\n",
    "javascript": "a@b:1:2\n",
}
"""Of each language the piece that costs its parser most, of those in ``tests/correlator/test_frames.py``."""


@pytest.mark.parametrize("language", frames.PARSERS)
def bench_real_stacks(board: Board, language: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((GOLDEN / language).glob("*.txt"))]

    def ours() -> None:
        for _ in range(ROUNDS // len(texts) + 1):
            for text in texts:
                frames.parse(text, language)

    def lines() -> None:
        for _ in range(ROUNDS // len(texts) + 1):
            for text in texts:
                text.split("\n")

    count = (ROUNDS // len(texts) + 1) * len(texts)
    spent, splitting = side_by_side(ours, lines, items=count, rounds=3)
    board.add(
        "stacks", language, item="stack", ours=spent, against="splitting into lines", baseline=splitting
    )


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("language", HOSTILE)
def bench_hostile_megabytes(board: Board, language: str, is_told: bool) -> None:
    piece = HOSTILE[language]
    text = piece * (HOSTILE_CHARS // len(piece))
    spent, splitting = side_by_side(
        lambda: frames.parse(text, language if is_told else None), lambda: text.split("\n"), items=1, rounds=5
    )
    shape = f"1 MB of {language}, language {'told' if is_told else 'unknown'}"
    board.add("hostile", shape, item="text", ours=spent, against="splitting into lines", baseline=splitting)

"""Stacks of every language: golden texts that were really raised, the choice of the parser, bounds and hostility.

``GOLDEN=write pytest tests/correlator/test_frames.py`` writes the expected files anew; review their diff like code.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import frames

GOLDEN = Path(__file__).parent.parent / "golden" / "stack_traces"
TEXTS = sorted(GOLDEN.glob("*/*.txt"))


def test_there_are_golden_stacks_of_each_language() -> None:
    assert {path.parent.name for path in TEXTS} == set(frames.PARSERS)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden_stack_is_understood(path: Path) -> None:
    stack = frames.parse(path.read_text(encoding="utf-8"), path.parent.name)
    assert stack is not None
    found = json.dumps(asdict(stack), indent=1, ensure_ascii=False) + "\n"
    expected = path.with_suffix(".json")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("language", [None, "erlang", "swift", ""])
def test_an_absent_or_unknown_language_changes_nothing(path: Path, language: str | None) -> None:
    text = path.read_text(encoding="utf-8")
    assert frames.parse(text, language) == frames.parse(text, path.parent.name)


def test_a_wrong_language_gives_the_right_frames() -> None:
    text = (GOLDEN / "javascript" / "an_alias_of_a_method.txt").read_text(encoding="utf-8")
    assert frames.parse(text, "python") == frames.parse(text, "nodejs")


@pytest.mark.parametrize("name", ["nodejs", "webjs", "javascript"])
def test_sdk_language_names_select_the_parser(name: str) -> None:
    stack = frames.parse("Error: x\n    at f (/srv/a.js:1:2)", name)
    assert stack is not None
    assert stack.language == "javascript"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "it failed",
        "ValueError: no stack",
        "meet me at the corner\nat noon 12:30",
        "ada@example.org wrote:",
    ],
)
def test_text_without_a_frame_is_no_stack(text: str) -> None:
    assert frames.parse(text) is None


def test_colours_carriage_returns_and_escaped_line_ends_are_undone() -> None:
    plain = 'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in f\n    g()\nKeyError: 1'
    expected = frames.parse(plain)
    assert expected is not None
    assert frames.parse(plain.replace("File", "\x1b[35mFile\x1b[0m")) == expected
    assert frames.parse(plain.replace("\n", "\r\n")) == expected
    assert frames.parse(plain.replace("\n", "\\n")) == expected
    assert frames.parse(json.dumps(plain)) == expected


def test_a_stack_beyond_the_cap_keeps_both_ends_and_says_so() -> None:
    lines = "".join(f'  File "/srv/a.py", line {n}, in f{n}\n    g()\n' for n in range(1, 9000))
    stack = frames.parse(f"Traceback (most recent call last):\n{lines}KeyError: 1\n")
    assert stack is not None
    assert stack.is_truncated
    assert (stack.outermost.frames[0].function, stack.outermost.frames[-1].function) == ("f8999", "f1")
    assert (stack.outermost.type, stack.outermost.message) == ("KeyError", "1")


PIECES = st.sampled_from(
    [
        "Traceback (most recent call last):",
        '  File "/srv/a.py", line 3, in f',
        '  File "a", line 9',
        "During handling of the above exception, another exception occurred:",
        "  + Exception Group Traceback (most recent call last):",
        "  +-+---------------- 1 ----------------",
        "    +---------------- 2 ----------------",
        "    | ValueError: x",
        "    at f (/srv/a.js:1:2)",
        "    at async (index 0)",
        "f@http://a/b.js:1:2",
        "  [cause]: Error: x",
        "  [errors]: [",
        "    ... 4 lines matching cause stack trace ...",
        "\tat a.b.C.d(C.java:3)",
        "Caused by: a.b.C: m",
        "\tSuppressed: a.b.C: m",
        "\t... 9 more",
        "Wrapped by: a.B",
        "goroutine 1 [running]:",
        "panic: x [recovered]",
        "main.f(0x1)",
        "\t/srv/a.go:3 +0x1d",
        "created by main.f in goroutine 2",
        "KeyError: 'x'",
        "",
        '"""',
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=25), st.sampled_from([None, *frames.PARSERS])
)
def test_parse_never_raises_and_what_it_finds_is_whole(lines: list[str], language: str | None) -> None:
    stack = frames.parse("\n".join(lines), language)
    if stack is not None:
        assert stack.chain
        assert any(link.frames for link in stack.chain)
        assert all(frame.line is None or frame.line >= 0 for link in stack.chain for frame in link.frames)


HOSTILE = {
    "at": "at ",
    "at lines": " at \n",
    "open brackets": "at a (",
    "file": 'File "',
    "frames": 'File "a", line 1, in b\n',
    "line numbers": '", line 1',
    "addresses": "a@b:1:2\n",
    "eval": "at x (eval at y (",
    "gutters": "  | Exception Group Traceback (most recent call last):\n  +-+---------------- 1 ----------------\n",
    "omitted": "Error: x\n at f (a.js:1:2)\n    ... 99999 lines matching cause stack trace ...\n[cause]: Error: y\n",
    "java": "\tat a.b.C(D.java:1)\n",
    "dots": "a.b.C: ",
    "slashes": "at a/b/",
    "goroutines": "goroutine 1 [running]:\nmain.f(0x1)\n\t/a/b.go:1 +0x1\n",
    "escapes": "\x1b[",
    "quotes": '"\\n',
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_megabyte_is_read_in_a_moment(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    frames.parse(text)
    assert time.process_time() - started < 1.0

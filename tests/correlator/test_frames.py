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
def test_an_absent_unknown_or_wrong_language_changes_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    expected = frames.parse(text, path.parent.name)
    for language in (None, "", "cobol", *frames.PARSERS):
        assert frames.parse(text, language) == expected, language


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_stack_that_was_moved_quoted_or_printed_elsewhere_is_the_same(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    expected = frames.parse(text, path.parent.name)
    moved = "".join(f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    copies = [moved, text.replace("\n", "\r\n"), "\n\n" + text]
    for copy in copies if text.startswith('"') else [*copies, json.dumps(text)]:
        assert frames.parse(copy, path.parent.name) == expected


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


@pytest.mark.parametrize(
    "prefix", ["E/AndroidRuntime( 1234): ", "01-02 03:04:05.678  1234  5678 E AndroidRuntime: "]
)
def test_the_columns_of_androids_log_are_undone(prefix: str) -> None:
    plain = "java.lang.IllegalStateException: x\n\tat com.acme.Cart.total(Cart.java:12)"
    assert frames.parse("\n".join(prefix + line for line in plain.split("\n"))) == frames.parse(plain)


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
        "a.rb:1:in `f': m (A::B)",
        "\tfrom a.rb:2:in 'A#f'",
        "A::B (m):",
        "PHP Fatal error:  Uncaught A: m in /a.php:1",
        "#0 /a.php(1): A->f(Array)",
        "#1 [internal function]: {closure}()",
        "#2 {main}",
        "Next A: m in /a.php:2",
        "   at A.B.C(D e) in /a.cs:line 1",
        "A.B: m ---> A.C: n",
        "   --- End of inner exception stack trace ---",
        "---> (Inner Exception #0) A.B: m",
        "** (A) m",
        "    ** (EXIT) an exception was raised:",
        "    (a 1.0) lib/a.ex:1: A.f/1",
        "thread 'main' panicked at src/a.rs:1:2:",
        "thread 'main' panicked at 'm', src/a.rs:1:2",
        "   0: a::b",
        "             at ./a.rs:1:2",
        "Caused by:",
        "#0      f (package:a/b.dart:1:2)",
        "Unhandled exception:",
        "0x1f, f at /a.swift:1",
        "Fatal error: m: file a.swift, line 1",
    ]
)


@settings(max_examples=400, deadline=None)
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
    "ruby": "from a.rb:1:in `x'\n",
    "ruby quotes": "from a.rb:1:in `",
    "php": "#0 a(1): f(",
    "php places": " in a.php:1",
    "php objects": "[object] (A(code: 0): \n",
    "symfony": 'Uncaught PHP Exception A: "',
    "rust quotes": "', a",
    "php entries": "#0 /srv/a.php(12): f(Array)\n",
    "dotnet": "   at A.B(C d) in /x:line 1\n",
    "dotnet arguments": "at A.B(a b, ",
    "inner": "A.B: m ---> ",
    "elixir": "    (app 1.0) lib/x.ex:12: M.f/1\n",
    "elixir headers": "** (A) ",
    "erlang": '{m,f,1,[{file,"x.erl"},{line,1}]}',
    "rust": "   0: a::b\n             at ./x.rs:1:1\n",
    "rust panics": "panicked at 'x\n",
    "dart": "#0      f (package:a/b.dart:1:2)\n",
    "swift": "0x1, f at /x.swift:1\n",
    "swift names": "0x1, f f f f ",
    "colons": ":1",
    "spaces": " ",
    "lines": "\n",
}


# What makes each parser look closer than a glance: its own prefilter's words.
BAIT = 'File "a", panicked at \' goroutine 1 [running]: ** (E) x.ex #0 dart 0x .rb:1 from at A.B( @ \n'


def _seconds(parser: frames.Parser, text: str) -> float:
    """CPU seconds of the fastest of three readings."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        parser(text)
        taken.append(time.process_time() - started)
    return min(taken)


@pytest.mark.parametrize("language", frames.PARSERS)
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_reading_time_grows_with_the_text_and_not_with_its_square(piece: str, language: str) -> None:
    """Four times the text takes about four times as long: a square would take sixteen times."""
    parser = frames.PARSERS[language]
    small, large = (BAIT + piece * (chars // len(piece)) for chars in (16_000, 64_000))
    # Five milliseconds are below what a busy machine can tell.
    assert _seconds(parser, large) < 9 * _seconds(parser, small) + 0.005


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_what_a_parser_reads_is_bounded(piece: str) -> None:
    text, is_cut = frames.prepare(piece * (1_000_000 // len(piece)))
    lines = text.split("\n")
    assert is_cut
    assert len(text) <= frames.TEXT_CHARS_MAX
    assert len(lines) <= frames.LINES_MAX
    assert max(map(len, lines)) <= frames.LINE_CHARS_MAX


SHORTENED = {
    "python": 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n    x\nELIDED\n  File "/a.py", line 2, in g\n    y\nKeyError: 1',
    "java": "a.b.E: m\n\tat a.b.C.f(C.java:1)\n\tELIDED\n\tat a.b.C.g(C.java:2)",
    "go": "panic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/a.go:1 +0x1\nELIDED\nmain.g()\n\t/a.go:2 +0x1",
    "javascript": "Error: m\n    at f (/a.js:1:2)\n    ELIDED\n    at g (/a.js:2:2)",
    "ruby": "KeyError: m\n  a.rb:1:in 'f'\n  ELIDED\n  a.rb:2:in 'g'",
    "php": "E: m in /a.php:1\n#0 /a.php(2): f()\nELIDED\n#7 {main}",
    "dotnet": "A.E: m\n   at A.B.F() in /a.cs:line 1\n   ELIDED\n   at A.B.G() in /a.cs:line 2",
    "elixir": "** (A) m\n    a.ex:1: A.f/0\nELIDED\n    a.ex:2: A.g/0",
    "rust": "thread 'main' panicked at a.rs:1:2:\nm\n   0: a::f\n             at ./a.rs:1:2\n   ELIDED\n   9: a::g\n             at ./a.rs:2:2",
    "dart": "#0      f (package:a/a.dart:1:2)\nELIDED\n#7      g (package:a/a.dart:2:2)",
    "swift": "Received signal 11. Backtrace:\n0x1, f at /a.swift:1\nELIDED\n0x2, g at /a.swift:2",
}


@pytest.mark.parametrize("mark", ["...", "[...]", "…"])
@pytest.mark.parametrize("language", SHORTENED)
def test_a_stack_that_a_person_shortened_keeps_what_is_left(language: str, mark: str) -> None:
    stack = frames.parse(SHORTENED[language].replace("ELIDED", mark), language)
    assert stack is not None
    assert len(stack.chain) == 1
    assert len(stack.outermost.frames) == 2


BESIDE = {
    "java/suppressed_with_a_cause_of_its_own": [("suppressed", "java.lang.IllegalStateException", 1)],
    "python/an_exception_group_with_a_nested_group": [
        ("group", "ExceptionGroup", 0),
        ("group", "ValueError", 1),
        ("group", "KeyError", 0),
    ],
    "javascript/members_of_an_aggregate": [("group", "TypeError", 3)],
    "javascript/an_aggregate_with_causes": [("group", "Error", 3)],
    "dotnet/an_aggregate_that_prints_its_members_again": [],
    "dotnet/two_members_of_an_aggregate": [("group", "System.ArgumentNullException", 1)],
}


@pytest.mark.parametrize(("name", "expected"), BESIDE.items())
def test_what_failed_beside_the_chain_is_kept_apart(name: str, expected: list[tuple[str, str, int]]) -> None:
    stack = frames.parse((GOLDEN / f"{name}.txt").read_text(encoding="utf-8"))
    assert stack is not None
    assert [(link.relation, link.type, len(link.frames)) for link in stack.beside] == expected

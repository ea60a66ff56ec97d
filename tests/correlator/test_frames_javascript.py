"""JavaScript stacks line by line; whole ones are golden files."""

import pytest

from correlator import frames
from correlator.frames_javascript import parse
from schemas.records import Frame

LINES = [
    ("at f (/srv/a.js:1:2)", Frame("/srv/a.js", "f", 1, 2)),
    ("at /srv/my shop/a.js:1:2", Frame("/srv/my shop/a.js", None, 1, 2)),
    ("at async Cart.total (/srv/a.js:1:2)", Frame("/srv/a.js", "Cart.total", 1, 2)),
    ("at async /srv/a.js:1:2", Frame("/srv/a.js", None, 1, 2)),
    ("at new Cart (/srv/a.js:1:2)", Frame("/srv/a.js", "new Cart", 1, 2)),
    ("at Layer.handle [as run] (/srv/a.js:1:2)", Frame("/srv/a.js", "Layer.handle [as run]", 1, 2)),
    ("at async Promise.all (index 3)", Frame(None, "Promise.all", None)),
    ("at Array.map (<anonymous>)", Frame("<anonymous>", "Array.map", None)),
    ("at Error (native)", Frame(None, "Error", None)),
    ("at f (node:internal/process/task_queues:95:5)", Frame("node:internal/process/task_queues", "f", 95, 5)),
    ("at f (http://localhost:8080/a.js:25)", Frame("http://localhost:8080/a.js", "f", 25)),
    ("at f (C:\\shop\\a.js:1:2)", Frame("C:\\shop\\a.js", "f", 1, 2)),
    ("at Page (/srv/app/(shop)/[id]/page.js:1:2)", Frame("/srv/app/(shop)/[id]/page.js", "Page", 1, 2)),
    ("at eval (eval at run (/srv/a.js:7:3), <anonymous>:1:1)", Frame("/srv/a.js", "eval", 7, 3)),
    ("at eval (eval at x (eval at run (/srv/a.js:7:3)), <anonymous>:1:1)", Frame("/srv/a.js", "eval", 7, 3)),
]


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[line for line, _ in LINES])
def test_a_frame_of_v8(line: str, expected: Frame) -> None:
    stack = parse(f"Error: x\n    {line}")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line, frame.column) == (
        expected.file,
        expected.function,
        expected.line,
        expected.column,
    )


@pytest.mark.parametrize(
    "line", ["at least one item", "at row 12:4", "at noon", "at f (see below)", "at position 7"]
)
def test_a_line_of_a_message_that_starts_with_at_is_no_frame(line: str) -> None:
    stack = parse(f"Error: refused\n{line}\n    at f (/srv/a.js:1:2)")
    assert stack is not None
    assert len(stack.outermost.frames) == 1
    assert stack.outermost.message == f"refused\n{line}"


@pytest.mark.parametrize(
    ("header", "type_", "message"),
    [
        ("TypeError: x is not a function", "TypeError", "x is not a function"),
        ("Uncaught (in promise) Error: x", "Error", "x"),
        ("TypeError [ERR_INVALID_ARG_TYPE]: bad", "TypeError", "bad"),
        ("Error", "Error", ""),
        ("Error: ", "Error", ""),
        ("shop.CartError: a: b", "shop.CartError", "a: b"),
        ("thrown by nobody, in vain", "", "thrown by nobody, in vain"),
    ],
)
def test_header(header: str, type_: str, message: str) -> None:
    stack = parse(f"{header}\n    at f (/srv/a.js:1:2)")
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == (type_, message)


def test_libraries_are_not_in_app() -> None:
    files = [
        "/srv/a.js",
        "/srv/node_modules/express/index.js",
        "node:fs",
        "internal/modules/cjs/loader.js",
        "events.js",
    ]
    stack = parse("Error: x\n" + "\n".join(f"    at f ({file}:1:2)" for file in files))
    assert stack is not None
    assert [frame.in_app for frame in stack.outermost.frames] == [True, False, False, False, False]


def test_the_next_error_of_a_log_is_not_this_one() -> None:
    stack = parse("Error: a\n    at f (/srv/a.js:1:2)\nTypeError: b\n    at g (/srv/b.js:1:2)")
    assert stack is not None
    assert [frame.function for frame in stack.outermost.frames] == ["f"]
    assert len(stack.chain) == 1


def test_caused_by_opens_the_cause() -> None:
    stack = parse("Error: a\n    at f (/srv/a.js:1:2)\nCaused by: TypeError: b\n    at g (/srv/b.js:1:2)")
    assert stack is not None
    assert [(link.type, link.relation) for link in stack.chain] == [("Error", None), ("TypeError", "cause")]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("at render(/srv/app/Scene.js:78:24)", ("/srv/app/Scene.js", "render", 78, 24)),
        (
            "at Box.eval(webpack:///./src/box.jsx?:295:108)",
            ("webpack:///./src/box.jsx?", "Box.eval", 295, 108),
        ),
        ("at foo$bar (address at index.android.bundle:1:2938)", ("index.android.bundle", "foo$bar", 1, 2938)),
        ("at Anonymous function (http://a/b.js:48:13)", ("http://a/b.js", "Anonymous function", 48, 13)),
    ],
)
def test_mobile_and_older_engines_print_their_own_forms(line: str, place: tuple[str, str, int, int]) -> None:
    for language in (None, "javascript"):
        stack = frames.parse(f"TypeError: x\n    {line}", language)
        assert stack is not None
        (frame,) = stack.outermost.frames
        assert (frame.file, frame.function, frame.line, frame.column) == place

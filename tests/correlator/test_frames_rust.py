"""Rust: both forms of a panic, backtraces of every length, reports with causes."""

import pytest

from correlator.frames_rust import parse


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("thread 'main' panicked at 'no price', src/cart.rs:12:5", "no price", ("src/cart.rs", 12, 5)),
        ("thread 'main' panicked at 'it''s', src\\\\cart.rs:12:5", "it''s", ("src\\\\cart.rs", 12, 5)),
        ("thread 'main' panicked at 'two\nlines', src/cart.rs:12:5\nnote: x", "two", ("src/cart.rs", 12, 5)),
        (
            "thread 'a b' (77) panicked at src/cart.rs:12:5:\nno price\nmore",
            "no price",
            ("src/cart.rs", 12, 5),
        ),
        ("2024-01-02 ERROR thread '<unnamed>' panicked at C:\\a.rs:1:2:\nx", "x", ("C:\\a.rs", 1, 2)),
    ],
)
def test_a_panic_has_a_message_and_a_place(text: str, message: str, place: tuple[str, int, int]) -> None:
    stack = parse(text)
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == ("panic", message)
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.line, frame.column) == place


def test_a_backtrace_replaces_the_place_and_loses_hashes() -> None:
    stack = parse(
        "thread 'main' panicked at src/a.rs:1:2:\nx\nstack backtrace:\n   0: rust_begin_unwind\n"
        "             at /rustc/0123/library/std/src/panicking.rs:617:5\n"
        "   1:     0x55 - shop::total::h0123456789abcdef\n             at ./src/a.rs:1:2\n   2: main\n   3: <unknown>"
    )
    assert stack is not None
    assert [(f.file, f.function, f.line, f.in_app) for f in stack.outermost.frames] == [
        ("/rustc/0123/library/std/src/panicking.rs", "rust_begin_unwind", 617, False),
        ("./src/a.rs", "shop::total", 1, True),
        (None, "main", None, None),
    ]


def test_a_list_of_causes_is_no_backtrace() -> None:
    stack = parse(
        "Error: a\n\nCaused by:\n    0: b\n    1: c\n\nStack backtrace:\n   0: shop::f\n         at src/a.rs:1:2"
    )
    assert stack is not None
    assert [(x.message, x.relation, len(x.frames)) for x in stack.chain] == [
        ("a", None, 1),
        ("b", "cause", 0),
        ("c", "cause", 0),
    ]


@pytest.mark.parametrize("text", ["he panicked at noon", "0: one\n1: two", "panicked at the disco\nagain"])
def test_prose_is_no_panic(text: str) -> None:
    assert parse(text) is None

"""Swift: the forms of its backtracers, fatal errors, and prose that only looks like a frame."""

import pytest

from correlator.frames_swift import parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "0x1f, App.Cart.total() -> Swift.Int at /srv/Cart.swift:12",
            ("/srv/Cart.swift", "App.Cart.total() -> Swift.Int", 12),
        ),
        ("0x1f, closure #1 in App.f() at /srv/<compiler-generated>:0", (None, "closure #1 in App.f()", None)),
        (
            "0 0x000055 Cart.price(at:) + 20 in shop at /srv/Cart.swift:12:21",
            ("/srv/Cart.swift", "Cart.price(at:)", 12),
        ),
        ("12 [ra] [async] 0x000055 Cart.price(at:) + 20 in shop", (None, "Cart.price(at:)", None)),
        (
            "0 [inlined] Cart.price(at:) in shop at /srv/Cart.swift:12:21",
            ("/srv/Cart.swift", "Cart.price(at:)", 12),
        ),
        (
            "4   Shop   0x0000000104f1c7f4 $s4Shop4CartV5priceSiyF + 52",
            (None, "$s4Shop4CartV5priceSiyF", None),
        ),
        (
            "4   Shop   0x0000000104f1c7f4 Cart.price() + 52 (Cart.swift:12)",
            ("Cart.swift", "Cart.price()", 12),
        ),
    ],
)
def test_a_line_is_a_frame(line: str, expected: tuple[str | None, str, int | None]) -> None:
    stack = parse(f"Received signal 11. Backtrace:\n{line}\n0x7f66da7c741f")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line) == expected
    assert stack.outermost.type == "signal 11"


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("Shop/Cart.swift:12: Fatal error: out of range", "out of range", ("Shop/Cart.swift", 12)),
        ("Fatal error: nil: file /srv/Cart.swift, line 3", "nil", ("/srv/Cart.swift", 3)),
    ],
)
def test_a_fatal_error_names_its_place(text: str, message: str, place: tuple[str, int]) -> None:
    stack = parse(text)
    assert stack is not None
    link = stack.outermost
    assert (link.type, link.message) == ("Fatal error", message)
    assert [(frame.file, frame.line) for frame in link.frames] == [place]


@pytest.mark.parametrize("text", ["3 errors in file", "0x12 is a number", "see Cart.swift"])
def test_prose_is_no_frame(text: str) -> None:
    assert parse(text) is None

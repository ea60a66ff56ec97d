"""Dart: places with and without columns, terse chains, messages with and without a type."""

import pytest

from correlator.frames_dart import parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "#1      Cart.total.<anonymous closure> (package:shop/cart.dart:12:34)",
            ("package:shop/cart.dart", "Cart.total.<anonymous closure>", 12, 34),
        ),
        ("#10     main (file:///srv/bin/main.dart:5)", ("file:///srv/bin/main.dart", "main", 5, None)),
        (
            "#2      ListMixin.map (dart:collection/list.dart)",
            ("dart:collection/list.dart", "ListMixin.map", None, None),
        ),
        ("#3      new Cart (package:shop/cart.dart:1:2)", ("package:shop/cart.dart", "new Cart", 1, 2)),
        (
            "package:shop/cart.dart 12:34  Cart.total.<fn>",
            ("package:shop/cart.dart", "Cart.total.<fn>", 12, 34),
        ),
    ],
)
def test_a_line_is_a_frame(line: str, expected: tuple[str, str, int | None, int | None]) -> None:
    stack = parse(f"Unhandled exception:\nFormatException: x\n{line}\n<asynchronous suspension>")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line, frame.column) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Unhandled exception:\nFormatException: bad price", ("FormatException", "bad price")),
        ("Unhandled exception:\nOut of Memory", ("", "Out of Memory")),
        ("E/flutter (1): Unhandled Exception: StateError: none", ("StateError", "none")),
        (
            "Unhandled exception:\nNoSuchMethodError: no a\nReceiver: null\nTried calling: a",
            ("NoSuchMethodError", "no a"),
        ),
    ],
)
def test_a_header_has_type_and_message(header: str, expected: tuple[str, str]) -> None:
    stack = parse(f"{header}\n#0      main (package:shop/main.dart:1:2)")
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == expected


def test_the_sdk_and_flutter_are_foreign() -> None:
    files = ("package:shop/a.dart:1:2", "dart:async/zone.dart:1:2", "package:flutter/src/a.dart:1:2")
    stack = parse("\n".join(f"#{n}      f ({file})" for n, file in enumerate(files)))
    assert stack is not None
    assert [frame.in_app for frame in stack.outermost.frames] == [True, False, False]

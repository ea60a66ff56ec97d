"""Stacks of .NET: lines by their structure in any language, inner exceptions, and what only looks like them."""

import pytest

from correlator.frames_dotnet import parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("   at A.B.C(String d) in C:\\src\\B.cs:line 12", ("C:\\src\\B.cs", "A.B.C", 12)),
        ("   at A.B.C(String d, Int32& e) in /_/src/B.cs:12", ("/_/src/B.cs", "A.B.C", 12)),
        ("   at A.B.<C>d__3.MoveNext()", (None, "A.B.<C>d__3.MoveNext", None)),
        ("   at A.B.C[T](IEnumerable`1 d)+MoveNext() in /src/B.cs:line 1", ("/src/B.cs", "A.B.C[T]", 1)),
        ("   at A.B`1[T]..ctor()", (None, "A.B`1[T]..ctor", None)),
        ("   at lambda_method(Closure , Object , Object[] )", (None, "lambda_method", None)),
        ("  at A.B.C (System.String d) [0x00021] in /src/B.cs:12 ", ("/src/B.cs", "A.B.C", 12)),
        (
            "  at A.B.C (System.String d) [0x00021] in <12b418a7818c4ca0893feeaaf67f1e7f>:0 ",
            (None, "A.B.C", None),
        ),
        ("  at A.B.C () [0x00000] in <filename unknown>:0", (None, "A.B.C", None)),
        ("   à A.B.C(String d) dans C:\\src\\B.cs:ligne 12", ("C:\\src\\B.cs", "A.B.C", 12)),
        ("   場所 A.B.C(String d) 場所 C:\\src\\B.cs:行 12", ("C:\\src\\B.cs", "A.B.C", 12)),
        ("   в A.B.C(String d) в C:\\src\\B.cs:строка 12", ("C:\\src\\B.cs", "A.B.C", 12)),
        ("   在 A.B.C(String d) 在 C:\\src\\B.cs:行号 12", ("C:\\src\\B.cs", "A.B.C", 12)),
    ],
)
def test_a_line_is_a_frame(line: str, expected: tuple[str | None, str, int | None]) -> None:
    stack = parse(f"System.Exception: x\n{line}")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "    return self.f()",
        "\tat com.acme.Cart.total(Cart.java:12)",
        "\tat com.acme.Cart.total(Native Method)",
        "    at Cart.total (/srv/cart.js:1:2)",
        "    at Array.map (<anonymous>)",
        "    f.write(x)",
    ],
)
def test_other_languages_are_no_frames(line: str) -> None:
    assert parse(f"System.Exception: x\n{line}") is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("System.ArgumentException: no: price", ("System.ArgumentException", "no: price")),
        ("Unhandled exception. Shop.StockException: none", ("Shop.StockException", "none")),
        ("System.Data.SqlException (0x80131904): Timeout", ("System.Data.SqlException", "Timeout")),
        ("System.Exception", ("System.Exception", "")),
        ("fail: Shop.Worker[0]\n      Failed.\n      System.Exception: x", ("System.Exception", "x")),
        ("System.Exception: a ---> b", ("System.Exception", "a ---> b")),
    ],
)
def test_a_header_has_type_and_message(header: str, expected: tuple[str, str]) -> None:
    stack = parse(f"{header}\n   at A.B.C()")
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == expected


def test_frames_of_inner_exceptions_come_first() -> None:
    stack = parse(
        "A.E: a ---> A.F: b ---> A.G: c\n   at A.g()\n   --- End of inner exception stack trace ---\n   at A.f()\n"
        "--- End of stack trace from previous location ---\n   at A.f2()\n"
        "   --- End of inner exception stack trace ---\n   at A.e()"
    )
    assert stack is not None
    assert [(x.type, x.message, [f.function for f in x.frames]) for x in stack.chain] == [
        ("A.E", "a", ["A.e"]),
        ("A.F", "b", ["A.f", "A.f2"]),
        ("A.G", "c", ["A.g"]),
    ]

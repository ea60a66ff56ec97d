"""Java and Kotlin stacks line by line; whole ones are golden files."""

import pytest

from correlator.frames_java import parse
from schemas.records import Frame

LINES = [
    ("at com.acme.Cart.total(Cart.java:12)", Frame("Cart.java", "total", 12, module="com.acme.Cart")),
    (
        "at java.base/java.lang.Thread.run(Thread.java:840)",
        Frame("Thread.java", "run", 840, module="java.lang.Thread"),
    ),
    ("at app//com.acme.Cart.<init>(Cart.java:3)", Frame("Cart.java", "<init>", 3, module="com.acme.Cart")),
    ("at app/shop@1.2/com.acme.Cart.f(Cart.java:3)", Frame("Cart.java", "f", 3, module="com.acme.Cart")),
    (
        "at com.acme.Cart.f(Cart.java:3) ~[shop-1.2.jar:1.2]",
        Frame("Cart.java", "f", 3, module="com.acme.Cart"),
    ),
    ("at com.acme.Cart$Line.f(Cart.java)", Frame("Cart.java", "f", None, module="com.acme.Cart$Line")),
    ("at sun.reflect.X.invoke0(Native Method)", Frame(None, "invoke0", None, module="sun.reflect.X")),
    ("at com.acme.X$$Lambda/0x01.run(Unknown Source)", Frame(None, "run", None)),
    ("at com.acme.CartKt.main(Cart.kt:5)", Frame("Cart.kt", "main", 5, module="com.acme.CartKt")),
]


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[line for line, _ in LINES])
def test_a_frame(line: str, expected: Frame) -> None:
    stack = parse(f"java.lang.Error: x\n\t{line}")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line) == (expected.file, expected.function, expected.line)
    assert expected.module is None or frame.module == expected.module


def test_a_message_line_that_starts_with_at_is_no_frame() -> None:
    stack = parse("a.JsonError: no field\n at [Source: (x); line: 1]\n\tat a.b.C.d(C.java:1)")
    assert stack is not None
    assert stack.outermost.message == "no field\n at [Source: (x); line: 1]"
    assert len(stack.outermost.frames) == 1


def test_the_root_cause_may_be_printed_first() -> None:
    stack = parse("a.Root: r\n\tat a.b.C.d(C.java:1)\nWrapped by: a.Outer: o\n\tat a.b.C.e(C.java:2)")
    assert stack is not None
    assert [(link.type, link.relation) for link in stack.chain] == [("a.Outer", None), ("a.Root", "cause")]


def test_suppressed_exceptions_stay_beside_the_chain() -> None:
    stack = parse(
        "a.Outer: o\n\tat a.b.C.d(C.java:1)\n\tSuppressed: a.Close: c\n\t\tat a.b.R.close(R.java:2)\n"
        "\tCaused by: a.Deep: d\n\t\tat a.b.R.x(R.java:3)\nCaused by: a.Root: r\n\tat a.b.C.e(C.java:4)\n\t... 3 more"
    )
    assert stack is not None
    assert [link.type for link in stack.chain] == ["a.Outer", "a.Root"]
    assert [frame.function for frame in stack.root_cause.frames] == ["e"]


def test_thread_and_log_lines_before_the_exception_are_skipped() -> None:
    stack = parse(
        '12:00:01 ERROR [main] Shop - no cart\nException in thread "main" a.b.CartException\n\tat a.b.C.d(C.java:1)'
    )
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == ("a.b.CartException", "")


def test_kotlin_is_told_by_its_files() -> None:
    stack = parse("a.E: x\n\tat a.b.CKt.d(C.kt:1)")
    assert stack is not None
    assert stack.language == "kotlin"

"""Go stacks; whole ones are golden files."""

import pytest

from correlator.frames_go import parse


@pytest.mark.parametrize(
    ("line", "function"),
    [
        ("main.f(0x1, {0x2, 0x3})", "main.f"),
        ("main.(*Cart).Total(0xc0000)", "main.(*Cart).Total"),
        ("acme.example/shop.Sum[...](...)", "acme.example/shop.Sum[...]"),
        ("main.main.func1()", "main.main.func1"),
        ("created by main.(*Cart).Watch in goroutine 7", "main.(*Cart).Watch"),
        ("created by main.run", "main.run"),
    ],
)
def test_a_function_is_named_without_its_arguments(line: str, function: str) -> None:
    stack = parse(f"panic: x\n\ngoroutine 1 [running]:\n{line}\n\t/srv/shop/cart.go:12 +0x1d\n")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.function, frame.file, frame.line) == (function, "/srv/shop/cart.go", 12)
    assert (stack.outermost.type, stack.outermost.message) == ("panic", "x")


def test_only_the_first_goroutine_failed() -> None:
    block = "goroutine {} [running]:\nmain.f{}()\n\t/srv/a.go:1 +0x1\n\n"
    stack = parse("fatal error: all goroutines are asleep\n\n" + block.format(1, 1) + block.format(2, 2))
    assert stack is not None
    assert [frame.function for frame in stack.outermost.frames] == ["main.f1"]
    assert stack.outermost.type == "fatal error"


def test_machinery_and_modules_are_not_in_app() -> None:
    pairs = [
        ("runtime/debug.Stack()", "/usr/local/go/src/runtime/debug/stack.go"),
        (
            "go.opentelemetry.io/otel/sdk/trace.recordStackTrace()",
            "/go/pkg/mod/go.opentelemetry.io/otel/sdk@v1.30.0/trace/span.go",
        ),
        ("panic({0x1, 0x2})", "/usr/local/go/src/runtime/panic.go"),
        ("acme.example/shop/cart.Total(...)", "/srv/shop/cart/cart.go"),
    ]
    stack = parse("goroutine 1 [running]:\n" + "\n".join(f"{name}\n\t{file}:1 +0x1" for name, file in pairs))
    assert stack is not None
    assert [frame.in_app for frame in stack.outermost.frames] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        (
            "failed to save:\n    main.save\n        /srv/a.go:12\n  - no stock:\n    main.(*Cart).hold\n        /srv/b.go:3",
            [("failed to save:", ["main.save"]), ("no stock", ["main.(*Cart).hold"])],
        ),
        (
            "cannot save\n(1) attached stack trace\n  -- stack trace:\n  | main.save\n  | \t/srv/a.go:12\n  | main.main\n"
            "  | \t/srv/a.go:20\nError types: (1) *withstack.withStack",
            [("cannot save", ["main.save", "main.main"])],
        ),
        (
            "runtime error: index out of range\n/srv/a.go:12 (0x483dd6)\n\tTotal: return c.items[i]",
            [("runtime error: index out of range", ["Total"])],
        ),
    ],
    ids=["xerrors", "cockroachdb", "gin"],
)
def test_libraries_print_stacks_of_their_own(text: str, chain: list[tuple[str, list[str]]]) -> None:
    stack = parse(text)
    assert stack is not None
    assert [(link.message, [f.function for f in link.frames]) for link in stack.chain] == chain

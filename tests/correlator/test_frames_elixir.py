"""Elixir and Erlang: every form of a line, exits with the callee's exception, reports of the logger."""

import pytest

from correlator.frames_elixir import parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "(shop 1.2.3) lib/shop/cart.ex:12: Shop.Cart.total/1",
            ("lib/shop/cart.ex", "Shop.Cart.total/1", 12, "shop"),
        ),
        (
            "(shop) lib/cart.ex:12: anonymous fn/2 in Shop.Cart.total/1",
            ("lib/cart.ex", "anonymous fn/2 in Shop.Cart.total/1", 12, "shop"),
        ),
        ("cart.exs:4: (file)", ("cart.exs", "(file)", 4, None)),
        ("(stdlib 4.2) :ets.lookup(:nope, 1)", (None, ":ets.lookup(:nope, 1)", None, "stdlib")),
        (":erlang.map_get(:price, %{a: 1})", (None, ":erlang.map_get(:price, %{a: 1})", None, None)),
        ("Shop.Missing.call/1", (None, "Shop.Missing.call/1", None, None)),
        ("(elixir) expanding macro: Kernel.<>/2", (None, "expanding macro: Kernel.<>/2", None, "elixir")),
        (
            "(stdlib 4.2) gen_server.erl:1149: :gen_server.try_handle_call/4",
            ("gen_server.erl", ":gen_server.try_handle_call/4", 1149, "stdlib"),
        ),
    ],
)
def test_a_line_is_a_frame(line: str, expected: tuple[str | None, str, int | None, str | None]) -> None:
    stack = parse(f"** (KeyError) no price in lib/x.ex\n    {line}")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line, frame.module) == expected


def test_blank_lines_of_a_message_are_left_out() -> None:
    stack = parse("** (ArgumentError) two\n\n  * 1st argument: bad\n\n    lib/a.ex:1: A.f/1")
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == ("ArgumentError", "two\n  * 1st argument: bad")


def test_an_exit_holds_the_callees_exception() -> None:
    stack = parse(
        "** (exit) exited in: GenServer.call(:a, :b)\n    ** (EXIT) an exception was raised:\n        ** (KeyError) x\n"
        "            lib/a.ex:1: A.f/1\n    lib/b.ex:2: B.g/1"
    )
    assert stack is not None
    assert [(x.type, x.relation, [f.line for f in x.frames]) for x in stack.chain] == [
        ("exit", None, [2]),
        ("KeyError", "cause", [1]),
    ]


def test_what_a_logger_adds_below_is_no_frame() -> None:
    stack = parse(
        "[error] Task terminating\n** (KeyError) x\n    lib/a.ex:1: A.f/1\nFunction: &A.f/1\n    Args: []"
    )
    assert stack is not None
    assert len(stack.outermost.frames) == 1


def test_applications_of_the_runtime_are_foreign_and_others_are_open() -> None:
    stack = parse(
        "** (A) x\n    (ecto 3.1) lib/r.ex:1: R.f/1\n    (shop 1.0) lib/a.ex:1: A.f/1\n    lib/b.ex:1: B.f/1"
    )
    assert stack is not None
    assert [frame.in_app for frame in stack.outermost.frames] == [False, None, True]


def test_erlangs_own_lines_are_read() -> None:
    stack = parse(
        "** exception error: no function clause matching lists:map(x,y) (lists.erl, line 1239)\n"
        "     in function  lists:map/2 (lists.erl, line 1239)\n        called as lists:map(x,y)\n"
        "     in call from shop_cart:total/1 (src/shop_cart.erl, line 12)"
    )
    assert stack is not None
    link = stack.outermost
    assert link.type == "error"
    assert [(f.file, f.function, f.line) for f in link.frames] == [
        ("lists.erl", ":lists.map/2", 1239),
        ("src/shop_cart.erl", ":shop_cart.total/1", 12),
    ]

"""Ruby backtraces: every form of a line, headers, causes in both orders, and what is only prose."""

import pytest

from correlator.frames_ruby import parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("from lib/cart.rb:12:in `total'", ("lib/cart.rb", "total", 12)),
        ("    from lib/cart.rb:12:in 'Shop::Cart#total'", ("lib/cart.rb", "Shop::Cart#total", 12)),
        (
            "  lib/cart.rb:12:in 'block (2 levels) in Shop::Cart.all'",
            ("lib/cart.rb", "block (2 levels) in Shop::Cart.all", 12),
        ),
        ("from lib/cart.rb:12", ("lib/cart.rb", None, 12)),
        ("from (irb):3:in `&'", ("(irb)", "&", 3)),
        ("from <internal:array>:53:in 'Array#each'", ("<internal:array>", "Array#each", 53)),
        ("from C:/shop/lib/cart.rb:12:in `total'", ("C:/shop/lib/cart.rb", "total", 12)),
        ("rack (3.0.8) lib/rack/etag.rb:29:in `call'", ("lib/rack/etag.rb", "call", 29)),
        (
            "# ./spec/cart_spec.rb:9:in `block (3 levels) in <top (required)>'",
            ("./spec/cart_spec.rb", "block (3 levels) in <top (required)>", 9),
        ),
        ("total at lib/cart.rb:12", ("lib/cart.rb", "total", 12)),
        ("each at org/jruby/RubyArray.java:1820", ("org/jruby/RubyArray.java", "each", 1820)),
        ("org/jruby/RubyArray.java:1988:in `each'", ("org/jruby/RubyArray.java", "each", 1988)),
    ],
)
def test_a_line_is_a_frame(line: str, expected: tuple[str, str | None, int]) -> None:
    stack = parse(f"KeyError: no price\n{line}")
    assert stack is not None
    (frame,) = stack.outermost.frames
    assert (frame.file, frame.function, frame.line) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Shop::StockError: not enough: of it", ("Shop::StockError", "not enough: of it")),
        ("Shop::StockError", ("Shop::StockError", "")),
        ("Shop::StockError (not enough (of it)):", ("Shop::StockError", "not enough (of it)")),
        ("E, [2024-01-02T03:04:05.678 #12] ERROR -- : KeyError: no price", ("KeyError", "no price")),
        ("[8f2c1a90] ArgumentError (no price):", ("ArgumentError", "no price")),
        ("RuntimeError: two\nlines", ("RuntimeError", "two\nlines")),
        ("Error:\nCartTest#test_total:\nNoMethodError: no price", ("NoMethodError", "no price")),
        ("Failure/Error: cart.total\n\n     NoMethodError:\n       no price", ("NoMethodError", "no price")),
    ],
)
def test_a_header_has_type_and_message(header: str, expected: tuple[str, str]) -> None:
    stack = parse(f"{header}\n    lib/cart.rb:12:in `total'")
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == expected


def test_the_first_place_is_printed_before_the_message() -> None:
    stack = parse("lib/a.rb:1:in 'f': text (with brackets) (A::B)\nmore\n\tfrom lib/a.rb:2:in 'g'")
    assert stack is not None
    link = stack.outermost
    assert (link.type, link.message) == ("A::B", "text (with brackets)\nmore")
    assert [frame.line for frame in link.frames] == [1, 2]


def test_causes_of_rails_follow_their_headers() -> None:
    stack = parse("A::Error (a)\n  app/a.rb:1:in `f'\n\nCauses:\nKeyError (b)\n  app/b.rb:2:in `g'")
    assert stack is not None
    assert [(x.type, x.message, x.relation, len(x.frames)) for x in stack.chain] == [
        ("A::Error", "a", None, 1),
        ("KeyError", "b", "cause", 1),
    ]


def test_gems_and_the_standard_library_are_foreign() -> None:
    lines = (
        "app/a.rb:1:in 'f'",
        "/usr/local/bundle/gems/rack-3.0.8/lib/rack.rb:2:in 'g'",
        "/usr/lib/ruby/3.1.0/json/common.rb:3:in 'h'",
        "rack (3.0.8) lib/rack.rb:4:in 'i'",
    )
    stack = parse("KeyError: x\n" + "\n".join(lines))
    assert stack is not None
    assert [frame.in_app for frame in stack.outermost.frames] == [True, False, False, False]


@pytest.mark.parametrize("text", ["lib/a.rb:12: warning: unused", "it's late: 12:30", "from: Ada\nto: Bob:3"])
def test_prose_is_no_frame(text: str) -> None:
    assert parse(text) is None

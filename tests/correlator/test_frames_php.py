"""PHP traces: functions stand one line above their place; headers of every version; causes printed first or last."""

import pytest

from correlator.frames_php import parse


def _frames(text: str) -> list[tuple[str | None, str | None, int | None]]:
    stack = parse(text)
    assert stack is not None
    return [(frame.file, frame.function, frame.line) for frame in stack.outermost.frames]


def test_a_frames_function_is_what_was_called_there_from_outside() -> None:
    found = _frames(
        "E: m in /a.php:1\nStack trace:\n#0 /b.php(2): A->f(Array)\n#1 /c.php(3): g('(')\n#2 {main}"
    )
    assert found == [("/a.php", "A->f", 1), ("/b.php", "g", 2), ("/c.php", "{main}", 3)]


def test_a_trace_that_was_cut_ends_with_a_place_of_unknown_function() -> None:
    assert _frames("E: m in /a.php:1\n#0 /b.php(2): f()")[-1] == ("/b.php", None, 2)


def test_internal_functions_have_no_place() -> None:
    found = _frames(
        "E: m in /a.php:1\n#0 [internal function]: A->{closure}(1)\n#1 /b.php(2): usort(Array, Object(Closure))\n#2 {main}"
    )
    assert found == [("/a.php", "A->{closure}", 1), (None, "usort", None), ("/b.php", "{main}", 2)]


@pytest.mark.parametrize(
    ("callee", "expected"),
    [
        ("App\\Cart::all(Object(App\\Db))", "App\\Cart::all"),
        ("require_once('/srv/shop/ind...')", "require_once"),
        ("App\\{closure:App\\Cart::total():8}(Array)", "App\\{closure:App\\Cart::total():8}"),
        ("class@anonymous->__construct()", "class@anonymous->__construct"),
    ],
)
def test_arguments_are_no_part_of_a_name(callee: str, expected: str) -> None:
    assert _frames(f"E: m in /a.php:1\n#0 /b.php(2): {callee}\n#1 {{main}}")[0][1] == expected


@pytest.mark.parametrize(
    ("header", "type_", "message"),
    [
        (
            "TypeError: f(): called in /x.php on line 9 and defined in /a.php:1",
            "TypeError",
            "f(): called in /x.php on line 9 and defined",
        ),
        ("PHP Fatal error:  Uncaught App\\E: m in /a.php:1", "App\\E", "m"),
        ("Fatal error: Uncaught exception 'E' with message 'a in b' in /a.php:1", "E", "a in b"),
        ("[27-Nov-2026 23:12:03 UTC] PHP Fatal error:  Uncaught E: m in /a.php:1", "E", "m"),
        ("exception 'E' with message '' in /a.php:1", "E", ""),
        ("E in /a.php:1", "E", ""),
        ("E: two\nlines in /a.php:1", "E", "two\nlines"),
    ],
)
def test_a_header_has_type_message_and_place(header: str, type_: str, message: str) -> None:
    stack = parse(f"{header}\nStack trace:\n#0 {{main}}")
    assert stack is not None
    link = stack.outermost
    assert (link.type, link.message) == (type_, message)
    assert [(frame.file, frame.function, frame.line) for frame in link.frames] == [("/a.php", "{main}", 1)]


def test_an_error_without_a_trace_has_one_frame() -> None:
    text = "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted in /srv/a.php on line 3"
    stack = parse(text)
    assert stack is not None
    assert stack.outermost.type == "Fatal error"
    assert _frames(text) == [("/srv/a.php", None, 3)]


def test_next_is_printed_after_its_cause() -> None:
    stack = parse(
        "A: a in /a.php:1\n#0 {main}\n\nNext B: b in /b.php:2\n#0 {main}\n  thrown in /b.php on line 2"
    )
    assert stack is not None
    assert [(link.type, link.relation) for link in stack.chain] == [("B", None), ("A", "cause")]


def test_symfonys_log_names_the_place() -> None:
    text = 'request.CRITICAL: Uncaught PHP Exception App\\E: "no price" at /srv/src/Cart.php line 7 {"exception":"x"}'
    stack = parse(text)
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == ("App\\E", "no price")
    assert _frames(text) == [("/srv/src/Cart.php", None, 7)]


def test_vendor_is_foreign() -> None:
    stack = parse("E: m in /srv/vendor/symfony/http-kernel/Kernel.php:1\n#0 {main}")
    assert stack is not None
    assert stack.outermost.frames[0].in_app is False

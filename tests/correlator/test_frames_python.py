"""Python tracebacks against exceptions that are really raised here, and shapes that cannot be raised."""

import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import frames
from correlator.frames_python import parse
from schemas.records import ParsedStack


def raised(error: BaseException) -> ParsedStack:
    stack = parse("".join(traceback.format_exception(error)))
    assert stack is not None
    return stack


def caught(call: Any, *arguments: Any) -> BaseException:
    try:
        call(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def truth(error: BaseException) -> list[tuple[str, str, int | None]]:
    return [
        (frame.filename, frame.name, frame.lineno)
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    ]


def throw(error: BaseException, depth: int) -> None:
    if depth:
        throw(error, depth - 1)
    raise error


@given(
    st.sampled_from([ValueError, KeyError, OSError, RuntimeError]),
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), max_size=4).map("\n".join),
    st.integers(0, 3),
)
def test_frames_and_type_are_those_of_the_exception_whatever_its_message_says(
    type_: type[Exception], message: str, depth: int
) -> None:
    error = caught(throw, type_(message), depth)
    link = raised(error).outermost
    assert link.type == type_.__name__
    assert [(frame.file, frame.function, frame.line) for frame in link.frames] == truth(error)


def test_a_message_keeps_its_lines() -> None:
    link = raised(caught(throw, RuntimeError("first\n  second\n\nfourth"), 0)).outermost
    assert link.message == "first\n  second\n\nfourth"


def cause() -> None:
    try:
        throw(KeyError("price"), 1)
    except KeyError as error:
        raise LookupError("no cart") from error


def context() -> None:
    try:
        cause()
    finally:
        throw(OSError("disk"), 0)


def test_a_chain_goes_from_the_last_thrown_to_the_root_cause() -> None:
    error = caught(context)
    stack = raised(error)
    assert [(link.type, link.relation) for link in stack.chain] == [
        ("OSError", None),
        ("LookupError", "context"),
        ("KeyError", "cause"),
    ]
    assert error.__context__ is not None
    assert [(f.file, f.function, f.line) for f in stack.chain[1].frames] == truth(error.__context__)


def test_a_qualified_type_is_kept() -> None:
    class Local(Exception):
        pass

    assert raised(caught(throw, Local("x"), 0)).outermost.type == (
        f"{Local.__module__}.test_a_qualified_type_is_kept.<locals>.Local"
    )


def group() -> None:
    first = caught(throw, ExceptionGroup("inner", [caught(throw, KeyError("a"), 0)]), 0)
    second = caught(throw, OSError("b"), 0)
    assert isinstance(first, Exception)
    assert isinstance(second, Exception)
    raise ExceptionGroup("several", [first, second])


def test_a_group_leads_to_its_first_leaf() -> None:
    stack = raised(caught(group))
    assert [(link.type, link.relation) for link in stack.chain] == [
        ("ExceptionGroup", None),
        ("ExceptionGroup", "group"),
        ("KeyError", "group"),
    ]
    assert [frame.function for frame in stack.root_cause.frames] == ["throw", "caught"]


def test_a_library_is_not_in_app_and_a_string_is_unclear() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/cart.py", line 3, in total\n    x\n'
        '  File "/usr/lib/python3.12/json/__init__.py", line 346, in loads\n    x\n'
        '  File "/srv/.venv/lib/python3.12/site-packages/httpx/_client.py", line 1, in get\n    x\n'
        '  File "C:\\Python312\\Lib\\socket.py", line 2, in recv\n    x\n'
        '  File "<frozen importlib._bootstrap>", line 9, in _find\n'
        '  File "<string>", line 1, in <module>\n'
        "ValueError\n"
    )
    stack = parse(text)
    assert stack is not None
    assert [frame.in_app for frame in reversed(stack.outermost.frames)] == [
        True,
        False,
        False,
        False,
        False,
        None,
    ]
    assert stack.outermost.message == ""


@pytest.mark.parametrize("prefix", ["2026-03-02 12:00:01 ERROR ", "\n\nERROR:root:no cart\n"])
def test_a_log_prefix_does_not_hide_the_traceback(prefix: str) -> None:
    stack = parse(
        prefix + 'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in f\n    g()\nKeyError: 1'
    )
    assert stack is not None
    assert (stack.outermost.type, stack.outermost.message) == ("KeyError", "1")
    assert stack.outermost.frames[0].line == 3


def test_an_indented_traceback_reads_like_one_at_the_margin() -> None:
    plain = (
        'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in f\n    g()\nKeyError: 1\n  more'
    )
    assert parse("\n".join("    " + line for line in plain.split("\n"))) == parse(plain)


def test_text_that_lost_its_indentation_is_still_read() -> None:
    text = (
        'Traceback (most recent call last):\nFile "/srv/a.py", line 3, in f\nreturn g()\n^^^\n'
        'File "/srv/b.py", line 5, in g\nraise KeyError(1)\nKeyError: 1'
    )
    stack = parse(text)
    assert stack is not None
    assert [frame.function for frame in stack.outermost.frames] == ["g", "f"]
    assert stack.outermost.type == "KeyError"


def test_a_traceback_inside_a_message_is_the_deeper_exception() -> None:
    inner = 'Traceback (most recent call last):\n  File "/srv/task.py", line 7, in run\n    x\nOSError: disk'
    outer = 'Traceback (most recent call last):\n  File "/srv/pool.py", line 2, in wait\n    x\nRuntimeError: worker said:\n'
    stack = parse(outer + inner)
    assert stack is not None
    assert [link.type for link in stack.chain] == ["RuntimeError", "OSError"]
    assert stack.root_cause.frames[0].function == "run"


def test_python_is_recognised_without_being_named() -> None:
    assert frames.parse("".join(traceback.format_exception(caught(cause)))) == raised(caught(cause))

"""Texts of root causes have one key when fingerprint, frames and category cannot tell them apart."""

from typing import Any

import pytest

from correlator import fingerprint, frames
from correlator.shapes import text_key


def texts(*, message: str = "order 17 has no price", line: int = 12, **overrides: Any) -> dict[str, Any]:
    """One row of ``arrived_texts``, as Python's SDK tells an exception."""
    stack = (
        "Traceback (most recent call last):\n"
        f'  File "/srv/app/shop/orders.py", line {line}, in price\n'
        "    raise KeyError(order)\n"
        f"shop.errors.NoPrice: {message}\n"
    )
    return {
        "exception_type": "shop.errors.NoPrice",
        "exception_message": message,
        "exception_stacktrace": stack,
        "status_message": None,
        "sdk_language": "python",
        "name": "POST /orders",
        **overrides,
    }


def test_ids_in_messages_make_no_difference() -> None:
    assert text_key(texts()) == text_key(texts(message="order 4711 has no price"))
    assert text_key(texts(name="GET /orders/17")) == text_key(texts(name="GET /orders/18"))


@pytest.mark.parametrize(
    "other",
    [
        {"line": 13},
        {"message": "order 17 has no owner"},
        {"sdk_language": "java"},
        {"name": "settle"},
        {"exception_stacktrace": None},
        {"exception_stacktrace": "no stack at all"},
        {"exception_type": "shop.errors.Other", "exception_stacktrace": None},
    ],
)
def test_what_tells_failures_apart_tells_their_keys_apart(other: dict[str, Any]) -> None:
    assert text_key(texts()) != text_key(texts(**other))


def test_a_short_message_is_not_taken_out_of_the_stack() -> None:
    # "price" is the message and the name of a function.
    one, two = texts(message="price"), texts(message="order")
    assert text_key(one) != text_key(two)


def test_equal_keys_mean_equal_frames_and_equal_templates() -> None:
    one, two = texts(), texts(message="order 4711 has no price")
    assert text_key(one) == text_key(two)
    read = [frames.parse(row["exception_stacktrace"], "python") for row in (one, two)]
    assert read[0] is not None
    assert read[1] is not None
    assert read[0].root_cause.frames == read[1].root_cause.frames
    assert fingerprint.template(one["exception_message"]) == fingerprint.template(two["exception_message"])


def test_without_an_exception_the_status_speaks() -> None:
    bare = {"exception_type": None, "exception_message": None, "exception_stacktrace": None}
    assert text_key(texts(**bare, status_message="gone")) != text_key(texts(**bare, status_message="away"))
    assert text_key(texts(**bare, status_message="gone 1")) == text_key(
        texts(**bare, status_message="gone 2")
    )

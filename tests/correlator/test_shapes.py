"""Texts of root causes have one key when fingerprint, frames and category cannot tell them apart; failures of a minute are one row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import fingerprint, frames
from correlator.shapes import Failures, Shape, text_key, trace_count


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


@st.composite
def failures(draw: st.DrawFn) -> Failures:
    first = sorted(draw(st.lists(st.integers(0, 1000), min_size=1, max_size=12)))
    counts = [draw(st.integers(1, 5)) for _ in first]
    last = [
        at if count == 1 else at + draw(st.integers(0, 60)) for at, count in zip(first, counts, strict=True)
    ]
    traces = [draw(st.integers(1, count)) for count in counts]
    columns = (np.array(column, np.int64) for column in (first, last, counts))
    return Failures(*columns, np.arange(len(first), dtype=np.uint64), np.array(traces, np.int64))


@given(failures())
def test_moments_of_failures_lose_none_and_keep_the_first_and_the_last(found: Failures) -> None:
    moments = found.moments
    assert moments.counts.sum() == found.total
    assert (np.diff(moments.at) >= 0).all()
    assert (moments.at[0], moments.at[-1]) == (found.first_at[0], found.last_at.max())


@given(failures(), st.integers(-1, 1100))
def test_what_was_known_at_a_time_holds_nothing_later(found: Failures, at: int) -> None:
    known = found.until(at)
    if known is None:
        assert found.first_at[0] > at
        return
    assert known.last_at.max() <= at
    assert len(known.first_at) == (found.first_at <= at).sum()
    whole = found.last_at <= at
    assert known.total == found.counts[whole].sum() + ((found.first_at <= at) & ~whole).sum()


def test_alike_traces_that_failed_in_two_shapes_are_counted_once() -> None:
    one, keys = np.array([5], np.int64), np.array([7], np.uint64)
    of_first = Shape({}, Failures(one, one + 9, np.array([4]), keys, np.array([3])))
    of_second = Shape({}, Failures(one + 1, one + 2, np.array([3]), keys, np.array([3])))
    alone = Shape({}, Failures(one, one, np.array([1]), keys + 1, np.array([1])))
    assert trace_count([of_first, of_second, alone]) == 4


def test_of_alike_traces_the_shape_that_tells_of_most_is_believed() -> None:
    one, keys = np.array([5], np.int64), np.array([7], np.uint64)
    parted = Shape({}, Failures(one, one, np.array([1]), keys, np.array([1])))
    whole = Shape({}, Failures(one, one + 2, np.array([3]), keys, np.array([3])))
    assert trace_count([parted, whole]) == trace_count([whole, parted]) == 3

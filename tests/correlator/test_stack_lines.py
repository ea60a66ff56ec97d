"""How well a stack fits the source at a revision."""

from correlator.stack_lines import MISFIT, likelihood
from schemas.records import Frame

SOURCE = {
    ("cart.py", 4): "    return price / count",
    ("app.py", 9): "    return mean(order)",
    ("app.py", 20): "",
}
TEXT = """Traceback (most recent call last):
  File "/srv/app.py", line 9, in handle
    return mean(order)
  File "/srv/cart.py", line 4, in mean
    return price / count
ZeroDivisionError: division by zero
"""


def located(*places: tuple[str, int, str]) -> tuple[tuple[Frame, str | None, str | None], ...]:
    return tuple((Frame(f"/srv/{path}", name, line), path, "suffix") for path, line, name in places)


def of(text: str | None, *places: tuple[str, int, str]) -> float:
    return likelihood(located(*places), text, lambda path, line: SOURCE.get((path, line)))


def test_lines_that_say_what_the_stack_prints_fit() -> None:
    assert of(TEXT, ("cart.py", 4, "mean"), ("app.py", 9, "handle")) == 1


def test_a_printed_line_that_stands_elsewhere_does_not() -> None:
    assert of(TEXT.replace("price / count", "price // count"), ("cart.py", 4, "mean")) == MISFIT


def test_the_line_of_a_caller_names_what_it_calls() -> None:
    assert of(None, ("cart.py", 4, "mean"), ("app.py", 9, "handle")) == 1
    assert of(None, ("cart.py", 4, "Cart.median"), ("app.py", 9, "handle")) == MISFIT
    assert of(None, ("cart.py", 4, "<lambda>"), ("app.py", 9, "handle")) == 1


def test_a_line_that_does_not_exist_or_is_blank_cannot_fail() -> None:
    assert of(None, ("cart.py", 400, "mean")) == of(None, ("app.py", 20, "handle")) == MISFIT


def test_a_frame_without_text_borrows_none_from_the_next() -> None:
    text = '  File "/srv/app.py", line 9, in handle\n  File "/srv/cart.py", line 4, in mean\nKeyError: 1\n'
    assert of(text, ("cart.py", 4, "mean"), ("app.py", 9, "handle")) == 1

"""The function around a line, in languages that agree on indentation only."""

import pytest

from correlator.function_extents import enclosing

PYTHON = """\
import os

class Cart:
    def total(
        self, items: list[int]
    ) -> int:
        amount = 0
        for item in items:
            amount += price(item)

        return amount

    def empty(self):
        return not self.items
"""
C = """\
static int
parse_args(int argc,
           char **argv)
{
    if (argc < 2) {
        goto usage;
    }
    HMAP_FOR_EACH (node, &map) {
        free(node);
    }
usage:
    return -1;
}

int other(void)
{
    return 0;
}
"""
JAVASCRIPT = """\
class Shop {
  async load(id) {
    if (this.cache.has(id)) {
      return this.cache.get(id)
    }
    return fetch(id)
  }
}
"""
GO = "func (c *Cart) Total(ctx context.Context) int {\n\treturn c.sum(\n\t\tctx,\n\t)\n}\n"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (PYTHON, 9, (4, 11, "total")),
        (PYTHON, 4, (4, 11, "total")),
        (PYTHON, 14, (13, 14, "empty")),
        (PYTHON, 1, None),
        (C, 9, (2, 13, "parse_args")),
        (C, 12, (2, 13, "parse_args")),
        (C, 17, (15, 18, "other")),
        (JAVASCRIPT, 4, (2, 7, "load")),
        (GO, 3, (1, 5, "Total")),
    ],
)
def test_the_innermost_function_is_found(text: str, line: int, expected: tuple[int, int, str] | None) -> None:
    assert enclosing(text.splitlines(), line) == expected


def test_a_line_that_is_not_there_is_in_no_function() -> None:
    assert enclosing([], 1) is None
    assert enclosing(["x = 1"], 2) is None

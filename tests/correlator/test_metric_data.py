"""Columns of lists of names, beside plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from correlator.metric_data import NameLists

NAMES = ("cart", "till", "web")
CODES = st.integers(0, len(NAMES) - 1)
LISTS = st.lists(st.lists(CODES, max_size=4, unique=True), max_size=6)


@given(lists=LISTS, asked=st.lists(st.tuples(st.integers(-1, 7), CODES), max_size=12))
def test_a_list_holds_what_stands_in_it_and_no_list_holds_nothing(
    lists: list[list[int]], asked: list[tuple[int, int]]
) -> None:
    column = NameLists(
        np.array([code for one in lists for code in one], np.int64),
        np.cumsum([0, *map(len, lists)]).astype(np.int64),
        NAMES,
    )
    rows = np.array([row for row, _ in asked], np.int64)
    codes = np.array([code for _, code in asked], np.int64)
    expected = [0 <= row < len(lists) and code in lists[row] for row, code in asked]
    assert column.holds(rows, codes).tolist() == expected

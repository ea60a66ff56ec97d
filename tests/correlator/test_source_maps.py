"""Source maps: every place that an encoder wrote is found again, and what is no map is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_map_builders import Segment, source_map

from correlator.source_maps import Original, SourceMap
from schemas.errors import MalformedInput


@st.composite
def lines(draw: st.DrawFn) -> list[list[Segment]]:
    place = st.tuples(st.integers(0, 1), st.integers(0, 40_000), st.integers(0, 2_000_000))
    found = []
    for count in draw(st.lists(st.integers(0, 5), max_size=6)):
        columns = sorted(draw(st.sets(st.integers(0, 3_000_000), min_size=count, max_size=count)))
        rest = st.one_of(st.just(()), place, st.tuples(place, st.integers(0, 1)).map(lambda p: (*p[0], p[1])))
        found.append([(column, *draw(rest)) for column in columns])
    return found


@settings(max_examples=150, deadline=None)
@given(lines())
def test_every_place_that_was_written_is_found_again(told: list[list[Segment]]) -> None:
    decoded = SourceMap(source_map(told))
    for line, segments in enumerate(told, start=1):
        for segment in segments:
            found = decoded.original(line, segment[0] + 1)
            if len(segment) == 1:
                assert found is None
                continue
            _, source, source_line, source_column, *name = segment
            expected = ["../src/a.ts", "../src/b.ts"][source], source_line + 1, source_column + 1
            assert found is not None
            assert (found.source, found.line, found.column) == expected
            assert found.name == (["total", "price"][name[0]] if name else None)


def test_a_place_between_two_belongs_to_the_one_before() -> None:
    decoded = SourceMap(source_map([[(4, 0, 9, 2, 1), (20, 1, 0, 0)], [], [(0, 0, 30, 0)]]))
    assert decoded.original(1, 12) == Original("../src/a.ts", 10, 3, "price", False)
    assert decoded.original(1, 4) is None
    assert decoded.original(2, 1) is None
    assert decoded.original(9, 1) is None


def test_sections_root_and_ignored_sources() -> None:
    part = json.loads(source_map([[(0, 1, 4, 0)]], sourceRoot="webpack://shop/", ignoreList=[1]))
    document = {
        "version": 3,
        "sections": [
            {"offset": {"line": 0, "column": 0}, "map": json.loads(source_map([[(0, 0, 0, 0)]]))},
            {"offset": {"line": 2, "column": 100}, "map": part},
        ],
    }
    decoded = SourceMap(json.dumps(document))
    assert decoded.original(1, 5) == Original("../src/a.ts", 1, 1, None, False)
    assert decoded.original(3, 101) == Original("webpack://shop/../src/b.ts", 5, 1, None, True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "mappings": ""}',
        '{"version": 3}',
        '{"version": 3, "mappings": "AA!A", "sources": [], "names": []}',
        '{"version": 3, "mappings": "A,AA", "sources": [], "names": []}',
        '{"version": 3, "mappings": "AAAg", "sources": [], "names": []}',
        '{"version": 3, "mappings": "gggggggggA", "sources": [], "names": []}',
        '{"version": 3, "mappings": "Ag,AAAA", "sources": [], "names": []}',
        '{"version": 3, "mappings": "", "sources": {}}',
        '{"version": 3, "sections": [{"map": {}}]}',
        '{"version": 3, "sections": 7}',
        "[" * 100_000,
    ],
)
def test_what_is_no_map_is_refused(content: str) -> None:
    with pytest.raises(MalformedInput, match="no source map"):
        SourceMap(content)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ABCgz09+/,;", max_size=60))
def test_random_mappings_are_read_or_refused(text: str) -> None:
    document: dict[str, Any] = {"version": 3, "mappings": text, "sources": ["a"], "names": []}
    try:
        decoded = SourceMap(json.dumps(document))
    except MalformedInput:
        return
    for line in range(1, text.count(";") + 2):
        decoded.original(line, 5)

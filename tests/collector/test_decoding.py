"""Whatever a request holds, both decoders make the same rows of it, and lose nothing."""

from collections import Counter
from typing import Any

import otlp_builders as build
import pyarrow as pa
from collector_strategies import POLICIES, damaged, messages
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector import attribute_columns, attributes, decoding, otlp, walk
from collector.otlp import Request, Signal
from collector.policy import Policy
from schemas.errors import MalformedInput
from schemas.store import Store
from schemas.tables import SPAN_EVENTS, SPAN_LINKS, SPANS


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(messages(), max_size=3), st.sampled_from(POLICIES))
def test_both_decoders_make_the_same_rows_and_lose_nothing(sent: list[Any], policy: Policy) -> None:
    requests = [build.request(message, received_unix_us=n) for n, message in enumerate(sent)]
    fallbacks: Counter[str] = Counter()
    found = decoding.decode(requests, policy, fallbacks)
    build.assert_same(found, walk.decode(requests, policy))
    assert not fallbacks
    screened = [otlp.screen_traces(message) for message in sent]
    assert sum((faults for _, faults in screened), Counter()) == found.rejected
    assert found.spans.num_rows + found.rejected.total() == sum(count for count, _ in screened)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(messages(), st.data())
def test_damaged_bytes_are_refused_or_read_alike(message: Any, data: st.DataObject) -> None:
    """The door lets upb judge; what it accepts both decoders read alike."""
    request = Request(Signal.TRACES, data.draw(damaged(message.SerializeToString())), 1)
    found = decoding.decode([request], Policy())
    try:
        otlp.parse(Signal.TRACES, request.body)
    except MalformedInput:
        # Never acknowledged, so never decoded: ptars is laxer about some broken tags, and need only not fail.
        return
    build.assert_same(found, walk.decode([request], Policy()))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(messages(), min_size=1, max_size=3))
def test_decoded_rows_are_stored_without_loss(sent: list[Any]) -> None:
    found = decoding.decode([build.request(message) for message in sent], Policy())
    store = Store.open()
    for table in (SPANS, SPAN_EVENTS, SPAN_LINKS):
        store.append(table, found.rows[table.name])
        assert store.value(f"SELECT count(*) FROM {table.qualified_name}") == found.rows[table.name].num_rows
    texts = store.rows("SELECT attribute_values FROM facts.spans")
    assert [row["attribute_values"] for row in texts] == found.spans["attribute_values"].to_pylist()
    store.close()


@given(st.lists(st.floats(width=64), min_size=1))
@example(
    [0.0, -0.0, 1.0, 1e9, 999_999_999.5, 1e-4, 9.999e-05, 1e15, 1e16, 5e-324, float("inf"), float("nan")]
)
def test_numbers_are_spelled_as_python_spells_them(numbers: list[float]) -> None:
    texts = attribute_columns.doubles_text(pa.array(numbers, pa.float64())).to_pylist()
    assert texts == [attributes.double_text(number) for number in numbers]


def test_a_repeated_key_is_found_among_many_keys_that_stand_once() -> None:
    """With so many keys that repeats are looked for by sorting."""
    spans = [build.span(attributes={f"key.{n}": n}) for n in range(200)]
    spans[7].attributes.extend(build.pairs({"key.7": "later"}))
    requests = [build.request(build.traces(*spans))]
    found = decoding.decode(requests, Policy())
    build.assert_same(found, walk.decode(requests, Policy()))
    assert found.altered["attribute_repeated"] == 1
    assert found.spans["attribute_values"][7].as_py() == ["later"]

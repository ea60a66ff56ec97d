from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import otlp_builders as build
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import otlp
from collector.attributes import Bounds
from collector.otlp import Request, Signal
from schemas import tables
from schemas.errors import MalformedInput
from schemas.store import Store

RECEIVED_US = 1_700_000_001_000_000


def decoded(message: Any, signal: Signal = Signal.TRACES, bounds: Bounds | None = None) -> otlp.Decoded:
    request = Request(signal, message.SerializeToString(), RECEIVED_US)
    return otlp.decode([request], bounds or Bounds())


def stored(
    message: Any, table: tables.Table = tables.SPANS, signal: Signal = Signal.TRACES
) -> list[dict[str, Any]]:
    """The rows as they come back from a real store."""
    found = decoded(message, signal)
    store = _store()
    store.execute(f"DELETE FROM {table.qualified_name}")
    store.append(table, getattr(found, table.name))
    return store.rows(f"SELECT * FROM {table.qualified_name}")


@cache
def _store() -> Store:
    return Store.open()


@pytest.fixture(scope="module", autouse=True)
def _closed_store() -> Iterator[None]:
    yield
    _store().close()
    _store.cache_clear()


def test_a_span_comes_back_from_the_store_as_it_was_sent() -> None:
    sent = build.span(
        trace_id=b"\x5b" * 16,
        span_id=b"\xee" * 8,
        parent_span_id=b"\x01" * 8,
        trace_state="vendor=1",
        flags=257,
        attributes={"http.route": "/cart/{id}", "http.response.status_code": 503, "app.tenant": "t7"},
        dropped_attributes_count=3,
    )
    sent.status.code, sent.status.message = 2, "boom"
    sent.links.add(trace_id=b"\xaa" * 16, span_id=b"\xbb" * 8, attributes=build.pairs({"k": 7}))
    (row,) = stored(build.traces(sent, resource={"service.name": "cart", "vcs.ref.head.revision": "abc"}))
    assert row["trace_id"].replace("-", "") == "5b" * 16
    assert row["span_id"] == int("ee" * 8, 16)
    assert row["parent_span_id"] == int("01" * 8, 16)
    assert (row["service"], row["revision"], row["environment"]) == ("cart", "abc", None)
    assert (row["http_route"], row["http_response_status_code"]) == ("/cart/{id}", 503)
    assert row["attributes"] == [("app.tenant", "t7")]
    assert (row["status_code"], row["status_message"], row["duration_ns"]) == (2, "boom", 1_500_000)
    assert (row["trace_state"], row["flags"], row["dropped_attributes_count"]) == ("vendor=1", 257, 3)
    assert row["links"][0]["attributes"] == [("k", "7")]
    assert row["received_at"].timestamp() == RECEIVED_US / 1e6


def test_every_kind_of_value_keeps_its_text_and_its_kind() -> None:
    attributes = {
        "text": "x",
        "empty": "",
        "yes": True,
        "least": -(2**63),
        "tenth": 0.1,
        "nan": float("nan"),
        "bytes": b"\x00\xff\x10",
        "nothing": None,
        "list": ["x", 3, True, 1.0, None, b"\x00"],
        "no list": [],
        "map": {"a": 1, "b": [{"deep": 1.5}], "i": float("inf")},
    }
    (row,) = stored(build.traces(build.span(attributes=attributes)))
    assert dict(row["attributes"]) == {
        "text": "x",
        "empty": "",
        "yes": "true",
        "least": "-9223372036854775808",
        "tenth": "0.1",
        "nan": "NaN",
        "bytes": "AP8Q",
        "nothing": None,
        "list": '["x",3,true,1.0,null,{"bytesValue":"AA=="}]',
        "no list": "[]",
        "map": '{"a":1,"b":[{"deep":1.5}],"i":{"doubleValue":"Infinity"}}',
    }
    assert row["attribute_kinds"] == [1, 1, 2, 3, 4, 4, 7, 0, 5, 5, 6]


def test_a_well_known_key_of_another_type_stays_in_the_rest() -> None:
    (row,) = stored(
        build.traces(build.span(attributes={"http.response.status_code": "200", "http.route": 5}))
    )
    assert row["http_response_status_code"] is None
    assert row["http_route"] is None
    assert dict(row["attributes"]) == {"http.response.status_code": "200", "http.route": "5"}
    assert row["attribute_kinds"] == [1, 3]


@pytest.mark.parametrize("order", [1, -1])
def test_an_old_name_fills_the_column_unless_the_current_one_is_sent_too(order: int) -> None:
    old = build.span(attributes={"http.method": "GET", "db.statement": "SELECT 1"})
    both = build.span(attributes=dict([("http.method", "GET"), ("http.request.method", "POST")][::order]))
    first, second = stored(build.traces(old, both))
    assert (first["http_request_method"], first["db_query_text"], first["attributes"]) == (
        "GET",
        "SELECT 1",
        [],
    )
    assert (second["http_request_method"], dict(second["attributes"])) == ("POST", {"http.method": "GET"})


def test_the_query_of_an_old_http_target_does_not_reach_the_path_column() -> None:
    (row,) = stored(build.traces(build.span(attributes={"http.target": "/cart?id=7"})))
    assert (row["url_path"], dict(row["attributes"])) == ("/cart", {"http.target": "/cart?id=7"})


def test_a_repeated_key_keeps_its_last_value_and_is_counted() -> None:
    sent = build.span(attributes={"a": "1"})
    sent.attributes.extend(build.pairs({"a": "2"}))
    found = decoded(build.traces(sent))
    assert found.spans["attributes"].to_pylist() == [[("a", "2")]]
    assert found.altered == Counter({"attribute_repeated": 1})
    assert len(stored(build.traces(sent))) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, "trace_id"),
        ({"trace_id": bytes(16)}, "trace_id"),
        ({"trace_id": b"\x01" * 8}, "trace_id"),
        ({"span_id": bytes(8)}, "span_id"),
        ({"span_id": b"\x01" * 9}, "span_id"),
        ({"parent_span_id": b"\x01" * 3}, "parent_span_id"),
    ],
)
def test_a_span_with_a_malformed_id_is_left_out_and_counted(fields: dict[str, bytes], reason: str) -> None:
    found = decoded(build.traces(build.span(**fields), build.span()))
    assert (found.spans.num_rows, found.rejected) == (1, Counter({reason: 1}))


def test_an_all_zero_parent_means_no_parent() -> None:
    assert decoded(build.traces(build.span(parent_span_id=bytes(8)))).spans["parent_span_id"].to_pylist() == [
        None
    ]


def test_open_enums_and_extreme_times_do_not_fail_a_batch() -> None:
    odd = build.span(kind=777, start_time_unix_nano=2**64 - 1, end_time_unix_nano=0)
    early = build.span(start_time_unix_nano=0, end_time_unix_nano=2**64 - 1)
    odd.status.code = 99
    found = decoded(build.traces(odd, early))
    assert found.altered["time_clamped"] == 1
    first, second = stored(build.traces(odd, early))
    assert (first["kind"], first["status_code"], first["duration_ns"]) == (777, 99, 0)
    assert first["start_time"].year == 2262
    assert second["duration_ns"] == otlp.UNIX_NS_MAX


def test_a_missing_service_name_is_the_unknown_service() -> None:
    rows = [
        stored(build.traces(build.span(), resource=r))[0]["service"]
        for r in ({}, {"service.name": ""}, {"service.name": 5})
    ]
    assert rows == ["unknown_service"] * 3


def test_resource_columns_come_from_current_and_old_names() -> None:
    old = {"service.name": "cart", "deployment.environment": "prod", "vcs.repository.ref.revision": "f00"}
    new = {**old, "deployment.environment.name": "production", "vcs.ref.head.revision": "beef"}
    rows = [stored(build.traces(build.span(), resource=r))[0] for r in (old, new)]
    assert [(r["environment"], r["revision"]) for r in rows] == [("prod", "f00"), ("production", "beef")]


def test_equal_resources_share_one_row_and_one_id() -> None:
    message = build.traces(build.span())
    message.MergeFrom(build.traces(build.span()))
    message.MergeFrom(build.traces(build.span(), resource={"service.name": "other"}))
    found = decoded(message)
    assert found.resources.num_rows == 2
    assert len(set(found.spans["resource_id"].to_pylist())) == 2
    assert found.scopes.num_rows == 1
    (row,) = stored(build.traces(build.span()), tables.RESOURCES)
    assert (row["service"], row["attributes"]) == ("cart", [("service.name", "cart")])


def test_a_repeated_resource_field_is_merged() -> None:
    message = build.traces(build.span(), resource={"service.name": "cart"})
    # Field 1 of ResourceSpans a second time, as protobuf allows: the attributes add up.
    extra = build.traces(resource={"service.version": "9"}).resource_spans[0].resource.SerializeToString()
    holder = message.resource_spans[0].SerializeToString() + b"\x0a" + bytes([len(extra)]) + extra
    merged = type(message)()
    merged.resource_spans.add().MergeFromString(holder)
    (row,) = stored(merged)
    assert (row["service"], row["service_version"]) == ("cart", "9")


def test_exception_events_fill_the_span_the_events_and_the_exceptions() -> None:
    sent = build.span(
        events=[
            ("cache.miss", {"key": "k"}),
            ("exception", build.EXCEPTION),
            ("exception", {"exception.type": "B"}),
        ]
    )
    (row,) = stored(build.traces(sent))
    assert row["exception_type"] == "shop.errors.OutOfStock"
    assert row["exception_stacktrace"].endswith("OutOfStock")
    assert [e["name"] for e in row["events"]] == ["cache.miss", "exception", "exception"]
    assert dict(row["events"][1]["attributes"]) == build.EXCEPTION
    rows = stored(build.traces(sent), tables.EXCEPTIONS)
    assert sorted(r["type"] for r in rows) == ["B", "shop.errors.OutOfStock"]
    assert {(r["source"], r["service"], r["span_id"]) for r in rows} == {
        ("span_event", "cart", row["span_id"])
    }


def test_log_records_with_an_exception_are_kept_and_others_counted() -> None:
    kept = build.log_record(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, attributes=build.EXCEPTION)
    message = build.logs(kept, build.log_record(attributes={"user": "u"}), build.log_record())
    found = decoded(message, Signal.LOGS)
    assert (found.exceptions.num_rows, found.rejected) == (1, Counter({"not_an_exception": 2}))
    (row,) = stored(message, tables.EXCEPTIONS, Signal.LOGS)
    assert (row["source"], row["severity_number"], row["message"]) == (
        "log_record",
        17,
        "product 7 is out of stock",
    )
    assert (row["trace_id"].replace("-", ""), row["span_id"]) == ("01" * 16, int("02" * 8, 16))


def test_the_same_exception_as_event_and_as_log_record_has_one_id() -> None:
    in_span = build.span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, events=[("exception", build.EXCEPTION)])
    in_log = build.log_record(
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        time_unix_nano=build.START_NS + 99,
        attributes=build.EXCEPTION,
    )
    ids = decoded(build.traces(in_span)).exceptions["exception_id"].to_pylist()
    assert ids == decoded(build.logs(in_log), Signal.LOGS).exceptions["exception_id"].to_pylist()


def test_outside_a_trace_two_occurrences_have_two_ids_and_a_repeated_record_one() -> None:
    records = [build.log_record(time_unix_nano=t, attributes=build.EXCEPTION) for t in (1, 2, 2)]
    ids = decoded(build.logs(*records), Signal.LOGS).exceptions["exception_id"].to_pylist()
    assert len(set(ids)) == 2
    assert ids[1] == ids[2]


def test_a_log_record_with_malformed_ids_belongs_to_no_trace() -> None:
    record = build.log_record(
        trace_id=b"\x01", span_id=b"\x02" * 8, time_unix_nano=0, attributes=build.EXCEPTION
    )
    (row,) = stored(build.logs(record), tables.EXCEPTIONS, Signal.LOGS)
    assert (row["trace_id"], row["span_id"]) == (None, None)
    # Without any time of its own it is as old as its arrival.
    assert row["time"].timestamp() == RECEIVED_US / 1e6


def test_long_values_are_cut_to_whole_characters_and_counted() -> None:
    bounds = Bounds(attribute_bytes_max=10, stacktrace_bytes_max=200)
    stack = "\n".join(f"frame {n}" for n in range(100))
    sent = build.span(
        name="n",
        attributes={"long": "é" * 9, "http.route": "/" * 11, "short": "é" * 5},
        events=[("exception", {"exception.stacktrace": stack})],
    )
    found = decoded(build.traces(sent), bounds=bounds)
    assert found.spans["attributes"].to_pylist() == [[("long", "é" * 5), ("short", "é" * 5)]]
    assert found.spans["http_route"].to_pylist() == ["/" * 10]
    (kept,) = found.exceptions["stacktrace"].to_pylist()
    assert len(kept.encode()) <= 200
    assert kept.startswith("frame 0\n")
    assert kept.endswith("\nframe 99")
    assert "bytes left out" in kept
    assert found.altered == Counter({"attribute_cut": 2, "stacktrace_cut": 1})


def test_a_link_with_malformed_ids_keeps_its_place() -> None:
    sent = build.span()
    sent.links.add(trace_id=b"\x01", span_id=b"\x01" * 8, attributes=build.pairs({"k": "v"}))
    (row,) = stored(build.traces(sent))
    (link,) = row["links"]
    assert (link["trace_id"], link["span_id"], link["attributes"]) == (None, None, [("k", "v")])


def test_unknown_fields_are_kept_out_of_the_way() -> None:
    body = build.traces(build.span()).SerializeToString() + b"\xf8\x3f\x05" + b"\xfa\x3f\x03abc"
    assert otlp.decode([Request(Signal.TRACES, body, 1)], Bounds()).spans.num_rows == 1


@pytest.mark.parametrize("body", [b"\x0a\xff", b"garbage", b"\x0b"])
def test_a_body_that_is_no_request_is_malformed_and_named_when_spooled(body: bytes) -> None:
    with pytest.raises(MalformedInput):
        otlp.parse(Signal.TRACES, body)
    assert len(otlp.decode([Request(Signal.TRACES, body, 1)], Bounds()).unreadable) == 1


def test_text_that_is_not_utf8_is_malformed() -> None:
    body = build.traces(build.span(name="XYZ")).SerializeToString().replace(b"XYZ", b"\xff\xfe\xfd")
    with pytest.raises(MalformedInput):
        otlp.parse(Signal.TRACES, body)


def test_values_nested_beyond_the_bound_are_malformed_and_up_to_it_are_stored() -> None:
    nested: Any = "x"
    for _ in range(20):
        nested = [nested]
    (row,) = stored(build.traces(build.span(attributes={"deep": nested})))
    assert dict(row["attributes"])["deep"] == "[" * 20 + '"x"' + "]" * 20
    # By hand: the message classes refuse to build what they would refuse to read.
    inner = b"\x0a\x01x"
    for _ in range(150):
        array = b"\x0a" + _length(inner)
        inner = b"\x2a" + _length(array)
    attribute = b"\x0a\x01k\x12" + _length(inner)
    span_bytes = build.span().SerializeToString() + b"\x4a" + _length(attribute)
    body = b"\x0a" + _length(b"\x12" + _length(b"\x12" + _length(span_bytes)))
    with pytest.raises(MalformedInput):
        otlp.parse(Signal.TRACES, body)


def _length(content: bytes) -> bytes:
    size, prefix = len(content), b""
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return prefix + bytes([size]) + content


ids = st.sampled_from([b"", bytes(16), bytes(8), b"\x01" * 16, b"\x02" * 8, b"\x03" * 5])
contents = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        st.binary(max_size=5),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
keys = st.sampled_from(
    ["http.route", "http.method", "http.request.method", "server.port", "net.peer.port", "x", ""]
)
spans = st.builds(
    lambda trace, one, parent, times, found, kind: build.span(
        trace_id=trace,
        span_id=one,
        parent_span_id=parent,
        start_time_unix_nano=times[0],
        end_time_unix_nano=times[1],
        attributes=found,
        events=[("exception", found)],
        kind=kind,
    ),
    ids,
    ids,
    ids,
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    st.dictionaries(keys, contents, max_size=4),
    st.integers(-(2**31), 2**31 - 1),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(spans, max_size=6))
def test_spans_stored_and_rejected_are_spans_sent(sent: list[Any]) -> None:
    message = build.traces(*sent)
    screened, faults = otlp.screen_traces(message)
    found = decoded(message)
    assert screened == len(sent)
    assert faults == found.rejected
    assert len(stored(message)) + found.rejected.total() == len(sent)
    assert found.spans.schema == tables.SPANS.arrow_schema

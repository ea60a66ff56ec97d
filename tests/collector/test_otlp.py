from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import otlp_builders as build
import pytest

from collector import columns, decoding, otlp, walk
from collector.attribute_columns import NotColumnar
from collector.otlp import Decoded, Request, Signal
from collector.policy import Policy
from schemas import tables
from schemas.errors import MalformedInput
from schemas.store import Store

RECEIVED_US = 1_700_000_001_000_000


def decoded(message: Any, signal: Signal = Signal.TRACES, policy: Policy | None = None) -> Decoded:
    """What a request becomes, after making sure that both decoders say so."""
    requests = [Request(signal, message.SerializeToString(), RECEIVED_US)]
    reference = walk.decode(requests, policy or Policy())
    if signal is Signal.TRACES:
        build.assert_same(columns.decode(requests, policy or Policy()), reference)
    return reference


def stored(
    message: Any, table: tables.Table = tables.SPANS, signal: Signal = Signal.TRACES
) -> list[dict[str, Any]]:
    """The rows as they come back from a real store."""
    found = decoded(message, signal)
    store = _store()
    store.execute(f"DELETE FROM {table.qualified_name}")
    store.append(table, found.rows[table.name])
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
    assert build.attributes(row) == {"app.tenant": "t7"}
    assert (row["status_code"], row["status_message"], row["duration_ns"]) == (2, "boom", 1_500_000)
    assert (row["trace_state"], row["flags"], row["dropped_attributes_count"]) == ("vendor=1", 257, 3)
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
    assert build.attributes(row) == {
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
    assert row["attribute_kinds"] == "11234470556"


def test_a_well_known_key_of_another_type_stays_in_the_rest() -> None:
    (row,) = stored(
        build.traces(build.span(attributes={"http.response.status_code": "200", "http.route": 5}))
    )
    assert row["http_response_status_code"] is None
    assert row["http_route"] is None
    assert build.attributes(row) == {"http.response.status_code": "200", "http.route": "5"}
    assert row["attribute_kinds"] == "13"


@pytest.mark.parametrize("order", [1, -1])
def test_an_old_name_fills_the_column_unless_the_current_one_is_sent_too(order: int) -> None:
    old = build.span(attributes={"http.method": "GET", "db.statement": "SELECT 1"})
    both = build.span(attributes=dict([("http.method", "GET"), ("http.request.method", "POST")][::order]))
    first, second = stored(build.traces(old, both))
    assert (first["http_request_method"], first["db_query_text"]) == ("GET", "SELECT 1")
    assert build.attributes(first) == {}
    assert (second["http_request_method"], build.attributes(second)) == ("POST", {"http.method": "GET"})


def test_the_query_of_an_old_http_target_does_not_reach_the_path_column() -> None:
    sent = build.traces(
        build.span(attributes={"http.target": "/cart?id=7"}), build.span(attributes={"url.path": "/"})
    )
    first, second = stored(sent)
    assert (first["url_path"], build.attributes(first)) == ("/cart", {"http.target": "/cart?"})
    assert (second["url_path"], build.attributes(second)) == ("/", {})
    (row,) = build.rows(decoded(sent, policy=Policy(is_scrubbing=False)), tables.SPANS)[:1]
    assert (row["url_path"], build.attributes(row)) == ("/cart", {"http.target": "/cart?id=7"})


def test_a_repeated_key_keeps_its_last_value_and_is_counted() -> None:
    sent = build.span(attributes={"a": "1"})
    sent.attributes.extend(build.pairs({"a": "2"}))
    found = decoded(build.traces(sent))
    assert [build.attributes(row) for row in build.rows(found, tables.SPANS)] == [{"a": "2"}]
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
    assert found.rows["resources"].num_rows == 2
    assert len(set(found.spans["resource_id"].to_pylist())) == 2
    assert found.rows["scopes"].num_rows == 1
    (row,) = stored(build.traces(build.span()), tables.RESOURCES)
    assert (row["service"], build.attributes(row)) == ("cart", {"service.name": "cart"})


def test_a_repeated_resource_field_is_merged() -> None:
    message = build.traces(build.span(), resource={"service.name": "cart"})
    # Field 1 of ResourceSpans a second time, as protobuf allows: the attributes add up.
    extra = build.traces(resource={"service.version": "9"}).resource_spans[0].resource.SerializeToString()
    holder = message.resource_spans[0].SerializeToString() + b"\x0a" + bytes([len(extra)]) + extra
    merged = type(message)()
    merged.resource_spans.add().MergeFromString(holder)
    (row,) = stored(merged)
    assert (row["service"], row["service_version"]) == ("cart", "9")


def test_a_wire_form_that_columns_would_lose_is_left_to_the_walk() -> None:
    """Protobuf merges a message field that stands twice, and keeps the last member of a oneof."""
    status = b"\x7a\x02\x18\x02" + b"\x7a\x03\x12\x01x"
    two_members = b"\x4a\x09\x0a\x01k\x12\x04\x10\x01\x18\x07"
    values_twice = b"\x4a\x0b\x0a\x01k" + b"\x12\x02\x18\x07" + b"\x12\x02\x18\x08"
    for odd in (status, two_members, values_twice):
        span = build.span().SerializeToString() + odd
        body = b"\x0a" + _length(b"\x12" + _length(b"\x12" + _length(span)))
        requests = [Request(Signal.TRACES, body, 1), *[build.request(build.traces(build.span()))] * 6]
        with pytest.raises(NotColumnar):
            columns.decode(requests, Policy())
        fallbacks: Counter[str] = Counter()
        found = decoding.decode(requests, Policy(), fallbacks)
        build.assert_same(found, walk.decode(requests, Policy()))
        # Only the odd request, not those that came with it.
        assert fallbacks == {"not_columnar": 1}


def test_exception_events_fill_the_span_the_events_and_the_exceptions() -> None:
    sent = build.span(
        events=[
            ("cache.miss", {"key": "k"}),
            ("exception", {**build.EXCEPTION, "exception.escaped": "False"}),
            ("exception", {"exception.type": "B"}),
        ]
    )
    (row,) = stored(build.traces(sent))
    assert row["exception_type"] == "shop.errors.OutOfStock"
    assert row["exception_message"] == "product 7 is out of stock"
    events = stored(build.traces(sent), tables.SPAN_EVENTS)
    assert [(e["name"], build.attributes(e)) for e in events] == [
        ("cache.miss", {"key": "k"}),
        # Its texts stand in exceptions.
        ("exception", {"exception.escaped": "False"}),
        ("exception", {}),
    ]
    rows = stored(build.traces(sent), tables.EXCEPTIONS)
    (stack,) = stored(build.traces(sent), tables.STACKS)
    assert stack["stacktrace"] == build.EXCEPTION["exception.stacktrace"]
    assert stack["length"] == len(stack["stacktrace"])
    assert [r["stack_id"] for r in rows] == [stack["stack_id"], None]
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
    policy = Policy(attribute_bytes_max=10, stacktrace_bytes_max=200)
    stack = "\n".join(f"frame {n}" for n in range(100))
    sent = build.span(
        name="n",
        attributes={"long": "é" * 9, "http.route": "/" * 11, "short": "é" * 5, "list": ["a" * 9]},
        events=[("exception", {"exception.stacktrace": stack})],
    )
    found = decoded(build.traces(sent), policy=policy)
    (row,) = build.rows(found, tables.SPANS)
    assert build.attributes(row) == {"long": "é" * 5, "short": "é" * 5, "list": '["aaaaaaaa'}
    assert found.spans["http_route"].to_pylist() == ["/" * 10]
    (kept,) = found.rows["stacks"]["stacktrace"].to_pylist()
    assert len(kept.encode()) <= 200
    assert kept.startswith("frame 0\n")
    assert kept.endswith("\nframe 99")
    assert "bytes left out" in kept
    assert found.altered == Counter({"attribute_cut": 3, "stacktrace_cut": 1})


def test_a_link_with_malformed_ids_keeps_its_place() -> None:
    sent = build.span()
    sent.links.add(trace_id=b"\x01", span_id=b"\x01" * 8, attributes=build.pairs({"k": "v"}))
    sent.links.add(
        trace_id=b"\xaa" * 16,
        span_id=b"\xbb" * 8,
        trace_state="a=b",
        flags=257,
        attributes=build.pairs({"k": 7}),
        dropped_attributes_count=2,
    )
    first, second = stored(build.traces(sent), tables.SPAN_LINKS)
    assert (first["linked_trace_id"], first["linked_span_id"], build.attributes(first)) == (
        None,
        None,
        {"k": "v"},
    )
    assert second["linked_trace_id"].replace("-", "") == "aa" * 16
    assert (second["linked_span_id"], build.attributes(second)) == (int("bb" * 8, 16), {"k": "7"})
    assert (second["trace_state"], second["flags"], second["dropped_attributes_count"]) == ("a=b", 257, 2)


def test_unknown_fields_are_kept_out_of_the_way() -> None:
    body = build.traces(build.span()).SerializeToString() + b"\xf8\x3f\x05" + b"\xfa\x3f\x03abc"
    fallbacks: Counter[str] = Counter()
    assert decoding.decode([Request(Signal.TRACES, body, 1)], Policy(), fallbacks).spans.num_rows == 1
    assert not fallbacks


@pytest.mark.parametrize("body", [b"\x0a\xff", b"garbage", b"\x0b"])
def test_a_body_that_is_no_request_is_malformed_and_named_when_spooled(body: bytes) -> None:
    with pytest.raises(MalformedInput):
        otlp.parse(Signal.TRACES, body)
    assert len(decoding.decode([Request(Signal.TRACES, body, 1)], Policy()).unreadable) == 1


def test_text_that_is_not_utf8_is_malformed() -> None:
    body = build.traces(build.span(name="XYZ")).SerializeToString().replace(b"XYZ", b"\xff\xfe\xfd")
    with pytest.raises(MalformedInput):
        otlp.parse(Signal.TRACES, body)


def test_values_nested_beyond_the_bound_are_malformed_and_up_to_it_are_stored() -> None:
    nested: Any = "x"
    for _ in range(20):
        nested = [nested]
    (row,) = stored(build.traces(build.span(attributes={"deep": nested})))
    assert build.attributes(row)["deep"] == "[" * 20 + '"x"' + "]" * 20
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

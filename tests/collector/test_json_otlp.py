import base64
import json
from typing import Any

import otlp_builders as build
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector import json_otlp, otlp
from schemas.errors import MalformedInput

SPAN = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "name": "op"}


def request(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def parsed(*spans: Any) -> Any:
    message = json_otlp.parse(request(*spans), ExportTraceServiceRequest)
    return message.resource_spans[0].scope_spans[0].spans


def valued(value: Any) -> Any:
    (found,) = parsed({**SPAN, "attributes": [{"key": "k", "value": value}]})
    return found.attributes[0].value


def test_ids_are_hex_in_either_case() -> None:
    (found,) = parsed({**SPAN, "parentSpanId": "EEE19B7EC3C1B173"})
    assert found.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert (found.span_id.hex(), found.parent_span_id.hex()) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")


@pytest.mark.parametrize("field", ["traceId", "spanId", "parentSpanId"])
@pytest.mark.parametrize("text", ["zz", "abc", "01 02", "W45//3mDgQPSabYzgT/GDA=="])
def test_an_id_that_is_not_hex_rejects_its_span_only(field: str, text: str) -> None:
    bad, good = parsed({**SPAN, field: text}, SPAN)
    assert otlp.span_fault(bad) is not None
    assert otlp.span_fault(good) is None


def test_integers_come_as_text_or_number_and_enums_as_integers() -> None:
    (found,) = parsed(
        {**SPAN, "startTimeUnixNano": "18446744073709551615", "endTimeUnixNano": 7, "kind": 777}
    )
    assert (found.start_time_unix_nano, found.end_time_unix_nano, found.kind) == (2**64 - 1, 7, 777)
    assert valued({"intValue": "-9223372036854775808"}).int_value == -(2**63)
    assert valued({"intValue": 3.0}).int_value == 3


def test_doubles_that_json_cannot_say_come_as_text() -> None:
    assert str(valued({"doubleValue": "NaN"}).double_value) == "nan"
    assert valued({"doubleValue": "-Infinity"}).double_value == float("-inf")
    assert valued({"doubleValue": 1}).double_value == 1.0


@pytest.mark.parametrize("text", ["AP+/", "AP-_", "AP8=", "AP8"])
def test_bytes_are_base64_of_either_alphabet_with_or_without_padding(text: str) -> None:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    assert valued({"bytesValue": text}).bytes_value == base64.b64decode(plain + "=" * (-len(plain) % 4))


def test_unknown_names_are_ignored_and_null_is_absent() -> None:
    (found,) = parsed(
        {**SPAN, "newThing": {"x": [1]}, "trace_state": "snake", "status": None, "events": None}
    )
    assert (found.trace_state, found.HasField("status"), len(found.events)) == ("", False, 0)
    assert json_otlp.parse(b'{"future": 1}', ExportTraceServiceRequest) == ExportTraceServiceRequest()


def test_false_and_empty_values_are_present() -> None:
    assert valued({"boolValue": False}).WhichOneof("value") == "bool_value"
    assert valued({"stringValue": ""}).WhichOneof("value") == "string_value"
    assert valued({"arrayValue": {}}).WhichOneof("value") == "array_value"
    assert valued({}).WhichOneof("value") is None


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    body = request({**SPAN, "name": "cut X"}).replace(b"X", b"\\ud83d")
    message = json_otlp.parse(body, ExportTraceServiceRequest)
    assert message.resource_spans[0].scope_spans[0].spans[0].name == "cut \ufffd"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[1]",
        b'"x"',
        b"null",
        b'{"resourceSpans": [',
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [1]}',
        b'{"resourceSpans": [null]}',
        b"\xff\xfe{}",
        request({**SPAN, "name": 5}),
        request({**SPAN, "kind": "SPAN_KIND_SERVER"}),
        request({**SPAN, "kind": 2**31}),
        request({**SPAN, "startTimeUnixNano": "-1"}),
        request({**SPAN, "startTimeUnixNano": True}),
        request({**SPAN, "traceId": 5}),
        request({**SPAN, "attributes": [{"key": "k", "value": {"bytesValue": "%%"}}]}),
        request({**SPAN, "attributes": [{"key": "k", "value": {"boolValue": "yes"}}]}),
        request({**SPAN, "attributes": [{"key": "k", "value": {"doubleValue": "much"}}]}),
        b'{"resourceSpans": NaN}',
        b"[" * 100_000,
        b'{"resourceSpans":' * 5000,
    ],
)
def test_a_body_that_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedInput):
        json_otlp.parse(body, ExportTraceServiceRequest)


def test_nesting_that_protobuf_would_not_read_back_is_malformed() -> None:
    nested: Any = {"stringValue": "x"}
    for _ in range(150):
        nested = {"arrayValue": {"values": [nested]}}
    with pytest.raises(MalformedInput):
        valued(nested)


def otlp_json(message: Any) -> bytes:
    """A message as OTLP/JSON: protobuf's own mapping, then hex ids."""

    def hexed(node: Any) -> Any:
        if isinstance(node, list):
            return [hexed(item) for item in node]
        if not isinstance(node, dict):
            return node
        ids = ("traceId", "spanId", "parentSpanId")
        return {k: base64.b64decode(v).hex() if k in ids else hexed(v) for k, v in node.items()}

    plain = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(hexed(plain)).encode()


def test_the_json_of_a_message_is_the_message() -> None:
    sent = build.traces(
        build.span(
            attributes={"a": [1, "x", {"b": b"\x00"}], "t": True, "n": None, "d": 1.5},
            events=[("exception", build.EXCEPTION)],
            flags=257,
        )
    )
    sent.resource_spans[0].scope_spans[0].spans[0].links.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    assert json_otlp.parse(otlp_json(sent), ExportTraceServiceRequest) == sent


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_malformed(sent: bytes) -> None:
    for body in (sent, b'{"resourceSpans":' + sent + b"}"):
        try:
            json_otlp.parse(body, ExportTraceServiceRequest)
        except MalformedInput:
            continue

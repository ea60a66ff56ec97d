"""Whatever a request holds, both decoders make the same rows of it, and lose nothing."""

from collections import Counter
from typing import Any

import otlp_builders as build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector import decoding, otlp, walk
from collector.otlp import Request, Signal
from collector.policy import Policy
from schemas import vocabulary as v
from schemas.errors import MalformedInput
from schemas.store import Store
from schemas.tables import SPAN_EVENTS, SPAN_LINKS, SPANS

POLICIES = (
    Policy(),
    Policy(attribute_bytes_max=6, stacktrace_bytes_max=60, is_scrubbing=False),
    Policy(
        dropped=("x", "app.*", v.EXCEPTION_MESSAGE),
        hashed=(v.HTTP_ROUTE, v.SERVER_PORT, "hash"),
        kept=("kept*",),
        patterns=("[0-9]{3}",),
        secret=b"k",
    ),
)
KEYS = (
    *(v.HTTP_ROUTE, "http.method", v.HTTP_REQUEST_METHOD, v.SERVER_PORT, "net.peer.port", "net.host.port"),
    *(
        v.HTTP_TARGET,
        v.URL_PATH,
        v.DB_QUERY_TEXT,
        v.EXCEPTION_TYPE,
        v.EXCEPTION_MESSAGE,
        v.EXCEPTION_STACKTRACE,
    ),
    *(v.SERVICE_NAME, "deployment.environment", "x", "", "app.x", "hash", "kept.it"),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        [
            "/a?b=c",
            "jane@example.org",
            "password=hunter2",
            "WHERE a = 'Jane'",
            "é" * 9,
            "line\n" * 30,
            '"\\\x00',
        ]
    ),
)
CONTENTS = st.recursive(
    st.one_of(
        *(
            st.none(),
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(),
            TEXTS,
            st.binary(max_size=5),
        ),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)
# Pairs, not a dict: a key may stand twice.
ATTRIBUTES = st.lists(st.tuples(st.sampled_from(KEYS), CONTENTS), max_size=6)
IDS = st.sampled_from([b"", bytes(16), bytes(8), b"\x01" * 16, b"\x02" * 16, b"\x02" * 8, b"\x03" * 5])
GOOD = st.sampled_from([b"\x01" * 16, b"\x02" * 16])
TIMES = st.sampled_from([0, 1, build.START_NS, 2**63 - 1, 2**63, 2**64 - 1])
COUNTS = st.integers(0, 2**32 - 1)
ENUMS = st.integers(-(2**31), 2**31 - 1)


def _pairs(found: list[tuple[str, Any]]) -> list[Any]:
    return [build.pairs({key: content})[0] for key, content in found]


@st.composite
def spans(draw: st.DrawFn) -> Any:
    sent = build.span(
        trace_id=draw(st.one_of(GOOD, IDS)),
        span_id=draw(st.one_of(st.just(b"\x07" * 8), IDS)),
        parent_span_id=draw(st.one_of(st.just(b""), IDS)),
        trace_state=draw(st.sampled_from(["", "ot=th:8"])),
        start_time_unix_nano=draw(TIMES),
        end_time_unix_nano=draw(TIMES),
        kind=draw(ENUMS),
        flags=draw(COUNTS),
        dropped_attributes_count=draw(COUNTS),
    )
    sent.attributes.extend(_pairs(draw(ATTRIBUTES)))
    if draw(st.booleans()):
        sent.status.code, sent.status.message = draw(ENUMS), draw(TEXTS)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["exception", "exception", "cache.miss", ""]))
        event = sent.events.add(name=name, time_unix_nano=draw(TIMES), dropped_attributes_count=draw(COUNTS))
        event.attributes.extend(_pairs(draw(ATTRIBUTES)))
    for _ in range(draw(st.integers(0, 2))):
        link = sent.links.add(trace_id=draw(IDS), span_id=draw(IDS), flags=draw(COUNTS))
        link.attributes.extend(_pairs(draw(ATTRIBUTES)))
    return sent


@st.composite
def messages(draw: st.DrawFn) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        by_resource = message.resource_spans.add(
            schema_url=draw(st.sampled_from(["", "https://example.org/1"]))
        )
        by_resource.resource.attributes.extend(_pairs(draw(ATTRIBUTES)))
        for _ in range(draw(st.integers(0, 2))):
            by_scope = by_resource.scope_spans.add()
            if draw(st.booleans()):
                by_scope.scope.name = draw(st.sampled_from(["", "shop", "cart"]))
                by_scope.scope.attributes.extend(_pairs(draw(ATTRIBUTES)))
            by_scope.spans.extend(draw(st.lists(spans(), max_size=3)))
    return message


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
    body = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if body:
            at = data.draw(st.integers(0, len(body) - 1))
            match data.draw(st.sampled_from(["change", "cut", "insert", "double"])):
                case "change":
                    body[at] = data.draw(st.integers(0, 255))
                case "cut":
                    del body[at : at + data.draw(st.integers(1, 5))]
                case "insert":
                    body[at:at] = data.draw(st.binary(min_size=1, max_size=4))
                case _:
                    end = data.draw(st.integers(at, len(body)))
                    body[at:at] = body[at:end]
    request = Request(Signal.TRACES, bytes(body), 1)
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

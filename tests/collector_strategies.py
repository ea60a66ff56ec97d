"""Requests that hold whatever a trace request can hold, and bytes that hold what it cannot."""

from typing import Any

import otlp_builders as build
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.policy import Policy
from schemas import vocabulary as v

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


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """``body`` with some bytes changed, cut out, inserted or repeated."""
    content = bytearray(body)
    for _ in range(draw(st.integers(1, 4))):
        if content:
            at = draw(st.integers(0, len(content) - 1))
            match draw(st.sampled_from(["change", "cut", "insert", "repeat"])):
                case "change":
                    content[at] = draw(st.integers(0, 255))
                case "cut":
                    del content[at : at + draw(st.integers(1, 5))]
                case "insert":
                    content[at:at] = draw(st.binary(min_size=1, max_size=4))
                case _:
                    content[at:at] = content[at : draw(st.integers(at, len(content)))]
    return bytes(content)

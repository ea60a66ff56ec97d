"""OTLP export requests: what one is, whether it may be accepted, and the rows that a group of them becomes.

Knows the wire format; knows no socket, no file and no clock. The rows are made by ``collector/columns.py``, and by
``collector/walk.py`` where that cannot: both give the same.
Source: opentelemetry-proto, trace/v1/trace.proto and logs/v1/logs.proto; OTLP specification, "Partial Success".
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas import tables
from schemas import vocabulary as v
from schemas.errors import MalformedInput

UNKNOWN_SERVICE = "unknown_service"
UNIX_NS_MAX = 2**63 - 2
"""The last instant of TIMESTAMP_NS (2262-04-11); the value after it means infinity in the store."""
TABLES = (
    tables.RESOURCES,
    tables.SCOPES,
    tables.SPANS,
    tables.SPAN_EVENTS,
    tables.SPAN_LINKS,
    tables.EXCEPTIONS,
    tables.STACKS,
)
"""What a request becomes rows of."""
DISTINCT = {tables.RESOURCES: "resource_id", tables.SCOPES: "scope_id", tables.STACKS: "stack_id"}
"""Of these, one row for each id is enough."""

NO_TRACE = bytes(16)
NO_SPAN = bytes(8)
EXCEPTION_KEYS = (v.EXCEPTION_TYPE, v.EXCEPTION_MESSAGE, v.EXCEPTION_STACKTRACE)


class Signal(IntEnum):
    """What a request holds; the number stands in the spool."""

    TRACES = 1
    LOGS = 2


@dataclass(frozen=True, slots=True)
class Request:
    """One accepted export request: protobuf bytes, already decompressed, and when it was received (UTC)."""

    signal: Signal
    body: bytes
    received_unix_us: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows of :data:`TABLES`, columns as ``schemas/tables.py`` declares them, in the order of the requests.

    Of :data:`DISTINCT`, one row per id. ``rejected``: items left out, by reason; spans + exceptions of
    log records + rejected = items sent. ``altered``: values dropped, hashed, cut or clamped, by reason.
    ``unreadable``: requests that are not export requests at all (never acknowledged ones; a bug or a damaged file).
    """

    rows: dict[str, pa.Table]
    rejected: Counter[str] = field(default_factory=Counter)
    altered: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[Request, ...] = ()

    @property
    def spans(self) -> pa.Table:
        return self.rows[tables.SPANS.name]

    @property
    def exceptions(self) -> pa.Table:
        return self.rows[tables.EXCEPTIONS.name]


def message_type(signal: Signal) -> type[Any]:
    """The protobuf class of a signal's export request."""
    return ExportTraceServiceRequest if signal is Signal.TRACES else ExportLogsServiceRequest


def parse(signal: Signal, body: bytes) -> Any:
    """The upb message of one export request; an empty body is an empty request.

    Raises:
        MalformedInput: ``body`` is not such a request: cut, a wrong group, text that is not UTF-8, nested too deep.
    """
    try:
        return message_type(signal).FromString(body)
    except (DecodeError, RecursionError) as error:
        raise MalformedInput(
            f"the body is not an Export{signal.name.title()}ServiceRequest: {error}",
            hint="send protobuf as content type application/x-protobuf, or JSON as application/json",
        ) from error


def span_fault(span: Any) -> str | None:
    """Why a span cannot be stored, or None. An all-zero parent means no parent; any other parent has eight bytes."""
    if len(span.trace_id) != 16 or span.trace_id == NO_TRACE:
        return "trace_id"
    if len(span.span_id) != 8 or span.span_id == NO_SPAN:
        return "span_id"
    if len(span.parent_span_id) not in (0, 8):
        return "parent_span_id"
    return None


def _have_good_ids(spans: Any) -> bool:
    """True when no span has a fault: asked of all at once, for hardly any request has one."""
    traces, ids = [s.trace_id for s in spans], [s.span_id for s in spans]
    return (
        {16}.issuperset(map(len, traces))
        and {8}.issuperset(map(len, ids))
        and {0, 8}.issuperset([len(s.parent_span_id) for s in spans])
        and NO_TRACE not in traces
        and NO_SPAN not in ids
    )


def is_exception_record(record: Any) -> bool:
    """True when a log record carries an exception: any of type, message or stack trace, as text."""
    return any(a.key in EXCEPTION_KEYS and a.value.string_value for a in record.attributes)


def screen_traces(message: Any) -> tuple[int, Counter[str]]:
    """(spans sent, how many will be rejected by reason). The message stays as it is: the decoder rejects the same."""
    faults: Counter[str] = Counter()
    sent = 0
    for resource_spans in message.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            # A list: iterating over the field makes each span's object anew.
            spans = list(scope_spans.spans)
            sent += len(spans)
            if not _have_good_ids(spans):
                faults.update(fault for fault in map(span_fault, spans) if fault is not None)
    return sent, faults


def screen_logs(message: Any) -> tuple[int, Counter[str]]:
    """(records sent, how many carry no exception); those are taken out of the message: log texts are never spooled."""
    sent = rejected = 0
    for resource_logs in message.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            records = scope_logs.log_records
            sent += len(records)
            kept = [record for record in records if is_exception_record(record)]
            if len(kept) < len(records):
                rejected += len(records) - len(kept)
                copies = [type(record).FromString(record.SerializeToString()) for record in kept]
                del records[:]
                records.extend(copies)
            for record in records:
                record.ClearField("body")
    return sent, Counter({"not_an_exception": rejected} if rejected else {})

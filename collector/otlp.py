"""OTLP export requests in protobuf as rows of ``spans``, ``resources``, ``scopes`` and ``exceptions``.

This is the reference decoder: it walks the messages that upb parsed and fills columns. Knows the wire format and the
tables; knows no socket, no file and no clock. Its input was screened at the door (:func:`screen_traces`,
:func:`screen_logs`), but it applies the same rules again, so that a row is right by its type whoever calls it.
Source: opentelemetry-proto, trace/v1/trace.proto and logs/v1/logs.proto; OTLP specification, "Partial Success".
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector import attributes
from collector.attributes import Bounds, Entries, Maps
from schemas import tables
from schemas import vocabulary as v
from schemas.errors import MalformedInput
from schemas.vocabulary import ExceptionSource

UNKNOWN_SERVICE = "unknown_service"
UNIX_NS_MAX = 2**63 - 2
"""The last instant of TIMESTAMP_NS (2262-04-11); the value after it means infinity in the store."""

_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_EXCEPTION_KEYS = (v.EXCEPTION_TYPE, v.EXCEPTION_MESSAGE, v.EXCEPTION_STACKTRACE)


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
    """Rows of four tables, columns as ``schemas/tables.py`` declares them, in the order of the requests.

    ``spans``, ``exceptions``: one row per item. ``resources``, ``scopes``: one row per distinct id.
    ``rejected``: items left out, by reason; rows + rejected = items sent. ``altered``: values cut or clamped, by reason.
    ``unreadable``: requests that are not export requests at all (never acknowledged ones; a bug or a damaged file).
    """

    spans: pa.Table
    exceptions: pa.Table
    resources: pa.Table
    scopes: pa.Table
    rejected: Counter[str] = field(default_factory=Counter)
    altered: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[Request, ...] = ()


def decode(requests: Iterable[Request], bounds: Bounds) -> Decoded:
    """Decode a group of accepted requests into columns."""
    walk = _Walk(bounds)
    unreadable = []
    for request in requests:
        try:
            message = parse(request.signal, request.body)
        except MalformedInput:
            unreadable.append(request)
            continue
        if request.signal is Signal.TRACES:
            walk.traces(message, request.received_unix_us)
        else:
            walk.logs(message, request.received_unix_us)
    return Decoded(
        spans=walk.spans.table(),
        exceptions=walk.exceptions.table(),
        resources=walk.resources.table(),
        scopes=walk.scopes.table(),
        rejected=walk.rejected,
        altered=walk.altered,
        unreadable=tuple(unreadable),
    )


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
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "trace_id"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "span_id"
    if len(span.parent_span_id) not in (0, 8):
        return "parent_span_id"
    return None


def is_exception_record(record: Any) -> bool:
    """True when a log record carries an exception: any of type, message or stack trace, as text."""
    return any(a.key in _EXCEPTION_KEYS and a.value.string_value for a in record.attributes)


def screen_traces(message: Any) -> tuple[int, Counter[str]]:
    """(spans sent, how many will be rejected by reason). The message stays as it is: the decoder rejects the same."""
    faults: Counter[str] = Counter()
    sent = 0
    for resource_spans in message.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = scope_spans.spans
            sent += len(spans)
            for span in spans:
                fault = span_fault(span)
                if fault is not None:
                    faults[fault] += 1
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


class _Columns:
    """Lists of values per column of one table; columns given to :meth:`table` as arrays come from elsewhere."""

    def __init__(self, table: tables.Table, *, built: tuple[str, ...] = ()) -> None:
        self._table = table
        self.lists: dict[str, list[Any]] = {c: [] for c in table.column_names if c not in built}

    def add(self, row: dict[str, Any]) -> None:
        for name, values in self.lists.items():
            values.append(row.get(name))

    def table(self, **built: pa.Array) -> pa.Table:
        arrays = [
            built[c.name] if c.name in built else _array(self.lists[c.name], c.type)
            for c in self._table.columns
        ]
        return pa.table(arrays, schema=self._table.arrow_schema)


def _array(values: list[Any], type_: tables.Type) -> pa.Array:
    if type_ is tables.TRACE_ID:
        return pa.ExtensionArray.from_storage(type_.arrow, pa.array(values, pa.binary(16)))
    if type_ is tables.TIME_NS or type_ is tables.TIME:
        return pa.array(values, pa.int64()).cast(type_.arrow)
    return pa.array(values, type_.arrow)


class _Described:
    """Rows with an ``attributes`` map: resources and scopes, one per distinct id."""

    def __init__(self, table: tables.Table) -> None:
        self._columns = _Columns(table, built=("attributes", "attribute_kinds"))
        self._maps = Maps()

    def add(self, row: dict[str, Any], found: Entries) -> None:
        self._columns.add(row)
        self._maps.add(found)

    def table(self) -> pa.Table:
        maps, kinds = self._maps.arrays()
        return self._columns.table(attributes=maps, attribute_kinds=kinds)


class _Spans:
    """Rows of ``spans``. What a resource says is kept once and taken by index, a column that few spans fill is kept
    as (row, value) pairs, events and links as flat columns with offsets: this is the path of every span."""

    _FROM_CONTEXT = ("resource_id", "service", "service_version", "environment", "revision", "received_at")
    _FROM_ATTRIBUTES = (*attributes.COLUMNS, "exception_type", "exception_message", "exception_stacktrace")
    _LISTS = ("attributes", "attribute_kinds", "events", "links")

    def __init__(self) -> None:
        self.count = 0
        elsewhere = {*self._FROM_CONTEXT, *self._FROM_ATTRIBUTES, *self._LISTS}
        self.lists: dict[str, list[Any]] = {c: [] for c in tables.SPANS.column_names if c not in elsewhere}
        self.contexts: list[dict[str, Any]] = []
        self.context_indices: list[int] = []
        self.sparse: dict[str, tuple[list[int], list[Any]]] = {c: ([], []) for c in self._FROM_ATTRIBUTES}
        self.maps = Maps()
        self.event_offsets, self.link_offsets = [0], [0]
        self.event_times: list[int] = []
        self.event_names: list[str] = []
        self.event_maps = Maps()
        self.link_traces: list[bytes | None] = []
        self.link_spans: list[int | None] = []
        self.link_maps = Maps()

    def fill(self, values: dict[str, Any]) -> None:
        """Values of the span that is being added, for columns that most spans leave empty."""
        for column, value in values.items():
            rows, filled = self.sparse[column]
            rows.append(self.count)
            filled.append(value)

    def table(self) -> pa.Table:
        types = {c.name: c.type for c in tables.SPANS.columns}
        arrays = {name: _array(values, types[name]) for name, values in self.lists.items()}
        contexts = pa.array(self.context_indices, pa.int32())
        for name in self._FROM_CONTEXT:
            arrays[name] = _array([c[name] for c in self.contexts], types[name]).take(contexts)
        for name, (rows, values) in self.sparse.items():
            places = np.full(self.count, -1, np.int64)
            places[rows] = np.arange(len(rows))
            arrays[name] = _array(values, types[name]).take(pa.array(places, mask=places < 0))
        arrays["attributes"], arrays["attribute_kinds"] = self.maps.arrays()
        times = _array(self.event_times, tables.TIME_NS)
        events = [times, pa.array(self.event_names, pa.string()), *self.event_maps.arrays()]
        arrays["events"] = _lists(self.event_offsets, events, tables.EVENTS)
        links = [
            _array(self.link_traces, tables.TRACE_ID),
            pa.array(self.link_spans, pa.uint64()),
            *self.link_maps.arrays(),
        ]
        arrays["links"] = _lists(self.link_offsets, links, tables.LINKS)
        return pa.table([arrays[c] for c in tables.SPANS.column_names], schema=tables.SPANS.arrow_schema)


def _lists(offsets: list[int], columns: list[pa.Array], type_: tables.Type) -> pa.ListArray:
    structs = pa.StructArray.from_arrays(columns, fields=list(type_.arrow.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


class _Walk:
    """One pass over a group of requests."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.spans = _Spans()
        self.exceptions = _Columns(tables.EXCEPTIONS)
        self.resources = _Described(tables.RESOURCES)
        self.scopes = _Described(tables.SCOPES)
        self.rejected: Counter[str] = Counter()
        self.altered: Counter[str] = Counter()
        self._known_resources: dict[int, dict[str, Any]] = {}
        self._known_scopes: set[int] = set()

    def traces(self, message: Any, received_unix_us: int) -> None:
        for resource_spans in message.resource_spans:
            context = self._resource(resource_spans) | {"received_at": received_unix_us}
            self.spans.contexts.append(context)
            for scope_spans in resource_spans.scope_spans:
                if not scope_spans.spans:
                    continue
                scope_id = self._scope(scope_spans)
                for span in scope_spans.spans:
                    fault = span_fault(span)
                    if fault is None:
                        self._span(span, context, scope_id)
                    else:
                        self.rejected[fault] += 1

    def logs(self, message: Any, received_unix_us: int) -> None:
        for resource_logs in message.resource_logs:
            context: dict[str, Any] | None = None
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    if not is_exception_record(record):
                        self.rejected["not_an_exception"] += 1
                        continue
                    if context is None:
                        context = self._resource(resource_logs) | {"received_at": received_unix_us}
                    self._log_record(record, context)

    def _resource(self, holder: Any) -> dict[str, Any]:
        """Columns that every item of a resource shares; the row of ``resources`` is added once per distinct id."""
        id_ = _id(holder.resource.SerializeToString(deterministic=True), holder.schema_url)
        known = self._known_resources.get(id_)
        if known is not None:
            return known
        found = attributes.entries(holder.resource.attributes, self._bounds, self.altered)
        service = attributes.first_text(found, v.SERVICE_NAME) or UNKNOWN_SERVICE
        context = {
            "resource_id": id_,
            "service": service,
            "service_version": attributes.first_text(found, v.SERVICE_VERSION),
            "environment": attributes.first_text(found, v.DEPLOYMENT_ENVIRONMENT_NAME),
            "revision": attributes.first_text(found, v.VCS_REF_HEAD_REVISION),
        }
        row = {
            "resource_id": id_,
            "service": service,
            "repository_url": attributes.first_text(found, v.VCS_REPOSITORY_URL_FULL),
            "sdk_language": attributes.first_text(found, v.TELEMETRY_SDK_LANGUAGE),
            "schema_url": holder.schema_url or None,
        }
        self.resources.add(row, found)
        self._known_resources[id_] = context
        return context

    def _scope(self, holder: Any) -> int:
        scope = holder.scope
        id_ = _id(scope.SerializeToString(deterministic=True), holder.schema_url)
        if id_ not in self._known_scopes:
            self._known_scopes.add(id_)
            row = {
                "scope_id": id_,
                "name": scope.name or None,
                "version": scope.version or None,
                "schema_url": holder.schema_url or None,
            }
            self.scopes.add(row, attributes.entries(scope.attributes, self._bounds, self.altered))
        return id_

    def _span(self, span: Any, context: dict[str, Any], scope_id: int) -> None:
        spans = self.spans
        lists = spans.lists
        trace_id, span_id = span.trace_id, int.from_bytes(span.span_id, "big")
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        parent, status = span.parent_span_id, span.status
        lists["trace_id"].append(trace_id)
        lists["span_id"].append(span_id)
        lists["parent_span_id"].append((int.from_bytes(parent, "big") or None) if parent else None)
        lists["trace_state"].append(span.trace_state or None)
        lists["flags"].append(span.flags)
        lists["start_time"].append(self._clamped(start))
        lists["duration_ns"].append(min(end - start, UNIX_NS_MAX) if end > start else 0)
        lists["scope_id"].append(scope_id)
        lists["name"].append(span.name)
        lists["kind"].append(span.kind)
        lists["status_code"].append(status.code)
        lists["status_message"].append(self._cut(status.message) or None)
        lists["dropped_attributes_count"].append(span.dropped_attributes_count)
        lists["dropped_events_count"].append(span.dropped_events_count)
        lists["dropped_links_count"].append(span.dropped_links_count)
        spans.context_indices.append(len(spans.contexts) - 1)
        spans.fill(attributes.split(span.attributes, spans.maps, self._bounds, self.altered))
        if span.events:
            self._events(span, trace_id, span_id, context)
        spans.event_offsets.append(len(spans.event_times))
        for link in span.links:
            is_named = len(link.trace_id) == 16 and len(link.span_id) == 8
            # A link whose ids are malformed keeps its place and its attributes, so that counts stay as sent.
            spans.link_traces.append(link.trace_id if is_named else None)
            spans.link_spans.append(int.from_bytes(link.span_id, "big") if is_named else None)
            spans.link_maps.add(attributes.entries(link.attributes, self._bounds, self.altered))
        spans.link_offsets.append(len(spans.link_traces))
        spans.count += 1

    def _events(self, span: Any, trace_id: bytes, span_id: int, context: dict[str, Any]) -> None:
        spans = self.spans
        is_first = True
        for event in span.events:
            found = attributes.entries(event.attributes, self._bounds, self.altered)
            time = self._clamped(event.time_unix_nano or span.start_time_unix_nano)
            spans.event_times.append(time)
            spans.event_names.append(event.name)
            spans.event_maps.add(found)
            if event.name != v.EVENT_EXCEPTION:
                continue
            exception = _exception(found)
            if is_first:
                spans.fill({f"exception_{name}": text for name, text in exception.items()})
                is_first = False
            self.exceptions.add(
                context
                | exception
                | {
                    "exception_id": _exception_id(trace_id, span_id, exception),
                    "trace_id": trace_id,
                    "span_id": span_id,
                    "time": time,
                    "source": ExceptionSource.SPAN_EVENT.value,
                }
            )

    def _log_record(self, record: Any, context: dict[str, Any]) -> None:
        exception = _exception(attributes.entries(record.attributes, self._bounds, self.altered))
        time = record.time_unix_nano or record.observed_time_unix_nano or context["received_at"] * 1000
        # logs.proto: a record with an absent or malformed id is not associated with a trace.
        in_trace = len(record.trace_id) == 16 and record.trace_id != _NO_TRACE
        in_span = in_trace and len(record.span_id) == 8 and record.span_id != _NO_SPAN
        trace_id = record.trace_id if in_trace else None
        span_id = int.from_bytes(record.span_id, "big") if in_span else None
        # Outside a trace only source and time tell two occurrences of one error apart.
        apart = () if in_trace else (str(context["resource_id"]), str(time))
        self.exceptions.add(
            context
            | exception
            | {
                "exception_id": _exception_id(trace_id, span_id, exception, *apart),
                "trace_id": trace_id,
                "span_id": span_id,
                "time": self._clamped(time),
                "source": ExceptionSource.LOG_RECORD.value,
                "severity_number": record.severity_number,
            }
        )

    def _clamped(self, unix_ns: int) -> int:
        if unix_ns <= UNIX_NS_MAX:
            return unix_ns
        self.altered["time_clamped"] += 1
        return UNIX_NS_MAX

    def _cut(self, text: str) -> str:
        return attributes.cut(text, self._bounds.attribute_bytes_max, self.altered, "attribute_cut")


def _id(encoded: bytes, schema_url: str) -> int:
    digest = hashlib.sha256(encoded + b"\x00" + schema_url.encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _exception(found: Entries) -> dict[str, str | None]:
    """``type``, ``message``, ``stacktrace`` of an exception event or record; a value that is not text is left out."""
    texts = {}
    for name, key in zip(("type", "message", "stacktrace"), _EXCEPTION_KEYS, strict=True):
        text, kind = found.get(key, (None, attributes.UNSET))
        texts[name] = text if kind == 1 else None
    return texts


def _exception_id(
    trace_id: bytes | None, span_id: int | None, exception: dict[str, str | None], *apart: str
) -> int:
    total = hashlib.sha256()
    trace = trace_id.hex() if trace_id else None
    for part in (trace, None if span_id is None else str(span_id), *exception.values(), *apart):
        # Each part with its length, so that no two lists of parts read the same.
        encoded = b"" if part is None else part.encode()
        total.update(f"{-1 if part is None else len(encoded)}:".encode() + encoded)
    return int.from_bytes(total.digest()[:8], "big")

"""The columnar decoder: trace requests to rows by ptars, numpy and Arrow, without a Python object per span.

Gives what ``collector/walk.py`` gives, at a tenth of its cost. A group of requests is decoded together, because a call
costs some milliseconds whatever it holds.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collector import attributes, walk, wire
from collector.attribute_columns import Attributes, Places, flat, owners, places_array, scrubbed, single, text
from collector.otlp import EXCEPTION_KEYS, UNIX_NS_MAX, Decoded, Request
from collector.policy import Policy
from collector.walk import Rows
from schemas import tables
from schemas import vocabulary as v
from schemas.vocabulary import ExceptionSource

_CONTEXT = ("resource_id", "service", "service_version", "environment", "revision")
_COUNTS = ("flags", "dropped_attributes_count", "dropped_events_count", "dropped_links_count")

_EXCEPTION, _SPAN_EVENT, _NULL = map(text, (v.EVENT_EXCEPTION, ExceptionSource.SPAN_EVENT.value, None))

Columns = dict[str, pa.Array]


def decode(requests: Sequence[Request], policy: Policy) -> Decoded:
    """Decode a group of trace requests; see :class:`collector.otlp.Decoded`.

    Raises:
        NotColumnar: a wire form that only the walk reads as protobuf does.
        Exception: one of the bodies is not a trace request; ptars names no kind of its own.
    """
    return from_lists(
        wire.resource_spans([request.body for request in requests]),
        np.array([request.received_unix_us for request in requests], np.int64),
        policy,
    )


def from_lists(by_request: pa.ListArray, received_unix_us: npt.NDArray[np.int64], policy: Policy) -> Decoded:
    """:func:`decode` of requests that are nested columns already (``collector/wire.py`` has their shape).

    Args:
        by_request: one list of ``ResourceSpans`` per request.
        received_unix_us: when each request was received, microseconds since the Unix epoch, UTC.
        policy: what may be stored.
    """
    group = _Group(by_request, received_unix_us, policy)
    return Decoded(
        rows={
            tables.RESOURCES.name: group.resources.table(),
            tables.SCOPES.name: group.scopes.table(),
            **{table.name: _table(table, columns) for table, columns in group.columns()},
            tables.STACKS.name: group.stacks.table(),
        },
        rejected=group.rejected,
        altered=group.altered,
    )


def _table(table: tables.Table, columns: Columns) -> pa.Table:
    return pa.table([columns[name] for name in table.column_names], schema=table.arrow_schema)


class _Group:
    """One pass over a group of requests: what their spans share, then the spans, their events and links."""

    def __init__(
        self, by_request: pa.ListArray, received_unix_us: npt.NDArray[np.int64], policy: Policy
    ) -> None:
        self._policy = policy
        self.rejected: Counter[str] = Counter()
        self.altered: Counter[str] = Counter()
        self.resources, self.scopes, self.stacks = map(Rows, (tables.RESOURCES, tables.SCOPES, tables.STACKS))
        by_resource, offsets = flat(by_request)
        received = received_unix_us[owners(offsets)]
        contexts, of_resource = self._read_resources(by_resource)
        by_scope, offsets = flat(by_resource.field("scope_spans"))
        resource_of_scope = owners(offsets)
        scope_ids = self._read_scopes(by_scope)
        spans, offsets = flat(by_scope.field("spans"))
        scope_of_span = owners(offsets)
        kept = self._reject(spans)
        if kept is not None:
            spans, scope_of_span = spans.take(pa.array(kept)), scope_of_span[kept]
        self._spans = spans
        self._count = len(spans)
        resource_of_span = resource_of_scope[scope_of_span]
        of_span = pa.array(of_resource[resource_of_span])
        self._context: Columns = {name: column.take(of_span) for name, column in contexts.items()}
        self._context["received_at"] = pa.array(received[resource_of_span]).cast(tables.TIME.arrow)
        self._context["trace_id"] = _uuids(_fixed(spans.field("trace_id"), 16))
        self._context["span_id"] = pa.array(_big_endian(spans.field("span_id")))
        self._scope_ids = scope_ids[scope_of_span]
        self._start = np.asarray(spans.field("start_time_unix_nano"))

    # --- what spans share --------------------------------------------------------------------------

    def _read_resources(self, by_resource: pa.StructArray) -> tuple[Columns, Places]:
        """(columns of the distinct contexts, the context of each ``ResourceSpans``)."""
        types = {c.name: c.type for c in tables.SPANS.columns}
        contexts: list[dict[str, Any]] = []
        known: dict[tuple[bytes, str], int] = {}

        def read(encoded: bytes, schema_url: str) -> int:
            resource = Resource.FromString(encoded)
            key = (resource.SerializeToString(deterministic=True), schema_url)
            if key not in known:
                context, row, found = walk.resource_rows(resource, schema_url, self._policy, self.altered)
                self.resources.add(row, found)
                known[key] = len(contexts)
                contexts.append(context)
            return known[key]

        places = _once_per_pair(single(by_resource.field("resource")), by_resource.field("schema_url"), read)
        columns = {name: walk.array([c[name] for c in contexts], types[name]) for name in _CONTEXT}
        return columns, places.astype(np.int64)

    def _read_scopes(self, by_scope: pa.StructArray) -> npt.NDArray[np.uint64]:
        """The id of each ``ScopeSpans``'s scope."""
        known: set[int] = set()

        def read(encoded: bytes, schema_url: str) -> int:
            scope = InstrumentationScope.FromString(encoded)
            scope_id = walk.scope_id(scope, schema_url)
            if scope_id not in known:
                known.add(scope_id)
                row, found = walk.scope_row(scope, schema_url, self._policy, self.altered)
                self.scopes.add(row, found)
            return scope_id

        return _once_per_pair(single(by_scope.field("scope")), by_scope.field("schema_url"), read)

    def _reject(self, spans: pa.StructArray) -> Places | None:
        """The spans that can be stored, None for all of them; the faults as :func:`collector.otlp.span_fault`."""
        is_bad = np.zeros(len(spans), np.bool_)
        for name, size in (("trace_id", 16), ("span_id", 8), ("parent_span_id", 8)):
            ids = spans.field(name)
            lengths = np.asarray(pc.binary_length(ids))
            fault = lengths != size
            if name == "parent_span_id":
                fault &= lengths != 0
            else:
                fault |= _is_zero(ids, lengths)
            count = int((fault & ~is_bad).sum())
            if count:
                self.rejected[name] += count
                is_bad |= fault
        return np.flatnonzero(~is_bad) if is_bad.any() else None

    # --- rows --------------------------------------------------------------------------------------

    def columns(self) -> list[tuple[tables.Table, Columns]]:
        """The columns of ``spans``, ``span_events``, ``span_links`` and ``exceptions``; fills ``stacks``."""
        span_columns = self._span_columns()
        event_columns, exception_columns, firsts = self._event_columns()
        span_columns |= firsts
        return [
            (tables.SPANS, span_columns),
            (tables.SPAN_EVENTS, event_columns),
            (tables.SPAN_LINKS, self._link_columns()),
            (tables.EXCEPTIONS, exception_columns),
        ]

    def _span_columns(self) -> Columns:
        spans, start = self._spans, self._start
        end = np.asarray(spans.field("end_time_unix_nano"))
        duration = np.where(end > start, np.minimum(end - start, np.uint64(UNIX_NS_MAX)), np.uint64(0))
        parents = spans.field("parent_span_id")
        parent_ids = _big_endian(parents)
        codes, messages = self._status()
        found = Attributes(spans.field("attributes"), self._policy, self.altered)
        pulled, parts, rest = found.split()
        columns = self._context | {
            "parent_span_id": pa.array(parent_ids, mask=parent_ids == 0),
            "trace_state": _null_when_empty(spans.field("trace_state")),
            "start_time": self._clamped(start),
            "duration_ns": pa.array(duration.astype(np.int64)),
            "scope_id": pa.array(self._scope_ids),
            "name": spans.field("name"),
            "kind": spans.field("kind"),
            "status_code": codes,
            "status_message": messages,
            **{name: spans.field(name) for name in _COUNTS},
            **found.lists(rest),
        }
        types = {c.name: c.type for c in tables.SPANS.columns}
        for name in attributes.COLUMNS:
            if name in parts:
                columns[name] = parts[name]
            elif name not in pulled:
                columns[name] = pa.nulls(self._count, types[name].arrow)
            elif types[name] is tables.INT:
                columns[name] = found.integers(pulled[name])
            else:
                columns[name] = found.texts(pulled[name])
        return columns

    def _status(self) -> tuple[pa.Array, pa.Array]:
        status = single(self._spans.field("status"))
        codes, messages = (
            status.flatten()[::-1] if status.null_count else (status.field("code"), status.field("message"))
        )
        messages = _null_when_empty(messages)
        if messages.null_count < len(messages):
            messages = scrubbed(messages, self._policy.message_rules(), self.altered)
            bytes_max = self._policy.attribute_bytes_max
            if pc.max(pc.binary_length(messages)).as_py() > bytes_max:
                cut = attributes.cut
                reason = attributes.ATTRIBUTE_CUT
                texts = messages.to_pylist()
                messages = pa.array(
                    [None if t is None else cut(t, bytes_max, self.altered, reason) for t in texts],
                    pa.string(),
                )
        return pc.fill_null(codes, 0), messages

    def _event_columns(self) -> tuple[Columns, Columns, Columns]:
        """(columns of ``span_events``, columns of ``exceptions``, columns of ``spans`` about the first exception)."""
        events, offsets = flat(self._spans.field("events"))
        span_of_event = owners(offsets)
        times = np.asarray(events.field("time_unix_nano"))
        times = np.where(times == 0, self._start[span_of_event], times)
        when = self._clamped(times)
        names = events.field("name")
        found = Attributes(events.field("attributes"), self._policy, self.altered)
        is_exception = pc.equal(names, _EXCEPTION).to_numpy(zero_copy_only=False)
        at = np.flatnonzero(is_exception)
        places = [np.where(is_exception, found.find(key), -1) for key in EXCEPTION_KEYS]
        texts = dict(
            zip(("type", "message", "stacktrace"), (found.texts(p[at]) for p in places), strict=True)
        )
        event_columns = self._of_spans(span_of_event, ("trace_id", "span_id", "received_at")) | {
            "time": when,
            "name": names,
            "dropped_attributes_count": events.field("dropped_attributes_count"),
            **found.lists(found.without(places)),
        }
        context = self._of_spans(span_of_event[at], ("trace_id", "span_id", "received_at", *_CONTEXT))
        ids = _exception_ids(
            context["trace_id"].storage, np.asarray(context["span_id"]), list(texts.values())
        )
        exception_columns = (
            context
            | texts
            | {
                "exception_id": pa.array(ids),
                "stack_id": self._stack_ids(texts["stacktrace"]),
                "time": when.take(pa.array(at)),
                "source": pa.repeat(_SPAN_EVENT, len(at)),
                "severity_number": pa.nulls(len(at), pa.int32()),
            }
        )
        firsts = np.full(self._count, -1)
        # Assigned backwards, so that the first of a span is what stays.
        firsts[span_of_event[at][::-1]] = np.arange(len(at))[::-1]
        of_first = places_array(firsts)
        return (
            event_columns,
            exception_columns,
            {f"exception_{name}": texts[name].take(of_first) for name in ("type", "message")},
        )

    def _stack_ids(self, stacks: pa.StringArray) -> pa.UInt64Array:
        encoded = stacks.dictionary_encode()
        rows = [walk.stack_row(stack) for stack in encoded.dictionary.to_pylist()]
        for row in rows:
            self.stacks.add(row)
        return pa.array([row["stack_id"] for row in rows], pa.uint64()).take(encoded.indices)

    def _link_columns(self) -> Columns:
        links, offsets = flat(self._spans.field("links"))
        traces, spans = links.field("trace_id"), links.field("span_id")
        is_named = (np.asarray(pc.binary_length(traces)) == 16) & (np.asarray(pc.binary_length(spans)) == 8)
        # A link whose ids are malformed keeps its place and its attributes, so that counts stay as sent.
        named = places_array(np.where(is_named, np.cumsum(is_named) - 1, -1))
        only = pa.array(np.flatnonzero(is_named))
        return self._of_spans(owners(offsets), ("trace_id", "span_id", "received_at")) | {
            "linked_trace_id": _uuids(_fixed(traces.take(only), 16).take(named)),
            "linked_span_id": pa.array(_big_endian(spans.take(only)), pa.uint64()).take(named),
            "trace_state": _null_when_empty(links.field("trace_state")),
            "flags": links.field("flags"),
            "dropped_attributes_count": links.field("dropped_attributes_count"),
            **self._all_attributes(links.field("attributes")),
        }

    def _all_attributes(self, lists: pa.ListArray) -> Columns:
        found = Attributes(lists, self._policy, self.altered)
        return found.lists(found.without([]))

    def _of_spans(self, places: Places, names: tuple[str, ...]) -> Columns:
        at = pa.array(places)
        return {
            name: _uuids(self._context[name].storage.take(at))
            if name == "trace_id"
            else self._context[name].take(at)
            for name in names
        }

    def _clamped(self, unix_ns: npt.NDArray[np.uint64]) -> pa.Array:
        is_beyond = unix_ns > UNIX_NS_MAX
        count = int(is_beyond.sum())
        if count:
            self.altered["time_clamped"] += count
            unix_ns = np.where(is_beyond, np.uint64(UNIX_NS_MAX), unix_ns)
        return pa.array(unix_ns.astype(np.int64)).cast(tables.TIME_NS.arrow)


def _exception_ids(
    traces: pa.FixedSizeBinaryArray, spans: npt.NDArray[np.uint64], texts: list[pa.StringArray]
) -> npt.NDArray[np.uint64]:
    """:func:`collector.walk.exception_id` of each row; what exceptions say is hashed once per distinct set of texts."""
    if not len(spans):
        return spans
    encoded = [column.dictionary_encode(null_encoding="encode") for column in texts]
    pairs = np.zeros(len(spans), np.int64)
    for column in encoded:
        pairs = pairs * len(column.dictionary) + np.asarray(column.indices)
    _, places, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    said = [walk.texts_id([column[int(at)].as_py() for column in texts]) for at in places]
    mixed = np.array(said, np.uint64)[inverse]
    words = np.frombuffer(_bytes_of(traces.cast(pa.binary())).tobytes(), ">u8").astype(np.uint64)
    for part in (words[::2], words[1::2], spans, np.uint64(0)):
        mixed = _mixed(mixed ^ part)
    return mixed


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    shift = np.uint64(33)
    numbers = (numbers ^ numbers >> shift) * np.uint64(walk.MIX_FIRST)
    numbers = (numbers ^ numbers >> shift) * np.uint64(walk.MIX_SECOND)
    return numbers ^ numbers >> shift


def _once_per_pair(
    encoded: pa.Array, texts: pa.Array, read: Callable[[bytes, str], int]
) -> npt.NDArray[np.uint64]:
    """``read(bytes, text)`` for each distinct pair, in the order of their first place; its answer at every place."""
    first, second = pc.fill_null(encoded, b"").dictionary_encode(), texts.dictionary_encode()
    pairs = np.asarray(first.indices).astype(np.int64) * max(1, len(second.dictionary))
    pairs += np.asarray(second.indices)
    _, places, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    answers = np.zeros(len(places), np.uint64)
    for distinct in np.argsort(places):
        at = places[distinct]
        content = first.dictionary[first.indices[at].as_py()].as_py()
        answers[distinct] = read(content, second.dictionary[second.indices[at].as_py()].as_py())
    found: npt.NDArray[np.uint64] = answers[inverse]
    return found


def _fixed(ids: pa.BinaryArray, size: int) -> pa.FixedSizeBinaryArray:
    """Ids that all have ``size`` bytes, without copying them."""
    return ids.cast(pa.binary(size))


def _uuids(ids: pa.FixedSizeBinaryArray) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), ids)


def _bytes_of(ids: pa.BinaryArray) -> npt.NDArray[np.uint8]:
    """The content of all ids, one after the other."""
    _, offsets, data = ids.buffers()
    starts = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if data is None or len(starts) == 0:
        return np.zeros(0, np.uint8)
    return np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]


def _big_endian(ids: pa.BinaryArray) -> npt.NDArray[np.uint64]:
    """Ids of eight bytes as numbers; 0 for an empty one."""
    lengths = np.asarray(pc.binary_length(ids))
    numbers = np.zeros(len(ids), np.uint64)
    numbers[lengths == 8] = np.frombuffer(_bytes_of(ids).tobytes(), ">u8")
    return numbers


def _is_zero(ids: pa.BinaryArray, lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """True for ids that hold no bit. An empty one holds none."""
    has_bit = np.zeros(len(ids) + 1, np.int64)
    content = _bytes_of(ids)
    ends = np.cumsum(lengths)
    totals = np.r_[0, np.cumsum(content != 0)]
    has_bit = totals[ends] - totals[ends - lengths]
    return np.asarray(has_bit == 0)


def _null_when_empty(texts: pa.StringArray) -> pa.StringArray:
    lengths = np.asarray(pc.fill_null(pc.binary_length(texts), 0))
    if not lengths.any():
        return pa.nulls(len(texts), pa.string())
    if lengths.all():
        return texts
    return pc.if_else(pa.array(lengths > 0), texts, _NULL)

"""A trimmed, wire-compatible description of trace requests, by which ptars reads them into nested Arrow columns.

Two kinds of field differ from the official descriptor, and both read the same bytes:

- what is decoded once per distinct value, or rarely, is declared as ``bytes``: resources, scopes, arrays and maps;
- a message field that may stand once is declared as repeated. Protobuf merges a field that stands twice, Arrow would
  keep one: declared so, the second one is seen (:class:`collector.columns.NotColumnar`).

Source: opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto; Protocol Buffers, "Encoding".
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import ptars
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool

_Field = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED

_SLICE_BYTES = 512 * 1024
"""ptars holds the interpreter while it reads, about 3 ms for so many bytes; the event loop waits as long."""

ANY_VALUE_KINDS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Field numbers of AnyValue's oneof, in the order of the columns of a decoded value."""

# message -> (field, number, type or message, label). Enums are open: int32 keeps what a later version may add.
_MESSAGES: dict[str, tuple[tuple[str, int, int | str, int], ...]] = {
    "AnyValue": (
        ("string_value", 1, _Field.TYPE_STRING, _ONE),
        ("bool_value", 2, _Field.TYPE_BOOL, _ONE),
        ("int_value", 3, _Field.TYPE_INT64, _ONE),
        ("double_value", 4, _Field.TYPE_DOUBLE, _ONE),
        ("array_value", 5, _Field.TYPE_BYTES, _ONE),
        ("kvlist_value", 6, _Field.TYPE_BYTES, _ONE),
        ("bytes_value", 7, _Field.TYPE_BYTES, _ONE),
        ("string_value_strindex", 8, _Field.TYPE_INT32, _ONE),
    ),
    "KeyValue": (("key", 1, _Field.TYPE_STRING, _ONE), ("value", 2, "AnyValue", _MANY)),
    "Event": (
        ("time_unix_nano", 1, _Field.TYPE_FIXED64, _ONE),
        ("name", 2, _Field.TYPE_STRING, _ONE),
        ("attributes", 3, "KeyValue", _MANY),
        ("dropped_attributes_count", 4, _Field.TYPE_UINT32, _ONE),
    ),
    "Link": (
        ("trace_id", 1, _Field.TYPE_BYTES, _ONE),
        ("span_id", 2, _Field.TYPE_BYTES, _ONE),
        ("trace_state", 3, _Field.TYPE_STRING, _ONE),
        ("attributes", 4, "KeyValue", _MANY),
        ("dropped_attributes_count", 5, _Field.TYPE_UINT32, _ONE),
        ("flags", 6, _Field.TYPE_FIXED32, _ONE),
    ),
    "Status": (("message", 2, _Field.TYPE_STRING, _ONE), ("code", 3, _Field.TYPE_INT32, _ONE)),
    "Span": (
        ("trace_id", 1, _Field.TYPE_BYTES, _ONE),
        ("span_id", 2, _Field.TYPE_BYTES, _ONE),
        ("trace_state", 3, _Field.TYPE_STRING, _ONE),
        ("parent_span_id", 4, _Field.TYPE_BYTES, _ONE),
        ("name", 5, _Field.TYPE_STRING, _ONE),
        ("kind", 6, _Field.TYPE_INT32, _ONE),
        ("start_time_unix_nano", 7, _Field.TYPE_FIXED64, _ONE),
        ("end_time_unix_nano", 8, _Field.TYPE_FIXED64, _ONE),
        ("attributes", 9, "KeyValue", _MANY),
        ("dropped_attributes_count", 10, _Field.TYPE_UINT32, _ONE),
        ("events", 11, "Event", _MANY),
        ("dropped_events_count", 12, _Field.TYPE_UINT32, _ONE),
        ("links", 13, "Link", _MANY),
        ("dropped_links_count", 14, _Field.TYPE_UINT32, _ONE),
        ("status", 15, "Status", _MANY),
        ("flags", 16, _Field.TYPE_FIXED32, _ONE),
    ),
    "ScopeSpans": (
        ("scope", 1, _Field.TYPE_BYTES, _MANY),
        ("spans", 2, "Span", _MANY),
        ("schema_url", 3, _Field.TYPE_STRING, _ONE),
    ),
    "ResourceSpans": (
        ("resource", 1, _Field.TYPE_BYTES, _MANY),
        ("scope_spans", 2, "ScopeSpans", _MANY),
        ("schema_url", 3, _Field.TYPE_STRING, _ONE),
    ),
    "Request": (("resource_spans", 1, "ResourceSpans", _MANY),),
    "ArrayValue": (("values", 1, "AnyValue", _MANY),),
}


def resource_spans(bodies: Sequence[bytes]) -> pa.ListArray:
    """The ``ResourceSpans`` of each body, one list per body.

    Raises:
        Exception: one of the bodies is not a trace request (ptars names no kind of its own).
    """
    read = _handlers()["Request"].list_to_record_batch
    parts: list[pa.ListArray] = []
    slice_: list[bytes] = []
    size_bytes = 0
    for body in bodies:
        slice_.append(body)
        size_bytes += len(body)
        if size_bytes >= _SLICE_BYTES:
            parts.append(read(slice_).column(0))
            slice_, size_bytes = [], 0
    if slice_ or not parts:
        parts.append(read(slice_).column(0))
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def array_values(encoded: Sequence[bytes]) -> pa.ListArray:
    """The ``AnyValue``s of each encoded ``ArrayValue``, one list per array."""
    return _handlers()["ArrayValue"].list_to_record_batch(list(encoded)).column(0)


@cache
def _handlers() -> dict[str, Any]:
    package = "aftermerge.trimmed"
    file = descriptor_pb2.FileDescriptorProto(name="trimmed.proto", package=package, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, type_, label in fields:
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(type_, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".{package}.{type_}"
            else:
                added.type = type_  # type: ignore[assignment]
            if name == "AnyValue":
                # A member of the oneof, so that an empty value is told from an absent one.
                added.oneof_index = 0
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    handlers = ptars.HandlerPool([pool.FindFileByName(file.name)])
    roots = ("Request", "ArrayValue")
    return {n: handlers.get_for_message(pool.FindMessageTypeByName(f"{package}.{n}")) for n in roots}

"""OTLP attribute values as text with their kind, the keys that have a column, and the bounds on both.

Knows how a value is spelled in the store; does not know tables other than by the columns of ``spans``.
Source: opentelemetry-proto, common/v1/common.proto (AnyValue, KeyValue); semantic conventions for the keys.
"""

import base64
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa

from schemas import tables
from schemas import vocabulary as v

UNSET = 0
"""Kind of a value that was sent without content. Every other kind is the field number of AnyValue's oneof."""

KINDS: dict[str | None, int] = {
    None: UNSET,
    "string_value": 1,
    "bool_value": 2,
    "int_value": 3,
    "double_value": 4,
    "array_value": 5,
    "kvlist_value": 6,
    "bytes_value": 7,
    # An index into the string table of a profile; it has no meaning in a trace, but it is what was sent.
    "string_value_strindex": 8,
}

_COLUMN_KEYS = (
    v.ERROR_TYPE,
    v.HTTP_REQUEST_METHOD,
    v.HTTP_ROUTE,
    v.HTTP_RESPONSE_STATUS_CODE,
    v.URL_PATH,
    v.SERVER_ADDRESS,
    v.SERVER_PORT,
    v.DB_SYSTEM_NAME,
    v.DB_COLLECTION_NAME,
    v.DB_OPERATION_NAME,
    v.DB_QUERY_TEXT,
    v.DB_RESPONSE_STATUS_CODE,
    v.RPC_SYSTEM,
    v.RPC_SERVICE,
    v.RPC_METHOD,
    v.RPC_GRPC_STATUS_CODE,
    v.MESSAGING_SYSTEM,
    v.MESSAGING_DESTINATION_NAME,
    v.CODE_FUNCTION_NAME,
    v.CODE_FILE_PATH,
    v.CODE_LINE_NUMBER,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes of UTF-8 that one value may have; longer ones are cut and counted."""

    attribute_bytes_max: int = 8192
    stacktrace_bytes_max: int = 65_536


@dataclass(frozen=True, slots=True)
class _Target:
    column: str
    kind: str
    is_current: bool


def _targets() -> dict[str, _Target]:
    types = {c.name: c.type for c in tables.SPANS.columns}
    found = {}
    for key in _COLUMN_KEYS:
        column = key.replace(".", "_")
        kind = "int_value" if types[column] is tables.INT else "string_value"
        found[key] = _Target(column, kind, is_current=True)
    for old, key in v.RENAMED_KEYS.items():
        if key in found:
            found[old] = _Target(found[key].column, found[key].kind, is_current=False)
    return found


_TARGETS = _targets()
COLUMNS = tuple(dict.fromkeys(target.column for target in _TARGETS.values()))
"""Columns of ``spans`` that are filled from span attributes."""

_HTTP_TARGET = "http.target"

Entries = dict[str, tuple[str | None, int]]
"""Attributes of one item in the order sent: key -> (text, kind)."""


def text_of(value: Any) -> tuple[str | None, int]:
    """One AnyValue as (text, kind): strings as they are, bytes as base64, the rest as JSON; unset is (None, 0)."""
    name = value.WhichOneof("value")
    if name == "string_value":
        return value.string_value, 1
    if name == "bytes_value":
        return base64.b64encode(value.bytes_value).decode(), 7
    if name == "double_value" and not math.isfinite(value.double_value):
        return _double_name(value.double_value), 4
    return (None, UNSET) if name is None else (_json(value), KINDS[name])


def _json(value: Any) -> str:
    """JSON text of a nested value. What JSON cannot say is wrapped as OTLP/JSON does: {"bytesValue": "AP8="}.

    Built by hand, not through a dict, because a kvlist may repeat a key. The depth is bounded: protobuf refuses
    messages nested deeper than 100.
    """
    name = value.WhichOneof("value")
    match name:
        case None:
            return "null"
        case "string_value":
            return encode_basestring(value.string_value)
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "double_value" if math.isfinite(value.double_value):
            return repr(value.double_value)
        case "double_value":
            return f'{{"doubleValue":"{_double_name(value.double_value)}"}}'
        case "array_value":
            return "[" + ",".join([_json(item) for item in value.array_value.values]) + "]"
        case "kvlist_value":
            pairs = [f"{encode_basestring(p.key)}:{_json(p.value)}" for p in value.kvlist_value.values]
            return "{" + ",".join(pairs) + "}"
        case "bytes_value":
            return f'{{"bytesValue":"{base64.b64encode(value.bytes_value).decode()}"}}'
        case _:
            return str(getattr(value, name))


def _double_name(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def cut(text: str, bytes_max: int, tally: Counter[str], reason: str) -> str:
    """``text``, or its first ``bytes_max`` bytes of whole characters, counted under ``reason``."""
    # A character has at most four bytes: most values are known to fit without being encoded.
    if len(text) * 4 <= bytes_max:
        return text
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    tally[reason] += 1
    return encoded[:bytes_max].decode(errors="ignore")


def cut_stacktrace(text: str, bytes_max: int, tally: Counter[str]) -> str:
    """``text``, or its first and last half within ``bytes_max``: one end names the error, the other where it began.

    Which end is which depends on the language, and the middle of a trace that long is recursion.
    """
    if len(text) * 4 <= bytes_max:
        return text
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    tally["stacktrace_cut"] += 1
    half = max(0, (bytes_max - 40) // 2)
    head = encoded[:half].decode(errors="ignore").rpartition("\n")[0]
    tail = encoded[len(encoded) - half :].decode(errors="ignore").partition("\n")[2]
    left_out = len(encoded) - len(head.encode()) - len(tail.encode())
    return f"{head}\n... {left_out} bytes left out ...\n{tail}"


def entries(attributes: Iterable[Any], bounds: Bounds, tally: Counter[str]) -> Entries:
    """Attributes as an ordered mapping. A repeated key keeps its last value, as setting it twice in an SDK would."""
    found: Entries = {}
    for attribute in attributes:
        key = attribute.key
        text, kind = text_of(attribute.value)
        if key in found:
            tally["attribute_repeated"] += 1
        found[key] = (None if text is None else _bounded(key, text, bounds, tally), kind)
    return found


def split(
    attributes: Iterable[Any], rest: "Maps", bounds: Bounds, tally: Counter[str]
) -> dict[str, str | int]:
    """Span attributes as column -> value; those without a column are added to ``rest`` as one row.

    A key leaves the rest only when its value has the type of the column. An old key fills the column of the
    current one unless the span carries both.
    """
    pulled: dict[str, str | int] = {}
    folded: dict[str, str] = {}
    bytes_max = bounds.attribute_bytes_max
    length_max = bytes_max // 4
    for attribute in attributes:
        key, value = attribute.key, attribute.value
        name = value.WhichOneof("value")
        target = _TARGETS.get(key)
        if target is None or name != target.kind:
            # The common kinds are spelled here, without a call: this line runs ten times a span.
            if name == "string_value":
                text = value.string_value
                if len(text) > length_max:
                    text = _bounded(key, text, bounds, tally)
                rest.put(key, text, 1)
            elif name == "int_value":
                rest.put(key, str(value.int_value), 3)
            else:
                nested, kind = text_of(value)
                if nested is not None and len(nested) > length_max:
                    nested = _bounded(key, nested, bounds, tally)
                rest.put(key, nested, kind)
            continue
        column, raw = target.column, getattr(value, target.kind)
        if name == "string_value" and len(raw) > length_max:
            raw = cut(raw, bytes_max, tally, "attribute_cut")
        if target.is_current:
            displaced = folded.pop(column, None)
            if displaced is not None:
                rest.put(displaced, str(pulled[column]), KINDS[name])
            pulled[column] = raw
        elif key == _HTTP_TARGET and "?" in raw:
            # The old key held path and query; the column holds the path, the whole stays in the rest.
            rest.put(key, raw, 1)
            pulled.setdefault(column, raw.partition("?")[0])
        elif column not in pulled or folded.get(column) == key:
            pulled[column] = raw
            folded[column] = key
        else:
            rest.put(key, str(raw), KINDS[name])
    rest.end(tally)
    return pulled


def _bounded(key: str, text: str, bounds: Bounds, tally: Counter[str]) -> str:
    if key == v.EXCEPTION_STACKTRACE:
        return cut_stacktrace(text, bounds.stacktrace_bytes_max, tally)
    return cut(text, bounds.attribute_bytes_max, tally, "attribute_cut")


def first_text(found: Mapping[str, tuple[str | None, int]], key: str) -> str | None:
    """The string under ``key``, or under an old name of it; None when absent, empty, or of another kind."""
    for name in (key, *(old for old, new in v.RENAMED_KEYS.items() if new == key)):
        text, kind = found.get(name, (None, UNSET))
        if kind == 1 and text:
            return text
    return None


class Maps:
    """Collects one map of attributes per row and builds the two columns that hold them."""

    def __init__(self) -> None:
        self._offsets = [0]
        self._keys: list[str] = []
        self._texts: list[str | None] = []
        self._kinds: list[int] = []

    def put(self, key: str, text: str | None, kind: int) -> None:
        """One entry of the row that :meth:`end` will close."""
        self._keys.append(key)
        self._texts.append(text)
        self._kinds.append(kind)

    def end(self, tally: Counter[str]) -> None:
        """Close a row. A repeated key keeps its first place and its last value: the store refuses a map with both."""
        start = self._offsets[-1]
        count = len(self._keys) - start
        if count > 1 and len(set(self._keys[start:])) < count:
            kept = {
                k: (t, n)
                for k, t, n in zip(self._keys[start:], self._texts[start:], self._kinds[start:], strict=True)
            }
            tally["attribute_repeated"] += count - len(kept)
            del self._keys[start:], self._texts[start:], self._kinds[start:]
            for key, (text, kind) in kept.items():
                self.put(key, text, kind)
        self._offsets.append(len(self._keys))

    def add(self, found: Entries) -> None:
        """A whole row."""
        for key, (text, kind) in found.items():
            self.put(key, text, kind)
        self._offsets.append(len(self._keys))

    def arrays(self) -> tuple[pa.MapArray, pa.ListArray]:
        """``attributes`` (map of text) and ``attribute_kinds`` (list of uint8, parallel to the map's entries)."""
        offsets = pa.array(self._offsets, pa.int32())
        maps = pa.MapArray.from_arrays(
            offsets, pa.array(self._keys, pa.string()), pa.array(self._texts, pa.string())
        )
        return maps, pa.ListArray.from_arrays(offsets, pa.array(self._kinds, pa.uint8()))

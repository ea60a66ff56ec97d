"""OTLP attribute values as text with their kind, and the keys that have a column.

Knows how a value is spelled in the store, for both decoders; knows no tables other than by the columns of ``spans``.
Source: opentelemetry-proto, common/v1/common.proto (AnyValue, KeyValue); semantic conventions for the keys.
"""

import base64
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from collector.policy import DROPPED, HASHED, NOT_KEPT, SCRUBBED, Action, Policy, Rule, scrub
from schemas import tables
from schemas import vocabulary as v

UNSET, STRING, INT = 0, 1, 3
"""Kinds that are named here. 0: sent without content; every other kind is the field number in AnyValue's oneof."""
LONG_KINDS = (STRING, 5, 6, 7)
"""Kinds whose text has no length of its own: strings, arrays, maps, bytes."""
ATTRIBUTE_CUT = "attribute_cut"
LEFT_OUT = {Action.DROP: DROPPED, Action.LEAVE_OUT: NOT_KEPT}
"""Reason under which an attribute that is not stored is counted, by the policy's action."""

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
class Target:
    """The column that a key fills with values of one kind."""

    column: str
    kind: int


def _targets() -> dict[str, Target]:
    types = {c.name: c.type for c in tables.SPANS.columns}
    found = {}
    for key in _COLUMN_KEYS:
        column = key.replace(".", "_")
        found[key] = Target(column, INT if types[column] is tables.INT else STRING)
    for old, key in v.RENAMED_KEYS.items():
        if key in found:
            found[old] = found[key]
    return found


TARGETS = _targets()
"""key -> column of ``spans``, ordered so that of two keys for one column the earlier wins."""
COLUMNS = tuple(dict.fromkeys(target.column for target in TARGETS.values()))
"""Columns of ``spans`` that are filled from span attributes."""

Entries = dict[str, tuple[str | None, int]]
"""Attributes of one item in the order sent, no key twice: key -> (text, kind)."""


def text_of(value: Any) -> tuple[str | None, int]:
    """One AnyValue as (text, kind): strings as they are, bytes as base64, the rest as JSON; unset is (None, 0)."""
    name = value.WhichOneof("value")
    if name == "string_value":
        return value.string_value, 1
    if name == "bytes_value":
        return base64.b64encode(value.bytes_value).decode(), 7
    if name == "double_value":
        return double_text(value.double_value), 4
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


def double_text(number: float) -> str:
    """A number as Python spells it: the shortest text that reads back as the same number."""
    return repr(number) if math.isfinite(number) else _double_name(number)


def nested_text(kind: int, encoded: bytes) -> str:
    """JSON text of an encoded ArrayValue (``kind`` 5) or KeyValueList (6)."""
    if kind == KINDS["array_value"]:
        return _json(AnyValue(array_value=ArrayValue.FromString(encoded)))
    return _json(AnyValue(kvlist_value=KeyValueList.FromString(encoded)))


def _double_name(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def cut(text: str, bytes_max: int, tally: Counter[str], reason: str) -> str:
    """``text``, or its first ``bytes_max`` bytes of whole characters, counted under ``reason``."""
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    tally[reason] += 1
    return encoded[:bytes_max].decode(errors="ignore")


def cut_stacktrace(text: str, bytes_max: int, tally: Counter[str]) -> str:
    """``text``, or its first and last half within ``bytes_max``: one end names the error, the other where it began.

    Which end is which depends on the language, and the middle of a trace that long is recursion.
    """
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    tally["stacktrace_cut"] += 1
    half = max(0, (bytes_max - 40) // 2)
    head = encoded[:half].decode(errors="ignore").rpartition("\n")[0]
    tail = encoded[len(encoded) - half :].decode(errors="ignore").partition("\n")[2]
    left_out = len(encoded) - len(head.encode()) - len(tail.encode())
    return f"{head}\n... {left_out} bytes left out ...\n{tail}"


def bounded(key: str, text: str, policy: Policy, tally: Counter[str]) -> str:
    """``text`` within the bound of its key."""
    if key == v.EXCEPTION_STACKTRACE:
        return cut_stacktrace(text, policy.stacktrace_bytes_max, tally)
    return cut(text, policy.attribute_bytes_max, tally, ATTRIBUTE_CUT)


def entries(attributes: Iterable[Any], policy: Policy, tally: Counter[str]) -> Entries:
    """Attributes as the policy lets them be stored.

    A repeated key keeps its first place and its last value, as setting it twice in an SDK would.
    """
    sent: dict[str, Any] = {}
    for attribute in attributes:
        if attribute.key in sent:
            tally["attribute_repeated"] += 1
        sent[attribute.key] = attribute.value
    found: Entries = {}
    for key, value in sent.items():
        action = policy.action(key)
        if action in LEFT_OUT:
            tally[LEFT_OUT[action]] += 1
            continue
        text, kind = text_of(value)
        if action is Action.HASH and text is not None:
            tally[HASHED] += 1
            text, kind = policy.hash(text), STRING
        if text is not None:
            if kind == STRING:
                text = scrubbed(text, policy.rules(key), tally)
            if kind in LONG_KINDS:
                text = bounded(key, text, policy, tally)
        found[key] = (text, kind)
    return found


def scrubbed(text: str, rules: tuple[Rule, ...], tally: Counter[str]) -> str:
    """One text by :func:`policy.scrub`."""
    if not rules:
        return text
    after = _scrubbed(text, rules)
    tally[SCRUBBED] += after != text
    return after


@lru_cache(maxsize=4096)
def _scrubbed(text: str, rules: tuple[Rule, ...]) -> str:
    # Messages and stacks come again and again, and a pattern is compiled at every call.
    after: str = scrub(pa.array([text], pa.string()), rules)[0].as_py()
    return after


def split(found: Entries) -> tuple[dict[str, str | int], Entries]:
    """(column -> value, the entries without a column).

    A key leaves the rest only when its value has the type of the column and no earlier name of it has one too.
    """
    pulled: dict[str, str | int] = {}
    rest = dict(found)
    for key, target in TARGETS.items():
        text, kind = found.get(key, (None, UNSET))
        if kind != target.kind or text is None or target.column in pulled:
            continue
        if key == v.HTTP_TARGET and "?" in text:
            # The old key held path and query; the column holds the path, the whole stays in the rest.
            pulled[target.column] = text.partition("?")[0]
            continue
        pulled[target.column] = text if kind == STRING else int(text)
        del rest[key]
    return pulled, rest


def first_text(found: Mapping[str, tuple[str | None, int]], key: str) -> str | None:
    """The string under ``key``, or under an old name of it; None when absent, empty, or of another kind."""
    for name in (key, *(old for old, new in v.RENAMED_KEYS.items() if new == key)):
        text, kind = found.get(name, (None, UNSET))
        if kind == STRING and text:
            return text
    return None


def kinds_text(offsets: np.ndarray, kinds: np.ndarray) -> pa.StringArray:
    """One text of digits per row. ``offsets``: int32, rows + 1; ``kinds``: uint8, one per attribute."""
    digits = (kinds + ord("0")).astype(np.uint8).tobytes()
    return pa.StringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets.astype(np.int32).tobytes()), pa.py_buffer(digits)
    )


class Lists:
    """Collects one set of attributes per row and builds the three columns that hold them."""

    def __init__(self) -> None:
        self._offsets = [0]
        self._keys: list[str] = []
        self._texts: list[str | None] = []
        self._kinds: list[int] = []

    def add(self, found: Entries) -> None:
        """A whole row."""
        for key, (text, kind) in found.items():
            self._keys.append(key)
            self._texts.append(text)
            self._kinds.append(kind)
        self._offsets.append(len(self._keys))

    def arrays(self) -> dict[str, pa.Array]:
        """``attribute_keys``, ``attribute_values`` and ``attribute_kinds``."""
        offsets = np.array(self._offsets, np.int32)
        return {
            "attribute_keys": pa.ListArray.from_arrays(pa.array(offsets), pa.array(self._keys, pa.string())),
            "attribute_values": pa.ListArray.from_arrays(
                pa.array(offsets), pa.array(self._texts, pa.string())
            ),
            "attribute_kinds": kinds_text(offsets, np.array(self._kinds, np.uint8)),
        }

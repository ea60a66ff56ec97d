"""OTLP/JSON as the protobuf message it stands for, so that everything behind the door knows one encoding.

Differs from protobuf's own JSON in what the OTLP specification says: trace and span ids are hex in either case,
enums are integers, names are lowerCamelCase only, unknown names are ignored, null means absent; 64-bit integers come
as text or number. A malformed *id* rejects its span later (partial success); any other wrong value refuses the request.
Source: OTLP specification, "JSON Protobuf Encoding".
"""

import base64
import binascii
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from schemas.errors import MalformedInput

_HEX_NAMES = frozenset({"trace_id", "span_id", "parent_span_id"})
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NOT_AN_ID = b"\xff"
"""Stands for text that is not hex: a wrong length for every id, so that its span is rejected, not stored without it."""


class _Field(NamedTuple):
    name: str
    is_repeated: bool
    convert: Callable[[Any], Any] | None
    """None for a nested message."""


def parse(body: bytes, message_type: type[Any]) -> Any:
    """The protobuf message that ``body`` stands for.

    Raises:
        MalformedInput: not UTF-8, not JSON, not an object, or a value of the wrong type.
    """
    hint = "see the JSON encoding of the OTLP specification"
    try:
        source = json.loads(body.decode(), parse_constant=_refuse_constant)
        message = message_type()
        _fill(message, source)
        # What upb would not read back (nesting beyond its bound) must fail here, not in the loader.
        return message_type.FromString(message.SerializeToString())
    except (ValueError, TypeError, OverflowError, RecursionError, DecodeError) as error:
        raise MalformedInput(f"the body is not an OTLP/JSON request: {error}", hint=hint) from error


def dump(source: dict[str, Any]) -> bytes:
    """A response as compact JSON."""
    return json.dumps(source, separators=(",", ":")).encode()


def _fill(message: Any, source: Any) -> None:
    if not isinstance(source, dict):
        raise TypeError(f"{message.DESCRIPTOR.name} must be an object, not {_shown(source)}")
    fields = _fields(message.DESCRIPTOR)
    for key, value in source.items():
        target = fields.get(key)
        if target is None or value is None:
            continue
        name, is_repeated, convert = target
        if is_repeated:
            if not isinstance(value, list):
                raise TypeError(f"{key} must be an array, not {_shown(value)}")
            into = getattr(message, name)
            if name == "attributes":
                _add_attributes(into, value)
                continue
            for item in value:
                if convert is None:
                    _fill(into.add(), item)
                else:
                    into.append(convert(item))
        elif convert is None:
            child = getattr(message, name)
            child.SetInParent()
            _fill(child, value)
        else:
            try:
                setattr(message, name, convert(value))
            except UnicodeEncodeError:
                setattr(message, name, _mended(value))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{key}: {error}") from error


def _add_attributes(into: Any, items: list[Any]) -> None:
    """Attributes; a key with text or an integer goes without the general walk, for those are most of a request."""
    for item in items:
        attribute = into.add()
        try:
            value = item["value"]
            if len(value) == 1 and len(item) == 2:
                if "stringValue" in value:
                    attribute.value.string_value = value["stringValue"]
                    attribute.key = item["key"]
                    continue
                if "intValue" in value:
                    attribute.value.int_value = _integer(value["intValue"])
                    attribute.key = item["key"]
                    continue
        except (LookupError, TypeError, ValueError):
            # Not of that shape, or text to be mended: the general walk judges.
            attribute.Clear()
        _fill(attribute, item)


@cache
def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    return {
        field.json_name: _Field(field.name, field.is_repeated, _converter(field))
        for field in descriptor.fields
    }


def _converter(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_MESSAGE:
            return None
        case FieldDescriptor.CPPTYPE_BOOL:
            return _boolean
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return _double
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return _id if field.name in _HEX_NAMES else _base64
        case FieldDescriptor.CPPTYPE_STRING:
            return _text
        case _:
            return _integer


def _id(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"an id must be hex text, not {_shown(value)}")
    return bytes.fromhex(value) if _HEX.fullmatch(value) else _NOT_AN_ID


def _base64(value: Any) -> bytes:
    """Standard or URL alphabet, padding optional, as proto3 JSON allows."""
    if not isinstance(value, str):
        raise TypeError(f"bytes must be base64 text, not {_shown(value)}")
    text = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {_shown(value)}")
    return value


def _mended(value: str) -> str:
    """JavaScript cuts long values between the halves of a surrogate pair and escapes the lone half."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, not {_shown(value)}")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise TypeError(f"expected an integer, not {_shown(value)}")


def _double(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return float(value)
    raise TypeError(f"expected a number, not {_shown(value)}")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; it is sent as the text {json.dumps(name)}")


def _shown(value: Any) -> str:
    return json.dumps(value)[:40]

"""Attributes that never enter: taken out of a request before anything of it is written, spool included."""

from collections.abc import Iterable, Iterator
from typing import Any


def mentions(body: bytes, keys: Iterable[str]) -> bool:
    """True when the encoded request can hold one of ``keys``: a byte search, so that most requests are not walked.

    A protobuf string stands in its message as plain UTF-8, wherever it is nested.
    """
    return any(key.encode() in body for key in keys)


def strip(message: Any, keys: frozenset[str]) -> int:
    """Remove the attributes named in ``keys`` from every resource, scope, span, event, link and log record.

    ``message`` is an export request of traces or logs; the number removed is returned. A key inside a nested value
    is part of that value and stays.
    """
    removed = 0
    for attributes in _attribute_lists(message):
        kept = [a for a in attributes if a.key not in keys]
        if len(kept) < len(attributes):
            removed += len(attributes) - len(kept)
            # Elements of a cleared field are gone with it: keep copies.
            copies = [type(a).FromString(a.SerializeToString()) for a in kept]
            del attributes[:]
            attributes.extend(copies)
    return removed


def _attribute_lists(message: Any) -> Iterator[Any]:
    by_resource = message.resource_spans if hasattr(message, "resource_spans") else message.resource_logs
    for holder in by_resource:
        yield holder.resource.attributes
        by_scope = holder.scope_spans if hasattr(holder, "scope_spans") else holder.scope_logs
        for scoped in by_scope:
            yield scoped.scope.attributes
            if hasattr(scoped, "log_records"):
                for record in scoped.log_records:
                    yield record.attributes
            else:
                for span in scoped.spans:
                    yield span.attributes
                    for event in span.events:
                        yield event.attributes
                    for link in span.links:
                        yield link.attributes

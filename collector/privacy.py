"""Attributes taken out of a request before anything of it is written, spool included: for those who ask for it.

The policy keeps them out of the store in any case; without this they stand in the spool until it is loaded, about a
second. It is not the default because each message must be walked and written anew, which costs more than receiving it.
"""

from collections.abc import Iterator
from typing import Any

from collector.policy import Action, Policy


def strip(message: Any, policy: Policy) -> int:
    """Remove the attributes that ``policy`` drops from every resource, scope, span, event, link and log record.

    ``message`` is an export request of traces or logs; the number removed is returned. A key inside a nested value
    is part of that value and stays.
    """
    removed = 0
    for attributes in _attribute_lists(message):
        kept = [a for a in attributes if policy.action(a.key) is not Action.DROP]
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

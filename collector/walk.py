"""The reference decoder: walks the messages that upb parsed and fills columns, a value at a time.

Slower than ``collector/columns.py`` by an order of magnitude and without its tricks: it is what that one is tested
against, what decodes log records, and what takes over when a request uses a wire form that columns cannot read.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from collector import attributes, otlp
from collector.attributes import Entries, Lists
from collector.otlp import EXCEPTION_KEYS, NO_SPAN, NO_TRACE, UNIX_NS_MAX, Decoded, Request, Signal
from collector.policy import Policy
from schemas import artifact_names, tables
from schemas import vocabulary as v
from schemas.errors import MalformedInput
from schemas.vocabulary import ExceptionSource

MIX_FIRST, MIX_SECOND = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
_MASK = 2**64 - 1


def decode(requests: Iterable[Request], policy: Policy) -> Decoded:
    """Decode a group of accepted requests; see :class:`collector.otlp.Decoded`."""
    walk = _Walk(policy)
    unreadable = []
    for request in requests:
        try:
            message = otlp.parse(request.signal, request.body)
        except MalformedInput:
            unreadable.append(request)
            continue
        if request.signal is Signal.TRACES:
            walk.traces(message, request.received_unix_us)
        else:
            walk.logs(message, request.received_unix_us)
    return Decoded(
        rows={name: rows.table() for name, rows in walk.rows.items()},
        rejected=walk.rejected,
        altered=walk.altered,
        unreadable=tuple(unreadable),
    )


def resource_rows(
    resource: Any, schema_url: str, policy: Policy, tally: Counter[str]
) -> tuple[dict[str, Any], dict[str, Any], Entries]:
    """(columns that every item of a resource shares, its row of ``resources``, its attributes)."""
    found = attributes.entries(resource.attributes, policy, tally)
    service = attributes.first_text(found, v.SERVICE_NAME) or otlp.UNKNOWN_SERVICE
    id_ = _id(resource.SerializeToString(deterministic=True), schema_url)
    version = attributes.first_text(found, v.SERVICE_VERSION)
    names = artifact_names.of_resource(lambda key: found[key][0] if key in found else None)
    revision = attributes.first_text(found, v.VCS_REF_HEAD_REVISION)
    context = {
        "resource_id": id_,
        "service": service,
        "service_version": version,
        "environment": attributes.first_text(found, v.DEPLOYMENT_ENVIRONMENT_NAME),
        "revision": revision or artifact_names.running(names, version),
    }
    row = {
        "resource_id": id_,
        "service": service,
        "repository_url": attributes.first_text(found, v.VCS_REPOSITORY_URL_FULL),
        "sdk_language": attributes.first_text(found, v.TELEMETRY_SDK_LANGUAGE),
        "schema_url": schema_url or None,
    }
    return context, row, found


def scope_id(scope: Any, schema_url: str) -> int:
    """Equal scopes have equal ids."""
    return _id(scope.SerializeToString(deterministic=True), schema_url)


def scope_row(
    scope: Any, schema_url: str, policy: Policy, tally: Counter[str]
) -> tuple[dict[str, Any], Entries]:
    """(row of ``scopes``, its attributes)."""
    row = {
        "scope_id": scope_id(scope, schema_url),
        "name": scope.name or None,
        "version": scope.version or None,
        "schema_url": schema_url or None,
    }
    return row, attributes.entries(scope.attributes, policy, tally)


def texts_id(texts: Iterable[str | None]) -> int:
    """64 bits of what an exception says, or of what tells two of its occurrences apart."""
    parts = [b"\xff" if text is None else text.encode() for text in texts]
    # Each part with its length, so that no two lists of parts read the same; 0xff is in no text.
    lengths = ":".join([str(len(part)) for part in parts]).encode()
    return int.from_bytes(hashlib.blake2b(b"".join([lengths, *parts]), digest_size=8).digest(), "big")


def stack_row(stacktrace: str) -> dict[str, Any]:
    """Row of ``stacks``."""
    return {"stack_id": texts_id([stacktrace]), "stacktrace": stacktrace, "length": len(stacktrace)}


def exception_id(trace_id: bytes | None, span_id: int | None, said: int, apart: int = 0) -> int:
    """Equal for the same exception of the same span, however it was reported.

    ``said`` and ``apart`` come from :func:`texts_id`. Mixed by the finalizer of MurmurHash3 (public domain, A. Appleby),
    which ``collector/columns.py`` applies to whole columns.
    """
    trace = trace_id or bytes(16)
    mixed = said
    for part in (int.from_bytes(trace[:8], "big"), int.from_bytes(trace[8:], "big"), span_id or 0, apart):
        mixed = _mixed(mixed ^ part)
    return mixed


def _mixed(number: int) -> int:
    number ^= number >> 33
    number = number * MIX_FIRST & _MASK
    number ^= number >> 33
    number = number * MIX_SECOND & _MASK
    return number ^ number >> 33


class Rows:
    """Rows of one table, collected as mappings; a table with attributes takes them apart."""

    def __init__(self, table: tables.Table) -> None:
        self._table = table
        self._columns: dict[str, list[Any]] = {
            c.name: [] for c in table.columns if not c.name.startswith("attribute_")
        }
        self._lists = Lists() if len(self._columns) < len(table.columns) else None

    def add(self, row: dict[str, Any], found: Entries | None = None) -> None:
        for name, values in self._columns.items():
            values.append(row.get(name))
        if self._lists is not None:
            self._lists.add(found or {})

    def table(self) -> pa.Table:
        built = self._lists.arrays() if self._lists is not None else {}
        arrays = [
            built[c.name] if c.name in built else array(self._columns[c.name], c.type)
            for c in self._table.columns
        ]
        return pa.table(arrays, schema=self._table.arrow_schema)


def array(values: list[Any], type_: tables.Type) -> pa.Array:
    """Python values as a column: ids as bytes, times as integers of the column's unit."""
    if type_ is tables.TRACE_ID:
        return pa.ExtensionArray.from_storage(type_.arrow, pa.array(values, pa.binary(16)))
    if type_ is tables.TIME_NS or type_ is tables.TIME:
        return pa.array(values, pa.int64()).cast(type_.arrow)
    return pa.array(values, type_.arrow)


class _Walk:
    """One pass over a group of requests."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.rows = {table.name: Rows(table) for table in otlp.TABLES}
        self.rejected: Counter[str] = Counter()
        self.altered: Counter[str] = Counter()
        self._known_resources: dict[tuple[bytes, str], dict[str, Any]] = {}
        self._known_scopes: dict[tuple[bytes, str], int] = {}
        self._known_stacks: dict[str, int] = {}

    def traces(self, message: Any, received_unix_us: int) -> None:
        for resource_spans in message.resource_spans:
            context = self._resource(resource_spans) | {"received_at": received_unix_us}
            for scope_spans in resource_spans.scope_spans:
                scope_id = self._scope(scope_spans)
                for span in scope_spans.spans:
                    fault = otlp.span_fault(span)
                    if fault is None:
                        self._span(span, context | {"scope_id": scope_id})
                    else:
                        self.rejected[fault] += 1

    def logs(self, message: Any, received_unix_us: int) -> None:
        for resource_logs in message.resource_logs:
            context: dict[str, Any] | None = None
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    if not otlp.is_exception_record(record):
                        self.rejected["not_an_exception"] += 1
                        continue
                    if context is None:
                        context = self._resource(resource_logs) | {"received_at": received_unix_us}
                    self._log_record(record, context)

    def _resource(self, holder: Any) -> dict[str, Any]:
        """Columns that every item of a resource shares; the row of ``resources`` is added once per distinct id."""
        key = (holder.resource.SerializeToString(deterministic=True), holder.schema_url)
        known = self._known_resources.get(key)
        if known is None:
            known, row, found = resource_rows(holder.resource, holder.schema_url, self._policy, self.altered)
            self._known_resources[key] = known
            self.rows[tables.RESOURCES.name].add(row, found)
        return known

    def _scope(self, holder: Any) -> int:
        key = (holder.scope.SerializeToString(deterministic=True), holder.schema_url)
        known = self._known_scopes.get(key)
        if known is None:
            row, found = scope_row(holder.scope, holder.schema_url, self._policy, self.altered)
            known = self._known_scopes[key] = row["scope_id"]
            self.rows[tables.SCOPES.name].add(row, found)
        return known

    def _span(self, span: Any, context: dict[str, Any]) -> None:
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        parent = int.from_bytes(span.parent_span_id, "big")
        row = context | {
            "trace_id": span.trace_id,
            "span_id": int.from_bytes(span.span_id, "big"),
            "parent_span_id": parent or None,
            "trace_state": span.trace_state or None,
            "flags": span.flags,
            "start_time": self._clamped(start),
            "duration_ns": min(end - start, UNIX_NS_MAX) if end > start else 0,
            "name": span.name,
            "kind": span.kind,
            "status_code": span.status.code,
            "status_message": self._message(span.status.message),
            "dropped_attributes_count": span.dropped_attributes_count,
            "dropped_events_count": span.dropped_events_count,
            "dropped_links_count": span.dropped_links_count,
        }
        pulled, rest = attributes.split(attributes.entries(span.attributes, self._policy, self.altered))
        exceptions = [found for found in (self._event(event, span, row) for event in span.events) if found]
        if exceptions:
            row |= {f"exception_{name}": exceptions[0][name] for name in ("type", "message")}
        self.rows[tables.SPANS.name].add(row | pulled, rest)
        for link in span.links:
            self._link(link, row)

    def _event(self, event: Any, span: Any, row: dict[str, Any]) -> dict[str, str | None] | None:
        """Add an event, and its exception when it is one; the texts of that exception."""
        found = attributes.entries(event.attributes, self._policy, self.altered)
        time = self._clamped(event.time_unix_nano or span.start_time_unix_nano)
        texts = None
        if event.name == v.EVENT_EXCEPTION:
            texts = _exception(found)
            self._exception(row, texts, time=time, source=ExceptionSource.SPAN_EVENT)
            found = {k: e for k, e in found.items() if k not in EXCEPTION_KEYS or e[1] != attributes.STRING}
        counts = {"dropped_attributes_count": event.dropped_attributes_count}
        self.rows[tables.SPAN_EVENTS.name].add(row | {"time": time, "name": event.name} | counts, found)
        return texts

    def _link(self, link: Any, row: dict[str, Any]) -> None:
        is_named = len(link.trace_id) == 16 and len(link.span_id) == 8
        # A link whose ids are malformed keeps its place and its attributes, so that counts stay as sent.
        linked = {
            "linked_trace_id": link.trace_id if is_named else None,
            "linked_span_id": int.from_bytes(link.span_id, "big") if is_named else None,
            "trace_state": link.trace_state or None,
            "flags": link.flags,
            "dropped_attributes_count": link.dropped_attributes_count,
        }
        found = attributes.entries(link.attributes, self._policy, self.altered)
        self.rows[tables.SPAN_LINKS.name].add(row | linked, found)

    def _log_record(self, record: Any, context: dict[str, Any]) -> None:
        texts = _exception(attributes.entries(record.attributes, self._policy, self.altered))
        time = record.time_unix_nano or record.observed_time_unix_nano or context["received_at"] * 1000
        # logs.proto: a record with an absent or malformed id is not associated with a trace.
        in_trace = len(record.trace_id) == 16 and record.trace_id != NO_TRACE
        in_span = in_trace and len(record.span_id) == 8 and record.span_id != NO_SPAN
        row = context | {
            "trace_id": record.trace_id if in_trace else None,
            "span_id": int.from_bytes(record.span_id, "big") if in_span else None,
            "severity_number": record.severity_number,
        }
        # Outside a trace only source and time tell two occurrences of one error apart.
        apart = () if in_trace else (str(context["resource_id"]), str(time))
        self._exception(row, texts, *apart, time=self._clamped(time), source=ExceptionSource.LOG_RECORD)

    def _exception(
        self,
        row: dict[str, Any],
        texts: dict[str, str | None],
        *apart: str,
        time: int,
        source: ExceptionSource,
    ) -> None:
        id_ = exception_id(
            row["trace_id"], row["span_id"], texts_id(texts.values()), texts_id(apart) if apart else 0
        )
        told = {
            "exception_id": id_,
            "time": time,
            "source": source.value,
            "stack_id": self._stack(texts["stacktrace"]),
        }
        self.rows[tables.EXCEPTIONS.name].add(row | texts | told)

    def _stack(self, text: str | None) -> int | None:
        if text is None:
            return None
        if text not in self._known_stacks:
            row = stack_row(text)
            self._known_stacks[text] = row["stack_id"]
            self.rows[tables.STACKS.name].add(row)
        return self._known_stacks[text]

    def _clamped(self, unix_ns: int) -> int:
        if unix_ns <= UNIX_NS_MAX:
            return unix_ns
        self.altered["time_clamped"] += 1
        return UNIX_NS_MAX

    def _message(self, text: str) -> str | None:
        if not text:
            return None
        text = attributes.scrubbed(text, self._policy.message_rules(), self.altered)
        return attributes.cut(text, self._policy.attribute_bytes_max, self.altered, attributes.ATTRIBUTE_CUT)


def _id(encoded: bytes, schema_url: str) -> int:
    digest = hashlib.sha256(encoded + b"\x00" + schema_url.encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _exception(found: Entries) -> dict[str, str | None]:
    """``type``, ``message``, ``stacktrace`` of an exception event or record; a value that is not text is left out."""
    texts = {}
    for name, key in zip(("type", "message", "stacktrace"), EXCEPTION_KEYS, strict=True):
        text, kind = found.get(key, (None, attributes.UNSET))
        texts[name] = text if kind == attributes.STRING else None
    return texts

"""Requests as rows of spans and exceptions: every distinct span goes through the collector's own decoder once, and is
then repeated with ids and times of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collector import decoding
from collector.otlp import Decoded, Request, Signal
from collector.policy import Policy
from schemas.settings import Settings
from worlds.company import Service
from worlds.history import History
from worlds.traffic import Batch, Sampling, layout
from worlds.trees import Node

_THRESHOLDS = {0.1: "e6666666666666", 0.01: "fd70a3d70a3d71"}


@dataclass(frozen=True, slots=True)
class Naming:
    """How a service's telemetry names what runs: revision | sha_version | tag | image | constant | nothing."""

    way: str
    is_url_told: bool


def _pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    found = []
    for key, value in attributes.items():
        match value:
            case bool():
                wrapped = AnyValue(bool_value=value)
            case int():
                wrapped = AnyValue(int_value=value)
            case float():
                wrapped = AnyValue(double_value=value)
            case list():
                wrapped = AnyValue()
                wrapped.array_value.values.extend([AnyValue(string_value=str(v)) for v in value])
            case _:
                wrapped = AnyValue(string_value=str(value))
        found.append(KeyValue(key=key, value=wrapped))
    return found


class Recorder:
    """Turns batches into rows. ``shas``: repository name -> sha of each position."""

    def __init__(
        self,
        history: History,
        shas: dict[str, list[str]],
        naming: dict[str, Naming],
        sampling: Sampling,
        seed: int,
    ) -> None:
        self._history = history
        self._shas = shas
        self._naming = naming
        self._random = np.random.default_rng([seed, 99])
        self._state = (
            f"ot=th:{_THRESHOLDS[sampling.ratio]}"
            if sampling.mode == "head" and sampling.ratio in _THRESHOLDS
            else ""
        )
        self._prototypes: dict[tuple[int, str, int, int], int] = {}
        self._spans: list[tuple[Node, Service, int, int]] = []
        self._resources: dict[tuple[str, int, int], Resource] = {}
        self._columns: list[tuple[Any, ...]] = []
        self._traces = 0
        self.cause_of: dict[str, int] = {}

    def record(self, batches: Sequence[Batch]) -> Decoded:
        """Rows of every table; ``cause_of`` then says which cause a failing trace (32 hex digits) met."""
        for batch in batches:
            self._expand(batch)
        made = self._decode()
        return self._repeat(made)

    def _expand(self, batch: Batch) -> None:
        size = len(batch.drawn.at)
        laid = layout(batch.tree)
        high = self._random.integers(1, 2**62, size, np.uint64)
        low = self._random.integers(1, 2**62, size, np.uint64)
        spans = self._random.integers(1, 2**63 - 1, (size, len(laid)), np.uint64)
        pace = self._random.lognormal(0.0, 0.35, size)
        if batch.cause >= 0:
            for left, right in zip(high.tolist(), low.tolist(), strict=True):
                self.cause_of[f"{left:016x}{right:016x}"] = batch.cause
        for index, (node, parent, start, lasts) in enumerate(laid):
            name = node.service.name
            deployment, host = batch.drawn.deployment[name], batch.drawn.host[name]
            places = deployment * 16 + host
            prototype = np.zeros(size, np.int64)
            for place in np.unique(places):
                prototype[places == place] = self._prototype(node, int(place) // 16, int(place) % 16)
            at = batch.drawn.at + start * pace / 1000
            parents = spans[:, parent] if parent >= 0 else np.zeros(size, np.uint64)
            self._columns.append((prototype, high, low, spans[:, index], parents, at, lasts * pace))

    def _prototype(self, node: Node, deployment: int, host: int) -> int:
        key = (id(node), node.service.name, deployment, host)
        if key not in self._prototypes:
            self._prototypes[key] = len(self._spans)
            self._spans.append((node, node.service, deployment, host))
        return self._prototypes[key]

    def _resource(self, service: Service, deployment: int, host: int) -> Resource:
        key = (service.name, deployment, host)
        if key not in self._resources:
            position = self._history.deployments[service.name][deployment].position
            sha = self._shas[service.repository.name][position]
            naming = self._naming[service.name]
            attributes: dict[str, Any] = {
                "service.name": service.name,
                "deployment.environment.name": "production",
                "telemetry.sdk.language": {"javascript": "nodejs", "typescript": "nodejs"}.get(
                    service.language, service.language
                ),
                "telemetry.sdk.name": "opentelemetry",
                "host.name": f"{service.name}-{host}",
                "k8s.pod.name": f"{service.name}-{sha[:6]}-{host}",
                "cloud.availability_zone": f"eu-1{'abc'[host % 3]}",
            }
            match naming.way:
                case "revision":
                    attributes["vcs.ref.head.revision"] = sha
                    attributes["service.version"] = version(position)
                case "sha_version":
                    attributes["service.version"] = f"{version(position)}+g{sha[:9]}"
                case "tag":
                    attributes["service.version"] = version(position)
                case "image":
                    attributes["container.image.tags"] = [f"main-{sha[:8]}"]
                case "constant":
                    attributes["service.version"] = "1.0.0"
            if naming.is_url_told:
                attributes["vcs.repository.url.full"] = f"https://git.example.org/{service.repository.name}"
            self._resources[key] = Resource(attributes=_pairs(attributes))
        return self._resources[key]

    def _decode(self) -> Decoded:
        request = ExportTraceServiceRequest()
        for number, (node, service, deployment, host) in enumerate(self._spans, 1):
            holder = request.resource_spans.add()
            holder.resource.CopyFrom(self._resource(service, deployment, host))
            scoped = holder.scope_spans.add()
            scoped.scope.name = "worlds"
            span = scoped.spans.add(
                trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name=node.name, kind=node.kind,
                start_time_unix_nano=10**18, end_time_unix_nano=10**18 + 10**6, trace_state=self._state,
            )  # fmt: skip
            span.attributes.extend(_pairs(node.attributes))
            if node.status:
                span.status.code = node.status
                span.status.message = node.message
            for raised in node.raised:
                event = {"exception.type": raised.type, "exception.message": raised.message}
                if raised.stack is not None:
                    event["exception.stacktrace"] = raised.stack
                span.events.add(name="exception", time_unix_nano=10**18 + 5 * 10**5, attributes=_pairs(event))
        body = request.SerializeToString()
        return decoding.decode(
            [Request(Signal.TRACES, body, 10**15)], Policy.of(Settings(), secret=b"worlds")
        )

    def _repeat(self, made: Decoded) -> Decoded:
        assert made.spans.num_rows == len(self._spans)
        columns = [np.concatenate([c[i] for c in self._columns]) for i in range(7)]
        prototype, high, low, span, parent, at, lasts = columns
        order = np.argsort(at, kind="stable")
        prototype, high, low, span, parent, at, lasts = (c[order] for c in columns)
        start_ns = (at * 1e6).astype(np.int64) * 1000
        lasts_ns = np.maximum((lasts * 1e6).astype(np.int64), 1000)
        received_us = (start_ns + lasts_ns) // 1000 + 2_000_000
        uuids = _uuids(high, low)
        spans = made.spans.take(pa.array(prototype))
        replaced = {
            "trace_id": uuids,
            "span_id": pa.array(span, pa.uint64()),
            "parent_span_id": pa.array(parent, pa.uint64(), mask=parent == 0),
            "start_time": pa.array(start_ns).cast(pa.timestamp("ns")),
            "duration_ns": pa.array(lasts_ns),
            "received_at": pa.array(received_us).cast(pa.timestamp("us")),
        }
        exceptions = self._exceptions(
            made.exceptions, prototype, high, low, span, start_ns + lasts_ns, received_us
        )
        rows = {name: table.slice(0, 0) for name, table in made.rows.items()}
        rows |= {
            "resources": made.rows["resources"],
            "scopes": made.rows["scopes"],
            "stacks": made.rows["stacks"],
        }
        return Decoded(
            rows={**rows, "spans": _with(spans, replaced), "exceptions": exceptions},
            rejected=made.rejected,
            altered=made.altered,
        )

    def _exceptions(
        self, made: pa.Table, prototype: Any, high: Any, low: Any, span: Any, ended_ns: Any, received_us: Any
    ) -> pa.Table:
        of = made["span_id"].to_numpy().astype(np.int64) - 1
        first = np.full(len(self._spans), -1, np.int64)
        first[of[::-1]] = np.arange(len(of))[::-1]
        picked = np.flatnonzero(first[prototype] >= 0)
        rows = made.take(pa.array(first[prototype[picked]]))
        replaced = {
            "exception_id": pa.array(
                self._random.integers(1, 2**63 - 1, len(picked), np.uint64), pa.uint64()
            ),
            "trace_id": _uuids(high[picked], low[picked]),
            "span_id": pa.array(span[picked], pa.uint64()),
            "time": pa.array(ended_ns[picked]).cast(pa.timestamp("ns")),
            "received_at": pa.array(received_us[picked]).cast(pa.timestamp("us")),
        }
        return _with(rows, replaced)


def _uuids(high: Any, low: Any) -> pa.Array:
    pairs = np.stack([high, low], axis=1).astype(">u8")
    storage = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(high), [None, pa.py_buffer(pairs.tobytes())]
    )
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def _with(table: pa.Table, replaced: dict[str, pa.Array]) -> pa.Table:
    for name, column in replaced.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), column)
    return table


def version(position: int) -> str:
    """The version that is tagged at a position of the mainline."""
    return f"{1 + position // 40}.{position % 40}.0"

"""What the collector's doors and its loader count: rate, errors and duration per signal, and what was left out and why.

One private registry, so that two collectors in one process (tests) do not share figures; ``api`` renders it.
Label values are closed sets chosen here and in the callers, never text that a sender chose.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Counters:
    """The figures of one collector. ``signal`` is ``traces`` or ``logs``; items are spans or exception records."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter(
            "aftermerge_otlp_items_received",
            "Items in requests that could be decoded",
            ["signal"],
            registry=self.registry,
        )
        self.accepted = Counter(
            "aftermerge_otlp_items_accepted",
            "Items acknowledged: durable in the spool",
            ["signal"],
            registry=self.registry,
        )
        self.rejected = Counter(
            "aftermerge_otlp_items_rejected",
            "Items rejected through partial success",
            ["signal", "reason"],
            registry=self.registry,
        )
        self.refused = Counter(
            "aftermerge_otlp_requests_refused",
            "Requests answered with an error",
            ["signal", "reason"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "aftermerge_otlp_request_seconds",
            "From the whole body read to the acknowledgement",
            ["signal"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stored = Counter(
            "aftermerge_items_stored", "Rows committed to the store", ["table"], registry=self.registry
        )
        self.altered = Counter(
            "aftermerge_values_altered",
            "Values cut, clamped, or left out, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.spool_backlog_bytes = Gauge(
            "aftermerge_spool_backlog_bytes",
            "Accepted bytes that are not in the store yet",
            registry=self.registry,
        )
        self.spool_sync_seconds = Histogram(
            "aftermerge_spool_sync_seconds",
            "One shared write and fdatasync",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.spool_damage = Counter(
            "aftermerge_spool_damage",
            "torn: unfinished, never acknowledged tails; corrupt: segments moved to quarantine; "
            "write: failed writes or syncs",
            ["kind"],
            registry=self.registry,
        )
        self.spool_quarantined = Gauge(
            "aftermerge_spool_quarantined_segments",
            "Damaged segments set aside in the quarantine folder of the spool; what could be read of them is stored",
            registry=self.registry,
        )
        self.loader_lag_seconds = Gauge(
            "aftermerge_loader_lag_seconds",
            "Age of the oldest accepted record that is not in the store",
            registry=self.registry,
        )
        self.store_memory_limit_bytes = Gauge(
            "aftermerge_store_memory_limit_bytes",
            "What the store may take now; it rises where that was too little, up to duckdb_memory_limit",
            registry=self.registry,
        )
        self.load_seconds = Histogram(
            "aftermerge_load_seconds", "One load transaction", buckets=_SECONDS, registry=self.registry
        )
        self.decode_fallbacks = Counter(
            "aftermerge_decode_fallbacks",
            "Requests that the reference decoder decoded in place of the columnar one",
            ["reason"],
            registry=self.registry,
        )
        self.load_failures = Counter(
            "aftermerge_load_failures",
            "Load transactions rolled back and tried again",
            registry=self.registry,
        )

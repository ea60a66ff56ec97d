"""How an installation is doing: what its server counted since it started, and what its store holds.

Figures of the server come from its own counters, by the names that ``/metrics`` shows; without a server there are none.
"""

from collections.abc import Iterable
from typing import Any

from prometheus_client import Metric

from api import queries
from schemas.store import Store, sql

SIGNALS = ("traces", "logs")


def of_store(store: Store, *, backlog_bytes: int) -> dict[str, Any]:
    """What the store holds: rows of telemetry, the last correlation (or None), repositories with their last sync.

    ``backlog_bytes``: accepted telemetry in the spool that is not in the store yet.
    """
    held = store.row(sql("api", "status_counts"))
    repositories = store.rows(sql("api", "status_repositories"))
    return {
        "backlog_bytes": backlog_bytes,
        "held": held,
        "correlation": queries.correlation(store),
        "repositories": repositories,
        "server": None,
    }


def of_server(metrics: Iterable[Metric]) -> dict[str, Any]:
    """Figures since the server started: per signal, per table, per reason; zero is left out of the reasons."""
    values: dict[str, list[tuple[dict[str, str], float]]] = {}
    for metric in metrics:
        for sample in metric.samples:
            values.setdefault(sample.name, []).append((sample.labels, sample.value))

    def total(name: str, **labels: str) -> int:
        return int(sum(v for found, v in values.get(name, ()) if labels.items() <= found.items()))

    def by(name: str, label: str, **labels: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for carried, value in values.get(name, ()):
            if value and labels.items() <= carried.items():
                found[carried[label]] = found.get(carried[label], 0) + int(value)
        return dict(sorted(found.items()))

    return {
        "signals": {
            signal: {
                "received": total("aftermerge_otlp_items_received_total", signal=signal),
                "accepted": total("aftermerge_otlp_items_accepted_total", signal=signal),
                "rejected": by("aftermerge_otlp_items_rejected_total", "reason", signal=signal),
                "requests_refused": by("aftermerge_otlp_requests_refused_total", "reason", signal=signal),
            }
            for signal in SIGNALS
        },
        "stored": by("aftermerge_items_stored_total", "table"),
        "values_altered": by("aftermerge_values_altered_total", "reason"),
        "spool_damage": by("aftermerge_spool_damage_total", "kind"),
        "quarantined_segments": total("aftermerge_spool_quarantined_segments"),
        "sync_ms_mean": _mean_ms(
            total("aftermerge_spool_sync_seconds_count"),
            sum(v for _, v in values.get("aftermerge_spool_sync_seconds_sum", ())),
        ),
        "decode_fallbacks": by("aftermerge_decode_fallbacks_total", "reason"),
        "load_failures": total("aftermerge_load_failures_total"),
        "loader_lag_s": round(sum(v for _, v in values.get("aftermerge_loader_lag_seconds", ())), 1),
    }


def _mean_ms(count: int, seconds: float) -> float | None:
    return round(seconds / count * 1000, 1) if count else None

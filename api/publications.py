"""The ledger of published reports: numbered revisions that never change, and the guard that one schedule publishes once."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas import tables
from schemas.store import Row, Store, sql

WEEKLY = "weekly"


def publish(store: Store, made: Mapping[str, Any], now: datetime) -> Row:
    """Add ``made`` to the ledger as the next revision of its week, unless the newest says the same; the row that holds.

    Revisions are never rewritten: ``{week, revision, published_at, digest, document}``.
    """
    text = json.dumps(made, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    with store.write_lock, store.transaction():
        newest = store.row(sql("api", "report_document"), week=made["week"], revision=None)
        if newest is not None and newest["digest"] == digest:
            return newest
        row = {
            "week": made["week"],
            "revision": newest["revision"] + 1 if newest else 1,
            "published_at": now,
            "digest": digest,
            "document": text,
        }
        store.append_rows(tables.REPORTS, [row])
    return row


def claim(store: Store, week: str, now: datetime) -> bool:
    """True for the first who asks for the scheduled report of ``week``, False for everybody after."""
    key = {"kind": WEEKLY, "period": week}
    with store.write_lock, store.transaction():
        ran = store.value("SELECT count(*) FROM report_runs WHERE kind = $kind AND period = $period", **key)
        if not ran:
            store.append_rows(tables.REPORT_RUNS, [key | {"run_at": now}])
    return not ran


def revisions(store: Store, week: str | None = None) -> list[Row]:
    """Published revisions without their documents, newest first."""
    return store.rows(sql("api", "report_revisions"), week=week)


def stored(store: Store, week: str, revision: int | None = None) -> Row | None:
    """A published revision (None: the newest) with its document parsed; None when there is none."""
    row = store.row(sql("api", "report_document"), week=week, revision=revision)
    return None if row is None else row | {"document": json.loads(row["document"])}

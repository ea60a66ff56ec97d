"""The one door of the intake: a request body is stored, understood and appended in one transaction, or refused.

The raw body is kept even when it is not understood, so that a later version may read it again. What is told twice
is counted, not stored twice. When :meth:`Door.accept` returns, the rows are on disk (DuckDB syncs its log on commit).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from collector.intake import agent_traces, artifacts, changes, deployments, incidents, pagerduty, reports
from schemas import store as stores
from schemas import tables
from schemas.errors import MalformedInput, StoreError
from schemas.settings import Settings
from schemas.store import Store
from schemas.tables import Table

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of the items of one request: stored or corrected, and told before. They sum to the items taken."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Noun:
    """How the items of one route become rows of one table."""

    source: str
    table: Table
    parse: Callable[[object, datetime], list[Row]]
    merge: Callable[[Row, Row], Row]
    complete: Callable[[Row], Row] = lambda row: row


NOUNS: dict[str, Noun] = {
    "deployments": Noun(
        "generic", tables.DEPLOYMENTS, deployments.parse, deployments.merge, deployments.complete
    ),
    "incidents": Noun("generic", tables.INCIDENT_EVENTS, incidents.parse, incidents.merge),
    "changes": Noun("generic", tables.CHANGE_REQUESTS, changes.parse, changes.merge),
    "artifacts": Noun("generic", tables.ARTIFACTS, artifacts.parse, artifacts.merge),
    "agent-traces": Noun("generic", tables.ATTESTED_LINES, agent_traces.parse, agent_traces.merge),
    "pagerduty": Noun("pagerduty", tables.INCIDENT_EVENTS, pagerduty.parse, pagerduty.merge),
}


class Door:
    """Takes intake requests. ``now`` is asked once per request, for ``received_at``."""

    def __init__(
        self, store: Store, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._secrets = tuple(secret.get_secret_value() for secret in settings.pagerduty_secrets)
        self._body_bytes_max = settings.intake_bytes_max
        self._now = now

    def is_signed(self, noun: str, body: bytes, headers: Mapping[str, str]) -> bool | None:
        """Whether the sender proved itself by a signature of ``body``; None when ``noun`` has no secret to check by."""
        if noun != "pagerduty" or not self._secrets:
            return None
        return pagerduty.is_signed(body, _lowered(headers).get(pagerduty.SIGNATURE_HEADER), self._secrets)

    def accept(self, noun: str, body: bytes, headers: Mapping[str, str]) -> Accepted:
        """Store ``body`` and what it says, durably and once.

        Args:
            noun: ``deployments``, ``incidents``, ``changes``, ``artifacts``, ``agent-traces`` or ``pagerduty``.
            body: raw bytes, at most ``settings.intake_bytes_max``: one JSON object, an array of them, or one a line.
            headers: of the request, names in any case; ``Idempotency-Key`` names a delivery.

        Raises:
            MalformedInput: too large, badly signed, not understood, or a known delivery with another body.
                Nothing but the raw body was stored then.
            StoreError: nothing was stored; the same request may be sent again.
        """
        if len(body) > self._body_bytes_max:
            raise MalformedInput(
                f"the body has {len(body)} bytes, more than {self._body_bytes_max}",
                hint="send fewer items in one request",
            )
        if self.is_signed(noun, body, headers) is False:
            raise MalformedInput(
                "the signature does not fit the body",
                hint="compare pagerduty_secrets with the secret of the webhook subscription",
                field=pagerduty.SIGNATURE_HEADER,
            )
        try:
            with self._store.write_lock:
                return self._take(noun, body, headers)
        except duckdb.Error as error:
            raise StoreError(
                "the request could not be stored",
                hint="check the disk of the data folder, then send it again",
            ) from error

    def _take(self, noun: str, body: bytes, headers: Mapping[str, str]) -> Accepted:
        how = NOUNS[noun]
        value, unreadable = _read(body)
        delivery_id = _delivery_id(noun, value, body, headers)
        known = self._known_delivery(how.source, delivery_id, noun, body)
        delivery: Row = known or {
            "source": how.source,
            "delivery_id": delivery_id,
            "noun": noun,
            "received_at": self._now(),
            "body": body,
            "refused": None,
        }
        try:
            if unreadable is not None:
                raise unreadable
            rows = how.parse(value, delivery["received_at"])
        except MalformedInput as error:
            self._store.append_rows(tables.DELIVERIES, [delivery | {"refused": str(error)}], replace=True)
            raise
        if known is not None and known["refused"] is None:
            # Its rows went in with it. To merge them again would let a late retry undo what came in between.
            return Accepted(0, len(rows))
        with self._store.transaction():
            fresh, duplicates = self._folded(how, rows)
            self._store.append_rows(tables.DELIVERIES, [delivery | {"refused": None}], replace=True)
            self._store.append_rows(how.table, fresh, replace=True)
        return Accepted(len(rows) - duplicates, duplicates)

    def _known_delivery(self, source: str, delivery_id: str, noun: str, body: bytes) -> Row | None:
        known = self._store.row(stores.sql("collector", "delivery"), source=source, delivery_id=delivery_id)
        if known is not None and source == "generic" and (known["noun"], known["body"]) != (noun, body):
            raise MalformedInput(
                f"the Idempotency-Key {delivery_id!r} came before, with another request",
                hint="use a new key for a new request",
                field="Idempotency-Key",
            )
        return known

    def _folded(self, how: Noun, rows: Sequence[Row]) -> tuple[list[Row], int]:
        """The rows to write, one per key, each merged with what is stored; and how many items said nothing new."""
        stored = self._stored(how.table, rows)
        state = dict(stored)
        duplicates = 0
        for row in rows:
            key = _key(how.table, row)
            before = state.get(key)
            after = how.complete(row if before is None else how.merge(before, row))
            if before is not None and _told(before) == _told(after):
                duplicates += 1
            else:
                state[key] = after
        fresh = [row for key, row in state.items() if stored.get(key) is not row]
        return fresh, duplicates

    def _stored(self, table: Table, rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
        """The stored rows with the keys of ``rows``."""
        if not rows:
            return {}
        same_key = " AND ".join(f't."{name}" = b."{name}"' for name in table.key)
        keys = ", ".join(f'"{name}"' for name in table.key)
        with self._store.registered("intake_batch", stores.arrow(table, rows)):
            found = self._store.rows(
                f"SELECT t.* FROM {table.name} AS t"  # noqa: S608 - names of the table's declaration
                f" JOIN (SELECT DISTINCT {keys} FROM intake_batch) AS b ON {same_key}"
            )
        return {_key(table, row): row for row in found}


def _read(body: bytes) -> tuple[Any, MalformedInput | None]:
    try:
        return reports.read(body), None
    except MalformedInput as error:
        return None, error


def _delivery_id(noun: str, value: object, body: bytes, headers: Mapping[str, str]) -> str:
    if noun == "pagerduty":
        return pagerduty.delivery_id(value) or hashlib.sha256(body).hexdigest()
    stated = _lowered(headers).get("idempotency-key", "").strip()
    # The noun is part of the id: equal bytes sent to two routes are two deliveries.
    return f"{noun}:{stated[:256] or hashlib.sha256(body).hexdigest()}"


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)


def _told(row: Row) -> Row:
    """What a row says, its time of receipt left out."""
    return {key: value for key, value in row.items() if key != "received_at"}


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}

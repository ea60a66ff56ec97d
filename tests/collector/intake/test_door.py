import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake.door import Accepted, Door
from schemas.errors import MalformedInput, StoreError
from schemas.settings import Settings
from schemas.store import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _door(store: Store, now: datetime = NOW) -> Door:
    return Door(store, Settings(), now=lambda: now)


def _send(store: Store, noun: str, value: Any, headers: Mapping[str, str] | None = None) -> Accepted:
    return _door(store).accept(noun, json.dumps(value).encode(), headers or {})


def deployment(**given: Any) -> dict[str, Any]:
    return {"id": "d-1", "service": "checkout", "finished_at": "2026-03-02T11:00:00Z", **given}


def test_the_raw_body_is_kept_with_its_receipt() -> None:
    store = Store.open()
    body = b' {"id": "d-1", "service": "checkout", "finished_at": 1772449200 }\n'
    _door(store).accept("deployments", body, {})
    row = store.row("SELECT * FROM deliveries")
    assert row is not None
    assert (row["body"], row["noun"], row["source"], row["refused"]) == (body, "deployments", "generic", None)
    assert row["received_at"] == NOW


def test_an_equal_request_is_taken_once() -> None:
    store = Store.open()
    assert _send(store, "deployments", deployment()) == Accepted(1, 0)
    before = store.rows("SELECT * FROM deployments")
    assert _send(store, "deployments", deployment()) == Accepted(0, 1)
    assert store.rows("SELECT * FROM deployments") == before
    assert store.value("SELECT count(*) FROM deliveries") == 1


def test_equal_items_in_another_request_are_duplicates() -> None:
    store = Store.open()
    _send(store, "deployments", deployment())
    assert _send(
        store, "deployments", [deployment(), deployment(id="d-2"), deployment(id="d-2")]
    ) == Accepted(1, 2)


def test_equal_bytes_to_two_routes_are_two_deliveries() -> None:
    store = Store.open()
    both = {
        "id": "x",
        "service": "s",
        "event": "opened",
        "opened_at": NOW.isoformat(),
        "started_at": NOW.isoformat(),
    }
    assert _send(store, "deployments", both) == Accepted(1, 0)
    assert _send(store, "incidents", both) == Accepted(1, 0)


def test_a_late_retry_does_not_undo_a_correction() -> None:
    store = Store.open()
    first = {"id": "I-1", "event": "opened", "opened_at": NOW.isoformat(), "title": "Broken"}
    _send(store, "incidents", first)
    _send(store, "incidents", first | {"title": "Checkout is broken"})
    assert _send(store, "incidents", first) == Accepted(0, 1)
    assert store.value("SELECT title FROM incident_events") == "Checkout is broken"


def test_an_idempotency_key_names_one_request() -> None:
    store = Store.open()
    key = {"Idempotency-Key": "k-1"}
    assert _send(store, "deployments", deployment(), key) == Accepted(1, 0)
    assert _send(store, "deployments", deployment(), key) == Accepted(0, 1)
    with pytest.raises(MalformedInput, match="Idempotency-Key"):
        _send(store, "deployments", deployment(id="d-2"), key)


def test_an_array_is_taken_whole_or_not_at_all() -> None:
    store = Store.open()
    with pytest.raises(MalformedInput) as caught:
        _send(store, "deployments", [deployment(), deployment(id="d-2", finished_at="soon")])
    assert (caught.value.facts["index"], caught.value.facts["field"]) == (1, "finished_at")
    assert store.value("SELECT count(*) FROM deployments") == 0
    refused = store.value("SELECT refused FROM deliveries")
    assert refused.startswith("item 1: finished_at: ")


def test_what_was_refused_is_read_again_when_it_is_sent_again() -> None:
    store = Store.open()
    body = json.dumps(deployment()).encode()
    _door(store).accept("deployments", body, {})
    store.execute("UPDATE deliveries SET refused = 'by an older version'")
    store.execute("DELETE FROM deployments")
    assert _door(store).accept("deployments", body, {}) == Accepted(1, 0)
    assert store.value("SELECT refused FROM deliveries") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": NaN}',
        b"3",
        b"[3]",
        b'"text"',
        b"null",
        b"[[]]",
    ],
)
def test_what_is_not_json_objects_is_refused_and_kept(body: bytes) -> None:
    store = Store.open()
    with pytest.raises(MalformedInput):
        _door(store).accept("changes", body, {})
    assert store.value("SELECT count(*) FROM deliveries WHERE refused IS NOT NULL") == 1


def test_an_empty_array_says_nothing() -> None:
    assert _send(Store.open(), "changes", []) == Accepted(0, 0)


def test_half_a_surrogate_pair_does_no_harm() -> None:
    store = Store.open()
    body = (
        b'{"id": "d\\ud83d", "service": "\\ud83d\\ude00", "finished_at": 1772449200, "x\\udc00": "\\ud800"}'
    )
    assert _door(store).accept("deployments", body, {}) == Accepted(1, 0)
    assert store.value("SELECT service FROM deployments") == "\U0001f600"


def test_a_body_beyond_the_bound_is_refused_unread() -> None:
    store = Store.open()
    door = Door(store, Settings(intake_bytes_max=10))
    with pytest.raises(MalformedInput, match="more than 10"):
        door.accept("changes", b"x" * 11, {})
    assert store.value("SELECT count(*) FROM deliveries") == 0


def test_what_cannot_be_stored_is_not_accepted() -> None:
    store = Store.open()
    store.execute("DROP TABLE facts.deployments")
    with pytest.raises(StoreError):
        _send(store, "deployments", deployment())
    assert store.value("SELECT count(*) FROM deliveries") == 0


def test_what_was_accepted_survives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "facts.duckdb"
    store = Store.open(path)
    _send(store, "changes", {"repository": "acme/shop", "number": 7, "labels": ["a", "b"]})
    store.close()
    again = Store.open(path)
    assert again.row("SELECT number, labels FROM change_requests") == {"number": 7, "labels": ["a", "b"]}
    again.close()


_TELLINGS = [
    deployment(finished_at=None, started_at="2026-03-02T10:50:00Z", status="in_progress", ticket="T-1"),
    deployment(started_at="2026-03-02T10:50:00Z", status="Succeeded", revision="abc1234"),
    deployment(finished_at="2026-03-02T11:20:00Z", status="failed"),
]
_SHARED = Store.open()


@settings(max_examples=12, deadline=None)
@given(order=st.permutations(range(len(_TELLINGS))))
def test_the_order_of_arrival_does_not_change_a_deployment(order: list[int]) -> None:
    _SHARED.execute("DELETE FROM deployments")
    _SHARED.execute("DELETE FROM deliveries")
    for number in order:
        _send(_SHARED, "deployments", _TELLINGS[number])
    row = _SHARED.row("SELECT status, revision, started_at, finished_at, extra, type FROM deployments")
    assert row == {
        "status": "failed",
        "revision": "abc1234",
        "started_at": datetime(2026, 3, 2, 10, 50, tzinfo=UTC),
        "finished_at": datetime(2026, 3, 2, 11, 20, tzinfo=UTC),
        "extra": '{"ticket": "T-1"}',
        "type": "deploy",
    }

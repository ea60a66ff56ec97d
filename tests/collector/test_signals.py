"""What tells of a failure without an error is counted by the hour, each span once."""

from datetime import timedelta
from typing import Any

import pytest
from builders import START, Row, client, hex_trace_id, server, span
from load_builders import deliver

from collector import retention, rollups
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import SpanKind

NOW = START + timedelta(days=3)


@pytest.fixture
def store() -> Store:
    return Store.open()


def counted(store: Store, rows: list[Row], *watched: str) -> dict[tuple[str, str, str], tuple[int, int]]:
    deliver(store, 1, rows)
    rollups.fold(store, Settings(watched_attributes=watched), now=NOW, is_thorough=True)
    found = store.rows("SELECT * FROM signal_hours")
    return {(r["signal"], r["subject"], r["aspect"]): (r["hit_count"], r["span_count"]) for r in found}


def attributed(**attributes: str) -> dict[str, Any]:
    keys = [key.replace("__", ".") for key in attributes]
    return {
        "attribute_keys": keys,
        "attribute_values": list(attributes.values()),
        "attribute_kinds": "1" * len(keys),
    }


def test_refusals_and_unnamed_users_count_per_route(store: Store) -> None:
    found = counted(
        store,
        [
            server(1, **attributed(enduser__id="7f")),
            server(2),
            server(3, http_response_status_code=401),
            server(4, http_response_status_code=403, **attributed(enduser__id="7f")),
            server(5, http_response_status_code=500),
            server(6, name="HTTP GET", http_route="/plain"),
            span(7, kind=SpanKind.SERVER, name="shop.Cart/Add", rpc_grpc_status_code=16),
            span(8, kind=SpanKind.SERVER, name="shop.Cart/Add", rpc_grpc_status_code=0),
            span(9, kind=SpanKind.SERVER, name="no protocol"),
        ],
    )
    assert found == {
        ("denied", "GET /orders", ""): (2, 5),
        ("anonymous", "GET /orders", ""): (1, 2),
        ("denied", "/plain", ""): (0, 1),
        ("anonymous", "/plain", ""): (1, 1),
        ("denied", "shop.Cart/Add", ""): (1, 2),
        ("anonymous", "shop.Cart/Add", ""): (1, 1),
    }


def test_hosts_are_known_by_name_without_numbers_or_by_their_range(store: Store) -> None:
    hosts = [
        "db-1.internal",
        "DB-22.internal",
        "10.0.3.4",
        "192.168.1.9",
        "8.8.8.8",
        "169.254.169.254",
        "::1",
    ]
    found = counted(store, [client(i, server_address=host) for i, host in enumerate(hosts)])
    assert {subject: hits for (_, subject, _), (hits, _) in found.items()} == {
        "db-#.internal": 2,
        "private addresses": 2,
        "public addresses": 2,
        "169.254.169.254": 1,
    }


def test_broken_constraints_count_by_code_or_type_whether_or_not_the_call_is_an_error(store: Store) -> None:
    call = {"db_system_name": "postgresql", "db_collection_name": "cart", "server_address": None}
    codes = [{"db_response_status_code": code} for code in ("23505", "1062", "ORA-00001", "42601", None)]
    types = [
        {"exception_type": name} for name in ("django.db.IntegrityError", "psycopg.errors.UniqueViolation")
    ]
    found = counted(store, [client(i, **call, **told) for i, told in enumerate([*codes, *types])])
    assert found == {("constraint", "cart", ""): (5, 7)}


def test_watched_attributes_count_their_empty_values_and_others_do_not(store: Store) -> None:
    totals = ["0", "0.00", "", "null", "12", "100"]
    rows = [span(i, name="pay", **attributed(cart__total=total, other="0")) for i, total in enumerate(totals)]
    assert counted(store, rows, "cart.total") == {("empty_value", "pay", "cart.total"): (4, 6)}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("write to jane@acme.org", "mail address"),
        ("jane.doe+x@mail.acme.co.uk", "mail address"),
        ("4111 1111 1111 1111", "card number"),
        ("078-05-1120", "social security number"),
        ("call +4915112345678", "phone number"),
        ("git@github.com:acme/shop.git", None),
        ("noreply@acme.org", None),
        ("loader@shop.iam.gserviceaccount.com", None),
        ("/app/node_modules/.pnpm/express@4.18.2/lib", None),
        ("4111111111111111", None),
        ("2026-03-02T12:00:00+0200", None),
        ("2026-03-02", None),
        ("order-123-45-6789-b", None),
        ("+12.5 %", None),
    ],
)
def test_personal_data_is_known_by_its_form(store: Store, text: str, form: str | None) -> None:
    """Span ids that four divides are looked at."""
    found = counted(store, [span(8, **attributed(note=text)), span(9, **attributed(note=text))])
    expected = {("personal_data", "note", form): (1, 1)} if form else {}
    assert found == expected


def test_a_signal_keeps_the_first_span_that_shows_it_and_the_first_that_does_not(store: Store) -> None:
    late = server(1, trace=1, start_ms=900, http_response_status_code=401)
    deliver(store, 1, [late, server(2, trace=2, start_ms=800)])
    rollups.fold(store, Settings(), now=NOW, is_thorough=True)
    deliver(store, 2, [server(3, trace=3, start_ms=100, http_response_status_code=401), late])
    rollups.fold(store, Settings(), now=NOW, is_thorough=True)
    row = store.row(
        "SELECT *, trace_hex(hit_trace_id) AS hit, trace_hex(miss_trace_id) AS miss FROM signal_hours"
        " WHERE signal = 'denied'"
    )
    assert row is not None
    assert (row["span_count"], row["hit_count"]) == (3, 2)
    assert (row["hit"], row["miss"]) == (hex_trace_id(3), hex_trace_id(2))


def test_signals_are_forgotten_with_the_counts(store: Store) -> None:
    counted(store, [server(1)])
    retention.expire(store, Settings(), now=NOW + timedelta(days=500))
    assert store.value("SELECT count(*) FROM signal_hours") == 0


def test_variants_of_flags_are_counted_with_their_failures(store: Store) -> None:
    on = attributed(feature_flag__key="new-prices", feature_flag__result__variant="on")
    old = attributed(feature_flag__key="new-prices", feature_flag__variant="off")
    found = counted(
        store,
        [
            span(1, **on),
            span(2, is_error=True, **on),
            span(3, **old),
            span(4),
            span(5, **attributed(x="feature_flag.key")),
        ],
    )
    flags = {place[1:]: counts for place, counts in found.items() if place[0] == "flag"}
    assert flags == {("new-prices", "on"): (1, 2), ("new-prices", "off"): (0, 1)}

"""Where a service's code lives, and whether it was watched."""

from datetime import datetime
from typing import Any

import pyarrow as pa
from failure_builders import HOUR, T0, hours, incident

from correlator import services
from schemas.settings import ServiceSettings
from schemas.store import Store, sql

KNOWN = [
    {"repository": "acme/shop", "url": "https://git.example.org/acme/shop.git", "source": "/srv/shop", "head_sha": None},
    {"repository": "acme/bank", "url": None, "source": "/srv/bank", "head_sha": None},
]  # fmt: skip


def place(**overrides: Any) -> dict[str, tuple[str | None, str, str]]:
    given: dict[str, Any] = {
        "stated": [],
        "settings": {},
        "telemetry": [],
        "deployments": [],
        "known": KNOWN,
        "seen": [],
        "causes": [],
        "port": None,
    }
    rows = services.place(**(given | overrides))
    return {row["service"]: (row["repository"], row["path"], row["basis"]) for row in rows}


def test_what_the_operator_states_is_believed_most() -> None:
    found = place(
        stated=[{"service": "checkout", "repository": "acme/bank", "path": "/app/"}],
        telemetry=[{"service": "checkout", "repository_url": "https://git.example.org/acme/shop"}],
    )
    assert found == {"checkout": ("acme/bank", "app", "stated")}


def test_two_spellings_of_a_url_are_one_place() -> None:
    for url in ("git@git.example.org:acme/shop.git", "ssh://git@git.example.org/acme/shop", "acme/shop"):
        assert place(telemetry=[{"service": "checkout", "repository_url": url}])["checkout"][0] == "acme/shop"


def test_a_deployment_may_name_its_repository_by_url() -> None:
    sent = [{"service": "checkout", "repository": "https://git.example.org/acme/shop"}]
    assert place(deployments=sent)["checkout"] == ("acme/shop", "", "deployment")
    assert place(deployments=[{"service": "checkout", "repository": None}]) == {}


def test_a_path_of_one_repository_is_not_looked_for_in_another() -> None:
    settings = {"checkout": ServiceSettings(repository="acme/bank", path="services/checkout")}
    telemetry = [{"service": "checkout", "repository_url": "https://git.example.org/acme/shop"}]
    assert place(settings=settings, telemetry=telemetry)["checkout"] == ("acme/shop", "", "telemetry")


def test_a_service_of_which_nothing_tells_has_no_repository() -> None:
    assert place(seen=["search"]) == {"search": (None, "", "frames")}


# --- watched ------------------------------------------------------------------------------------------


def spans(at: float, minutes: float = 50, **overrides: Any) -> dict[str, Any]:
    """One row of ``hours_until``; T0 is a full hour."""
    return {
        "service": "checkout",
        "environment": "production",
        "operation": "POST /orders",
        "hour_at": T0 + int(at // 1) * HOUR,
        "first_seen_at": hours(at),
        "last_seen_at": hours(at + minutes / 60),
        "span_count": 1,
        "weighed_count": 1,
        "span_weight": 1.0,
        **overrides,
    }


def is_watched(alarm: dict[str, Any], rows: list[dict[str, Any]], ratio: float | None = None) -> bool:
    """As a correlation asks: where and when first, then the hours."""
    known: dict[str, set[str]] = {}
    for row in rows:
        known.setdefault(row["service"], set()).add(row["environment"])
    asked = services.watched_at(alarm, known)
    if not asked:
        return False
    store = Store.open()
    with (
        store.registered("hours_until", naive(rows)),
        store.registered("asked_incidents", naive(asked)),
    ):
        found = store.rows(sql("correlator", "watched_incidents"))
    assert [row["incident_id"] for row in found] in ([], [alarm["incident_id"]])
    return bool(found) and services.is_watched(found[0], ratio)


def naive(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()}
            for row in rows
        ]
    )


def test_a_service_that_sent_spans_while_the_incident_was_open_was_watched() -> None:
    assert is_watched(incident(), [spans(0)])
    assert is_watched(incident(resolved_at=None), [spans(-2), spans(0.5)])


def test_a_service_that_went_silent_was_not() -> None:
    alarm = incident(opened_at=hours(0.5), resolved_at=hours(3))
    assert not is_watched(alarm, [spans(-1), spans(0, minutes=20), spans(3.2, minutes=20)])


def test_spans_of_another_environment_or_service_watch_nothing() -> None:
    assert not is_watched(incident(), [spans(0, environment="staging")])
    assert not is_watched(incident(), [spans(0, service="a"), spans(0, service="z")])
    assert is_watched(incident(environment="prod"), [spans(0)])
    assert is_watched(incident(), [spans(0, environment="")])


def test_an_incident_without_a_service_is_not_watched() -> None:
    assert not is_watched(incident(service=None), [spans(0)])


def test_every_operation_watches() -> None:
    rows = [spans(-9, operation="a"), spans(0, operation="b"), spans(-9, operation="c")]
    assert is_watched(incident(), rows)
    alarm = incident(opened_at=hours(0.5), resolved_at=hours(3))
    # Before and after in one hour, of two operations: neither was seen meanwhile.
    assert not is_watched(alarm, [spans(0, minutes=10, operation="a"), spans(4, operation="b")])


def test_a_few_sampled_spans_watch_nothing() -> None:
    """Of one trace in a hundred, twenty spans are silent though every tenth request fails."""
    sampled = {"span_count": 20, "weighed_count": 20, "span_weight": 2000.0}
    assert not is_watched(incident(), [spans(0, **sampled)])
    assert not is_watched(incident(), [spans(0, span_count=20)], ratio=0.01)
    assert is_watched(incident(), [spans(0, span_count=20)], ratio=1.0)
    assert is_watched(incident(), [spans(0, **sampled | {"span_count": 300, "weighed_count": 300})])


def test_unknown_sampling_may_be_sampling() -> None:
    unknown = {"weighed_count": 0, "span_weight": 0.0}
    assert not is_watched(incident(), [spans(0, span_count=20, **unknown)])
    assert is_watched(
        incident(), [spans(0, span_count=150, **unknown), spans(0.5, span_count=150, **unknown)]
    )

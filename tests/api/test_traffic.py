"""Rate, errors and durations of operations over REST."""

from datetime import timedelta

import jsonschema
import pytest
from builders import START, span
from load_builders import deliver
from rest_client import Rest, rest

from collector import rollups
from schemas.settings import ServiceSettings, Settings
from schemas.store import Store

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def port() -> Rest:
    store = Store.open()
    spans = [span(i, name="GET /", revision="a", ms=i, trace_state="ot=th:8") for i in range(1, 101)]
    spans += [
        span(200 + i, name="GET /", revision="b", start_ms=HOUR_MS * i, is_error=i == 1) for i in (1, 2)
    ]
    spans += [span(300, name="poll", service="worker", environment=None)]
    spans += [span(400, name="GET /", service="cart", start_ms=HOUR_MS, received_at=START)]
    deliver(store, 1, spans)
    cart = Settings(services={"cart": ServiceSettings(sampling_ratio=1)})
    rollups.fold(store, cart, now=START + timedelta(hours=4), is_thorough=True)
    return rest(store)


def test_an_operation_is_told_with_its_counts_and_durations(port: Rest) -> None:
    found = port.get("/v1/traffic?service=checkout&revision=a").json()["items"]
    assert len(found) == 1
    row = found[0]
    assert (row["operation"], row["revision"], row["environment"], row["hour_at"]) == (
        "GET /",
        "a",
        "production",
        None,
    )
    assert (row["span_count"], row["error_count"], row["exception_count"]) == (100, 0, 0)
    assert (row["weighed_count"], row["weighted_span_count"], row["weighted_failing_count"]) == (100, 200, 0)
    assert row["duration_ms_mean"] == 50.5
    assert row["duration_ms_p50"] == pytest.approx(50, rel=0.045)
    assert row["duration_ms_p95"] == pytest.approx(95, rel=0.045)
    assert row["duration_ms_p99"] == pytest.approx(99, rel=0.045)
    assert row["caveats"] == ["sampled_durations"]


def test_hours_and_ranges_can_be_asked_for(port: Rest) -> None:
    def told(query: str) -> list[tuple[str | None, int, int]]:
        items = port.get(f"/v1/traffic?service=checkout&revision=b&{query}").json()["items"]
        return [(i["hour_at"], i["span_count"], i["error_count"]) for i in items]

    assert told("") == [(None, 2, 1)]
    assert told("hourly=true") == [("2026-03-02T13:00:00Z", 1, 1), ("2026-03-02T14:00:00Z", 1, 0)]
    assert told("since=2026-03-02T14:00:00Z") == [(None, 1, 0)]
    assert told("until=2026-03-02T13:00:00Z") == []


def test_what_is_not_known_of_the_counts_is_said(port: Rest) -> None:
    found = {i["service"]: i for i in port.get("/v1/traffic").json()["items"]}
    assert found["worker"]["caveats"] == ["sampling_unknown"]
    assert found["worker"]["weighted_span_count"] is None
    assert found["worker"]["environment"] == ""
    assert found["worker"]["revision"] is None
    # Its clock was an hour ahead; its sampling is known by a setting.
    assert found["cart"]["caveats"] == ["displaced_spans"]
    assert found["cart"]["weighted_span_count"] == 1


def test_pages_lead_through_all_operations(port: Rest) -> None:
    whole = port.get("/v1/traffic?hourly=true").json()["items"]
    paged, cursor = [], ""
    for _ in whole:
        page = port.get(f"/v1/traffic?hourly=true&limit=1{cursor}").json()
        paged += page["items"]
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == whole
    assert page["next_cursor"] is None
    assert port.get("/v1/traffic?cursor=nonsense").status_code == 400


def test_the_answer_is_what_the_openapi_document_says(port: Rest) -> None:
    document = port.client.get("/v1/openapi.json").json()
    schema = {"$ref": "#/components/schemas/OperationTrafficPage", "components": document["components"]}
    jsonschema.validate(port.get("/v1/traffic").json(), schema)

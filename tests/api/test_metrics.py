"""The metric routes; what the figures are worth is tested beside the estimators."""

import csv
import io
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow.feather
import pyarrow.parquet
import pytest
from builders import span
from inference_builders import change, day, deployment_of, incident, run, told
from rest_client import Rest, rest

from api import queries
from api.routes.metrics import DataCache
from correlator import metrics
from correlator.metric_data import MetricData
from correlator.metric_queries import MetricQuery
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope

PATH = "/v1/metrics/query"


@pytest.fixture(scope="module")
def port() -> Rest:
    return rest(told(Store.open()))


def test_the_catalogue_defines_every_metric(port: Rest) -> None:
    found = port.get("/v1/metrics").json()
    ids = [item["id"] for item in found["items"]]
    assert "change_failure_rate" in ids
    assert len(set(ids)) == len(ids)
    assert all(item["numerator"] and item["denominator"] for item in found["items"])


def test_every_metric_of_the_catalogue_answers(port: Rest) -> None:
    for item in port.get("/v1/metrics").json()["items"]:
        query = {"metric": item["id"], "from": "2026-02-01", "to": "2026-04-01"}
        answer = port.get(PATH, params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["metric"] == item["id"]
        for row in body["rows"]:
            assert row["status"] in ("ok", "insufficient", "undefined")
            assert row["value"] is None or row["suppressed"] is None


def test_get_and_post_give_the_same_answer(port: Rest) -> None:
    got = port.get(
        PATH,
        params={
            "metric": "failure_rate",
            "from": "2026-02-01T00:00:00Z",
            "to": "1775001600000",
            "group_by": "arm",
            "filter[service]": "checkout,web",
            "as_of": "2026-04-02",
        },
    )
    body = {
        "metric": "failure_rate",
        "from": "2026-02-01",
        "to": "2026-04-01T00:00:00Z",
        "group_by": ["arm"],
        "filters": {"service": ["checkout", "web"]},
        "as_of": "2026-04-02T00:00:00Z",
    }
    posted = port.client.post(PATH, headers=port.headers(TokenScope.READ), json=body)
    assert got.status_code == posted.status_code == 200, got.text
    assert got.json() == posted.json()
    assert {row["arm"] for row in got.json()["rows"]} <= {"ai_marked", "not_ai_marked"}


@pytest.mark.parametrize(
    "query",
    [
        "metric=no_such_metric",
        "metric=failure_rate&grup_by=arm",
        "metric=failure_rate&from=tuesday",
        "metric=failure_rate&from=2026-03-02&to=2026-03-01",
        "metric=failure_rate&level=2",
        "metric=failure_rate&interval=fortnight",
        "metric=failure_rate&group_by=author",
        "metric=failure_rate&tz=Mars/Olympus",
        "metric=failure_rate&as_of=2199-01-01",
        "metric=failure_rate&filter[nothing]=x",
        "",
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(port: Rest, query: str) -> None:
    answer = port.get(f"{PATH}?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_csv_by_parameter_and_by_accept(port: Rest) -> None:
    query = {"metric": "failure_rate", "group_by": "arm", "from": "2026-02-01", "to": "2026-04-01"}
    json_rows = port.get(PATH, params=query).json()["rows"]
    by_parameter = port.get(PATH, params=query | {"format": "csv"})
    by_accept = port.get(PATH, params=query, headers={"Accept": "text/csv"})
    assert by_parameter.headers["content-type"].startswith("text/csv")
    assert by_parameter.text == by_accept.text
    assert by_parameter.headers["etag"]
    rows = list(csv.DictReader(io.StringIO(by_parameter.text)))
    assert len(rows) == len(json_rows)
    assert [row["arm"] for row in rows] == [row["arm"] for row in json_rows]


def test_parquet_and_arrow_hold_the_rows_of_the_json(port: Rest) -> None:
    query = {"metric": "failure_rate", "group_by": "arm", "from": "2026-02-01", "to": "2026-04-01"}
    rows = port.get(PATH, params=query).json()["rows"]
    parquet = port.get(PATH, params=query | {"format": "parquet"})
    arrow = port.get(PATH, params=query, headers={"Accept": "application/vnd.apache.arrow.file"})
    assert parquet.headers["content-disposition"].endswith('failure_rate.parquet"')
    for read in (
        pyarrow.parquet.read_table(io.BytesIO(parquet.content)),
        pyarrow.feather.read_table(io.BytesIO(arrow.content)),
    ):
        assert read["arm"].to_pylist() == [row["arm"] for row in rows]
        assert read["value"].to_pylist() == [row["value"] for row in rows]
    assert parquet.headers["etag"] != port.get(PATH, params=query).headers["etag"]


def test_the_etag_knows_the_form(port: Rest) -> None:
    query = {"metric": "failure_rate", "from": "2026-02-01", "to": "2026-04-01"}
    etag = port.get(PATH, params=query).headers["etag"]
    assert port.get(PATH, params=query, headers={"If-None-Match": etag}).status_code == 304
    other = port.get(PATH, params=query, headers={"If-None-Match": etag, "Accept": "text/csv"})
    assert other.status_code == 200


def test_a_past_question_is_asked_of_the_inferences_of_then() -> None:
    past = Store.open()
    asked: list[datetime] = []

    class Past:
        @contextmanager
        def as_of(self, moment: datetime) -> Any:
            asked.append(moment)
            yield past

    store = told(Store.open())
    port = rest(store, operations=Past())
    query = {"metric": "failure_rate", "from": "2026-02-01", "to": "2026-03-04", "as_of": "2026-03-04"}
    assert port.get(PATH, params=query).status_code == 200
    assert asked == [datetime(2026, 3, 4, tzinfo=UTC)]
    assert port.get(PATH, params=query).status_code == 200
    assert len(asked) == 1


def test_an_answer_is_kept_until_the_data_change() -> None:
    cache = DataCache()
    store = told(Store.open())
    data = queries.metric_data(store, Settings(), day(30))
    query = MetricQuery("failure_rate", day(0), day(20), filters={"service": ("checkout",)}, as_of=day(30))

    def ask(of: MetricData, asked: MetricQuery) -> metrics.MetricAnswer:
        return cache.answer(of, repr(asked), lambda known: metrics.answer(asked, known))

    first = ask(data, query)
    assert ask(data, replace(query)) is first
    assert ask(data, replace(query, filters={"service": ("web",)})) is not first
    assert ask(replace(data, has_sampled_traces=True), query) is not first
    assert ask(replace(data, as_of=day(31)), query) is not first


def test_a_review_that_comes_later_changes_the_answer() -> None:
    store = told(Store.open())
    port = rest(store)
    query = {"metric": "unreviewed_share", "from": "2026-02-01", "to": "2026-04-01"}
    etag = port.get(PATH, params=query).headers["etag"]
    review = {
        "repository": "acme/shop",
        "number": 7,
        "id": "r-1",
        "event": "approved",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    assert port.post("/v1/intake/reviews", json=review).status_code == 202
    assert port.get(PATH, params=query, headers={"If-None-Match": etag}).status_code == 200


def test_what_came_later_is_not_known_yet() -> None:
    store = Store.open()
    store.append_rows(tables.CHANGES, [change(1), change(5)])
    store.append_rows(
        tables.CHANGE_DEPLOYMENTS,
        [
            deployment_of(1),
            deployment_of(1, service="web", deployed_at=day(9)),
            deployment_of(1, service="stage", environment="staging", deployed_at=day(0)),
        ],
    )
    store.append_rows(tables.INCIDENT_STATES, [incident("A"), incident("B", opened_at=day(8))])
    data = queries.metric_data(store, Settings(), day(3.01))
    assert data.changes.num_rows == 1
    row = data.changes.to_pylist()[0]
    assert row["deployed_at"].isoformat() == "2026-03-03T18:00:00"
    assert (row["services"], row["has_traces"]) == (["checkout"], True)
    assert data.incidents.column("status").to_pylist() == ["open"]
    assert data.incidents.column("resolved_at").to_pylist() == [None]


def test_a_statement_about_unmarked_commits_and_sampling_reach_the_metrics() -> None:
    store = Store.open()
    base = {"source": "/srv/x", "added_at": day(0)}
    store.append_rows(
        tables.REPOSITORIES,
        [
            {"repository": "a/none", **base},
            {"repository": "a/always", "assume_unmarked": "human", **base},
            {"repository": "a/since", "assume_unmarked": "human", "assume_unmarked_from": day(1), **base},
        ],
    )
    data = queries.metric_data(store, Settings(), day(3))
    assert data.repositories_policy == {
        "a/none": None,
        "a/always": datetime(1970, 1, 1, tzinfo=UTC),
        "a/since": day(1),
    }
    assert not data.has_sampled_traces


@pytest.mark.parametrize(
    ("trace_state", "is_sampled"),
    [
        ("ot=th:8", True),
        ("a=b,ot=rv:1f;th:c", True),
        ("ot=th:0", False),
        ("ot=rv:12", False),
        ("x=th:8", False),
    ],
)
def test_a_sampling_threshold_is_read_from_the_trace_state(trace_state: str, is_sampled: bool) -> None:
    store = Store.open()
    store.append_rows(tables.SPANS, [span(1, trace_state=trace_state)])
    assert queries.metric_data(store, Settings(), day(1)).has_sampled_traces is is_sampled


def test_the_present_is_the_last_correlation_or_the_begun_hour() -> None:
    store = Store.open()
    now = datetime(2026, 3, 7, 12, 40, tzinfo=UTC)
    assert queries.present(queries.known(store), now) == now.replace(minute=0)
    store.append_rows(tables.CORRELATION_RUNS, [run(as_of=now.replace(minute=20))])
    assert queries.present(queries.known(store), now) == now.replace(minute=20)

"""Changes, incidents, attributions, failures and services over REST."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from builders import span
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_builders import (
    GROUP,
    SPAN,
    TRACE,
    change,
    day,
    deployment_of,
    failure_group,
    incident,
    provenance,
    run,
    sha,
    share,
    told,
)
from rest_client import Rest, rest

from api import paging, queries
from collector import rollups
from schemas import tables
from schemas.responses import Attribution
from schemas.settings import Settings
from schemas.store import Store, arrow
from schemas.vocabulary import TokenScope


@pytest.fixture(scope="module")
def port() -> Rest:
    return rest(told(Store.open()))


# --- changes ----------------------------------------------------------------------------------------


def test_changes_come_newest_first_with_their_first_deployment_and_their_blame(port: Rest) -> None:
    items = port.get("/v1/changes").json()["items"]
    assert [item["sha"] for item in items] == [sha(3), sha(2), sha(1)]
    assert items[0]["deployed_at"] is None
    assert items[1]["deployed_at"] == "2026-03-04T18:00:00Z"
    assert items[1]["services"] == ["checkout"]
    assert items[1]["incident_weight"] == 0.712345


def test_changes_are_filtered(port: Rest) -> None:
    def found(query: str) -> list[str]:
        return [item["sha"] for item in port.get(f"/v1/changes?{query}").json()["items"]]

    assert found("origin=ai") == [sha(2)]
    assert found("repository=acme/none") == []
    assert found("since=2026-03-04&until=2026-03-05T00:00:00Z") == [sha(2)]
    assert found(f"since={int(day(2).timestamp() * 1000)}") == [sha(3), sha(2)]
    assert port.get("/v1/changes?origin=robot").status_code == 422
    assert port.get("/v1/changes?since=yesterday").status_code == 422


def test_pages_join_to_the_whole_list_without_gap_or_repeat() -> None:
    store = Store.open()
    # Equal landing times and two repositories: the order must still be total.
    rows = [change(n, landed_at=day(n // 3), repository=f"acme/{'ab'[n % 2]}") for n in range(20)]
    store.append_rows(tables.CHANGES, rows)
    port = rest(store)
    whole = [item["sha"] for item in port.get("/v1/changes?limit=200").json()["items"]]
    paged: list[str] = []
    url: str | None = "/v1/changes?limit=3"
    while url:
        answer = port.get(url)
        paged += [item["sha"] for item in answer.json()["items"]]
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        url = link[1 : link.index(">")] if link else None
    assert paged == whole
    assert len(set(whole)) == 20


@pytest.mark.parametrize(
    "bad", ["x", "!!!", "WyJjaGFuZ2VzIl0", "e30", paging.cursor("incidents", (day(1), "a"))]
)
def test_a_cursor_of_another_list_is_a_bad_request(port: Rest, bad: str) -> None:
    answer = port.get(f"/v1/changes?cursor={bad}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("limit", ["0", "201", "x"])
def test_a_limit_outside_1_to_200_is_refused(port: Rest, limit: str) -> None:
    assert port.get(f"/v1/changes?limit={limit}").status_code == 422


@settings(deadline=None)
@given(key=st.tuples(st.datetimes(timezones=st.just(day(0).tzinfo)), st.text(), st.integers(0, 2**40)))
def test_a_cursor_gives_back_its_key(key: tuple[Any, ...]) -> None:
    try:
        key[1].encode()
    except UnicodeEncodeError:
        return
    assert tuple(paging.key("list", paging.cursor("list", key), (type(key[0]), str, int))) == key


def test_a_change_is_found_by_a_unique_short_sha(port: Rest) -> None:
    found = port.get("/v1/changes/00000002").json()
    assert found["sha"] == sha(2)
    assert port.get(f"/v1/changes/{sha(2).upper()}").json()["sha"] == sha(2)
    shared = port.get("/v1/changes/0000")
    assert shared.status_code == 409
    assert len(shared.json()["matches"]) == 3
    assert port.get("/v1/changes/ffff").status_code == 404
    assert port.get("/v1/changes/nothex").status_code == 422


def test_a_change_tells_commits_provenance_deployments_outcomes_and_suspicions(port: Rest) -> None:
    found = port.get(f"/v1/changes/{sha(2)}").json()
    commit = found["commits"][0]
    assert (commit["origin"], commit["tools"], commit["subject"]) == ("ai", ["claude-code"], "Change 2")
    assert commit["provenance"][0]["commit"] == sha(2)
    assert "Claude" in commit["provenance"][0]["matched_text"]
    assert found["deployments"][0]["service"] == "checkout"
    assert found["outcomes"][0]["outcome_id"] == "generic:INC-7"
    assert found["suspected_in"][0]["id"] == "generic:INC-7"
    assert found["suspected_in"][0]["evidence"][0]["kind"] == "blamed_line"
    assert found["rework"] is None


def test_no_answer_names_a_person(port: Rest) -> None:
    for path in (f"/v1/changes/{sha(2)}", "/v1/changes", "/v1/incidents/INC-7/attributions"):
        assert not {"Alma", "Carl", "alma@", "carl@"} & set(port.get(path).text.replace('"', " ").split())
        assert "example.org" not in port.get(path).text


# --- incidents --------------------------------------------------------------------------------------


def test_an_incident_shows_its_heaviest_explanation(port: Rest) -> None:
    found = port.get("/v1/incidents?service=checkout&status=resolved").json()["items"]
    assert [item["id"] for item in found] == ["generic:INC-7"]
    assert found[0]["top_change"] == sha(2)
    assert found[0]["labels"] == {"team": "shop"}
    assert (found[0]["no_change"], found[0]["unattributed"]) == (0.12, 0.067655)
    assert port.get("/v1/incidents?status=open").json()["items"] == []


def test_the_attribution_leads_from_the_trace_to_the_commits_trailer(port: Rest) -> None:
    found = port.get("/v1/incidents/INC-7/attributions").json()
    first = found["candidates"][0]
    assert first["change"] == sha(2)
    assert first["origin"] == "ai"
    assert first["deployed_at"] == "2026-03-04T18:00:00Z"
    chain = first["chain"]
    assert (chain["trace_id"], chain["span_id"], chain["group_id"]) == (TRACE, SPAN, GROUP)
    assert [frame["position"] for frame in chain["frames"]] == [0, 1]
    assert chain["frames"][0]["path"] == "services/checkout/orders.py"
    assert chain["frames"][0]["blamed_sha"] == first["provenance"][0]["commit"] == sha(2)
    assert first["provenance"][0]["matched_text"] == "Co-Authored-By: Claude <noreply@anthropic.com>"
    assert found["no_change_evidence"][0]["kind"] == "dependency_down"
    assert found["groups"][0]["group_id"] == GROUP
    assert found["algorithm_version"] == "1"
    assert found["incident"]["external_id"] == "INC-7"
    assert "category" not in found["incident"]
    assert found["category"] == "logic_unhandled"


def test_the_attribution_is_what_the_openapi_document_says(port: Rest) -> None:
    schema = Attribution.model_json_schema(mode="serialization")
    jsonschema.validate(port.get("/v1/incidents/generic:INC-7/attributions").json(), schema)


def test_the_message_is_quoted_word_for_word_while_the_span_is_kept() -> None:
    store = told(Store.open())
    assert queries.attributions(store, "INC-7")["candidates"][0]["chain"]["message"] == "<name>"  # type: ignore[index]
    raised = span(int(SPAN, 16), trace=int(TRACE, 16), start_time=day(3), exception_message="'shipping_zone'")
    other = span(int(SPAN, 16), trace=1, start_time=day(3), exception_message="of another trace")
    store.append_rows(tables.SPANS, [raised, other])
    found = queries.attributions(store, "INC-7")
    assert found is not None
    assert found["candidates"][0]["chain"]["message"] == "'shipping_zone'"


def _mass(found: dict[str, Any]) -> int:
    parts = [c["weight"] for c in found["candidates"]] + [found["no_change"], found["unattributed"]]
    return sum(round(part * 1_000_000) for part in parts)


def test_masses_sum_to_one(port: Rest) -> None:
    found = port.get("/v1/incidents/INC-7/attributions").json()
    assert _mass(found) == 1_000_000
    assert found["unattributed"] == 0.067655


_SHARED = Store.open()


@settings(max_examples=20, deadline=None)
@given(weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_masses_sum_to_one_whatever_the_weights(weights: list[int]) -> None:
    total = sum(weights) or 1
    rows = [share(n + 1, round(w / total * 0.9, 6), n) for n, w in enumerate(weights)]
    store = _SHARED
    store.replace_all(tables.INCIDENT_STATES, arrow(tables.INCIDENT_STATES, [incident()]))
    store.replace_all(tables.INCIDENT_ATTRIBUTIONS, arrow(tables.INCIDENT_ATTRIBUTIONS, rows))
    found = queries.attributions(store, "INC-7")
    assert found is not None
    assert _mass(found) == 1_000_000
    listed = queries.incidents(store)["items"][0]
    assert listed["unattributed"] == found["unattributed"]


def test_an_incident_without_an_answer_is_wholly_unattributed() -> None:
    store = Store.open()
    store.append_rows(tables.INCIDENT_STATES, [incident()])
    found = queries.attributions(store, "INC-7")
    assert found is not None
    assert (found["candidates"], found["no_change"], found["unattributed"]) == ([], 0.0, 1.0)
    assert queries.incidents(store)["items"][0]["unattributed"] == 1.0


def test_a_duplicate_has_the_answer_of_the_first() -> None:
    store = told(Store.open())
    store.append_rows(tables.INCIDENT_STATES, [incident("INC-8", duplicate_of="generic:INC-7")])
    first, second = queries.attributions(store, "INC-7"), queries.attributions(store, "INC-8")
    assert first is not None
    assert second is not None
    assert second["candidates"] == first["candidates"]
    assert second["incident"]["duplicate_of"] == "generic:INC-7"
    assert {row["id"]: row["top_change"] for row in queries.incidents(store)["items"]}[
        "generic:INC-8"
    ] == sha(2)


def test_an_external_id_of_two_senders_needs_its_source() -> None:
    store = told(Store.open())
    store.append_rows(tables.INCIDENT_STATES, [incident(source="pagerduty")])
    port = rest(store)
    refused = port.get("/v1/incidents/INC-7/attributions")
    assert refused.status_code == 409
    assert refused.json()["matches"] == ["generic:INC-7", "pagerduty:INC-7"]
    assert port.get("/v1/incidents/pagerduty:INC-7").json()["source"] == "pagerduty"
    assert port.get("/v1/incidents/nobody").status_code == 404


def test_an_incident_id_may_hold_slashes() -> None:
    store = Store.open()
    store.append_rows(tables.INCIDENT_STATES, [incident("ops/12")])
    port = rest(store)
    assert port.get("/v1/incidents/ops/12").json()["external_id"] == "ops/12"
    assert port.get("/v1/incidents/ops/12/attributions").status_code == 200


def test_a_verdict_stands_beside_the_machines_answer_and_is_audited() -> None:
    port = rest(told(Store.open()))
    admin = port.headers(TokenScope.ADMIN)
    path = "/v1/incidents/INC-7/verdict"
    assert port.get(path).status_code == 404
    first = port.client.put(path, headers=admin, json={"candidate": "change", "change": "00000001"})
    assert (first.status_code, first.json()["sha"]) == (200, sha(1))
    second = port.client.put(
        path, headers=admin, json={"candidate": "no_change", "reason": "the bank was down"}
    )
    assert second.status_code == 200
    assert port.get(path).json() == second.json()
    found = port.get("/v1/incidents/INC-7/attributions").json()
    assert (found["verdict"]["candidate"], found["verdict"]["sha"]) == ("no_change", None)
    assert found["verdict"]["reason"] == "the bank was down"
    assert found["candidates"][0]["change"] == sha(2)
    assert port.store.value("SELECT count(*) FROM verdicts") == 2
    audited = port.store.rows("SELECT action, request_id FROM audit WHERE action = 'verdict.put'")
    assert len(audited) == 2
    assert audited[0]["request_id"]


@pytest.mark.parametrize(
    "body",
    [
        {"candidate": "change"},
        {"candidate": "change", "change": "ffff"},
        {"candidate": "no_change", "change": "00000001"},
        {"candidate": "unattributed"},
        {},
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused(port: Rest, body: dict[str, str]) -> None:
    answer = port.client.put("/v1/incidents/INC-7/verdict", headers=port.headers(TokenScope.ADMIN), json=body)
    assert answer.status_code == 422
    assert port.client.put(
        "/v1/incidents/INC-7/verdict", headers=port.headers(TokenScope.READ), json=body
    ).status_code in (403, 422)


# --- failures, services -----------------------------------------------------------------------------


def test_failure_groups_come_with_category_and_heaviest_explanation(port: Rest) -> None:
    found = port.get("/v1/failures?category=logic_unhandled").json()["items"]
    assert found[0]["group_id"] == GROUP
    assert found[0]["categories"][0]["reason"] == "KeyError"
    assert (found[0]["top_candidate"], found[0]["top_weight"]) == ("unattributed", 1.0)
    assert port.get("/v1/failures?service=web").json()["items"] == []


def test_failure_groups_are_paged() -> None:
    store = Store.open()
    store.append_rows(tables.FAILURE_GROUPS, [failure_group(group_id=f"{n:016x}") for n in range(5)])
    first = queries.failure_groups(store, limit=3)
    second = queries.failure_groups(store, limit=3, cursor=first["next_cursor"])
    assert [row["group_id"][-1] for row in first["items"] + second["items"]] == list("01234")
    assert second["next_cursor"] is None


def test_a_service_tells_what_is_known_and_what_is_missing() -> None:
    store = told(Store.open())
    store.append_rows(tables.SPANS, [span(1, revision=sha(2)), span(2), span(3, service="web")])
    store.append_rows(
        tables.SERVICE_REPOSITORIES,
        [{"service": "checkout", "repository": "acme/shop", "path": "services/checkout", "basis": "frames"}],
    )
    found = {item["service"]: item for item in rest(store).get("/v1/services").json()["items"]}
    checkout, web = found["checkout"], found["web"]
    assert (checkout["span_count"], checkout["revision_share"]) == (2, 0.5)
    assert (checkout["repository"], checkout["path"], checkout["basis"]) == (
        "acme/shop",
        "services/checkout",
        "frames",
    )
    assert (checkout["frame_count"], checkout["frame_share"], checkout["incident_count"]) == (2, 0.5, 1)
    assert [item["code"] for item in checkout["advice"]] == ["not_synced", "no_revision", "sampling_unknown"]
    assert [item["code"] for item in web["advice"]] == [
        "no_repository",
        "no_revision",
        "sampling_unknown",
        "no_incidents",
    ]
    assert len(web["missing"]) == 4
    assert "aftermerge service map web" in web["advice"][0]["hint"]


def test_a_hint_is_safe_to_paste() -> None:
    store = Store.open()
    store.append_rows(tables.SPANS, [span(1, service="x; rm -rf {repository}")])
    advice = queries.services(store, Settings())[0]["advice"]
    assert "'x; rm -rf {repository}'" in advice[0]["hint"]


def test_spans_that_no_hour_counts_yet_count_at_once_unless_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, now = Store.open(), datetime.now(UTC)
    with store.transaction():
        number = rollups.next_load(store, 3, now=now)
        batch = arrow(tables.SPANS, [span(n, service="cart") for n in (1, 2, 3)])
        store.append(tables.SPANS, rollups.stamped(tables.SPANS, batch, number, now=now))
    (cart,) = queries.services(store, Settings())
    assert cart["span_count"] == 3
    monkeypatch.setattr(queries, "UNCOUNTED_MAX", 2)
    assert queries.services(store, Settings()) == []
    assert rollups.fold(store, Settings(), now=now) == 3
    (cart,) = queries.services(store, Settings())
    assert cart["span_count"] == 3


# --- caching ----------------------------------------------------------------------------------------


def test_an_answer_is_not_sent_again_until_something_changes() -> None:
    store = told(Store.open())
    port = rest(store)
    path = "/v1/incidents/INC-7/attributions"
    etag = port.get(path).headers["etag"]
    again = port.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert port.get("/v1/incidents").headers["etag"] != etag
    port.client.put(
        "/v1/incidents/INC-7/verdict", headers=port.headers(TokenScope.ADMIN), json={"candidate": "no_change"}
    )
    judged = port.get(path, headers={"If-None-Match": etag})
    assert judged.status_code == 200
    store.append_rows(tables.CORRELATION_RUNS, [run("d2", as_of=day(6))])
    assert port.get(path).headers["etag"] not in (etag, judged.headers["etag"])


def test_a_token_is_asked_for_before_the_etag_is_looked_at(port: Rest) -> None:
    etag = port.get("/v1/changes").headers["etag"]
    assert port.client.get("/v1/changes", headers={"If-None-Match": etag}).status_code == 401


def test_before_the_first_correlation_nothing_is_cached() -> None:
    assert "etag" not in rest(Store.open()).get("/v1/changes").headers


def test_equal_facts_in_any_order_give_equal_bytes() -> None:
    def text(reverse: bool) -> str:
        store = Store.open()
        order = -1 if reverse else 1
        store.append_rows(tables.CHANGES, [change(n) for n in range(6)][::order])
        store.append_rows(
            tables.CHANGE_DEPLOYMENTS, [deployment_of(n % 6, service=f"s{n}") for n in range(12)][::order]
        )
        store.append_rows(tables.COMMIT_PROVENANCE, [provenance(n) for n in range(6)][::order])
        return json.dumps([queries.changes(store), queries.change(store, sha(3))], default=str)

    assert text(False) == text(True)

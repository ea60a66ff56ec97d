import hashlib
import hmac
import json

import jsonschema
import pytest
from rest_client import Rest, rest

from schemas.store import Store
from schemas.vocabulary import TokenScope

BODIES = {
    "deployments": {"id": "d-1", "service": "checkout", "finished_at": "2026-03-02T11:00:00Z", "ticket": 4},
    "incidents": {"id": "INC-7", "event": "opened", "opened_at": 1772449200, "labels": {"team": "shop"}},
    "artifacts": {"artifact": "sha256:" + "4f" * 32, "revision": "a" * 40},
    "changes": {"repository": "acme/shop", "number": 7, "title": "Add zones"},
    "agent-traces": {
        "version": "0.1.0",
        "id": "r-1",
        "vcs": {"type": "git", "revision": "a" * 40},
        "files": [
            {
                "path": "a.py",
                "conversations": [
                    {"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 2}]}
                ],
            }
        ],
    },
    "pagerduty": {
        "event": {
            "id": "01TESTEVENT",
            "event_type": "incident.triggered",
            "occurred_at": "2026-03-02T11:00:00Z",
            "data": {"id": "Q1", "type": "incident", "title": "Orders are failing"},
        }
    },
}


@pytest.fixture(scope="module")
def port() -> Rest:
    return rest(Store.open())


@pytest.mark.parametrize("noun", BODIES)
def test_a_fact_is_taken_once_and_202_says_so(port: Rest, noun: str) -> None:
    first = port.post(f"/v1/intake/{noun}", json=BODIES[noun])
    assert (first.status_code, first.json()) == (202, {"accepted": 1, "duplicates": 0})
    again = port.post(f"/v1/intake/{noun}", json=BODIES[noun])
    assert (again.status_code, again.json()) == (202, {"accepted": 0, "duplicates": 1})


@pytest.mark.parametrize("noun", BODIES)
def test_the_intake_needs_its_scope(port: Rest, noun: str) -> None:
    assert port.client.post(f"/v1/intake/{noun}", json=BODIES[noun]).status_code == 401
    assert port.post(f"/v1/intake/{noun}", TokenScope.READ, json=BODIES[noun]).status_code == 403
    assert port.post(f"/v1/intake/{noun}", TokenScope.ADMIN, json=BODIES[noun]).status_code == 202


def test_a_refusal_names_the_index_and_the_field(port: Rest) -> None:
    sent = [BODIES["incidents"] | {"id": "INC-8"}, {"id": "INC-9", "event": "opened", "opened_at": "soon"}]
    answer = port.post("/v1/intake/incidents", json=sent)
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["index"], problem["field"]) == (1, "opened_at")
    assert problem["errors"][0]["field"] == "opened_at"
    assert port.store.value("SELECT count(*) FROM incident_events WHERE external_id = 'INC-8'") == 0


def test_what_is_not_json_is_a_problem(port: Rest) -> None:
    assert port.post("/v1/intake/changes", content=b"{").status_code == 422


def test_a_signed_webhook_needs_no_token_and_an_unsigned_one_gets_none_past() -> None:
    port = rest(Store.open(), pagerduty_secrets=("old", "new"))
    body = json.dumps(BODIES["pagerduty"]).encode()
    digest = hmac.new(b"new", body, hashlib.sha256).hexdigest()
    signed = {"X-PagerDuty-Signature": f"v1={'0' * 64},v1={digest}"}
    refused = port.post("/v1/intake/pagerduty", content=body)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"]
    assert port.client.post("/v1/intake/pagerduty", content=body + b" ", headers=signed).status_code == 401
    taken = port.client.post("/v1/intake/pagerduty", content=body, headers=signed)
    assert (taken.status_code, taken.json()["accepted"]) == (202, 1)


def test_the_schemas_are_published_and_fit_the_bodies(port: Rest) -> None:
    listed = port.client.get("/v1/schemas/").json()["items"]
    names = ("deployments", "incidents", "changes", "artifacts", "agent-traces")
    assert listed == [f"/v1/schemas/{name}" for name in names]
    for path in listed:
        answer = port.client.get(path)
        assert answer.headers["content-type"].startswith("application/schema+json")
        schema = answer.json()
        jsonschema.Draft202012Validator.check_schema(schema)
        body = BODIES[path.rpartition("/")[2]]
        jsonschema.validate(body, schema)
        jsonschema.validate([body, body], schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({}, schema)
    assert port.client.get("/v1/schemas/nothing").status_code == 404

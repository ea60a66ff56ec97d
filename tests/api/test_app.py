import json

import pytest
from inference_builders import told
from rest_client import Rest, rest

from schemas.store import Store
from schemas.vocabulary import TokenScope


@pytest.fixture(scope="module")
def port() -> Rest:
    return rest(told(Store.open()))


GUARDED = [
    "/v1/changes",
    "/v1/changes/00000002",
    "/v1/incidents",
    "/v1/incidents/INC-7",
    "/v1/incidents/INC-7/attributions",
    "/v1/failures",
    "/v1/services",
    "/v1/metrics",
    "/v1/metrics/query?metric=failure_rate",
    "/v1/tokens",
    "/v1/operations/repositories",
]


@pytest.mark.parametrize("path", GUARDED)
def test_without_a_token_there_is_a_problem_and_a_challenge(port: Rest, path: str) -> None:
    answer = port.client.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem = answer.json()
    assert problem["status"] == 401
    assert problem["title"] == "Unauthorized"
    assert problem["instance"] == path.partition("?")[0]
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("path", GUARDED[:9])
def test_a_token_of_another_scope_is_forbidden(port: Rest, path: str) -> None:
    answer = port.get(path, TokenScope.INGEST)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", GUARDED[:7])
def test_an_admin_token_may_read(port: Rest, path: str) -> None:
    assert port.get(path, TokenScope.ADMIN).status_code == 200


def test_an_unknown_path_and_a_wrong_method_are_problems(port: Rest) -> None:
    assert port.client.get("/v1/nothing").json()["status"] == 404
    refused = port.client.put("/v1/changes")
    assert (refused.status_code, refused.headers["content-type"]) == (405, "application/problem+json")


def test_every_answer_carries_security_headers(port: Rest) -> None:
    for path in ("/healthz", "/v1/changes", "/v1/openapi.json", "/v1/nothing"):
        headers = port.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "Authorization" in headers["vary"]


def test_a_request_id_is_kept_when_it_is_one(port: Rest) -> None:
    assert port.client.get("/healthz", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    answer = port.client.get("/healthz", headers={"X-Request-ID": "no spaces, please"})
    assert len(answer.headers["x-request-id"]) == 32


def test_a_large_body_is_refused_before_and_while_it_is_read() -> None:
    port = rest(Store.open(), intake_bytes_max=1000)
    whole = port.post("/v1/intake/incidents", content=b"x" * 1001)
    streamed = port.post("/v1/intake/incidents", content=(b"x" * 400 for _ in range(5)))
    for answer in (whole, streamed):
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_bug_is_a_problem_that_tells_nothing_but_the_request_id() -> None:
    port = rest(Store.open())
    port.client.app.state.is_ready = lambda: 1 / 0  # type: ignore[attr-defined]
    answer = port.client.get("/readyz")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "division" not in answer.text
    assert "content-security-policy" in answer.headers


def test_readiness_follows_the_server_and_liveness_does_not() -> None:
    port = rest(Store.open(), is_ready=lambda: False)
    assert port.client.get("/healthz").json() == {"status": "ok"}
    assert port.client.get("/readyz").status_code == 503
    assert rest(Store.open()).client.get("/readyz").json() == {"status": "ready"}


def test_the_openapi_document_names_every_route_and_the_problem(port: Rest) -> None:
    document = port.client.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path in (
        "/v1/changes",
        "/v1/incidents/{incident_id}/attributions",
        "/v1/metrics/query",
        "/v1/intake/changes",
    ):
        assert path in document["paths"]
    assert "#/components/schemas/IncidentReport" in json.dumps(document["paths"]["/v1/intake/incidents"])
    assert document["components"]["schemas"]["IncidentLinks"]["properties"]["trace_id"]
    refused = document["paths"]["/v1/changes"]["get"]["responses"]["401"]["content"]
    assert "application/problem+json" in refused
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_a_page_without_a_session_says_how_to_log_in(port: Rest) -> None:
    answer = port.client.get("/login?code=wrong", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "aftermerge token login" in answer.text
    assert answer.headers["content-type"].startswith("text/html")

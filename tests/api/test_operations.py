from datetime import UTC, date, datetime
from typing import Any

import pytest
from rest_client import Rest, rest

from schemas.errors import MalformedInput, Overloaded, SourceUnavailable
from schemas.store import Store
from schemas.vocabulary import TokenScope

ADMIN = TokenScope.ADMIN


class Recorder:
    """An installation that does nothing but remember what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def correlated(self, *, as_of: datetime | None = None) -> dict[str, Any]:
        self.asked.append(("correlated", as_of))
        return {"digest": "d"}

    def rebuilt(self) -> dict[str, Any]:
        raise Overloaded("a correlation is at work", retry_after_s=7)

    def sync(self, repository: str | None = None, progress: object = None) -> list[dict[str, Any]]:  # noqa: ARG002
        self.asked.append(("sync", repository))
        if repository == "acme/gone":
            raise SourceUnavailable(
                "git could not fetch acme/gone", hint="look at the path", command="git fetch"
            )
        return [{"repository": repository}]

    def add_repository(self, repository: str, source: str, **given: Any) -> dict[str, Any]:
        self.asked.append(("add_repository", repository, source, given))
        return {"repository": repository, "added_at": datetime(2026, 3, 2, tzinfo=UTC)}

    def list_repositories(self) -> list[dict[str, Any]]:
        return [{"repository": "acme/shop"}]

    def remove_repository(self, repository: str) -> None:
        self.asked.append(("remove_repository", repository))

    def map_service(self, service: str, repository: str, path: str = "") -> dict[str, Any]:
        if repository == "acme/none":
            raise MalformedInput("no repository is called acme/none", hint="add it")
        return {"service": service, "repository": repository, "path": path}

    def report(self, week: str, *, publish: bool = True) -> dict[str, Any]:
        return {"week": week, "publish": publish}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def port(recorder: Recorder) -> Rest:
    return rest(Store.open(), operations=recorder)


def test_operations_reach_the_installation_and_are_audited(port: Rest, recorder: Recorder) -> None:
    prefix = "/v1/operations"
    assert port.post(f"{prefix}/correlate", ADMIN, json={"as_of": "2026-03-02T00:00:00Z"}).json() == {
        "digest": "d"
    }
    assert port.post(f"{prefix}/correlate", ADMIN, json={}).status_code == 200
    assert port.post(f"{prefix}/sync", ADMIN, json={"repository": None}).json() == {
        "repositories": [{"repository": None}]
    }
    body = {
        "repository": "acme/shop",
        "source": "/srv/shop",
        "assume_unmarked": "human",
        "assume_unmarked_from": "2026-01-01",
    }
    assert port.post(f"{prefix}/repositories", ADMIN, json=body).status_code == 201
    assert port.get(f"{prefix}/repositories", ADMIN).json() == {"repositories": [{"repository": "acme/shop"}]}
    removed = port.client.delete(f"{prefix}/repositories?repository=acme/shop", headers=port.headers(ADMIN))
    assert (removed.status_code, removed.content) == (204, b"")
    mapping = {"service": "checkout", "repository": "acme/shop", "path": "services/checkout"}
    assert port.post(f"{prefix}/service-mappings", ADMIN, json=mapping).json() == mapping
    assert port.post(f"{prefix}/report", ADMIN, json={"week": "2026-W10"}).json()["week"] == "2026-W10"
    assert recorder.asked == [
        ("correlated", datetime(2026, 3, 2, tzinfo=UTC)),
        ("correlated", None),
        ("sync", None),
        (
            "add_repository",
            "acme/shop",
            "/srv/shop",
            {"url": None, "assume_unmarked": "human", "assume_unmarked_from": date(2026, 1, 1)},
        ),
        ("remove_repository", "acme/shop"),
    ]
    actions = {
        row["action"] for row in port.store.rows("SELECT action FROM audit WHERE request_id IS NOT NULL")
    }
    assert actions == {"correlate", "sync", "repository.add", "repository.remove", "service.map", "report"}


def test_error_kinds_have_their_status(port: Rest) -> None:
    unreachable = port.post("/v1/operations/sync", ADMIN, json={"repository": "acme/gone"})
    assert (unreachable.status_code, unreachable.json()["hint"]) == (502, "look at the path")
    assert "command" not in unreachable.json()
    busy = port.post("/v1/operations/rebuild", ADMIN)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "7")
    unknown = port.post(
        "/v1/operations/service-mappings", ADMIN, json={"service": "s", "repository": "acme/none"}
    )
    assert (unknown.status_code, unknown.json()["detail"]) == (422, "no repository is called acme/none")
    week = port.post("/v1/operations/report", ADMIN, json={"week": "last"})
    assert (week.status_code, week.json()["errors"][0]["field"]) == (422, "body.week")


@pytest.mark.parametrize("scope", [TokenScope.READ, TokenScope.INTAKE, TokenScope.INGEST])
def test_operations_are_for_admins(port: Rest, recorder: Recorder, scope: TokenScope) -> None:
    assert port.post("/v1/operations/correlate", scope, json={}).status_code == 403
    assert recorder.asked == []


def test_without_an_installation_there_are_no_operations() -> None:
    assert rest(Store.open()).post("/v1/operations/correlate", ADMIN, json={}).status_code == 501

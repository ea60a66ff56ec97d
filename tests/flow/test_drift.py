"""A door that a change opened without an error: from spans to the change that is suspected, with a real repository."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from builders import insert, resource_id
from drift_traffic import BEGIN, Row, spans
from flow.company import incident
from load_builders import deliver
from repository_builder import RepositoryBuilder

from api import queries
from api.installation import Installation
from schemas import tables
from schemas.settings import Settings

NAME = "acme/shop"
DEPLOYED, DAYS = 2.6, 4.0
GUARDED = "def account(request):\n    require_login(request)\n    return page(request)\n"


def opened(row: Row, _: np.random.Generator) -> Row:
    is_account = row["name"] == "GET /account"
    return {**row, "http_response_status_code": 200} if is_account else row


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("drift")
    repository = RepositoryBuilder(folder / "shop")
    shas = {}
    for name, message, files in (
        ("base", "Start", {"account.py": GUARDED, "routes.py": 'ROUTES = {"/account": account}\n'}),
        ("docs", "Say how", {"README.md": "# Shop\n"}),
        (
            "door",
            "Show the account page faster",
            {"account.py": GUARDED.replace("    require_login(request)\n", "")},
        ),
        ("style", "Colour the basket", {"basket.css": "a { color: red }\n"}),
    ):
        when = BEGIN - timedelta(days=3) if name == "base" else BEGIN + timedelta(days=DEPLOYED - 0.5)
        shas[name] = repository.commit(message, files, when=when)
    installation = Installation.open(Settings(data=folder / "data", sampling_ratio=1.0))
    installation.add_repository(NAME, str(repository.path))
    installation.sync(NAME)
    installation.map_service("checkout", NAME, "")
    rows: list[dict[str, Any]] = [
        {**row, "resource_id": resource_id("checkout")}
        for row in spans(
            days=DAYS,
            deployed_after=DEPLOYED,
            change=opened,
            seed=3,
            per_hour=80,
            revisions=(shas["base"], shas["style"]),
        )
    ]
    insert(installation.store, rows[:1])
    deliver(installation.store, 1, rows[1:])
    installation.correlate()
    yield installation, shas
    installation.close()


def test_the_change_that_took_the_guard_away_is_suspected(shop: tuple[Installation, dict[str, str]]) -> None:
    installation, shas = shop
    page = queries.failure_groups(
        installation.store, service="checkout", category=None, since=None, until=None, cursor=None, limit=50
    )
    found = {item["detector"]: item for item in page["items"]}
    stopped = found["denials_stopped"]
    assert stopped["category"] == "security"
    assert (stopped["onset_sha"], stopped["previous_sha"]) == (shas["style"], shas["base"])
    assert stopped["top_candidate"] == "change"
    assert stopped["top_change"] == shas["door"]


def test_a_rebuild_finds_the_same(shop: tuple[Installation, dict[str, str]]) -> None:
    installation, _ = shop
    before = installation.store.rows("SELECT * FROM failure_groups ORDER BY group_id")
    installation.rebuilt()
    assert installation.store.rows("SELECT * FROM failure_groups ORDER BY group_id") == before


def test_an_incident_that_no_span_explains_is_led_to_the_drift(
    shop: tuple[Installation, dict[str, str]],
) -> None:
    installation, shas = shop
    opened_at = BEGIN + timedelta(days=DEPLOYED + 0.4)
    events = incident("INC-9", "Account pages open without login", opened_at, opened_at + timedelta(hours=5))
    installation.store.append_rows(tables.INCIDENT_EVENTS, events)
    installation.correlate()
    found = queries.attributions(installation.store, "INC-9")
    assert found is not None
    assert found["category"] == "security"
    first = found["candidates"][0]
    assert first["change"] == shas["door"]
    assert first["chain"]["detector"] in ("denials_stopped", "callers_unauthenticated")
    assert "GET /account" in first["chain"]["message"]

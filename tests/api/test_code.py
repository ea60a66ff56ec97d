"""Code mappings and source maps over REST: kept, bounded, audited."""

from pathlib import Path
from typing import Any

import pytest
import zstandard
from rest_client import Rest, rest

from schemas.store import Store
from schemas.vocabulary import TokenScope

MAP = (Path(__file__).parent.parent / "golden" / "source_maps" / "main.3f9c2a1b.js.map").read_bytes()
WHERE = {
    "service": "shop",
    "version": "1.4.0",
    "file": "https://shop.example.org/static/main.3f9c2a1b.js?v=1",
}
SOURCE_MAPS = "/v1/code/source-maps"


@pytest.fixture
def port() -> Rest:
    return rest(Store.open(), source_map_bytes_max=2_000_000, intake_bytes_max=500)


def upload(port: Rest, body: bytes = MAP, scope: TokenScope = TokenScope.INTAKE, **more: Any) -> Any:
    return port.post(SOURCE_MAPS, scope, params=WHERE | more, content=body)


def test_a_source_map_is_kept_as_it_was_sent(port: Rest) -> None:
    answer = upload(port)
    assert answer.status_code == 201
    assert answer.json()["file"] == "static/main.3f9c2a1b.js"
    (row,) = port.store.rows("SELECT content, byte_count FROM source_maps")
    assert zstandard.decompress(row["content"]) == MAP
    assert row["byte_count"] == len(MAP)
    listed = port.get(SOURCE_MAPS, params={"service": "shop"}).json()["items"]
    assert [item["version"] for item in listed] == ["1.4.0"]
    assert port.store.value("SELECT count(*) FROM audit WHERE action = 'source_map.post'") == 1


def test_a_second_upload_replaces_the_first(port: Rest) -> None:
    upload(port)
    upload(port, b'{"version": 3, "mappings": "", "sources": []}')
    assert port.store.value("SELECT list(byte_count) FROM source_maps") == [45]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{}", 422), (b"not json", 422), (b" " * 2_000_001, 413)],
    ids=["no map", "text", "large"],
)
def test_what_is_no_map_or_too_large_is_refused(port: Rest, body: bytes, status: int) -> None:
    assert upload(port, body).status_code == status
    assert port.store.value("SELECT count(*) FROM source_maps") == 0


def test_other_bodies_keep_their_own_bound(port: Rest) -> None:
    body = {"service": "shop", "prefix": "/app", "path": "x" * 900}
    answer = port.client.put("/v1/code/mappings", headers=port.headers(TokenScope.ADMIN), json=body)
    assert answer.status_code == 413


def test_who_sends_no_token_or_one_for_reading_uploads_nothing(port: Rest) -> None:
    assert port.client.post(SOURCE_MAPS, params=WHERE, content=MAP).status_code == 401
    assert upload(port, scope=TokenScope.READ).status_code == 403


def test_a_mapping_is_stated_listed_and_taken_back(port: Rest) -> None:
    admin = port.headers(TokenScope.ADMIN)
    for prefix, path in (("/app", "services/shop"), ("/app/vendor", ""), ("/app", "services/shop/")):
        body = {"service": "shop", "prefix": prefix, "path": path}
        assert port.client.put("/v1/code/mappings", headers=admin, json=body).status_code == 200
    items = port.get("/v1/code/mappings").json()["items"]
    assert [(item["prefix"], item["path"]) for item in items] == [
        ("/app/vendor", ""),
        ("/app", "services/shop"),
    ]
    gone = {"service": "shop", "prefix": "/app"}
    assert port.client.delete("/v1/code/mappings", headers=admin, params=gone).status_code == 204
    assert port.client.delete("/v1/code/mappings", headers=admin, params=gone).status_code == 404
    actions = port.store.value(
        "SELECT list(action ORDER BY happened_at) FROM audit WHERE action LIKE 'code%'"
    )
    assert actions == ["code_mapping.put"] * 3 + ["code_mapping.delete"]

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import server
from repository_builder import RepositoryBuilder

from api.installation import Installation
from schemas import tables
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.settings import Settings


@pytest.fixture
def repositories(tmp_path: Path) -> list[RepositoryBuilder]:
    built = [RepositoryBuilder(tmp_path / name) for name in ("app", "shop", "web")]
    for builder in built:
        builder.commit("Begin", {"a.py": "a = 1\n"})
    return built


@pytest.fixture
def installation(tmp_path: Path, repositories: list[RepositoryBuilder]) -> Iterator[Installation]:
    with Installation.open(Settings(data=tmp_path / "data")) as opened:
        for builder in repositories:
            opened.add_repository(f"acme/{builder.path.name}", str(builder.path))
        yield opened


def synced(installation: Installation) -> dict[str, int]:
    return {
        row["repository"]: row["change_count"]
        for row in installation.list_repositories()
        if row["synced_at"] is not None
    }


def test_one_repository_that_fails_does_not_keep_others_from_syncing(
    installation: Installation, repositories: list[RepositoryBuilder]
) -> None:
    gone, _, _ = repositories
    gone.path.rename(gone.path.with_name("moved"))
    with pytest.raises(SourceUnavailable) as failed:
        installation.sync()
    assert str(failed.value).startswith("1 of 3 repositories failed: ")
    assert "acme/app" in str(failed.value)
    assert failed.value.hint
    assert synced(installation) == {"acme/shop": 1, "acme/web": 1}


def test_every_repository_that_failed_is_named(
    installation: Installation, repositories: list[RepositoryBuilder]
) -> None:
    for builder in repositories[:2]:
        builder.path.rename(builder.path.with_name(f"moved-{builder.path.name}"))
    with pytest.raises(SourceUnavailable, match="2 of 3") as failed:
        installation.sync()
    assert failed.value.facts["repositories"] == ["acme/app", "acme/shop"]
    with pytest.raises(SourceUnavailable, match="acme/shop"):
        installation.sync("acme/shop")
    with pytest.raises(MalformedInput, match="no repository is called acme/none"):
        installation.sync("acme/none")


def with_file(tmp_path: Path, **repositories: dict[str, Any]) -> Settings:
    stated = {f"acme/{name}": statement for name, statement in repositories.items()}
    return Settings(data=tmp_path / "data", repositories=stated)  # type: ignore[arg-type]


def test_repositories_of_the_settings_file_are_followed_and_their_policy_too(
    tmp_path: Path, repositories: list[RepositoryBuilder]
) -> None:
    shop = repositories[1]
    settings = with_file(tmp_path, shop={"source": str(shop.path)}, gone={"source": str(tmp_path / "gone")})
    told: list[str] = []
    with Installation.open(settings) as first:
        with pytest.raises(SourceUnavailable, match="acme/gone"):
            first.follow(lambda step, _done, _total: told.append(step))
        assert synced(first) == {"acme/shop": 1}
        assert told[0] == "acme/shop: fetch"
        told.clear()
        with pytest.raises(SourceUnavailable):
            first.follow(lambda step, _done, _total: told.append(step))
        # Only a first sync is worth a line.
        assert told == []
        (row,) = first.list_repositories()
        assert row["assume_unmarked"] is None
    policy = {"source": str(shop.path), "assume_unmarked": "human", "assume_unmarked_from": date(2026, 1, 1)}
    with Installation.open(with_file(tmp_path, shop=policy)) as second:
        second.follow()
        (row,) = second.list_repositories()
        assert (row["assume_unmarked"], row["change_count"]) == ("human", 1)
        assert row["assume_unmarked_from"] == datetime(2026, 1, 1, tzinfo=UTC)
        added_at = row["added_at"]
        second.follow()
        assert second.list_repositories()[0]["added_at"] == added_at


def test_services_of_the_settings_file_are_placed(
    tmp_path: Path, repositories: list[RepositoryBuilder]
) -> None:
    stated = {"acme/shop": {"source": str(repositories[1].path)}}
    services = {"checkout": {"repository": "acme/shop", "path": "services/checkout"}}
    settings = Settings(data=tmp_path / "data", repositories=stated, services=services)  # type: ignore[arg-type]
    with Installation.open(settings) as installation:
        installation.follow()
        installation.store.append_rows(tables.SPANS, [server(1)])
        installation.correlate()
        (row,) = installation.doctor()
        assert (row["service"], row["repository"], row["path"]) == (
            "checkout",
            "acme/shop",
            "services/checkout",
        )


def test_a_settings_file_that_is_at_fault_does_not_keep_the_rest_from_syncing(
    installation: Installation, tmp_path: Path
) -> None:
    installation.settings = with_file(tmp_path, gone={"source": "ftp://nowhere"})
    with pytest.raises(MalformedInput, match="ftp://nowhere"):
        installation.follow()
    assert len(synced(installation)) == 3

"""The company's history, written once into a real repository."""

from pathlib import Path

import pytest

from demo import history, repository


@pytest.fixture(scope="session")
def started_unix_s() -> int:
    """A midnight."""
    return 1_790_035_200


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, started_unix_s: int) -> repository.Written:
    path = Path(tmp_path_factory.mktemp("company")) / "shop.git"
    return repository.write(path, history.read(), started_unix_s)

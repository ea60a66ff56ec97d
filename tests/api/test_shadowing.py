import sys
from pathlib import Path

import pytest

from api import shadowing
from schemas.errors import StoreError


def distribution(folder: Path, name: str, package: str) -> None:
    """The traces that an installed distribution leaves: its metadata, which claims ``package``."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{package}/__init__.py,,\n{package}/other.py,,\n")


def test_alone_in_its_environment_the_program_starts() -> None:
    shadowing.refuse()


@pytest.mark.parametrize("package", shadowing.PACKAGES)
def test_another_distribution_with_our_package_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "weather-client", package)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StoreError, match=f"weather-client ships a package '{package}' too") as refused:
        shadowing.refuse()
    assert "virtual environment of its own" in refused.value.hint
    assert refused.value.facts == {"package": package, "others": ["weather-client"]}


def test_a_distribution_with_other_packages_is_welcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "weather-client", "weather")
    monkeypatch.syspath_prepend(str(tmp_path))
    shadowing.refuse()


def test_a_package_that_comes_from_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "collector").mkdir()
    (tmp_path / "collector" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "collector")
    with pytest.raises(StoreError, match="the package 'collector' comes from") as refused:
        shadowing.refuse()
    assert str(tmp_path) in str(refused.value)

"""Names of environments that mean the same place."""

import pytest

from correlator import environments


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("production", ["production", "staging"], "production"),
        ("Production", ["prod", "staging"], "prod"),
        ("production", ["", "staging"], ""),
        ("production", ["live", "prod"], None),
        ("", ["production", "staging"], "production"),
        ("", ["eu", "us"], None),
        ("staging", ["", "production"], None),
        ("eu", ["", "production"], ""),
        ("eu", ["us"], None),
        ("production", [], None),
    ],
)
def test_a_name_means_one_of_those_that_are_known_or_none(
    name: str, known: list[str], expected: str | None
) -> None:
    assert environments.fitting(name, known) == expected


def test_who_names_none_means_the_one_that_is_not_for_trials() -> None:
    rows = [{"service": "checkout", "environment": name} for name in ("production", "staging", "", None)]
    assert environments.unnamed(rows, []) == {"checkout": "production"}
    assert environments.unnamed([], [*rows, {"service": "checkout", "environment": "eu"}]) == {}


def test_environments_are_the_same_unless_both_are_named_and_differ() -> None:
    assert environments.is_same(None, "production")
    assert environments.is_same("prod", "production")
    assert not environments.is_same("staging", "production")

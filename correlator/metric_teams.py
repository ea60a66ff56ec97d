"""Whose a change is: teams are stated in the settings by repositories and services, and own what matches.

Teams are what is compared here, never people.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

Teams = Mapping[str, tuple[str, ...]]
"""Team -> patterns: with a slash of repositories (``acme/*``), else of services (``checkout-*``)."""


def of_repositories(teams: Teams, names: Iterable[str]) -> list[tuple[str, ...]]:
    """Per repository the teams that own it, sorted."""
    return _owners(teams, names, is_repository=True)


def of_services(teams: Teams, names: Iterable[str]) -> list[tuple[str, ...]]:
    """Per service the teams that own it, sorted."""
    return _owners(teams, names, is_repository=False)


def _owners(teams: Teams, names: Iterable[str], *, is_repository: bool) -> list[tuple[str, ...]]:
    listed = sorted(
        (team, pattern)
        for team, patterns in teams.items()
        for pattern in patterns
        if ("/" in pattern) is is_repository
    )
    return [
        tuple(dict.fromkeys(team for team, pattern in listed if fnmatchcase(name, pattern))) for name in names
    ]

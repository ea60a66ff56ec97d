"""``--large``: enough changes to decide a ratio, beside the ratio that is known to be true.

Adds the repository acme/catalogue with eight months of history to a running product, and tells what the truth about it
is: as planned, and as it came out in the sample.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from demo import catalogue_history, catalogue_traffic
from demo.catalogue_history import DAYS, PACKAGES, RATIO, RISK, Deployment, Planned
from demo.catalogue_traffic import Happened
from demo.incidents import stamp

REPOSITORY = "acme/catalogue"
INCIDENT_SHARE = 0.35
"""Share of the failures that somebody was called for."""
BATCH = 200
"""Webhook bodies per request: intake takes arrays."""

Post = Callable[[str, list[dict[str, object]]], None]
"""Delivers bodies to ``/v1/intake/<noun>``."""


@dataclass(frozen=True, slots=True)
class LargeTruth:
    """What really happened. Per origin: changes and how many of them failed."""

    changes: dict[str, int]
    failed: dict[str, int]
    crude: float
    at_equal_size: float
    planned: float = RATIO


@dataclass
class Large:
    """The catalogue in ``folder``; ``started_unix_s``: midnight on which its eight months begin."""

    folder: Path
    started_unix_s: int
    planned: list[Planned] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    happened: Happened = field(default_factory=Happened)

    @property
    def path(self) -> Path:
        return self.folder / "catalogue.git"

    def write(self) -> None:
        """Plan the history and commit it."""
        self.planned = catalogue_history.plan()
        catalogue_history.write(self.path, self.planned, self.started_unix_s)
        self.deployments = catalogue_history.deployments(self.planned)

    def run(self, post: Post, endpoint: str) -> None:
        """Deploy and run everything, then call the people who were called."""
        bodies = [self._deployment(number, item) for number, item in enumerate(self.deployments)]
        for start in range(0, len(bodies), BATCH):
            post("deployments", bodies[start : start + BATCH])
        self.happened = catalogue_traffic.run(self.deployments, self.started_unix_s, endpoint)
        incidents = self._incidents()
        for start in range(0, len(incidents), BATCH):
            post("incidents", incidents[start : start + BATCH])

    def truth(self) -> LargeTruth:
        """Rates by true origin; ``at_equal_size`` is the Mantel-Haenszel ratio over sizes."""
        changes = dict.fromkeys(("ai", "human"), 0)
        failed = dict(changes)
        above = below = 0.0
        for size in RISK:
            n = {o: [c for c in self.planned[1:] if c.origin == o and c.size == size] for o in changes}
            x = {o: sum(c.number in self.happened.failures for c in n[o]) for o in changes}
            total = len(n["ai"]) + len(n["human"])
            above += x["ai"] * len(n["human"]) / total
            below += x["human"] * len(n["ai"]) / total
            for origin in changes:
                changes[origin] += len(n[origin])
                failed[origin] += x[origin]
        crude = (failed["ai"] / changes["ai"]) / (failed["human"] / changes["human"])
        return LargeTruth(changes, failed, crude, above / below)

    def _deployment(self, number: int, deployment: Deployment) -> dict[str, object]:
        at = self.started_unix_s + deployment.at_s
        return {
            "id": f"catalogue-{number}",
            "service": deployment.service,
            "environment": "production",
            "version": f"0.{deployment.at_s // 86_400}.{deployment.at_s % 86_400}",
            "revision": deployment.sha,
            "repository": REPOSITORY,
            "started_at": stamp(at - 60),
            "finished_at": stamp(at),
            "type": "deploy",
            "status": "succeeded",
        }

    def _incidents(self, seed: int = 12) -> list[dict[str, object]]:
        chance = random.Random(seed)
        calls: list[tuple[int, int, str, str]] = []
        for number, times in sorted(self.happened.failures.items()):
            if chance.random() < INCIDENT_SHARE:
                change = self.planned[number]
                assert change.trips is not None
                route = f"/{change.package}/{change.trips.module}"
                opened = times[min(1, len(times) - 1)] + chance.randint(120, 900)
                calls.append(
                    (opened, opened + chance.randint(3600, 14_400), f"catalogue-{change.package}", route)
                )
        for service, times in self.happened.outages[::2]:
            calls.append(
                (
                    times[1] + 240,
                    times[-1] + 1800,
                    service,
                    f"/{service.removeprefix('catalogue-')}/suppliers",
                )
            )
        bodies: list[dict[str, object]] = []
        for number, (opened, resolved, service, route) in enumerate(sorted(calls), start=1):
            body: dict[str, object] = {
                "id": f"CAT-{number}",
                "event": "opened",
                "title": f"{service}: errors on {route}",
                "service": service,
                "environment": "production",
                "severity": chance.choice(("sev2", "sev3")),
                "opened_at": stamp(self.started_unix_s + opened),
                "status": "open",
            }
            end = stamp(self.started_unix_s + min(resolved, DAYS * 86_400 - 60))
            bodies += [body, {**body, "event": "resolved", "status": "resolved", "resolved_at": end}]
        return bodies


def services() -> dict[str, str]:
    """Service -> its folder in the repository."""
    return {f"catalogue-{package}": package for package in PACKAGES}

"""Eight weeks of Acme in order: every release is deployed and run, asked for real, and its pagers ring.

What the product hears of it goes through ``Intake``: deployments, pull requests and incidents as webhooks. Telemetry goes
from the instances to the OTLP ports, past this module.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Protocol

from demo import history, incidents, people, releases, repository
from demo.fleet import ENVIRONMENT, Fleet
from demo.traffic import Failure, Traffic

REPOSITORY = "acme/shop"


class Intake(Protocol):
    """Where webhooks go."""

    def __call__(self, noun: str, body: dict[str, object]) -> None:
        """Deliver ``body`` to ``/v1/intake/<noun>``."""


@dataclass(frozen=True, slots=True)
class Played:
    """One release as it went. ``up``: service -> whether its new instance came up."""

    release: releases.Release
    carried: tuple[history.Change, ...]
    services: tuple[str, ...]
    up: dict[str, bool]
    asked: int
    failures: tuple[Failure, ...]


@dataclass
class Replay:
    """Plays a written history. ``started_unix_s``: midnight on which the eight weeks begin."""

    written: repository.Written
    data: Path
    started_unix_s: int
    fleet: Fleet
    intake: Intake
    traffic: Traffic = field(init=False)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.fleet.ports, self.fleet.token, self.started_unix_s * 1_000_000_000)

    def play(self, during: Callable[[releases.Release], Thread | None] | None = None) -> Iterator[Played]:
        """Play every release of the plan, oldest first.

        ``during`` is called right before the traffic of a release; the thread that it may start is waited for
        before the pagers ring.
        """
        self._open_pull_requests()
        paths = touched_paths(self.written)
        mainline = self.written.mainline
        numbers = {change.key: number for number, change in enumerate(mainline)}
        scenes = releases.scenes()
        reached = -1
        for release in releases.PLAN:
            newest = numbers[release.upto]
            carried = () if release.rollback else tuple(mainline[reached + 1 : newest + 1])
            services = release.rollback or releases.services_of(list(carried), paths)
            reached = reached if release.rollback else newest
            up = self._deploy(release, services)
            before, failed_before = self.traffic.asked, len(self.traffic.failures)
            meanwhile = during(release) if during is not None else None
            for scene in scenes[release.key]:
                if scene.payments_down:
                    self.fleet.payments.go_down()
                self.traffic.play(scene)
                self.fleet.payments.come_back()
            if meanwhile is not None:
                meanwhile.join()
            failures = tuple(self.traffic.failures[failed_before:])
            for alert in incidents.ALERTS:
                if alert.release == release.key:
                    for delivery in incidents.deliveries(alert, list(failures), self.started_unix_s):
                        self.intake(delivery.noun, delivery.body)
            yield Played(release, carried, services, up, self.traffic.asked - before, failures)

    def _deploy(self, release: releases.Release, services: tuple[str, ...]) -> dict[str, bool]:
        sha = self.written.shas[release.upto]
        at_s = self.started_unix_s + release.at_s
        folder = repository.check_out(self.written.path, sha, self.data / "releases" / sha[:12])
        version = release.key.partition("-")[0]
        up = self.fleet.deploy(services, folder, sha, version, at_s * 1_000_000_000)
        for service in services:
            self.intake(
                "deployments",
                {
                    "id": f"{release.key}-{service}",
                    "service": service,
                    "environment": ENVIRONMENT,
                    "version": version,
                    "revision": sha,
                    "repository": REPOSITORY,
                    "started_at": incidents.stamp(at_s - 90),
                    "finished_at": incidents.stamp(at_s),
                    "type": "rollback" if release.rollback else "deploy",
                    "status": "succeeded" if up[service] else "failed",
                },
            )
        return up

    def _open_pull_requests(self) -> None:
        for change in self.written.mainline:
            request = change.pull_request
            if request is None:
                continue
            merged_s = self.started_unix_s + change.at_s
            self.intake(
                "changes",
                {
                    "repository": REPOSITORY,
                    "number": request.number,
                    "title": change.subject.removesuffix(f" (#{request.number})"),
                    "body": "",
                    "head_ref": request.head_ref,
                    "merge_commit_sha": self.written.shas[change.key],
                    "merge_method": "rebase" if request.method == "direct" else request.method,
                    "created_at": incidents.stamp(merged_s - 5 * 3600),
                    "merged_at": incidents.stamp(merged_s),
                    "user": people.IDENTITIES[change.by][0],
                },
            )


def touched_paths(written: repository.Written) -> dict[str, set[str]]:
    """Mainline change key -> the paths that it changes against the mainline change before it."""
    found: dict[str, set[str]] = {}
    before: history.TREE = {}
    for change in written.mainline:
        after = written.trees[change.key]
        found[change.key] = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        before = after
    return found

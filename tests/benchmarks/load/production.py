"""What makes the server under load an installation at work: a repository, deployments, an incident, people who ask.

With these a periodic correlation really joins failing spans to lines and commits while telemetry arrives, and the
dashboard's and REST's answers compete with the loader for the store.
"""

import contextlib
import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

import httpx
from benchmarks.load import shop_code
from benchmarks.load.servers import Late, Server, await_until
from benchmarks.load.shop_code import REPOSITORY, REPOSITORY_URL, SERVICES, History
from benchmarks.load.templates import NONCE_BYTES, Recipe

VISIBLE_S_MAX = 120.0
_POLL_S = 0.1
QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/", {}),
    ("/v1/services", {}),
    ("/v1/metrics/query", {"metric": "failure_rate"}),
    ("/v1/incidents", {}),
)


def found(server: Server, history: History) -> None:
    """Register the shop's repository and services and tell of its deployments and of an incident."""
    place = {"repository": REPOSITORY, "source": str(history.path), "url": REPOSITORY_URL}
    server.post("/v1/operations/repositories", place)
    server.post("/v1/operations/sync", {"repository": REPOSITORY})
    now = datetime.now(UTC)
    for service in SERVICES:
        mapping = {"service": service, "repository": REPOSITORY, "path": f"services/{service}"}
        server.post("/v1/operations/service-mappings", mapping)
    deployments = [
        {
            "id": f"deploy-{service}-{revision}",
            "service": service,
            "environment": "production",
            "revision": revision,
            "repository": REPOSITORY,
            "started_at": (now - age).isoformat(),
            "finished_at": (now - age + timedelta(minutes=2)).isoformat(),
            "status": "succeeded",
        }
        for service in SERVICES
        for revision, age in ((history.before, timedelta(days=3)), (history.head, timedelta(hours=1)))
    ]
    server.post("/v1/intake/deployments", deployments)
    incident = {
        "id": "INC-1",
        "event": "opened",
        "title": "Orders fail at checkout",
        "service": shop_code.SERVICES[0],
        "environment": "production",
        "severity": "critical",
        "opened_at": now.isoformat(),
    }
    server.post("/v1/intake/incidents", [incident])


@dataclass
class Questions:
    """Somebody who looks: one question a second in turn, in a thread, for as long as the context lasts."""

    server: Server
    interval_s: float = 1.0
    took_ms: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def all_ms(self) -> list[tuple[float, float]]:
        """(seconds since the start, milliseconds) of every answer."""
        return sorted(item for found in self.took_ms.values() for item in found)

    def __enter__(self) -> "Questions":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        began, number = time.monotonic(), 0
        while not self._ended.wait(max(0.0, began + number * self.interval_s - time.monotonic())):
            path, query = QUESTIONS[number % len(QUESTIONS)]
            number += 1
            asked = time.monotonic()
            try:
                self.server.get(path, **query)
            except (RuntimeError, httpx.HTTPError) as error:
                self.failures.append(f"{path}: {error}")
                continue
            now = time.monotonic()
            self.took_ms[path].append((now - began, (now - asked) * 1000))


@dataclass
class Markers:
    """From an acknowledgement to the answer of a query that counts it, measured again and again in a thread.

    A marker is a request of one span. When it is acknowledged, the server's own count of accepted spans includes it and
    all before it; the marker is called visible when a query of the store counts as many. That is later than when
    the marker alone could be found, never earlier as long as the loader keeps the order of arrival.
    """

    server: Server
    interval_s: float = 5.0
    visible_s: list[float] = field(default_factory=list)
    spans: int = 0
    correlations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """End -> outcome of every periodic correlation that was met."""

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Markers":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        (template,) = Recipe(count=1, span_count=1, seed=11).templates
        headers = {"Content-Type": "application/x-protobuf"}
        while not self._ended.wait(self.interval_s):
            body = template.fresh(os.urandom(NONCE_BYTES), time.time_ns()).body
            answer = self.server.client.post(self.server.endpoints["http"], content=body, headers=headers)
            acked = time.monotonic()
            if answer.status_code != httpx.codes.OK:
                continue
            self.spans += 1
            told = self.server.status()["server"]
            accepted = int(told["signals"]["traces"]["accepted"])
            if "correlate" in told["jobs"]:
                last = told["jobs"]["correlate"]
                self.correlations[last["ended_at"]] = last
            # What is never seen counts as the most that is waited for.
            with contextlib.suppress(Late):
                await_until(
                    lambda wanted=accepted: self.server.stored() >= wanted,  # type: ignore[misc]
                    VISIBLE_S_MAX,
                    "a marker is visible",
                    every_s=_POLL_S,
                )
            self.visible_s.append(time.monotonic() - acked)

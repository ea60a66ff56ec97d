"""Acme's production: one instance of each service, its real process, at the revision that was deployed last."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo import process
from demo.outside import Outside

PROJECT = Path(__file__).parent.parent
REPOSITORY_URL = "https://git.acme.example/acme/shop"
ENVIRONMENT = "production"
START_S = 60.0
STOP_S = 90.0
# Different exporters on purpose: gRPC, HTTP with gzip, HTTP without.
PROTOCOLS = {
    "storefront": ("grpc", "gzip"),
    "checkout": ("http/protobuf", "gzip"),
    "inventory": ("http/protobuf", "none"),
}


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Fleet:
    """Starts, replaces and stops instances. ``endpoints``: OTLP protocol -> URL that telemetry goes to.

    ``span_count``: spans of the instances that ended whose receipt was acknowledged to them.
    """

    data: Path
    endpoints: dict[str, str]
    token: str = "shelf-and-till"  # noqa: S105
    ports: dict[str, int] = field(default_factory=dict)
    instances: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    payments: Outside = field(default_factory=Outside)
    warehouse: Outside = field(default_factory=Outside)
    span_count: int = 0

    def __post_init__(self) -> None:
        self.ports = {service: free_port() for service in PROTOCOLS}
        (self.data / "databases").mkdir(parents=True, exist_ok=True)

    def deploy(
        self, services: tuple[str, ...], folder: Path, revision: str, version: str, at_unix_ns: int
    ) -> dict[str, bool]:
        """Replace the instances of ``services`` by ``revision``; per service whether the new one came up."""
        for service in services:
            self._signal(service)
        for service in services:
            self._wait(service)
        for service in services:
            self.instances[service] = self._start(service, folder, revision, version, at_unix_ns)
        return {service: self._is_up(service) for service in services}

    def stop(self) -> None:
        """Drain and stop everything."""
        for service in self.instances:
            self._signal(service)
        for service in self.instances:
            self._wait(service)
        self.payments.go_down()
        self.warehouse.go_down()

    def _start(
        self, service: str, folder: Path, revision: str, version: str, at_unix_ns: int
    ) -> subprocess.Popen[bytes]:
        protocol, compression = PROTOCOLS[service]
        resource = {
            "service.name": service,
            "service.version": version,
            "service.namespace": "acme",
            "service.instance.id": f"{service}-{version}",
            "deployment.environment.name": ENVIRONMENT,
            "vcs.ref.head.revision": revision,
            "vcs.repository.url.full": REPOSITORY_URL,
        }
        url = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": "*",
            "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in resource.items()),
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoints[protocol],
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
            "DEMO_OFFSET_NS": str(at_unix_ns - time.time_ns()),
            "INVENTORY_DATABASE": str(self.data / "databases" / "inventory.sqlite"),
            "INVENTORY_TOKEN": self.token,
            "INVENTORY_URL": url["inventory"],
            "WAREHOUSE_URL": self.warehouse.url,
            "CHECKOUT_DATABASE": str(self.data / "databases" / "checkout.sqlite"),
            "CHECKOUT_URL": url["checkout"],
            "PAYMENTS_URL": self.payments.url,
        }
        logs = self.data / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "demo.process", service, str(folder), str(self.ports[service])],
                cwd=self.data,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C on the terminal is for the demo, which then stops its instances in order.
                start_new_session=True,
            )

    def _is_up(self, service: str) -> bool:
        instance = self.instances[service]
        assert instance.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(instance.stdout, selectors.EVENT_READ)
            if not selector.select(START_S):
                raise RuntimeError(f"{service} did not start in {START_S} s")
        said = instance.stdout.readline().strip()
        if said == b"ready":
            return True
        self.span_count += int(said or b"0")
        code = instance.wait(STOP_S)
        if code != process.FAILED_TO_START:
            raise RuntimeError(
                f"{service} died with code {code}; see {self.data / 'logs' / (service + '.log')}"
            )
        return False

    def _signal(self, service: str) -> None:
        instance = self.instances.get(service)
        if instance is not None and instance.poll() is None:
            instance.send_signal(signal.SIGTERM)

    def _wait(self, service: str) -> None:
        instance = self.instances.get(service)
        if instance is not None:
            try:
                instance.wait(STOP_S)
            except subprocess.TimeoutExpired:
                instance.kill()
                instance.wait()
            if instance.stdout is not None and not instance.stdout.closed:
                self.span_count += int(instance.stdout.read().strip() or b"0")
                instance.stdout.close()

"""Runs every deployed revision of Acme's catalogue and exports what happens, moved to the time that it stands for.

Code is compiled from the files of the revision under the path that it would have in its container, called with real
records, and fails with real exceptions where it is wrong. Spans come from the OpenTelemetry SDK and go out over OTLP.
"""

import linecache
import random
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import CodeType, ModuleType
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanKind, Tracer

from demo import catalogue_code, instrumentation
from demo.catalogue_history import DAYS, PACKAGES, Deployment, Planned
from demo.shifting import shifted

ROOT = "/srv/catalogue"
REPOSITORY_URL = "https://git.acme.example/acme/catalogue"
SPANS_PER_REQUEST = 512
ORDINARY_REQUESTS = 6
OUTAGES = 10
CLOSED_PORT_URL = "http://127.0.0.1:9/stock"
"""Nobody listens on the discard port of this machine."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that stands for ``at_s``. ``property`` is what its record lacks, "" for an ordinary one."""

    at_s: int
    module: str
    function: str
    property: str = ""
    because: Planned | None = None


@dataclass
class Happened:
    """``failures``: change number -> when requests failed because of it; ``outages``: (service, seconds) of each."""

    failures: dict[int, list[int]] = field(default_factory=dict)
    outages: list[tuple[str, list[int]]] = field(default_factory=list)
    span_count: int = 0


class _Files(MetaPathFinder, InspectLoader):
    """Imports the packages of a revision from a dict of files."""

    def __init__(self) -> None:
        self.tree: dict[str, str] = {}
        self.compiled: dict[tuple[str, str], CodeType] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in PACKAGES:
            return None
        return spec_from_loader(fullname, self, is_package=self.is_package(fullname))

    def get_source(self, fullname: str) -> str:
        return self.tree[self._path(fullname)]

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_source(fullname)
        key = fullname, text
        if key not in self.compiled:
            path = f"{ROOT}/{self._path(fullname)}"
            self.compiled[key] = compile(text, path, "exec", dont_inherit=True)
        return self.compiled[key]

    def is_package(self, fullname: str) -> bool:
        return "." not in fullname

    def _path(self, fullname: str) -> str:
        path = fullname.replace(".", "/")
        return f"{path}/__init__.py" if self.is_package(fullname) else f"{path}.py"


@contextmanager
def revision(files: _Files, tree: dict[str, str], package: str) -> Iterator[ModuleType]:
    """The ``app`` of ``package`` at one revision, forgotten afterwards."""
    files.tree = tree
    sys.meta_path.insert(0, files)
    try:
        yield import_module(f"{package}.app")
    finally:
        sys.meta_path.remove(files)
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        # The next revision has other lines under the same paths.
        linecache.clearcache()


class _Collector(SpanProcessor):
    """Keeps what ended until it is taken."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def take(self) -> list[ReadableSpan]:
        taken, self.ended = self.ended, []
        return taken


def requests_of(deployments: Sequence[Deployment], seed: int = 10) -> dict[int, list[Request]]:
    """Per index of ``deployments`` what is asked of it, in order of time."""
    chance = random.Random(seed)
    found: dict[int, list[Request]] = {index: [] for index in range(len(deployments))}
    for package in PACKAGES:
        indexes = [index for index, item in enumerate(deployments) if item.package == package]
        starts = [deployments[index].at_s for index in indexes]
        for place, index in enumerate(indexes):
            deployment = deployments[index]
            end = starts[place + 1] if place + 1 < len(starts) else DAYS * 86_400
            length = max(60, min(end - deployment.at_s - 60, 12 * 3600))
            names = _functions(deployment)
            for _ in range(ORDINARY_REQUESTS):
                at = deployment.at_s + 20 + int(chance.random() ** 2 * length)
                found[index].append(Request(at, *chance.choice(names)))
            for change in deployment.changes:
                if change.trips is None:
                    continue
                at = deployment.at_s + change.onset_delay_s
                for _ in range(chance.randint(3, 6)):
                    if at >= DAYS * 86_400:
                        break
                    running = indexes[bisect_right(starts, at) - 1]
                    trip = change.trips
                    found[running].append(Request(at, trip.module, trip.function, trip.property, change))
                    at += chance.randint(60, 1800)
    for listed in found.values():
        listed.sort(key=lambda request: (request.at_s, request.module, request.function))
    return found


def run(deployments: Sequence[Deployment], started_unix_s: int, endpoint: str) -> Happened:
    """Run everything and export it to the OTLP/HTTP ``endpoint``; what happened.

    Raises:
        RuntimeError: the endpoint did not take the spans.
    """
    requests = requests_of(deployments)
    exporter = OTLPSpanExporter(endpoint=endpoint + "/v1/traces", compression=Compression.Gzip, timeout=60)
    files, happened, waiting = _Files(), Happened(), list[ReadableSpan]()
    out = _outages(deployments)
    for index, deployment in enumerate(deployments):
        collector = _Collector()
        provider = TracerProvider(resource=_resource(deployment), shutdown_on_exit=False)
        provider.add_span_processor(collector)
        tracer = provider.get_tracer("acme.catalogue", "1.0")
        with revision(files, deployment.tree, deployment.package) as app:
            for request in requests[index]:
                _ask(tracer, app, deployment, request, happened)
                waiting += _moved(collector.take(), started_unix_s + request.at_s)
            for at_s in out.get(index, ()):
                _ask_supplier(tracer, app, deployment)
                waiting += _moved(collector.take(), started_unix_s + at_s)
        if index in out:
            happened.outages.append((deployment.service, out[index]))
        if len(waiting) >= SPANS_PER_REQUEST:
            _export(exporter, waiting, happened)
    _export(exporter, waiting, happened)
    exporter.shutdown()  # type: ignore[no-untyped-call]
    return happened


def _ask(
    tracer: Tracer, app: ModuleType, deployment: Deployment, request: Request, happened: Happened
) -> None:
    record = catalogue_code.rare(request.property) if request.property else catalogue_code.ORDINARY
    with _server_span(tracer, f"/{deployment.package}/{request.module}") as span:
        try:
            app.handle(request.module, request.function, record)
        except Exception as error:
            span.set_attribute("http.response.status_code", 500)
            instrumentation.fail(span, error)
            if request.because is not None and _is_the_line(error, request.because, deployment.tree):
                happened.failures.setdefault(request.because.number, []).append(request.at_s)
        else:
            span.set_attribute("http.response.status_code", 200)


def _is_the_line(error: BaseException, change: Planned, tree: dict[str, str]) -> bool:
    """Whether ``error`` was raised where ``change`` is wrong, and not by an older defect on the way."""
    assert change.trips is not None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not change.trips.line:
        return isinstance(error, TypeError)
    path = trace.tb_frame.f_code.co_filename.removeprefix(ROOT + "/")
    return tree[path].splitlines()[trace.tb_lineno - 1].strip() == change.trips.line


def _ask_supplier(tracer: Tracer, app: ModuleType, deployment: Deployment) -> None:
    with _server_span(tracer, f"/{deployment.package}/suppliers") as span:
        try:
            with tracer.start_as_current_span(
                "GET",
                kind=SpanKind.CLIENT,
                attributes={
                    "http.request.method": "GET",
                    "url.full": CLOSED_PORT_URL,
                    "server.address": "127.0.0.1",
                    "server.port": 9,
                },
                record_exception=False,
                set_status_on_exception=False,
            ) as call:
                try:
                    app.ask_supplier(CLOSED_PORT_URL)
                except Exception as error:
                    instrumentation.fail(call, error)
                    raise
        except Exception as error:
            span.set_attribute("http.response.status_code", 500)
            instrumentation.fail(span, error)


def _server_span(tracer: Tracer, route: str) -> Any:
    return tracer.start_as_current_span(
        f"POST {route}",
        kind=SpanKind.SERVER,
        attributes={
            "http.request.method": "POST",
            "http.route": route,
            "url.path": route,
            "url.scheme": "http",
        },
        record_exception=False,
        set_status_on_exception=False,
    )


def _moved(spans: list[ReadableSpan], at_unix_s: int) -> list[ReadableSpan]:
    first = min(span.start_time or 0 for span in spans)
    return [shifted(span, at_unix_s * 1_000_000_000 - first) for span in spans]


def _export(exporter: OTLPSpanExporter, waiting: list[ReadableSpan], happened: Happened) -> None:
    for start in range(0, len(waiting), SPANS_PER_REQUEST):
        batch = waiting[start : start + SPANS_PER_REQUEST]
        if exporter.export(batch) is not SpanExportResult.SUCCESS:
            raise RuntimeError("the collector did not take the catalogue's spans")
        happened.span_count += len(batch)
    waiting.clear()


def _resource(deployment: Deployment) -> Resource:
    return Resource.create(
        {
            "service.name": deployment.service,
            "service.version": f"0.{deployment.at_s // 86_400}.{deployment.at_s % 86_400}",
            "deployment.environment.name": "production",
            "vcs.ref.head.revision": deployment.sha,
            "vcs.repository.url.full": REPOSITORY_URL,
        }
    )


def _functions(deployment: Deployment) -> list[tuple[str, str]]:
    """Every (module, function) of the files that a deployment brings: what is new is what people try."""
    touched = {path for change in deployment.changes for path in change.files}
    found = []
    for path in sorted(touched):
        folder, _, file = path.partition("/")
        if folder == deployment.package and file.startswith("rules_"):
            lines = [line for line in deployment.tree[path].splitlines() if line.startswith("def rule")]
            found += [(file.removesuffix(".py"), line[4 : line.index("(")]) for line in lines]
    return found


def _outages(deployments: Sequence[Deployment], seed: int = 11) -> dict[int, list[int]]:
    """Index of a deployment -> seconds at which the supplier could not be reached while it ran."""
    chance = random.Random(seed)
    found = {}
    for index in sorted(chance.sample(range(20, len(deployments) - 20), OUTAGES)):
        at = deployments[index].at_s + 1200
        found[index] = [at + minute * 90 for minute in range(5)]
    return found

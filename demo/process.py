"""One instance of one of Acme's services: ``python -m demo.process SERVICE FOLDER PORT``.

Everything else comes from the environment, as in a container: ``OTEL_*`` for the SDK and the exporter, and what the
service's own ``settings.py`` reads. Prints ``ready`` when it answers; SIGTERM drains, flushes and prints how many spans were
acknowledged.
"""

import importlib
import os
import signal
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from demo import instrumentation
from demo.shifting import Offsets, ShiftingExporter

FAILED_TO_START = 3
"""Exit code of an instance whose code does not come up."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are in the traces; the terminal belongs to the demo."""

    def get_environ(self) -> dict[str, object]:
        environ = super().get_environ()
        environ["SERVER_PORT"] = str(self.connection.getsockname()[1])
        return environ

    def address_string(self) -> str:
        return str(self.client_address[0])


def exporter() -> SpanExporter:
    """The unmodified OTLP exporter that ``OTEL_EXPORTER_OTLP_PROTOCOL`` names."""
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter(insecure=True)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter as HttpExporter,
    )

    return HttpExporter()


def main(service: str, folder: Path, port: int) -> int:
    """Serve until SIGTERM; the exit code."""
    offsets = Offsets(int(os.environ.get("DEMO_OFFSET_NS", "0")))
    provider = TracerProvider(resource=Resource.create())
    shifting = ShiftingExporter(exporter(), offsets.of)
    provider.add_span_processor(BatchSpanProcessor(shifting, schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    tracer = instrumentation.instrument(offsets)

    sys.path[:0] = [str(folder / "services" / service), str(folder / "lib")]
    sys.dont_write_bytecode = True
    with tracer.start_as_current_span(
        f"start {service}", record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            application = importlib.import_module("app").application
        except Exception as error:
            instrumentation.fail(span, error)
            application = None
    if application is None:
        provider.shutdown()
        print(shifting.taken_count, flush=True)
        return FAILED_TO_START

    server = Server(("127.0.0.1", port), QuietHandler)
    server.set_app(instrumentation.wsgi(application, tracer, offsets))
    # shutdown() waits for the loop, so that it must not be called from within the loop's own thread.
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.shutdown).start())
    print("ready", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    provider.shutdown()
    print(shifting.taken_count, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))

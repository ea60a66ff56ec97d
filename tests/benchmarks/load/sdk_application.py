"""An application with the OpenTelemetry SDK as its users set it up: ``ENDPOINT TRANSPORT SERVICE SPANS_PER_S SECONDS``.

Batch processor and exporter have their defaults. Prints how many spans it made, how many the exporter says were taken,
and how often the exporter tried again, as JSON.
"""

import json
import logging
import sys
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class Counting(SpanExporter):
    """Passes on and counts what the exporter under it answers."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.exported = self.failed = 0
        self.longest_s = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        started = time.monotonic()
        result = self._exporter.export(spans)
        self.longest_s = max(self.longest_s, time.monotonic() - started)
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
        else:
            self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Retries(logging.Handler):
    """Counts the exporter's own words about trying again."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "retrying" in record.getMessage().lower()


def main(endpoint: str, transport: str, service: str, per_second: float, seconds: float) -> None:
    """Make spans at the rate, then shut down in order."""
    retries = Retries()
    logging.getLogger("opentelemetry").addHandler(retries)
    exporter: SpanExporter = (
        GrpcExporter(endpoint, insecure=True) if transport == "grpc" else HttpExporter(endpoint)
    )
    counting = Counting(exporter)
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(counting))
    tracer = provider.get_tracer("application")
    made, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        with tracer.start_as_current_span("GET /orders") as span:
            span.set_attribute("http.route", "/orders")
        made += 1
        time.sleep(max(0.0, began + made / per_second - time.monotonic()))
    provider.shutdown()
    told = {
        "made": made,
        "exported": counting.exported,
        "failed": counting.failed,
        "retries": retries.count,
        "longest_export_s": round(counting.longest_s, 2),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    _, endpoint_, transport_, service_, per_second_, seconds_ = sys.argv
    main(endpoint_, transport_, service_, float(per_second_), float(seconds_))

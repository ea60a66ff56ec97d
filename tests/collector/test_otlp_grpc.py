import asyncio
import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import otlp_builders as build
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector import otlp_grpc
from schemas.errors import StoreError

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
PROFILES = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    with build.running_collector(tmp_path_factory.mktemp("data"), body_bytes_max=200_000) as running:
        yield running


def call(collector: build.Collector, method: str, body: bytes, **options: Any) -> bytes:
    compression = options.pop("compression", None)
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}", compression=compression) as channel:
        answer: bytes = channel.unary_unary(method)(body, timeout=20, **options)
        return answer


def refusal(collector: build.Collector, method: str, body: bytes, **options: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call(collector, method, body, **options)
    return caught.value


def details_of(error: Any) -> status_pb2.Status:
    trailing = dict(error.trailing_metadata())
    return status_pb2.Status.FromString(trailing["grpc-status-details-bin"])


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_an_accepted_request_is_stored(collector: build.Collector, compression: Any) -> None:
    before = collector.count("spans")
    sent = build.traces(build.span(), build.span()).SerializeToString()
    assert call(collector, TRACES, sent, compression=compression) == b""
    assert call(collector, TRACES, b"", compression=compression) == b""
    assert collector.count("spans") == before + 2


def test_malformed_ids_and_plain_log_records_are_rejected_by_count(collector: build.Collector) -> None:
    sent = build.traces(build.span(), build.span(span_id=b"x")).SerializeToString()
    answer = ExportTraceServiceResponse.FromString(call(collector, TRACES, sent))
    assert answer.partial_success.rejected_spans == 1
    before = collector.count("exceptions")
    records = build.logs(build.log_record(), build.log_record(attributes=build.EXCEPTION))
    answer = ExportLogsServiceResponse.FromString(call(collector, LOGS, records.SerializeToString()))
    assert answer.partial_success.rejected_log_records == 1
    assert collector.count("exceptions") == before + 1


def test_a_malformed_body_is_an_invalid_argument(collector: build.Collector) -> None:
    error = refusal(collector, TRACES, b"\x0a\xff")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(error).details[0].Unpack(error_details_pb2.BadRequest())


def test_other_services_are_unimplemented(collector: build.Collector) -> None:
    for method in (METRICS, PROFILES):
        assert refusal(collector, method, b"").code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_a_request_beyond_the_bound_is_exhausted_and_not_retryable(
    collector: build.Collector, compression: Any
) -> None:
    large = build.traces(build.span(), scope="s" * 300_000).SerializeToString()
    error = refusal(collector, TRACES, large, compression=compression)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    # Only RetryInfo would make an exporter send it again.
    told = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    assert not status_pb2.Status.FromString(told).details
    assert "google.rpc.retryinfo-bin" not in dict(error.trailing_metadata())


def test_a_full_backlog_is_exhausted_with_a_time_to_come_back(tmp_path: Path) -> None:
    with build.running_collector(tmp_path, backlog_bytes_max=1) as running:
        error = refusal(running, TRACES, build.traces(build.span()).SerializeToString())
        retry = error_details_pb2.RetryInfo()
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details_of(error).details[0].Unpack(retry)
        assert retry.retry_delay.seconds == 2
        # Where Python's exporter looks.
        assert dict(error.trailing_metadata())["google.rpc.retryinfo-bin"] == retry.SerializeToString()


def test_a_token_is_asked_of_senders(tmp_path: Path) -> None:
    with build.running_collector(tmp_path, authorize=lambda stated: stated == "Bearer right") as running:
        sent = build.traces(build.span()).SerializeToString()
        for metadata in ((), (("authorization", "Bearer wrong"),)):
            error = refusal(running, TRACES, sent, metadata=metadata)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert call(running, TRACES, sent, metadata=(("authorization", "Bearer right"),)) == b""
        assert running.count("spans") == 1


def test_gzip_of_several_members_is_stored_and_a_torn_one_refused(collector: build.Collector) -> None:
    """gRPC leaves inflating to us, so what it sends must be told from what is compressed."""
    before = collector.count("spans")
    sent = build.traces(build.span()).SerializeToString()
    members = gzip.compress(sent[:9]) + gzip.compress(sent[9:])
    assert call(collector, TRACES, members) == b""
    assert refusal(collector, TRACES, members[:-4]).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert collector.count("spans") == before + 1


def test_a_compression_that_is_not_read_is_unimplemented(collector: build.Collector) -> None:
    sent = build.traces(build.span(), scope="s" * 1000).SerializeToString()
    error = refusal(collector, TRACES, sent, compression=grpc.Compression.Deflate)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_call_without_a_message_is_an_invalid_argument(collector: build.Collector) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(TRACES)(iter(()), timeout=20)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


def test_a_sender_without_a_token_is_refused_before_its_message_is_read(tmp_path: Path) -> None:
    with build.running_collector(tmp_path, authorize=lambda _: False) as running:

        def never() -> Iterator[bytes]:
            threading.Event().wait(20)
            yield b""

        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.stream_unary(TRACES)(never(), timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_health_is_what_the_door_would_answer(tmp_path: Path) -> None:
    def health(running: build.Collector, service: str = "") -> Any:
        asked = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        answer = call(running, "/grpc.health.v1.Health/Check", asked)
        return health_pb2.HealthCheckResponse.FromString(answer).status

    with build.running_collector(tmp_path) as running:
        serving, not_serving = (
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        )
        assert health(running) == serving
        assert health(running, "opentelemetry.proto.collector.trace.v1.TraceService") == serving
        running.spool._backlog_bytes_max = -1
        assert health(running) == not_serving
        unknown = health_pb2.HealthCheckRequest(service="other").SerializeToString()
        assert refusal(running, "/grpc.health.v1.Health/Check", unknown).code() is grpc.StatusCode.NOT_FOUND
        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
            watching = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
            assert health_pb2.HealthCheckResponse.FromString(next(watching)).status == not_serving
            running.spool._backlog_bytes_max = 1 << 30
            assert health_pb2.HealthCheckResponse.FromString(next(watching)).status == serving
            watching.cancel()


def test_a_busy_port_is_refused_with_a_hint(collector: build.Collector) -> None:
    async def serve_again() -> None:
        await otlp_grpc.serve(
            collector.receiver, host="127.0.0.1", port=collector.grpc_port, authorize=lambda _: True
        )

    with pytest.raises(StoreError) as caught:
        asyncio.run(serve_again())
    assert "otlp_grpc_port" in caught.value.hint

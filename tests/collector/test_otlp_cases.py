"""Requests in files, each beside what a receiver owes it, over real sockets: HTTP for all, gRPC for protobuf.

``tests/golden/otlp/manifest.json`` names ours. ``AFTERMERGE_OTLP_CASES`` may name more folders of the same form,
separated by ``:``: a list of ``{"file", "content_type", "content_encoding"?, "expect": {"http", "grpc", "stored_spans",
"rejected_spans", "retryable"} | {"signal"}}``.
"""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import otlp_builders as build
import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.statuses import JSON, PROTOBUF

OURS = Path(__file__).parent.parent / "golden" / "otlp"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRYABLE_HTTP = {429, 502, 503, 504}
RETRYABLE_GRPC = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}


def cases() -> list[Any]:
    folders = [OURS, *map(Path, filter(None, os.environ.get("AFTERMERGE_OTLP_CASES", "").split(":")))]
    return [
        pytest.param(folder, case, id=f"{folder.name}-{case['file']}")
        for folder in folders
        for case in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    ]


def traces_expected(case: dict[str, Any]) -> bool:
    return "signal" not in case["expect"]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    with build.running_collector(tmp_path_factory.mktemp("data")) as running:
        yield running


def sent(collector: build.Collector, folder: Path, case: dict[str, Any]) -> httpx.Response:
    path = {"logs": "/v1/logs", "metrics": "/v1/metrics", "events": "/v1/logs"}.get(
        case["expect"].get("signal"), "/v1/traces"
    )
    headers = {"content-type": case["content_type"]}
    if "content_encoding" in case:
        headers["content-encoding"] = case["content_encoding"]
    return httpx.post(f"{collector.url}{path}", content=(folder / case["file"]).read_bytes(), headers=headers)


@pytest.mark.parametrize(("folder", "case"), [c for c in cases() if traces_expected(c.values[1])])
def test_a_request_gets_over_http_what_it_is_owed(
    collector: build.Collector, folder: Path, case: dict[str, Any]
) -> None:
    before, expected = collector.count("spans"), case["expect"]
    answer = sent(collector, folder, case)
    assert answer.status_code == expected["http"]
    assert answer.headers["content-type"] == case["content_type"]
    if "stored_spans" in expected:
        assert collector.count("spans") - before == expected["stored_spans"]
    if expected["http"] == 200:
        assert rejected(answer) == expected.get("rejected_spans", 0)
    else:
        assert (answer.status_code in RETRYABLE_HTTP) == expected["retryable"]
        message = (
            answer.json()["message"]
            if case["content_type"] == JSON
            else status_pb2.Status.FromString(answer.content).message
        )
        assert message


def rejected(answer: httpx.Response) -> int:
    if answer.headers["content-type"] == JSON:
        return int(answer.json().get("partialSuccess", {}).get("rejectedSpans", 0))
    told = ExportTraceServiceResponse.FromString(answer.content)
    return int(told.partial_success.rejected_spans)


@pytest.mark.parametrize(
    ("folder", "case"),
    [c for c in cases() if traces_expected(c.values[1]) and c.values[1]["content_type"] == PROTOBUF],
)
def test_a_request_gets_over_grpc_what_it_is_owed(
    collector: build.Collector, folder: Path, case: dict[str, Any]
) -> None:
    before, expected = collector.count("spans"), case["expect"]
    body = (folder / case["file"]).read_bytes()
    if case.get("content_encoding") == "gzip":
        # gRPC compresses by itself: what is tested is its own gzip.
        body = gzip.decompress(body)
    compression = grpc.Compression.Gzip if "content_encoding" in case else None
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        call = channel.unary_unary(EXPORT, response_deserializer=ExportTraceServiceResponse.FromString)
        try:
            told = call(body, timeout=20, compression=compression)
            code = "OK"
        except grpc.RpcError as error:
            told, code = None, error.code().name  # type: ignore[attr-defined]
    assert code == expected["grpc"]
    assert collector.count("spans") - before == expected["stored_spans"]
    if told is None:
        assert (code in RETRYABLE_GRPC) == expected["retryable"]
    else:
        assert told.partial_success.rejected_spans == expected["rejected_spans"]


@pytest.mark.parametrize(("folder", "case"), [c for c in cases() if not traces_expected(c.values[1])])
def test_other_signals_are_refused_or_rejected_by_count(
    collector: build.Collector, folder: Path, case: dict[str, Any]
) -> None:
    """Metrics are not served; log records that carry no exception are rejected through partial success."""
    answer = sent(collector, folder, case)
    if case["expect"]["signal"] == "metrics":
        assert (answer.status_code, "message" in answer.json()) == (404, True)
        return
    records = json.loads((folder / case["file"]).read_text(encoding="utf-8"))["resourceLogs"]
    count = sum(len(s["logRecords"]) for r in records for s in r["scopeLogs"])
    assert answer.status_code == 200
    assert int(answer.json()["partialSuccess"]["rejectedLogRecords"]) == count

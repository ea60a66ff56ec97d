import gzip
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import otlp_builders as build
import pytest
import zstandard
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
SPAN_JSON = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "op"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    with build.running_collector(tmp_path_factory.mktemp("data"), body_bytes_max=200_000) as running:
        yield running


@pytest.fixture(scope="module")
def client(collector: build.Collector) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=collector.url) as opened:
        yield opened


def body_of(*spans: Any, pad: int = 0) -> bytes:
    made = spans or (build.span(),)
    return build.traces(*made, scope="s" * (pad + 1)).SerializeToString()


def json_of(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def status_in(answer: httpx.Response) -> status_pb2.Status:
    assert answer.headers["content-type"] == "application/x-protobuf"
    return status_pb2.Status.FromString(answer.content)


def test_an_accepted_request_is_stored_and_answered_with_an_unset_partial_success(
    collector: build.Collector, client: httpx.Client
) -> None:
    before = collector.count("spans")
    answer = client.post("/v1/traces", content=body_of(build.span(), build.span()), headers=PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    answer = client.post("/v1/traces", content=json_of(SPAN_JSON), headers=JSON)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert collector.count("spans") == before + 3


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("identity", bytes),
        ("gzip", lambda b: gzip.compress(b[:10]) + gzip.compress(b[10:])),
    ],
)
def test_compressed_bodies_are_stored(
    collector: build.Collector, client: httpx.Client, encoding: str, compress: Any
) -> None:
    before = collector.count("spans")
    for headers, body in ((PROTOBUF, body_of()), (JSON, json_of(SPAN_JSON))):
        answer = client.post(
            "/v1/traces", content=compress(body), headers={**headers, "content-encoding": encoding}
        )
        assert answer.status_code == 200
    assert collector.count("spans") == before + 2


def test_malformed_ids_are_rejected_by_count_in_the_encoding_of_the_request(
    collector: build.Collector, client: httpx.Client
) -> None:
    before = collector.count("spans")
    sent = body_of(build.span(), build.span(span_id=b""), build.span(trace_id=bytes(16)))
    answer = client.post("/v1/traces", content=sent, headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 2)
    assert "span id" in partial.error_message
    answer = client.post(
        "/v1/traces", content=json_of(SPAN_JSON, {**SPAN_JSON, "spanId": "00"}), headers=JSON
    )
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert collector.count("spans") == before + 2


def test_an_empty_request_succeeds(client: httpx.Client) -> None:
    for path in ("/v1/traces", "/v1/logs"):
        assert client.post(path, content=b"", headers=PROTOBUF).status_code == 200
        assert client.post(path, content=b"{}", headers=JSON).status_code == 200


def test_log_records_without_an_exception_are_rejected_by_count(
    collector: build.Collector, client: httpx.Client
) -> None:
    before = collector.count("exceptions")
    plain = build.log_record(attributes={"user": "u"})
    sent = build.logs(plain, build.log_record(attributes=build.EXCEPTION), plain)
    answer = client.post("/v1/logs", content=sent.SerializeToString(), headers=PROTOBUF)
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_log_records) == (200, 2)
    assert collector.count("exceptions") == before + 1


def test_a_malformed_body_is_a_bad_request_with_a_status(client: httpx.Client) -> None:
    answer = client.post("/v1/traces", content=b"\x0a\xff", headers=PROTOBUF)
    status = status_in(answer)
    detail = error_details_pb2.BadRequest()
    assert (answer.status_code, status.code) == (400, 3)
    assert status.details[0].Unpack(detail)
    answer = client.post("/v1/traces", content=b"[1]", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert answer.headers["content-type"] == "application/json"
    answer = client.post("/v1/traces", content=b"plain", headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code == 400


def test_content_types_and_encodings_that_are_not_read_are_unsupported(client: httpx.Client) -> None:
    for headers in ({"content-type": "text/plain"}, {}, {**PROTOBUF, "content-encoding": "br"}):
        answer = client.post("/v1/traces", content=body_of(), headers=headers)
        assert answer.status_code == 415
    parameters = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/traces", content=json_of(SPAN_JSON), headers=parameters).status_code == 200


def test_other_paths_and_methods_are_refused_for_good(client: httpx.Client) -> None:
    for path in ("/v1/metrics", "/v1development/profiles", "/v1/tracesx"):
        answer = client.post(path, content=b"", headers=PROTOBUF)
        assert (answer.status_code, status_in(answer).code) == (404, 12)
    answer = client.get("/v1/traces")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["code"] == 12


def test_the_bound_holds_before_and_after_decompression(client: httpx.Client) -> None:
    large = body_of(pad=300_000)
    answer = client.post("/v1/traces", content=large, headers=PROTOBUF)
    assert (answer.status_code, status_in(answer).code) == (413, 8)
    zipped = gzip.compress(large)
    assert len(zipped) < 2000
    answer = client.post("/v1/traces", content=zipped, headers={**PROTOBUF, "content-encoding": "gzip"})
    assert answer.status_code == 413
    # Without a stated length the body is cut off where the bound is.
    answer = client.post("/v1/traces", content=iter([large[:150_000], large[150_000:]]), headers=PROTOBUF)
    assert answer.status_code == 413
    assert "retry-after" not in answer.headers
    assert client.post("/v1/traces", content=body_of(), headers=PROTOBUF).status_code == 200


def test_one_connection_carries_many_requests(collector: build.Collector) -> None:
    body = body_of()
    head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=5) as opened:
        for _ in range(3):
            opened.sendall(head.encode() + body)
            assert opened.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_sender_that_hangs_up_leaves_nothing(collector: build.Collector) -> None:
    before = collector.count("spans")
    head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=5) as opened:
        opened.sendall(head.encode() + body_of()[:50])
    time.sleep(0.1)
    assert collector.count("spans") == before


def test_requests_sent_in_one_go_on_one_connection_are_answered_in_turn(collector: build.Collector) -> None:
    body = body_of()
    head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=5) as opened:
        opened.sendall((head.encode() + body) * 5)
        answered = b""
        while answered.count(b"HTTP/1.1 200") < 5:
            answered += opened.recv(65_536)
        assert answered.count(b"HTTP/1.1") == 5


def test_many_connections_are_served_at_a_time(collector: build.Collector) -> None:
    before = collector.count("spans")
    with ThreadPoolExecutor(16) as pool, httpx.Client(base_url=collector.url) as shared:
        sent = [
            pool.submit(shared.post, "/v1/traces", content=body_of(), headers=PROTOBUF) for _ in range(64)
        ]
        assert {answer.result().status_code for answer in sent} == {200}
    assert collector.count("spans") == before + 64


# --- browsers -------------------------------------------------------------------------------------------

PAGE = "https://shop.example"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-encoding,content-type",
}


@pytest.fixture(scope="module")
def for_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Asks for a token, and lets pages of one origin send."""
    folder = tmp_path_factory.mktemp("data")
    asked = {"authorize": lambda stated: stated == "Bearer right", "cors_origins": (PAGE,)}
    with build.running_collector(folder, **asked) as running, httpx.Client(base_url=running.url) as opened:
        yield opened


def test_browsers_are_refused_unless_their_origin_is_stated(client: httpx.Client) -> None:
    answer = client.options("/v1/traces", headers=PREFLIGHT)
    assert answer.status_code == 405
    sent = client.post("/v1/traces", content=body_of(), headers=PROTOBUF | {"origin": PAGE})
    for told in (answer, sent):
        assert not [name for name in told.headers if name.startswith("access-control")]


def test_a_preflight_of_a_stated_origin_is_answered_without_a_token(for_pages: httpx.Client) -> None:
    answer = for_pages.options("/v1/traces", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert int(answer.headers["access-control-max-age"]) == 7200
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-encoding", "content-type"} <= set(allowed)
    assert "Origin" in answer.headers["vary"]
    for wrong in (
        {"origin": "https://shop.example.evil.example"},
        {"origin": "http://shop.example"},
        {"origin": "null"},
    ):
        answer = for_pages.options("/v1/traces", headers=PREFLIGHT | wrong)
        assert answer.status_code == 400
        assert "access-control-allow-origin" not in answer.headers
    for wrong in (
        {"access-control-request-method": "DELETE"},
        {"access-control-request-headers": "x-other"},
    ):
        assert for_pages.options("/v1/traces", headers=PREFLIGHT | wrong).status_code == 400


def test_answers_and_errors_can_be_read_by_pages_of_a_stated_origin_only(for_pages: httpx.Client) -> None:
    right = PROTOBUF | {"authorization": "Bearer right"}
    for status, path, headers, body in (
        (200, "/v1/traces", right, body_of()),
        (400, "/v1/traces", right, b"\x0a\xff"),
        (401, "/v1/traces", PROTOBUF, body_of()),
        (404, "/v1/metrics", right, b""),
        (415, "/v1/traces", {"authorization": "Bearer right"}, b""),
    ):
        answer = for_pages.post(path, content=body, headers=headers | {"origin": PAGE})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["vary"] == "Origin"
        answer = for_pages.post(path, content=body, headers=headers | {"origin": "https://evil.example"})
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (status, False)


def test_every_origin_is_let_in_when_that_is_stated(tmp_path: Path) -> None:
    with build.running_collector(tmp_path, cors_origins=("*",)) as running:
        answer = httpx.options(f"{running.url}/v1/logs", headers=PREFLIGHT)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
        answer = httpx.post(f"{running.url}/v1/logs", content=b"", headers=PROTOBUF | {"origin": PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) in (
            (200, PAGE),
            (200, "*"),
        )


# --- refusals that depend on the state ------------------------------------------------------------------


@pytest.mark.parametrize("before_spool", [False, True])
def test_attributes_on_the_drop_list_never_reach_the_store_nor_the_spool_if_asked(
    tmp_path: Path, before_spool: bool
) -> None:
    secret = {"enduser.id": "alice-4711", "app": "x"}
    with build.running_collector(
        tmp_path, attributes_dropped=("enduser.*",), attributes_dropped_before_spool=before_spool
    ) as running:
        sent = build.traces(
            build.span(attributes=secret, events=[("login", secret), ("exception", secret)]), resource=secret
        )
        httpx.post(f"{running.url}/v1/traces", content=sent.SerializeToString(), headers=PROTOBUF)
        on_disk = b"".join(p.read_bytes() for p in running.spool._path.glob("*.*"))
        (row,) = running.spans()
        assert (b"alice" in on_disk) is not before_spool
        assert "alice" not in str(row)
        for table in ("span_events", "exceptions"):
            assert "alice" not in str(running.store.rows(f"SELECT * FROM facts.{table}"))
        assert "alice" not in str(running.store.rows("SELECT * FROM facts.resources"))
        assert build.attributes(row) == {"app": "x"}
        name, labels = "aftermerge_values_altered_total", {"reason": "attribute_dropped"}
        assert running.counters.registry.get_sample_value(name, labels) == 4


def test_a_full_backlog_is_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    with build.running_collector(tmp_path, backlog_bytes_max=1) as running:
        answer = httpx.post(f"{running.url}/v1/traces", content=body_of(), headers=PROTOBUF)
        status, retry = status_in(answer), error_details_pb2.RetryInfo()
        assert (answer.status_code, status.code) == (503, 8)
        assert int(answer.headers["retry-after"]) == 2
        assert status.details[0].Unpack(retry)
        assert running.count("spans") == 0
        name, labels = "aftermerge_otlp_requests_refused_total", {"signal": "traces", "reason": "backlog"}
        assert running.counters.registry.get_sample_value(name, labels) == 1


def test_a_token_is_asked_of_senders_but_not_of_health_checks(tmp_path: Path) -> None:
    with build.running_collector(tmp_path, authorize=lambda stated: stated == "Bearer right") as running:
        for headers in (PROTOBUF, {**PROTOBUF, "authorization": "Bearer wrong"}):
            answer = httpx.post(f"{running.url}/v1/traces", content=body_of(), headers=headers)
            assert (answer.status_code, status_in(answer).code) == (401, 16)
            assert answer.headers["www-authenticate"] == "Bearer"
        right = {**PROTOBUF, "authorization": "Bearer right"}
        assert httpx.post(f"{running.url}/v1/traces", content=body_of(), headers=right).status_code == 200
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert running.count("spans") == 1


def test_a_closed_spool_is_unavailable_and_the_door_is_not_ready_when_full(tmp_path: Path) -> None:
    with build.running_collector(tmp_path) as running:
        assert httpx.get(f"{running.url}/readyz").status_code == 200
        running.spool._backlog_bytes_max = -1
        assert httpx.get(f"{running.url}/readyz").status_code == 503
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        running.spool._backlog_bytes_max = 1 << 30
        running.spool._stopping = True
        answer = httpx.post(f"{running.url}/v1/traces", content=body_of(), headers=PROTOBUF)
        assert (answer.status_code, status_in(answer).code) == (503, 14)
        assert "retry-after" in answer.headers

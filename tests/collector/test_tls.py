"""TLS and client certificates on both OTLP doors, with the SDK's exporters, curl, and connections that must fail."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import certificates
import grpc
import otlp_builders as build
import pytest
from certificates import Pair
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from collector import tls
from schemas.errors import StoreError
from schemas.settings import Settings


class Issued(NamedTuple):
    authority: Pair
    server: Pair
    sender: Pair
    stranger: Pair
    """Signs itself: nobody vouches for it."""


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP exporter's library prefers these to the certificate that the exporter was given."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    folder = tmp_path_factory.mktemp("certificates")
    authority = certificates.authority(folder)
    return Issued(
        authority,
        certificates.signed(folder, authority, "server"),
        certificates.signed(folder, authority, "sender"),
        certificates.self_signed(folder, "stranger"),
    )


@pytest.fixture(scope="module")
def secured(issued: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    certificate, key = issued.server
    with build.running_collector(
        tmp_path_factory.mktemp("data"), tls_certificate=certificate, tls_key=key
    ) as running:
        yield running


@pytest.fixture(scope="module")
def mutual(issued: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    certificate, key = issued.server
    with build.running_collector(
        tmp_path_factory.mktemp("data"),
        tls_certificate=certificate,
        tls_key=key,
        tls_client_authority=issued.authority.certificate,
    ) as running:
        yield running


def exporter(
    running: build.Collector, transport: str, trusted: Pair, own: Pair | None = None
) -> SpanExporter:
    """The SDK's, as its ``OTEL_EXPORTER_OTLP_CERTIFICATE`` and ``..._CLIENT_*`` variables would make it."""
    if transport == "http":
        given: dict[str, Any] = {"certificate_file": str(trusted.certificate)}
        if own is not None:
            given |= {"client_certificate_file": str(own.certificate), "client_key_file": str(own.key)}
        return HttpExporter(f"{running.url}/v1/traces", timeout=2, **given)
    credentials = grpc.ssl_channel_credentials(
        trusted.certificate.read_bytes(),
        own.key.read_bytes() if own else None,
        own.certificate.read_bytes() if own else None,
    )
    return GrpcExporter(f"https://127.0.0.1:{running.grpc_port}", credentials=credentials, timeout=2)


def exported(sender: SpanExporter) -> bool:
    """Was one span acknowledged?"""
    results: list[SpanExportResult] = []

    class Noting(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            results.append(sender.export(spans))
            return results[-1]

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Noting()))
    provider.get_tracer("tests").start_span("op").end()
    sender.shutdown()
    return results == [SpanExportResult.SUCCESS]


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_an_exporter_that_trusts_the_authority_is_served(
    secured: build.Collector, issued: Issued, transport: str
) -> None:
    before = secured.count("spans")
    assert exported(exporter(secured, transport, issued.authority))
    assert secured.count("spans") == before + 1


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_an_exporter_that_trusts_another_does_not_send(
    secured: build.Collector, issued: Issued, transport: str
) -> None:
    before = secured.count("spans")
    assert not exported(exporter(secured, transport, issued.stranger))
    assert secured.count("spans") == before


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_only_a_sender_with_a_certificate_of_the_authority_is_served(
    mutual: build.Collector, issued: Issued, transport: str
) -> None:
    before = mutual.count("spans")
    assert exported(exporter(mutual, transport, issued.authority, issued.sender))
    assert not exported(exporter(mutual, transport, issued.authority))
    assert not exported(exporter(mutual, transport, issued.authority, issued.stranger))
    assert mutual.count("spans") == before + 1


@pytest.mark.parametrize("door", ["grpc_port", "http_port"])
def test_plain_text_is_not_answered(secured: build.Collector, door: str) -> None:
    with socket.create_connection(("127.0.0.1", getattr(secured, door)), timeout=10) as opened:
        opened.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        try:
            answered = opened.recv(4096)
        except ConnectionError:
            answered = b""
        assert b"HTTP/1.1 200" not in answered


@pytest.mark.parametrize("door", ["grpc_port", "http_port"])
@pytest.mark.filterwarnings("ignore:.*TLSv1_1.*:DeprecationWarning")
@pytest.mark.parametrize(("version", "is_spoken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_tls_is_spoken_from_1_2_on(
    secured: build.Collector, door: str, version: str, is_spoken: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # The client's own policy must not be what refuses.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"] if door == "grpc_port" else ["http/1.1"])
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", getattr(secured, door)), timeout=10) as opened:
        try:
            with context.wrap_socket(opened) as wrapped:
                assert (wrapped.version() or "").replace(".", "_") == version
            spoke = True
        except (ssl.SSLError, ConnectionError):
            spoke = False
    assert spoke is is_spoken


def test_curl_is_served_with_its_certificate(mutual: build.Collector, issued: Issued) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install -y curl")
    url, (certificate, key) = f"{mutual.url}/v1/traces", issued.sender.paths
    command = ["curl", "--silent", "--show-error", "--cacert", str(issued.authority.certificate)]
    command += ["--header", "content-type: application/json", "--data", "{}", url]
    with_own = [*command, "--cert", certificate, "--key", key]
    assert subprocess.run(with_own, capture_output=True, check=True, timeout=20).stdout == b"{}"
    assert subprocess.run(command, capture_output=True, check=False, timeout=20).returncode != 0


def test_files_that_cannot_serve_are_refused_in_a_sentence(issued: Issued, tmp_path: Path) -> None:
    certificate, key = issued.server
    empty, encrypted = tmp_path / "empty.pem", tmp_path / "encrypted.key"
    empty.write_text("")
    subprocess.run(
        ["openssl", "ec", "-in", str(key), "-aes128", "-passout", "pass:secret", "-out", str(encrypted)],
        check=True,
        capture_output=True,
        timeout=20,
    )
    cases: dict[str, dict[str, Path]] = {
        "tls_certificate: cannot read .*No such file": {"tls_certificate": tmp_path / "none"},
        "tls_key: cannot read .*Is a directory": {"tls_key": tmp_path},
        "is not the key of": {"tls_key": issued.sender.key},
        "not a certificate and its key": {"tls_certificate": empty},
        "the key is encrypted": {"tls_key": encrypted},
        "tls_client_authority: .* holds no certificate": {"tls_client_authority": empty},
        "tls_client_authority: cannot read": {"tls_client_authority": tmp_path / "none"},
    }
    for said, changed in cases.items():
        paths: dict[str, Path] = {"tls_certificate": certificate, "tls_key": key, **changed}
        with pytest.raises(StoreError, match=said) as caught:
            tls.read(Settings(data=tmp_path, **paths))  # type: ignore[arg-type]
        assert caught.value.hint
    assert tls.read(Settings(data=tmp_path)) is None


def test_half_a_certificate_is_no_setting(issued: Issued) -> None:
    certificate, _ = issued.server
    with pytest.raises(ValueError, match="go together"):
        Settings(tls_certificate=certificate)
    with pytest.raises(ValueError, match="needs tls_certificate"):
        Settings(tls_client_authority=certificate)

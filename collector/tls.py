"""TLS of the three ports: one certificate for all, and for OTLP, when an authority is set, certificates of senders.

Browsers come to the REST port, so no client certificate is asked there. TLS 1.2 or newer.
"""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc

from schemas.errors import StoreError
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Tls:
    """What the listeners need. ``certificate_sha256`` is of the certificate's DER form, as hex."""

    otlp: ssl.SSLContext
    api: ssl.SSLContext
    otlp_grpc: grpc.ServerCredentials
    certificate_sha256: str


def read(settings: Settings) -> Tls | None:
    """What ``tls_certificate``, ``tls_key`` and ``tls_client_authority`` say; None without a certificate.

    Raises:
        StoreError: a file cannot be read or is not PEM, or the key is not the certificate's.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    certificate = _content("tls_certificate", settings.tls_certificate)
    key = _content("tls_key", settings.tls_key)
    api, otlp = (_context(settings.tls_certificate, settings.tls_key) for _ in range(2))
    authority = None
    if settings.tls_client_authority is not None:
        authority = _content("tls_client_authority", settings.tls_client_authority)
        try:
            otlp.load_verify_locations(cadata=authority.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise StoreError(
                f"tls_client_authority: {settings.tls_client_authority} holds no certificate",
                hint="name a PEM file with the certificates that sign those of the senders",
            ) from error
        otlp.verify_mode = ssl.CERT_REQUIRED
    return Tls(
        otlp=otlp,
        api=api,
        otlp_grpc=grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=authority, require_client_auth=authority is not None
        ),
        certificate_sha256=_fingerprint(certificate),
    )


def _content(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{name}: cannot read {path}: {error.strerror}",
            hint="name a PEM file that the server's user may read",
            path=str(path),
        ) from error


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        is_mismatch = error.reason == "KEY_VALUES_MISMATCH"
        raise StoreError(
            f"tls_key: {key} is not the key of {certificate}"
            if is_mismatch
            else f"tls_certificate, tls_key: {certificate} and {key} are not a certificate and its key in PEM",
            hint="set tls_certificate and tls_key to the two files that were made together",
        ) from error
    return context


def _refuse_password() -> NoReturn:
    # OpenSSL would ask on the terminal.
    raise StoreError(
        "tls_key: the key is encrypted", hint="store it without a pass phrase, readable by its user only"
    )


def _fingerprint(certificate: bytes) -> str:
    """Of the first certificate of the file: the server's own, the rest is its chain."""
    first = certificate.decode("ascii", errors="replace")
    end = "-----END CERTIFICATE-----"
    begin = "-----BEGIN CERTIFICATE-----"
    pem = begin + first.partition(begin)[2].partition(end)[0] + end
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

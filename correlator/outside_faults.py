"""Failures that name their cause outside of the code: a full disk, an expired certificate, a name that does not resolve.

A change can bring about each of them, but seldom does; whoever wrote the line that met it did not. Pure.
"""

import re

from schemas.records import FailureFacts

_FAULTS = (
    # [Errno 28] No space left on device; ENOSPC; There is not enough space on the disk
    (
        re.compile(
            r"ENOSPC|EDQUOT|no space left|not enough space on the disk|disk (?:is )?full|disk quota", re.I
        ),
        "a full disk",
    ),
    # CERT_HAS_EXPIRED; certificate has expired; x509: certificate has expired or is not yet valid; PKIX path validation
    (
        re.compile(
            r"CERT_HAS_EXPIRED|certificate (?:has )?expired|not yet valid|CertificateExpired|NotAfter", re.I
        ),
        "an expired certificate",
    ),
    # getaddrinfo ENOTFOUND; Name or service not known; UnknownHostException; no such host
    (
        re.compile(
            r"ENOTFOUND|EAI_AGAIN|name or service not known|name resolution|UnknownHost|no such host", re.I
        ),
        "a name that does not resolve",
    ),
    # EHOSTUNREACH; No route to host; network is unreachable
    (
        re.compile(r"EHOSTUNREACH|ENETUNREACH|no route to host|(?:network|host) is unreachable", re.I),
        "an unreachable network",
    ),
    # Read-only file system; Input/output error: a disk on its way out
    (re.compile(r"EROFS|read-only file ?system|\bEIO\b|input/output error", re.I), "a failing disk"),
)


def named(facts: FailureFacts) -> str | None:
    """What outside of the code the failure names, in words; None when it names nothing of the kind."""
    text = f"{facts.exception_type or ''} {facts.message or ''}"
    return next((words for pattern, words in _FAULTS if pattern.search(text)), None)

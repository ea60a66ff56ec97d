"""When two failures are the same failure: the fingerprint and what contributed to it.

With a stack: exception type and the innermost in-app functions. Without: type, status, operation and the template
of the message. Line numbers, container paths and ids never take part, so that it survives edits and deployments.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from correlator import function_names
from schemas import vocabulary
from schemas.records import FailureFacts, Fingerprint

VERSION = "2"
"""Raised whenever equal facts could give another fingerprint."""

FUNCTIONS_MAX = 5
TEMPLATE_CHARS_MAX = 300

STATUS_KEYS = (
    vocabulary.HTTP_RESPONSE_STATUS_CODE,
    vocabulary.RPC_GRPC_STATUS_CODE,
    vocabulary.DB_RESPONSE_STATUS_CODE,
)
OPERATION_KEYS = (
    vocabulary.HTTP_REQUEST_METHOD,
    vocabulary.HTTP_ROUTE,
    vocabulary.RPC_SERVICE,
    vocabulary.RPC_METHOD,
    vocabulary.DB_OPERATION_NAME,
    vocabulary.DB_COLLECTION_NAME,
    vocabulary.MESSAGING_DESTINATION_NAME,
)


@dataclass(frozen=True, slots=True)
class FingerprintResult:
    """``fingerprint``: 16 hex digits. ``parts``: what contributed, JSON types only."""

    fingerprint: Fingerprint
    parts: dict[str, object]


def of(facts: FailureFacts, in_app_functions: Sequence[str], operation: str) -> FingerprintResult:
    """The fingerprint of one failure.

    Args:
        facts: Of the root-cause span; old attribute names count like current ones.
        in_app_functions: Innermost first, of the root cause first; empty without a stack or when no frame maps.
        operation: Name of the root-cause span; used where no attribute names the operation.
    """
    type_ = (facts.exception_type or "").strip()
    functions = [function_names.stable(name) for name in in_app_functions[:FUNCTIONS_MAX]]
    parts: dict[str, object]
    if functions:
        parts = {"rule": "stack", "type": type_, "functions": functions}
    else:
        attributes = {vocabulary.RENAMED_KEYS.get(key, key): v for key, v in facts.attributes.items()}
        named = {key: str(attributes[key]) for key in OPERATION_KEYS if attributes.get(key) not in (None, "")}
        error_type = attributes.get(vocabulary.ERROR_TYPE)
        parts = {
            "rule": "operation",
            "type": type_ or str(error_type or ""),
            "status": [str(attributes[key]) for key in STATUS_KEYS if attributes.get(key) is not None],
            # A route and a table are bounded by their conventions; a span name may carry an id.
            "operation": named or operation_template(operation),
            "message": template(facts.message or ""),
        }
    text = json.dumps([VERSION, parts], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return FingerprintResult(Fingerprint(hashlib.sha256(text.encode()).hexdigest()[:16]), parts)


# Each alternative with an example; the order matters: what contains others comes first.
_VARIABLE = re.compile(
    r"""
      (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s'"<>)\]]{1,500})     # https://host/path?x=1
    | (?P<email>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b)   # ada@example.org
    | (?P<uuid>\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b)
    | (?P<text>(?<!\w)(?:'[^'\n]{0,300}'|"[^"\n]{0,300}"|`[^`\n]{0,300}`|`[^'\n]{0,300}')(?!\w))   # 'sku-1'
    | (?P<path>(?<![\w.<])(?:[A-Za-z]:[\\/]|~?/|\.{1,2}/)[\w.@+-]{1,100}(?:[\\/][\w.@+-]{0,100}){0,40})  # /srv/app/x.py
    | (?P<hex>\b0x[0-9a-fA-F]{1,32}\b|\b(?=[a-fA-F]{0,40}\d)[0-9a-fA-F]{8,64}\b)   # 0x7f3a, 9f86d081
    | (?P<id>\b(?=(?:[A-Za-z_-]{0,40}\d){4})(?=[\d_-]{0,40}[A-Za-z])[A-Za-z0-9_-]{16,64}\b)   # 01HZX3K9QWERTY7PLM0
    | (?P<n>\d+(?:[.,:]\d+){0,8})   # 42, 3.14, 10.0.0.7, 12:30:01
    """,
    re.VERBOSE,
)

_SPACE = re.compile(r"\s+")


def template(message: str) -> str:
    """``message`` with what differs from case to case replaced: URLs, addresses, ids, quoted text, paths, numbers."""
    # Cut before the pattern runs: what an exception says first is what it says.
    shortened = _SPACE.sub(" ", message[: 4 * TEMPLATE_CHARS_MAX]).strip()
    return _VARIABLE.sub(lambda found: f"<{found.lastgroup}>", shortened)[:TEMPLATE_CHARS_MAX]


def operation_template(name: str) -> str:
    """A span's name with its ids replaced; the folders of a path stay, since they tell one operation from another."""

    def replaced(found: re.Match[str]) -> str:
        if found.lastgroup != "path":
            return f"<{found.lastgroup}>"
        return "/".join(_VARIABLE.sub(lambda part: f"<{part.lastgroup}>", p) for p in found[0].split("/"))

    shortened = _SPACE.sub(" ", name[: 4 * TEMPLATE_CHARS_MAX]).strip()
    return _VARIABLE.sub(replaced, shortened)[:TEMPLATE_CHARS_MAX]

"""Errors as ``google.rpc.Status``, the body that OTLP prescribes on both transports, and which of them may be retried.

Source: OTLP specification, "OTLP/gRPC Response" and "OTLP/HTTP Response"; google/rpc/status.proto, error_details.proto.
"""

from dataclasses import dataclass

from google.protobuf import json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2

from collector.encodings import TooLarge, UnsupportedEncoding
from collector.inflight import RETRY_AFTER_S, Busy, TooSlow
from schemas.errors import AftermergeError, MalformedInput, Overloaded, StoreError

JSON = "application/json"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of refusal is told: HTTP status, gRPC code, label for the counters, seconds to wait or None."""

    http_status: int
    grpc_code: int
    reason: str
    retry_after_s: int | None = None


def answer_to(error: AftermergeError) -> Answer:
    """The one table from kinds of error to answers.

    503 and not 429 for what passes: older Python exporters drop a batch on 429. 408 is final for exporters, and right
    so: what took too long once will again.
    """
    match error:
        case TooLarge():
            return Answer(413, code_pb2.RESOURCE_EXHAUSTED, "too_large")
        case UnsupportedEncoding():
            return Answer(415, code_pb2.INVALID_ARGUMENT, "unsupported")
        case MalformedInput():
            return Answer(400, code_pb2.INVALID_ARGUMENT, "malformed")
        case TooSlow():
            return Answer(408, code_pb2.DEADLINE_EXCEEDED, "slow")
        case Busy():
            return Answer(503, code_pb2.RESOURCE_EXHAUSTED, "busy", error.retry_after_s)
        case Overloaded():
            return Answer(503, code_pb2.RESOURCE_EXHAUSTED, "backlog", error.retry_after_s)
        case StoreError():
            return Answer(503, code_pb2.UNAVAILABLE, "storage", RETRY_AFTER_S)
        case _:
            return Answer(500, code_pb2.INTERNAL, "internal")


def status_of(error: AftermergeError) -> status_pb2.Status:
    """``Status`` with code, message and the details that exporters read: RetryInfo, BadRequest."""
    answer = answer_to(error)
    message = f"{error}; {error.hint}" if error.hint else str(error)
    status = status_pb2.Status(code=answer.grpc_code, message=message)
    if answer.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = answer.retry_after_s
        status.details.add().Pack(retry)
    elif answer.http_status == 400:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field="body", description=str(error))
        status.details.add().Pack(bad)
    return status


def retry_info(status: status_pb2.Status) -> bytes | None:
    """The encoded ``RetryInfo`` among the details; None: not to be sent again."""
    found = error_details_pb2.RetryInfo()
    return found.SerializeToString() if any(detail.Unpack(found) for detail in status.details) else None


def encoded(status: status_pb2.Status, content_type: str) -> bytes:
    """``status`` in the encoding of ``content_type``, which is :data:`JSON` or :data:`PROTOBUF`."""
    if content_type == PROTOBUF:
        return bytes(status.SerializeToString())
    return json_format.MessageToJson(status, indent=None).encode()

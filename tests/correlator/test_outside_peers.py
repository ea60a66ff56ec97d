"""What the answer of a peer that sends no telemetry says of a failed call."""

from dataclasses import replace

import pytest
from evidence_builders import RULED, around, by_kind, failing

from correlator import outside_peers
from correlator.evidence_in_time import of_no_change
from correlator.failure_groups import FailureGroup
from correlator.weights import piece
from schemas.records import FailureFacts
from schemas.vocabulary import (
    DB_SYSTEM_NAME,
    HTTP_RESPONSE_STATUS_CODE,
    RPC_GRPC_STATUS_CODE,
    SERVER_ADDRESS,
    EvidenceKind,
)

_KEYS = {
    "http_status": HTTP_RESPONSE_STATUS_CODE,
    "grpc_status": RPC_GRPC_STATUS_CODE,
    "db_system_name": DB_SYSTEM_NAME,
}


def call(**told: str | int | None) -> FailureGroup:
    """A failed call to pay.example, with these attributes."""
    made = failing(is_dependency_leaf=True)
    attributes = {SERVER_ADDRESS: "pay.example", **{_KEYS[name]: value for name, value in told.items()}}
    return replace(made, facts=FailureFacts(None, None, attributes))


def said(group: FailureGroup) -> set[EvidenceKind]:
    return set(by_kind(of_no_change(group, around(), weights=RULED)))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_peer_that_fails_or_is_too_busy_is_at_fault(status: int) -> None:
    assert EvidenceKind.PEER_FAILED in said(call(http_status=status))


@pytest.mark.parametrize("told", [{"http_status": 401}, {"http_status": 403}, {"grpc_status": 16}])
def test_a_peer_that_refuses_our_credentials_says_less(told: dict[str, int]) -> None:
    assert EvidenceKind.PEER_REFUSED in said(call(**told))
    assert RULED.log_ratio(EvidenceKind.PEER_REFUSED) < RULED.log_ratio(EvidenceKind.PEER_FAILED)


@pytest.mark.parametrize("status", [None, 200, 400, 404, 422])
def test_an_answer_about_the_request_itself_says_nothing(status: int | None) -> None:
    assert not said(call(http_status=status)) & {EvidenceKind.PEER_FAILED, EvidenceKind.PEER_REFUSED}


def test_a_service_with_telemetry_and_a_database_are_no_outside_peers() -> None:
    assert not outside_peers.answered(replace(call(http_status=503), is_dependency_leaf=False), RULED)
    assert not outside_peers.answered(call(http_status=503, db_system_name="couchdb"), RULED)
    assert not outside_peers.answered(call(grpc_status=0), RULED)


@pytest.mark.parametrize("kind", sorted(outside_peers.OURS_TO_REFUSE))
def test_a_change_of_what_is_sent_explains_a_refusal_but_no_fault_of_the_peer(kind: EvidenceKind) -> None:
    ours = [piece(kind, RULED, "it did", log_lr=1.0)]
    for status, expected in ((401, ()), (503, (EvidenceKind.PEER_FAILED,))):
        found = outside_peers.unexplained(outside_peers.answered(call(http_status=status), RULED), ours)
        assert tuple(p.kind for p in found) == expected
    against = [piece(kind, RULED, "it did not", log_lr=-1.0)]
    assert outside_peers.unexplained(outside_peers.answered(call(http_status=401), RULED), against)

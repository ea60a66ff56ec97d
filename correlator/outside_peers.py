"""Peers that send no telemetry and answer, but not as before: they fail, are too busy, or refuse our credentials. Pure.

Their own changes are nobody's here; credentials run out and are exchanged outside of the code. What a peer says of the
request itself (400, 404, 422) is not counted: it is as likely the request that changed.
"""

from collections.abc import Iterable, Sequence

from correlator.failure_groups import FailureGroup
from correlator.weights import Weights, piece
from schemas.records import SuspectEvidence
from schemas.vocabulary import (
    DB_SYSTEM_NAME,
    HTTP_RESPONSE_STATUS_CODE,
    RPC_GRPC_STATUS_CODE,
    SERVER_ADDRESS,
    EvidenceKind,
)

_REFUSALS = (401, 403)
_BUSY = 429
_GRPC_REFUSALS = (7, 16)
"""PERMISSION_DENIED, UNAUTHENTICATED."""
_GRPC_FAULTS = (13, 15)
"""INTERNAL, DATA_LOSS. UNAVAILABLE is a peer that could not be reached; RESOURCE_EXHAUSTED may be the size of what we sent."""

OURS_TO_REFUSE = frozenset(
    {
        EvidenceKind.CHANGED_CONFIGURATION,
        EvidenceKind.CHANGED_MATTER,
        EvidenceKind.FLIPPED_BEFORE,
    }
)
"""A candidate with such evidence may have changed which credentials are sent, or where to."""


def answered(group: FailureGroup, weights: Weights) -> list[SuspectEvidence]:
    """What the answer of a peer without telemetry says, of a failure that is a call to it; a database is no such peer, its
    answers tell of our statements."""
    told = group.facts.attributes
    if not group.is_dependency_leaf or DB_SYSTEM_NAME in told:
        return []
    peer, status, code = (
        told.get(key) for key in (SERVER_ADDRESS, HTTP_RESPONSE_STATUS_CODE, RPC_GRPC_STATUS_CODE)
    )
    text = f"{peer or 'a peer'}, which sends no telemetry, answered {status or code}"
    if status in _REFUSALS or code in _GRPC_REFUSALS:
        return [piece(EvidenceKind.PEER_REFUSED, weights, text)]
    if status == _BUSY or (isinstance(status, int) and status >= 500) or code in _GRPC_FAULTS:
        return [piece(EvidenceKind.PEER_FAILED, weights, text)]
    return []


def unexplained(
    no_change: Sequence[SuspectEvidence], of_candidates: Iterable[SuspectEvidence]
) -> tuple[SuspectEvidence, ...]:
    """``no_change`` without a refusal that some candidate may have brought about."""
    theirs = {found.kind for found in of_candidates if found.log_lr > 0}
    if not theirs & OURS_TO_REFUSE:
        return tuple(no_change)
    return tuple(found for found in no_change if found.kind is not EvidenceKind.PEER_REFUSED)

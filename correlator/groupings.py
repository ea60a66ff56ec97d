"""What people decided about fingerprints: that two are one failure, or that one is several. Pure.

A decision names a fingerprint of one service and of one version of the rule; the newest of a fingerprint counts, and
one of an older version no longer applies, because its fingerprint names nothing any more. Nothing is overwritten:
taking a decision back is a decision.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from correlator import fingerprint
from correlator.fingerprint import FingerprintResult
from schemas.records import Fingerprint
from schemas.vocabulary import GroupingDecision, SplitBy

Row = Mapping[str, Any]

MERGES_MAX = 32
"""Merges that are followed from one fingerprint."""


class Groupings:
    """Decisions by service and fingerprint.

    Args:
        decisions: rows of ``groupings.sql``, oldest first.
    """

    def __init__(self, decisions: Iterable[Row] = ()) -> None:
        self._newest = {
            (row["service"], row["fingerprint"]): row
            for row in decisions
            if row["fingerprint_version"] == fingerprint.VERSION
        }

    def settle(
        self, found: FingerprintResult, service: str, *, message: str | None, operation: str
    ) -> FingerprintResult:
        """The fingerprint that counts after splits and merges; its parts say which (``split``, ``merged_from``)."""
        split = self._newest.get((service, found.fingerprint))
        if split is not None and split["decision"] == GroupingDecision.SPLIT:
            is_by_message = split["split_by"] == SplitBy.MESSAGE
            value = (
                fingerprint.template(message or "")
                if is_by_message
                else fingerprint.operation_template(operation)
            )
            told = {"of": found.fingerprint, "by": split["split_by"], "value": value}
            parts = found.parts | {"split": told}
            digest = hashlib.sha256(json.dumps([fingerprint.VERSION, told], sort_keys=True).encode())
            found = FingerprintResult(Fingerprint(digest.hexdigest()[:16]), parts)
        merged = self._merged(service, found.fingerprint)
        if merged == found.fingerprint:
            return found
        return FingerprintResult(merged, found.parts | {"merged_from": [found.fingerprint]})

    def _merged(self, service: str, start: Fingerprint) -> Fingerprint:
        """Where merges lead from ``start``; a circle ends where it would close."""
        reached, seen = start, {start}
        for _ in range(MERGES_MAX):
            row = self._newest.get((service, reached))
            if row is None or row["decision"] != GroupingDecision.MERGE or row["into_fingerprint"] in seen:
                break
            reached = Fingerprint(row["into_fingerprint"])
            seen.add(reached)
        return reached


def together(results: Iterable[FingerprintResult]) -> dict[str, object]:
    """What contributed to a group of several results: its own parts, or the first merged ones, and all it was made of."""
    ordered = sorted(results, key=lambda r: (_origins(r), r.fingerprint))
    origins = sorted({origin for result in ordered for origin in _origins(result)})
    first = {key: value for key, value in ordered[0].parts.items() if key != "merged_from"}
    return first | ({"merged_from": origins} if origins else {})


def _origins(result: FingerprintResult) -> list[str]:
    found = result.parts.get("merged_from")
    return [str(origin) for origin in found] if isinstance(found, list) else []

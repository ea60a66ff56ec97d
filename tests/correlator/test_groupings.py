"""Merges, splits and their undoing: people's word over fingerprints, newest first, replayable."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import fingerprint, groupings
from correlator.fingerprint import FingerprintResult
from correlator.groupings import Groupings
from schemas.records import Fingerprint

A, B, C = (FingerprintResult(Fingerprint(letter * 16), {"rule": letter}) for letter in "abc")


def decision(name: str, about: FingerprintResult, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"service": "shop", "fingerprint": about.fingerprint, "decision": name}
    row |= {"fingerprint_version": fingerprint.VERSION, "into_fingerprint": None, "split_by": None}
    return row | {"decided_at": datetime(2026, 3, 1, tzinfo=UTC)} | more


def merge(about: FingerprintResult, into: FingerprintResult) -> dict[str, Any]:
    return decision("merge", about, into_fingerprint=into.fingerprint)


def settle(
    rows: list[dict[str, Any]], found: FingerprintResult, message: str = "m", operation: str = "o"
) -> FingerprintResult:
    return Groupings(rows).settle(found, "shop", message=message, operation=operation)


def test_without_a_decision_nothing_changes() -> None:
    assert settle([], A) == A


def test_merges_are_followed_and_told() -> None:
    rows = [merge(A, B), merge(B, C)]
    found = settle(rows, A)
    assert found.fingerprint == C.fingerprint
    assert found.parts["merged_from"] == [A.fingerprint]
    assert settle(rows, C) == C


def test_the_newest_decision_counts_and_an_undo_is_one() -> None:
    assert settle([merge(A, B), merge(A, C)], A).fingerprint == C.fingerprint
    assert settle([merge(A, B), decision("undo", A)], A) == A


@pytest.mark.parametrize("more", [{"service": "other"}, {"fingerprint_version": "0"}])
def test_a_decision_holds_for_its_service_and_its_version_of_the_rule(more: dict[str, str]) -> None:
    assert settle([merge(A, B) | more], A) == A


def test_a_split_tells_failures_apart_by_the_template_of_their_message() -> None:
    rows = [decision("split", A, split_by="message")]
    one, other, same = (settle(rows, A, message=text) for text in ("no sku 1", "no stock", "no sku 2"))
    assert one.fingerprint == same.fingerprint
    assert len({A.fingerprint, one.fingerprint, other.fingerprint}) == 3
    assert one.parts["split"] == {"of": A.fingerprint, "by": "message", "value": "no sku <n>"}
    assert settle([decision("split", A, split_by="operation")], A, operation="GET /a").parts["split"] == {
        "of": A.fingerprint,
        "by": "operation",
        "value": "GET /a",
    }


def test_a_part_of_a_split_can_be_merged() -> None:
    rows = [decision("split", A, split_by="message")]
    part = settle(rows, A)
    assert settle([*rows, merge(part, B)], A).fingerprint == B.fingerprint


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.sampled_from([A, B, C])), max_size=6))
def test_a_circle_of_merges_ends(pairs: list[tuple[FingerprintResult, FingerprintResult]]) -> None:
    rows = [merge(one, other) for one, other in pairs]
    assert settle(rows, A).fingerprint in {A.fingerprint, B.fingerprint, C.fingerprint}


def test_a_group_is_told_by_its_own_parts_whatever_the_order() -> None:
    merged = settle([merge(A, B)], A)
    expected = {"rule": "b", "merged_from": [A.fingerprint]}
    assert groupings.together([merged, B]) == groupings.together([B, merged]) == expected
    assert groupings.together([merged]) == {"rule": "a", "merged_from": [A.fingerprint]}


def test_decisions_do_not_depend_on_their_age() -> None:
    old = merge(A, B) | {"decided_at": datetime(2020, 1, 1, tzinfo=UTC) - timedelta(days=1)}
    assert settle([old], A).fingerprint == B.fingerprint

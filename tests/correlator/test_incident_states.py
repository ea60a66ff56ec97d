"""Events of an incident fold to one state, in whatever order they arrive."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from correlator import incident_states

T0 = datetime(2026, 10, 1, 9, tzinfo=UTC)


def event(kind: str, minutes: int, **overrides: Any) -> dict[str, Any]:
    blank = dict.fromkeys(
        (
            *(
                "title",
                "service",
                "environment",
                "severity",
                "status",
                "opened_at",
                "resolved_at",
                "trace_id",
            ),
            *("commit_sha", "pull_request", "url", "duplicate_of", "labels", "postmortem"),
        )
    )
    at = T0 + timedelta(minutes=minutes)
    return {
        **blank,
        "source": "generic",
        "external_id": "INC-7",
        "event": kind,
        "occurred_at": at,
        "received_at": at,
        **overrides,
    }


OPENED = event("opened", 0, title="Checkout fails", service="checkout", severity="critical")
UPDATED = event("updated", 10, title="Checkout fails for cards", labels=json.dumps({"team": "pay"}))
RESOLVED = event("resolved", 60, labels=json.dumps({"cause": "deploy"}))


def test_later_statements_win_and_absent_ones_change_nothing() -> None:
    (state,) = incident_states.fold([OPENED, UPDATED, RESOLVED])
    assert state["title"] == "Checkout fails for cards"
    assert state["service"] == "checkout"
    assert (state["opened_at"], state["resolved_at"]) == (T0, T0 + timedelta(hours=1))
    assert json.loads(state["labels"]) == {"team": "pay", "cause": "deploy"}


def test_reopening_keeps_one_incident_open() -> None:
    (state,) = incident_states.fold([OPENED, RESOLVED, event("opened", 120)])
    assert (state["status"], state["resolved_at"], state["opened_at"]) == ("open", None, T0)


def test_an_incident_known_by_its_end_alone_still_counts() -> None:
    (state,) = incident_states.fold([RESOLVED])
    assert state["status"] == "resolved"
    assert state["title"] == "INC-7"


def test_a_declared_false_alarm_is_kept_and_marked() -> None:
    (state,) = incident_states.fold([OPENED, event("resolved", 5, status="false_alarm")])
    assert state["is_declared_false"]


@given(st.permutations([OPENED, UPDATED, RESOLVED, OPENED]))
def test_the_order_of_arrival_does_not_matter(events: list[dict[str, Any]]) -> None:
    assert incident_states.fold(events) == incident_states.fold([OPENED, UPDATED, RESOLVED])


def test_an_alarm_that_rings_again_after_it_was_called_false_is_true() -> None:
    false = event("resolved", 5, status="false_alarm")
    (state,) = incident_states.fold([OPENED, false, event("opened", 120)])
    assert not state["is_declared_false"]
    (state,) = incident_states.fold([OPENED, false, event("resolved", 130, status="resolved")])
    assert state["is_declared_false"]


def test_nothing_ends_before_it_begins() -> None:
    (state,) = incident_states.fold([OPENED, event("resolved", 5, resolved_at=T0 - timedelta(minutes=3))])
    assert state["resolved_at"] == state["opened_at"]


def test_no_incident_repeats_itself() -> None:
    (state,) = incident_states.fold([OPENED, event("updated", 1, duplicate_of="INC-7")])
    assert state["duplicate_of"] is None

"""What an incident complains of."""

import pytest
from failure_builders import incident

from correlator import complaints
from correlator.complaints import Complaint


@pytest.mark.parametrize(
    ("title", "complaint"),
    [
        ("HighRequestLatency", Complaint.SLOWNESS),
        ("[Datadog] p99 latency on web is high", Complaint.SLOWNESS),
        ("checkout p99 above 400 ms", Complaint.SLOWNESS),
        ("Search takes too long", Complaint.SLOWNESS),
        ("HTTP4xxRateHigh", Complaint.REFUSALS),
        ("403s on GET /reports since noon", Complaint.REFUSALS),
        ("Customers cannot log in", Complaint.REFUSALS),
        ("Reports readable without a login", Complaint.OPEN_ACCESS),
        ("Tenants see other customers' invoices", Complaint.OPEN_ACCESS),
        ("Unauthorized access to the export", Complaint.OPEN_ACCESS),
        ("Invoice totals are wrong", Complaint.WRONG_DATA),
        ("Stock counts out of sync with the warehouse", Complaint.WRONG_DATA),
        ("Customers were charged twice", Complaint.WRONG_DATA),
        ("java.lang.IllegalStateException in checkout", Complaint.NAMED_ERROR),
        ("ForbiddenError: no such role", Complaint.NAMED_ERROR),
    ],
)
def test_words_of_pagers_and_people_tell_the_complaint(title: str, complaint: Complaint) -> None:
    assert complaints.of(incident(title=title)) is complaint


@pytest.mark.parametrize(
    "title",
    [
        "HighErrorRate",
        "Errors on checkout",
        "Connection refused by the database",
        "KubePodCrashLooping",
        "500 on POST /orders",
        "Nightly export failed after 430 s",
    ],
)
def test_what_spans_would_show_is_a_failure(title: str) -> None:
    assert complaints.of(incident(title=title)) is Complaint.FAILURE


def test_a_label_that_speaks_of_data_makes_it_wrong_data() -> None:
    assert complaints.of(incident(labels='{"kind": "data"}')) is Complaint.WRONG_DATA


def test_routes_are_named_whole_and_addresses_are_none() -> None:
    assert complaints.named_paths("p95 of /orders/{id} doubled") == {"/orders/{id}"}
    assert complaints.named_paths("see https://pager.example/i/7") == frozenset()

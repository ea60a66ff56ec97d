"""What people's words about an incident say of its category."""

import json
from pathlib import Path

import pytest

from correlator import categories, category_texts
from schemas.records import FailureFacts
from schemas.vocabulary import FailureCategory as C

WRITTEN_AFTER_PUBLIC_TEXTS = (
    Path(__file__).resolve().parent.parent / "golden" / "categories" / "incident_texts.jsonl"
)
"""Cases of the classes that are rare in telemetry, in our own words; ``source`` names the text behind each."""


@pytest.mark.parametrize(
    ("title", "category"),
    [
        (
            "Customer emails were written to logs kept longer than the GDPR retention period",
            C.COMPLIANCE_GOVERNANCE,
        ),
        ("Audit trail missing for refunds, SOC 2 evidence incomplete", C.COMPLIANCE_GOVERNANCE),
        ("Attackers gained access with a stolen API key", C.SECURITY),
        ("Orders of other customers visible: data leak in the account page", C.SECURITY),
        ("Customers charged twice for one order", C.DATA_INTEGRITY),
        ("Nightly job deleted rows of the live orders table", C.DATA_INTEGRITY),
        ("Bad config pushed to all proxies", C.CONFIGURATION_DEPLOY),
        ("Checkout down: environment variable missing after deploy", C.CONFIGURATION_DEPLOY),
        ("Power failure in data center FRA2", C.DEPENDENCY_INFRASTRUCTURE),
        ("Payment provider outage", C.DEPENDENCY_INFRASTRUCTURE),
        ("Database overloaded by a traffic spike", C.RESOURCE_PERFORMANCE),
        ("p95 latency of search doubled, slow queries", C.RESOURCE_PERFORMANCE),
        ("Null pointer in price calculation crashes checkout", C.LOGIC_UNHANDLED),
        ("Partner rejects our requests after a breaking API change", C.INTEGRATION),
        ("Checkout is red", C.UNKNOWN),
        ("", C.UNKNOWN),
    ],
)
def test_incident_text(title: str, category: C) -> None:
    assert category_texts.rank(title, {}, None)[0].category is category
    assert categories.rank(FailureFacts(message=title, kind="incident_text"))[0].category is category


def test_a_label_that_names_a_category_decides() -> None:
    ranked = category_texts.rank("Database overloaded", {"category": "Data Integrity"}, None)
    assert ranked[0].category is C.DATA_INTEGRITY
    assert "label" in ranked[0].reason


def test_a_postmortem_decides_where_the_title_is_silent() -> None:
    postmortem = "The new handler had a bug: an off-by-one in the page count."
    assert category_texts.rank("Checkout is red", {}, postmortem)[0].category is C.LOGIC_UNHANDLED
    assert (
        category_texts.rank("Bad config on the proxies", {}, "One node saw a bug.")[0].category
        is C.CONFIGURATION_DEPLOY
    )


@pytest.mark.parametrize(
    ("text", "category"),
    [
        # The cause decides over its effect, on either side of it.
        ("A bad config caused overloaded proxies and timeouts", C.CONFIGURATION_DEPLOY),
        ("Timeouts due to a bad config", C.CONFIGURATION_DEPLOY),
        ("A power failure led to heavy load", C.DEPENDENCY_INFRASTRUCTURE),
        ("Heavy load led to slow queries and a crash", C.RESOURCE_PERFORMANCE),
        # A harm is one whatever brought it about.
        ("A wrong setting led to a data leak", C.SECURITY),
        ("A typo in a script deleted rows of the orders table", C.DATA_INTEGRITY),
    ],
)
def test_causes_count_more_than_effects_and_harms_whatever_their_cause(text: str, category: C) -> None:
    assert category_texts.rank(text, {}, None)[0].category is category


def test_ordinary_alarms_name_no_category() -> None:
    for title in (
        "Elevated error rate",
        "checkout: 5 % of requests fail",
        "Site is down",
        "SLO burn rate alert",
    ):
        assert category_texts.rank(title, {}, None)[0].category is C.UNKNOWN, title


def test_compliance_and_integration_are_told_by_words() -> None:
    """Method: the share of exact answers on cases written after public texts; the bound is far below what is reached."""
    rows = [json.loads(line) for line in WRITTEN_AFTER_PUBLIC_TEXTS.read_text(encoding="utf-8").splitlines()]
    assert {row["category"] for row in rows} == {C.COMPLIANCE_GOVERNANCE, C.INTEGRATION}
    assert all(row["source"]["written_after"].startswith("https://") for row in rows)
    exact = [category_texts.rank(row["message"], {}, None)[0].category == row["category"] for row in rows]
    assert sum(exact) / len(exact) >= 0.85


def test_a_long_post_mortem_is_read_from_its_beginning() -> None:
    text = "The disk array failed. " + "We looked at the graphs. " * 2000 + "Attackers stole credentials."
    assert category_texts.rank("Outage", {}, text)[0].category is C.DEPENDENCY_INFRASTRUCTURE


@pytest.mark.parametrize("piece", ["data ", "a ", "lost data ", "(the, ", "x", "due to ", "caused "])
def test_a_hostile_text_is_read_in_bounded_time(piece: str) -> None:
    """Every repetition in the phrases is bounded; the text is cut."""
    assert category_texts.rank("Outage", {}, piece * 100_000)

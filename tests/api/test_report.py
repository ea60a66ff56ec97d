"""The weekly report: equal data, equal bytes; revisions that never change; templates held by golden files.

``tests/golden/report/<sentence>.json`` is a document, ``.html`` and ``.md`` what it renders to (the style sheet left
out). ``AFTERMERGE_GOLDEN=write pytest tests/api/test_report.py`` renders them anew, and makes a missing document.
"""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import page_builders as builders
import pytest
from golden import FOLDER

from api import rendering, report
from schemas import tables
from schemas.errors import MalformedInput
from schemas.settings import Settings
from schemas.store import Store

GOLDEN = FOLDER / "report"
SENTENCES = {
    "a-small-team-reads-what-is-missing": 40,
    "a-large-organisation-reads-a-ratio": 1500,
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def store() -> Store:
    return builders.company(80)


@pytest.fixture(scope="module")
def document(store: Store, settings: Settings) -> dict[str, Any]:
    return report.document(store, settings, builders.WEEK, as_of=builders.END)


def _bare(html: str) -> str:
    return html.replace(rendering.style(), "")


def _golden(path: Path, actual: str) -> None:
    if os.environ.get("AFTERMERGE_GOLDEN") == "write":
        path.write_text(actual, encoding="utf-8")
    assert actual == path.read_text(encoding="utf-8"), path.name


def _document_of(sentence: str, settings: Settings) -> dict[str, Any]:
    path = GOLDEN / f"{sentence}.json"
    if not path.exists() and os.environ.get("AFTERMERGE_GOLDEN") == "write":
        company = builders.company(SENTENCES[sentence])
        made = report.document(company, settings, builders.WEEK, as_of=builders.END)
        made |= {
            "scoreboard": made["scoreboard"][:2],
            "queries": made["queries"][:2],
            "incidents": made["incidents"][:1],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


# --- forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", SENTENCES)
def test_html_is_as_reviewed(sentence: str, settings: Settings) -> None:
    _golden(GOLDEN / f"{sentence}.html", _bare(report.render_html(_document_of(sentence, settings))))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_markdown_is_as_reviewed(sentence: str, settings: Settings) -> None:
    _golden(GOLDEN / f"{sentence}.md", report.render_markdown(_document_of(sentence, settings)))


def test_html_stands_alone_and_runs_nothing(document: dict[str, Any]) -> None:
    html = report.render_html(document)
    assert not re.search(r"<script|<iframe|<object|<form|\son\w+=|style=\"", html)
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", _without_links(html))
    assert "url(" not in rendering.style()
    assert "@import" not in rendering.style()


def _without_links(html: str) -> str:
    return re.sub(r"<a [^>]*>", "", html)


def test_the_style_of_the_file_is_the_one_its_policy_allows(document: dict[str, Any]) -> None:
    embedded = re.search(r"<style>(.*?)</style>", report.render_html(document), re.DOTALL)
    assert embedded
    assert embedded[1] == rendering.style()
    assert rendering.style_source() in report.content_security_policy()


def test_text_that_came_from_outside_starts_no_markup(document: dict[str, Any]) -> None:
    hostile = json.loads(json.dumps(document))
    incident = hostile["incidents"][0]
    incident["incident"]["title"] = "<script>alert(1)</script> | `x` [y](javascript:z)"
    incident["candidates"][0]["subject"] = "**bold** <img src=x onerror=alert(1)>"
    html, markdown = report.render_html(hostile), report.render_markdown(hostile)
    assert "<script>" not in html
    assert "<img" not in html
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert not re.search(r"(?<!\\)\]\(", markdown)


def test_every_section_is_there_in_its_order(document: dict[str, Any]) -> None:
    headings = re.findall(r"^## (.+)$", report.render_markdown(document), re.MULTILINE)
    assert headings == [
        "How much of this we can see",
        "Scoreboard",
        "The ratio, and what common rules would say",
        "How changes fail",
        "Incidents of the week",
        "Changes that carry most of it",
        "Line rework that became known",
        "Firefighting",
        "By service and by tool",
        "Caveats",
        "Corrections to former reports",
        "Appendix: the same figures by query",
    ]


def test_an_incident_is_shown_with_its_whole_chain_and_its_alternatives(document: dict[str, Any]) -> None:
    markdown = report.render_markdown(document)
    found = document["incidents"][0]
    chain = found["candidates"][0]["chain"]
    for text in (
        chain["trace_id"],
        chain["span_id"],
        "cart.py:42",
        "Wrote the failing line",
        "no change is to blame",
    ):
        assert text in markdown
    assert "total += prices" in report.render_html(document)


# --- documents ------------------------------------------------------------------------------------------


def test_equal_facts_give_equal_bytes(settings: Settings) -> None:
    first, second = builders.company(50), builders.company(50)
    texts = [
        json.dumps(report.document(s, settings, builders.WEEK, as_of=builders.END)) for s in (first, second)
    ]
    assert texts[0] == texts[1]


def test_a_document_is_json_through_and_through(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_nothing_is_said_to_be_caused(document: dict[str, Any]) -> None:
    for text in (report.render_html(document), report.render_markdown(document)):
        assert "caused" not in text.replace("never caused by", "")


def test_no_person_is_named(document: dict[str, Any]) -> None:
    assert not re.search(r'"(?:author|committer|login|e?mail)[a-z_]*"', json.dumps(document))


def test_a_week_that_has_not_begun_is_refused(store: Store, settings: Settings) -> None:
    with pytest.raises(MalformedInput, match="has not begun"):
        report.document(store, settings, "2026-W47", as_of=builders.END)


def test_a_week_that_lasts_says_so(store: Store, settings: Settings) -> None:
    until_wednesday = builders.END - timedelta(days=5)
    made = report.document(store, settings, builders.WEEK, as_of=until_wednesday)
    assert made["is_complete"] is False
    assert "the week is not over" in report.render_markdown(made)


@pytest.mark.parametrize("text", ["2026-W54", "2026-W00", "2026-47", "W47", "2026-W4", "２０２６-W47", ""])
def test_what_is_no_iso_week_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        report.week_start(text)


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2026, 11, 16, tzinfo=UTC), "2026-W47"),
        (datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC), "2026-W46"),
        (datetime(2027, 1, 3, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 4, tzinfo=UTC), "2027-W01"),
    ],
)
def test_a_week_holds_its_moments(moment: datetime, week: str) -> None:
    assert report.week_of(moment) == week
    assert report.week_start(week) <= moment < report.week_end(week)


# --- the ledger -------------------------------------------------------------------------------------------


def test_a_revision_is_added_only_when_the_report_says_something_else(
    document: dict[str, Any], settings: Settings
) -> None:
    store = Store.open()
    now = builders.END
    first = report.publish(store, document, now)
    again = report.publish(store, document, now + timedelta(hours=1))
    changed = report.publish(store, document | {"incidents": []}, now + timedelta(hours=2))
    assert (first["revision"], again["revision"], changed["revision"]) == (1, 1, 2)
    assert again["published_at"] == now
    assert [row["revision"] for row in report.revisions(store)] == [2, 1]
    kept = report.stored(store, document["week"], 1)
    assert kept is not None
    assert kept["document"] == document


def test_one_scheduled_report_per_week_whoever_fires_it() -> None:
    store = Store.open()
    claims = [report.claim(store, week, builders.END) for week in ("2026-W46", "2026-W46", "2026-W47")]
    assert claims == [True, False, True]


def test_the_next_report_says_what_a_former_one_got_wrong(settings: Settings) -> None:
    store = builders.company(80)
    week = builders.WEEK
    report.publish(store, report.document(store, settings, week, as_of=builders.END), builders.END)
    following = report.week_of(report.week_end(week))
    assert report.corrections(store, following) == []
    incident = builders.last_incident(store)
    store.execute(
        "DELETE FROM incident_attributions WHERE incident_id = $id AND candidate != 'no_change'", id=incident
    )
    store.execute("UPDATE incident_attributions SET weight = 1.0 WHERE incident_id = $id", id=incident)
    found = report.corrections(store, following)
    assert [(row["week"], row["incident"]) for row in found] == [(week, incident)]
    assert "points to no change (100%), no longer to" in found[0]["text"]


def test_an_incident_reported_late_corrects_its_week(settings: Settings) -> None:
    store = builders.company(80)
    week = builders.WEEK
    incident = builders.last_incident(store)
    rows = store.rows("SELECT * FROM incident_states WHERE incident_id = $id", id=incident)
    store.execute("DELETE FROM incident_states WHERE incident_id = $id", id=incident)
    report.publish(store, report.document(store, settings, week, as_of=builders.END), builders.END)
    store.append_rows(tables.INCIDENT_STATES, rows)
    found = report.corrections(store, report.week_of(report.week_end(week)))
    assert [row["text"] for row in found] == ["was reported after the publication"]

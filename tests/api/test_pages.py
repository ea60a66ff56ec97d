"""The pages: whole, guarded, without script, and calm when there is little to say."""

import re
import socket
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import page_builders as builders
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rest_client import Rest, rest

from api import middleware, pages, report
from schemas.settings import Settings
from schemas.store import Store

CHROMIUM = Path("/usr/bin/chromium")


def application(store: Store, **given: Any) -> FastAPI:
    """The pages alone, open to everybody, at the end of the company's history."""
    app = FastAPI()
    app.add_middleware(middleware.Envelope)
    guard = given.pop("guard", lambda: None)
    app.include_router(
        pages.router(store, Settings(data=Path("nowhere")), guard=guard, clock=lambda: builders.END, **given)
    )
    return app


@pytest.fixture(scope="module")
def store() -> Store:
    made = builders.company(80)
    document = report.document(made, Settings(data=Path("nowhere")), builders.WEEK, as_of=builders.END)
    report.publish(made, document, builders.END)
    return made


@pytest.fixture(scope="module")
def client(store: Store) -> TestClient:
    return TestClient(application(store))


class _Outline(HTMLParser):
    """What a test of accessibility reads: headings, table parts, links, ids, open tags."""

    VOID = frozenset({"meta", "link", "br", "col", "img", "input", "line", "circle", "rect", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open, tag
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _paths(store: Store) -> list[str]:
    incident = builders.last_incident(store)
    return [
        "/", "/?window=28&service=checkout", "/incidents", f"/incidents/{incident}", "/changes",
        f"/changes/{builders.sha('change 3')}", "/services", "/reports", f"/reports/{builders.WEEK}",
    ]  # fmt: skip


# --- every page -----------------------------------------------------------------------------------------


def test_every_page_is_well_formed_accessible_and_runs_nothing(client: TestClient, store: Store) -> None:
    for path in _paths(store):
        answer = client.get(path)
        assert answer.status_code == 200, path
        page = _Outline(answer.text)
        assert not page.open, path
        assert not re.search(r"<script|\son\w+=|style=\"|javascript:", answer.text), path
        assert len(page.all("h1")) == 1, path
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("table")) == len(page.all("caption")), path
        assert all("scope" in cell for cell in page.all("th")), path
        assert all("aria-label" in svg or svg.get("aria-hidden") for svg in page.all("svg")), path
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        anchors = {str(link["href"])[1:] for link in page.all("a") if str(link["href"]).startswith("#")}
        assert anchors <= set(ids), path


def test_every_link_between_pages_leads_somewhere(client: TestClient, store: Store) -> None:
    seen: set[str] = set()
    queue = _paths(store)
    while queue and len(seen) < 30:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        links = [str(a["href"]).replace("&amp;", "&") for a in _Outline(answer.text).all("a")]
        queue += [link for link in links if link.startswith("/")]
    assert len(seen) == 30


def test_no_page_asks_another_host_for_anything(client: TestClient, store: Store) -> None:
    for path in _paths(store):
        page = _Outline(client.get(path).text)
        fetched = [a.get("href") for a in page.all("link")] + [a.get("src") for a in page.all("img")]
        assert all(str(url).startswith(("/", "data:")) for url in fetched), path


def test_pages_forbid_everything_but_their_own_style(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert (
        client.get(f"/reports/{builders.WEEK}").headers["content-security-policy"]
        == report.content_security_policy()
    )


def test_equal_data_give_equal_pages(store: Store) -> None:
    texts = [TestClient(application(builders.company(40))).get("/").text for _ in range(2)]
    assert texts[0] == texts[1]


def test_no_page_names_a_person(client: TestClient, store: Store) -> None:
    for path in _paths(store):
        assert not re.search(r"\b(?:author|committer)\b", client.get(path).text, re.IGNORECASE), path


# --- the overview -----------------------------------------------------------------------------------------


def test_the_overview_of_a_small_team_says_what_is_missing_and_shows_the_incidents_first(
    client: TestClient,
) -> None:
    text = client.get("/").text
    assert "Too early to say: " in text
    assert "100 of each needed" in text
    assert re.search(r"not enough data<br>\d+ of 30 changes", text)
    assert text.index('id="incidents"') < text.index('id="rates"')


def test_the_overview_of_a_large_organisation_gives_a_ratio_beside_the_naive_ones() -> None:
    text = TestClient(application(builders.company(1500, ratio=3.0))).get("/").text
    assert "AI-marked changes are associated with more failures" in text
    assert "Last deployment before the failure" in text
    assert "caused" not in text.replace("never caused by", "")
    assert text.index('id="rates"') < text.index('id="incidents"')


def test_the_overview_has_five_sentences(client: TestClient) -> None:
    assert len(re.findall(r'<li id="answer-', client.get("/").text)) == 5


def test_an_empty_store_is_answered_too() -> None:
    client = TestClient(application(Store.open()))
    for path in ("/", "/incidents", "/changes", "/services", "/reports"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert not _Outline(answer.text).open, path
    assert "Nothing to compare yet" in client.get("/").text


def test_filters_stay_chosen(client: TestClient) -> None:
    text = client.get("/?window=28&service=payments&repository=").text
    assert '<option value="28" selected>' in text
    assert "<option selected>payments</option>" in text
    assert "of payments, as of" in text


# --- the drill --------------------------------------------------------------------------------------------


def test_an_incident_leads_from_the_span_to_who_wrote_the_line(client: TestClient, store: Store) -> None:
    text = client.get(f"/incidents/{builders.last_incident(store)}").text
    steps = ["Failing span", "Exception", "Stack, innermost first", "last written by this change", "total += prices",
             ">Change<", "Who wrote it", "Co-Authored-By", "Why this weight", "The alternatives"]  # fmt: skip
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_the_weights_of_an_incident_add_up_on_its_page(client: TestClient, store: Store) -> None:
    text = client.get(f"/incidents/{builders.last_incident(store)}").text
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    shares = [int(share) for share in re.findall(r'class="number">(\d+)%', table)]
    assert sum(shares) == pytest.approx(100, abs=2)


def test_an_excerpt_that_is_not_stored_comes_from_the_port(store: Store) -> None:
    class Port:
        """The one question of a repository port that pages ask."""

        def excerpt(self, *asked: Any) -> tuple[tuple[int, str], ...]:
            _, _, path, line, _ = asked
            return ((line, f"asked of {path}"),)

    asked = (
        TestClient(application(store, port=Port())).get(f"/incidents/{builders.last_incident(store)}").text
    )
    assert "total += prices" in asked
    assert "asked of services/checkout/app/views.py" in asked


def test_an_address_that_is_not_of_the_web_is_no_link() -> None:
    assert pages.safe_url("https://pager.example/1") == "https://pager.example/1"
    assert pages.safe_url("javascript:alert(1)") is None
    assert pages.safe_url(None) is None


def test_text_from_outside_is_text() -> None:
    hostile = builders.company(40)
    hostile.execute(
        "UPDATE incident_states SET title = '<script>alert(1)</script>', service = '\"><img src=x>'"
    )
    client = TestClient(application(hostile))
    for path in ("/", "/incidents", f"/incidents/{builders.last_incident(hostile)}"):
        text = client.get(path).text
        assert "<script" not in text
        assert "<img" not in text


def test_long_lists_are_paged_without_losing_the_filter(client: TestClient) -> None:
    first = client.get("/changes?repository=acme/shop").text
    older = re.search(r'href="(/changes\?[^"]+)" rel="next"', first)
    assert older
    second = client.get(older[1].replace("&amp;", "&")).text
    assert "repository=acme/shop" in older[1].replace("%2F", "/")
    shas = [set(re.findall(r'/changes/([0-9a-f]{40})"', text)) for text in (first, second)]
    assert not shas[0] & shas[1]
    assert len(shas[0] | shas[1]) == 80


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/incidents/NOPE", 404),
        ("/changes/0123456789", 404),
        ("/reports/2020-W01", 404),
        ("/static/secret.txt", 404),
        ("/?window=1", 422),
        ("/changes?cursor=nonsense", 400),
    ],
)
def test_a_refusal_is_a_page(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert not _Outline(answer.text).open


def test_who_is_not_logged_in_reads_how_to(store: Store) -> None:
    bare = TestClient(_guarded(store).client.app)
    for path in ("/", "/incidents", "/changes", "/services", "/reports"):
        answer = bare.get(path)
        assert answer.status_code == 401, path
        assert "aftermerge login" in answer.text
        assert "AI-marked" not in answer.text
    assert bare.get("/static/style.css").status_code == 200


def test_a_reader_reads_by_token_and_by_cookie(store: Store) -> None:
    asked = _guarded(store)
    assert asked.get("/").status_code == 200


def _guarded(store: Store) -> Rest:
    made = rest(store)
    made.client.app.include_router(
        pages.router(store, Settings(data=Path("nowhere")), clock=lambda: builders.END)
    )  # type: ignore[attr-defined]
    return made


# --- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    """The pages on a real port of this machine."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(store), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=5)


@pytest.mark.chromium
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no browser: apt-get install -y chromium")
def test_a_browser_shows_every_page_without_a_complaint(address: str, store: Store) -> None:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update"]  # fmt: skip
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        for width, scheme in ((1280, "light"), (390, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            # A request that the next page cuts short is no fault.
            page.on(
                "requestfailed",
                lambda r: complaints.append(r.url) if r.failure != "net::ERR_ABORTED" else None,
            )
            page.on(
                "request",
                lambda r: complaints.append(r.url) if not r.url.startswith((address, "data:")) else None,
            )
            for path in _paths(store):
                page.goto(address + path, wait_until="load")
                overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert overflow <= 0, (path, width)
            context.close()
        browser.close()
    assert complaints == []

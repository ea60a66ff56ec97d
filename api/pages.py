"""The dashboard: server-rendered pages that read without JavaScript and fetch nothing from elsewhere.

Get, call, put: each page asks ``queries``, ``overview`` or ``report`` and fills one template. A refusal becomes a page
too: who is not logged in reads how to log in, a name that is unknown gets a page that says so.
"""

import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api import auth, backtest, excerpts, overview, problems, queries, rendering, report, wording
from api.metric_cache import DataCache
from correlator.metric_data import MetricData
from schemas.errors import AftermergeError
from schemas.records import RepositoryPort
from schemas.settings import Settings
from schemas.store import Row, Store, sql
from schemas.vocabulary import Candidate, Origin, TokenScope

WINDOWS = ((28, "4 weeks"), (91, "13 weeks"), (182, "26 weeks"), (364, "52 weeks"))
WINDOW_DEFAULT = 91
INCIDENTS_SHOWN = 8
ROWS_PER_PAGE = 50
LOG_ODDS_REACH = 4.0
"""Evidence bars span at least this many natural log units on each side."""

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
STATIC_TYPES = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Choice = Annotated[str | None, Query(max_length=1024)]


class PageRoute(APIRoute):
    """A route whose refusals are pages for people, not problem documents."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except HTTPException as error:
                if error.status_code == HTTPStatus.UNAUTHORIZED:
                    return login_page()
                return message_page(error.status_code, str(error.detail))
            except RequestValidationError as error:
                fault = error.errors()[0]
                return message_page(HTTPStatus.UNPROCESSABLE_ENTITY, f"{fault['loc'][-1]}: {fault['msg']}")
            except AftermergeError as error:
                status = next(s for type_, s, _ in problems.STATUSES if isinstance(error, type_))
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                return message_page(status, str(error), error.hint)

        return handle


def router(
    store: Store,
    settings: Settings,
    *,
    guard: Callable[..., Any] | None = None,
    port: RepositoryPort | None = None,
    metric_cache: DataCache | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    last_backtest: Callable[[], Row | None] = lambda: None,
) -> APIRouter:
    """Every page.

    Args:
        guard: dependency that refuses who may not read; :func:`auth.requires` of the read scope when None.
        port: where excerpts of blamed lines come from when they are not stored; None: stored ones only.
        metric_cache: what metrics read, shared with REST; None: one of its own.
        clock: the time now, aware UTC.
        last_backtest: the backtest that was asked for last.
    """
    may_read = Depends(guard or auth.requires(TokenScope.READ))
    pages = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)
    data = metric_cache or DataCache()

    @pages.get("/", dependencies=[may_read])
    def show_overview(
        window: Annotated[int, Query(ge=7, le=3650)] = WINDOW_DEFAULT,
        repository: Choice = None,
        service: Choice = None,
    ) -> Response:
        known = queries.known(store)
        as_of = queries.present(known, clock())
        where = repository or None, service or None
        since = timedelta(days=window)

        def gathered(of: MetricData) -> Row:
            return overview.gather(of, overview.Scope(of.as_of - since, of.as_of, *where))

        def newest(of: MetricData) -> list[Row]:
            found = queries.incidents(
                store,
                service=service or None,
                since=of.as_of - since,
                until=of.as_of,
                limit=INCIDENTS_SHOWN,
            )
            return incident_lines(store, found["items"], of.as_of)

        present = data.get(store, settings, as_of, known)
        # What people decided is no part of the data.
        decided = known["watermark"] if known else None
        return page(
            "overview.html",
            here="/",
            o=data.answer(present, ("overview", window, *where), gathered),
            windows=_windows(window),
            filters={"window": window, "repository": repository or "", "service": service or ""},
            incidents=data.answer(present, ("newest incidents", window, *where, decided), newest),
            **_names(store),
        )

    @pages.get("/incidents", dependencies=[may_read])
    def show_incidents(service: Choice = None, status: Choice = None, cursor: Choice = None) -> Response:
        found = queries.incidents(
            store, service=service or None, status=status or None, cursor=cursor, limit=ROWS_PER_PAGE
        )
        return page(
            "incidents.html",
            here="/incidents",
            incidents=incident_lines(store, found["items"], queries.present(queries.known(store), clock())),
            next_cursor=found["next_cursor"],
            filters={"service": service or "", "status": status or ""},
            is_first=cursor is None,
            **_names(store),
        )

    @pages.get("/incidents/{incident_id:path}", dependencies=[may_read])
    def show_incident(incident_id: str) -> Response:
        found = queries.attributions(store, incident_id)
        if found is None:
            raise problems.UnknownName(
                f"There is no incident {incident_id!r}.", hint="The list shows those known."
            )
        found = found | {"candidates": excerpts.of_candidates(store, found["candidates"], port)}
        return page(
            "incident.html",
            here="/incidents",
            a=found,
            verdict_text=wording.attribution(found),
            safe_url=safe_url(found["incident"]["url"]),
            reach=_reach(found),
            said=queries.said(store, "incident", found["incident"]["id"]),
        )

    @pages.get("/changes", dependencies=[may_read])
    def show_changes(repository: Choice = None, origin: Choice = None, cursor: Choice = None) -> Response:
        found = queries.changes(
            store, repository=repository or None, origin=origin or None, cursor=cursor, limit=ROWS_PER_PAGE
        )
        return page(
            "changes.html",
            here="/changes",
            changes=found["items"],
            next_cursor=found["next_cursor"],
            filters={"repository": repository or "", "origin": origin or ""},
            origin_codes=[o.value for o in Origin],
            is_first=cursor is None,
            **_names(store),
        )

    @pages.get("/changes/{sha}", dependencies=[may_read])
    def show_change(sha: str) -> Response:
        found = queries.change(store, sha)
        if found is None:
            raise problems.UnknownName(
                f"There is no change {sha!r}.", hint="Give the full sha of a mainline commit."
            )
        return page("change.html", here="/changes", c=found, reach=LOG_ODDS_REACH)

    @pages.get("/services", dependencies=[may_read])
    def show_services() -> Response:
        return page("services.html", here="/services", services=queries.services(store, settings))

    @pages.get("/backtest", dependencies=[may_read])
    def show_backtest() -> Response:
        found = last_backtest()
        return page(
            "backtest.html",
            here="/backtest",
            b=found,
            sentences=backtest.sentences(found) if found else [],
            cases=sorted(found["cases"], key=lambda c: (c["is_right"], c["onset_at"], c["id"]))
            if found
            else [],
            names={
                "by_evidence": backtest.evidence_name,
                "by_label": backtest.label_name,
                "by_service": str,
            },
            of=backtest.share,
            truth=backtest.truth,
        )

    @pages.get("/reports", dependencies=[may_read])
    def show_reports() -> Response:
        return page("reports.html", here="/reports", reports=report.revisions(store))

    @pages.get("/reports/{week}", dependencies=[may_read])
    def show_report(week: str, revision: Annotated[int | None, Query(ge=1)] = None) -> Response:
        found = report.stored(store, week, revision)
        if found is None:
            raise problems.UnknownName(
                f"No report of {week} was published.", hint="The list shows those that were."
            )
        return html(report.render_html(found["document"]), policy=report.content_security_policy())

    @pages.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC_TYPES:
            raise problems.refusal(HTTPStatus.NOT_FOUND, "There is no such file.")
        return Response(
            rendering.static_file(name),
            media_type=STATIC_TYPES[name],
            headers={"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"},
        )

    return pages


# --- responses --------------------------------------------------------------------------------------


def page(template: str, status: int = HTTPStatus.OK, /, **values: Any) -> HTMLResponse:
    """One rendered template with the headers of a page."""
    return html(rendering.render(template, **values), status=status)


def html(text: str, *, status: int = HTTPStatus.OK, policy: str = CONTENT_SECURITY_POLICY) -> HTMLResponse:
    """HTML under a strict policy: no script, no frame, nothing from elsewhere, nothing kept by shared caches."""
    return HTMLResponse(
        text,
        status,
        headers={
            "Content-Security-Policy": policy,
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        },
    )


def login_page() -> HTMLResponse:
    """What a browser without a session reads: how to get one."""
    return page("login.html", HTTPStatus.UNAUTHORIZED, here="")


def message_page(status: int, text: str, hint: str = "") -> HTMLResponse:
    """A refusal for people."""
    return page("message.html", status, here="", title=HTTPStatus(status).phrase, text=text, hint=hint)


# --- what templates need beside the rows --------------------------------------------------------------


def incident_lines(store: Store, rows: list[Row], as_of: datetime) -> list[Row]:
    """Incidents as the lists show them: how long they lasted, and the heaviest candidate with its subject."""
    shas = sorted({row["top_change"] for row in rows if row["top_change"]})
    heads = {row["sha"]: row for row in store.rows(sql("api", "change_heads"), shas=shas)} if shas else {}
    return [row | {"lasted": wording.lasted(row, as_of), "top": _top(row, heads)} for row in rows]


def _top(row: Row, heads: dict[str, Row]) -> Row | None:
    if row["top_candidate"] == Candidate.UNATTRIBUTED and row["unattributed"] >= 1:
        return None
    head = heads.get(row["top_change"] or "", {})
    return {
        "candidate": row["top_candidate"],
        "weight": row["top_weight"],
        "sha": row["top_change"],
        "subject": head.get("subject") or wording.short_sha(row["top_change"]),
        "origin": head.get("origin", Origin.UNKNOWN),
    }


def safe_url(url: str | None) -> str | None:
    """``url`` when it is a web address; anything else that a sender put there is no link."""
    return url if url and urlsplit(url).scheme in ("http", "https") else None


def _reach(attribution: Row) -> float:
    listed = [e["log_lr"] for c in attribution["candidates"] for e in c["evidence"]]
    listed += [e["log_lr"] for s in attribution.get("settings", ()) for e in s["evidence"]]
    listed += [e["log_lr"] for e in attribution["no_change_evidence"]]
    return float(max([LOG_ODDS_REACH, *(math.ceil(abs(v)) for v in listed)]))


def _windows(chosen: int) -> list[tuple[int, str]]:
    known = dict(WINDOWS)
    return sorted((known | {chosen: known.get(chosen, f"{chosen} days")}).items())


def _names(store: Store) -> dict[str, list[str]]:
    rows = store.rows(sql("api", "filter_names"))
    return {
        "repositories": [row["name"] for row in rows if row["kind"] == "repository"],
        "services": [row["name"] for row in rows if row["kind"] == "service"],
    }

"""``/v1/metrics``: the catalogue, and the rates themselves as flat rows: JSON, CSV, Parquet or Arrow."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api import caching, problems, queries
from api.flat_rows import FILES
from api.metric_cache import DataCache
from api.routes.bounds import Bound
from api.routes.parts import Reader, SettingsDep, StoreDep
from correlator import metrics
from correlator.metric_catalogue import DEFINITION_VERSION, METRICS
from correlator.metric_queries import MetricQuery
from schemas.errors import MalformedInput
from schemas.responses import MetricAnswer, MetricCatalogue
from schemas.settings import Settings
from schemas.store import Store

router = APIRouter(prefix="/v1/metrics", tags=["metrics"], responses=problems.RESPONSES)

WINDOW_DEFAULT = timedelta(weeks=13)
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {file.media_type: {} for file in FILES.values()}}}
_IDS: dict[str, Any] = {"enum": list(METRICS)}
_FILTER = re.compile(r"filter\[(\w+)\]")
_LISTS = ("group_by",)
_PARAMETERS = frozenset(
    {
        *("metric", "from", "to", "interval", "tz", "group_by", "window_days", "level", "min_n", "as_of"),
        *("ai_share_min", "format"),
    }
)


class MetricQuestion(BaseModel):
    """One metric query. Times: RFC 3339, a bare date (midnight UTC), or an epoch in s, ms, us or ns."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    metric: str = Field(description="an id of GET /v1/metrics", json_schema_extra=_IDS)
    from_: Bound | None = Field(default=None, alias="from", description="inclusive; 13 weeks before `to`")
    to: Bound | None = Field(default=None, description="exclusive; `as_of` when absent")
    interval: str | None = Field(default=None, description="day | week | month; absent: one row per group")
    tz: str = Field(default="UTC", max_length=64, description="IANA time zone of the intervals")
    group_by: list[str] = Field(default_factory=list, max_length=4)
    filters: dict[str, list[str]] = Field(default_factory=dict)
    window_days: int | None = Field(
        default=None, ge=1, le=365, description="follow-up; absent: the metric's own"
    )
    level: float = Field(default=0.95, ge=0.5, lt=1)
    min_n: int | None = Field(default=None, ge=0)
    as_of: Bound | None = Field(default=None, description="what was so at that time, as known now")
    ai_share_min: float = Field(
        default=0.0, ge=0, le=1, description="share of AI lines that marks a mixed change"
    )
    format: str | None = Field(default=None, pattern="^(json|csv|parquet|arrow)$")


@router.get("", response_model=MetricCatalogue)
def list_metrics(_: Reader) -> Any:
    """Every metric with its definition: numerator, denominator, window, interval, caveats."""
    return {
        "definition_version": DEFINITION_VERSION,
        "items": [asdict(metric) for metric in METRICS.values()],
    }


@router.get("/query", response_model=MetricAnswer, responses=_FILES)
def query_metric(
    request: Request,
    response: Response,
    store: StoreDep,
    settings: SettingsDep,
    _: Reader,
    metric: Annotated[str, Query(description="an id of GET /v1/metrics", json_schema_extra=_IDS)],  # noqa: ARG001 - for the OpenAPI document
    group_by: Annotated[list[str] | None, Query(description="repeated, or separated by commas")] = None,  # noqa: ARG001
) -> Any:
    """The rows of one metric. Beside the fields of the POST body: ``filter[service]=a,b`` per property."""
    return _answer(request, response, store, settings, _question(request))


@router.post("/query", response_model=MetricAnswer, responses=_FILES)
def post_metric_query(
    request: Request,
    response: Response,
    store: StoreDep,
    settings: SettingsDep,
    _: Reader,
    question: MetricQuestion,
) -> Any:
    """The rows of one metric."""
    return _answer(request, response, store, settings, question)


def _question(request: Request) -> MetricQuestion:
    """The question that the query parameters ask.

    Raises:
        MalformedInput: an unknown parameter (a misspelt one that is ignored gives a wrong answer), or a bad value.
    """
    asked: dict[str, Any] = {}
    filters: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if match := _FILTER.fullmatch(name):
            filters.setdefault(match[1], []).extend(value.split(","))
        elif name not in _PARAMETERS:
            raise MalformedInput(
                f"there is no parameter {name!r}",
                hint=f"known are {', '.join(sorted(_PARAMETERS))} and filter[...]",
                field=name,
            )
        elif name in _LISTS:
            asked.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif value != "":
            asked[name] = value
    try:
        return MetricQuestion.model_validate(asked | {"filters": filters})
    except ValidationError as error:
        faults = [
            {"field": ".".join(str(p) for p in fault["loc"]), "detail": fault["msg"]}
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise MalformedInput(
            f"{faults[0]['field']}: {faults[0]['detail']}", field=faults[0]["field"], errors=faults
        ) from error


def _answer(
    request: Request, response: Response, store: Store, settings: Settings, question: MetricQuestion
) -> Any:
    if question.metric not in METRICS:
        raise MalformedInput(
            f"there is no metric {question.metric!r}",
            hint=f"one of {', '.join(METRICS)}; see GET /v1/metrics",
            field="metric",
        )
    now = datetime.now(UTC)
    known = queries.known(store)
    present = queries.present(known, now)
    as_of = question.as_of or present
    if as_of > max(present, now):
        raise MalformedInput("as_of lies in the future", field="as_of")
    format_ = _format(request, question)
    if request.method == "GET":
        caching.unless_known(request, response, known, as_of.isoformat(), format_)
    cache: DataCache = request.app.state.metric_cache
    is_past = question.as_of is not None and as_of < present
    past = request.app.state.operations if is_past else None
    data = cache.get(store, settings, as_of, known, past=past)
    asked = question.model_dump_json(exclude={"format"})
    found = cache.answer(data, asked, lambda of: metrics.answer(_query(question, of.as_of), of)).as_dict()
    if format_ not in FILES:
        return found
    headers = {"Content-Disposition": f'attachment; filename="{question.metric}.{format_}"'}
    headers |= {"ETag": response.headers["ETag"]} if "ETag" in response.headers else {}
    file = FILES[format_]
    return Response(file.write(found["rows"]), headers={**headers, "Content-Type": file.content_type})


def _query(question: MetricQuestion, as_of: datetime) -> MetricQuery:
    try:
        ZoneInfo(question.tz)
    except (ValueError, KeyError, OSError) as error:
        raise MalformedInput(f"there is no time zone {question.tz!r}", field="tz") from error
    to = question.to or as_of
    return MetricQuery(
        metric=question.metric,
        from_=question.from_ or to - WINDOW_DEFAULT,
        to=to,
        interval=question.interval or None,
        tz=question.tz,
        group_by=tuple(question.group_by),
        filters={name: tuple(values) for name, values in question.filters.items()},
        window_days=question.window_days,
        level=question.level,
        min_n=question.min_n,
        as_of=as_of,
        ai_share_min=question.ai_share_min,
    )


def _format(request: Request, question: MetricQuestion) -> str:
    """``json`` or one of ``FILES``: as the question says, else as the first of the Accept header."""
    if question.format is not None:
        return question.format
    accepted = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return next((name for name, file in FILES.items() if file.media_type == accepted), "json")

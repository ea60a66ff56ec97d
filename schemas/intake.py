"""What senders may post to the intake: a body per noun, checked by their types; the JSON Schemas come from here.

Unknown fields are welcome and kept (``model_extra``). A known field with a wrong value is refused with its name,
because a wrong time or sha that is silently dropped becomes a wrong answer later.
"""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from schemas import artifact_names, times
from schemas.vocabulary import DeploymentType, IncidentEvent

_TIME_SCHEMA: dict[str, Any] = {
    "description": "RFC 3339 with a time zone and up to nanoseconds, or seconds, milliseconds, microseconds or"
    " nanoseconds since 1970 (told apart by size); null, empty or the zero date: not yet",
    "anyOf": [
        {"type": "string", "examples": ["2026-11-22T09:30:00.123456789Z"]},
        {"type": "number", "examples": [1795339800]},
        {"type": "null"},
    ],
}
REQUEST_COMMITS_MAX = 1_000
REQUEST_MESSAGE_CHARACTERS_MAX = 262_144
TRACE_RANGES_MAX = 100_000
LINE_NUMBER_MAX = 10_000_000
_COMMIT_IN_URL = re.compile(r"/commits?/([0-9a-f]{7,64})(?:[/?#.]|$)")


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _none_if_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _trace_id(value: object) -> object:
    """Upper-case digits and the dashes of a UUID are folded; anything else is left for the pattern to refuse."""
    return _none_if_empty(value.replace("-", "").lower()) if isinstance(value, str) else value


def _commit(value: object) -> object:
    """A sha as it stands, or the one inside a link to a commit."""
    if not isinstance(value, str):
        return value
    found = _COMMIT_IN_URL.search(value)
    return _none_if_empty(found[1] if found else value.strip().lower())


def _as_text(value: object) -> object:
    """Pull requests and ids are numbers to some senders and text to others."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _none_if_empty(value)


def _label_name(value: object) -> object:
    """Forges send labels as objects with a name, people as plain text."""
    return value["name"] if isinstance(value, dict) and "name" in value else value


def _login(value: object) -> object:
    return _none_if_empty(value["login"] if isinstance(value, dict) and "login" in value else value)


Moment = Annotated[
    datetime | None, BeforeValidator(times.parse_optional), WithJsonSchema(_TIME_SCHEMA, mode="validation")
]
Text = Annotated[str | None, BeforeValidator(_none_if_empty)]
LowerText = Annotated[str | None, BeforeValidator(lambda v: _none_if_empty(_lowered(v)))]
Id = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=256)]
TextOrNumber = Annotated[
    str | None,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}, mode="validation"),
]
RequiredText = Annotated[
    str, BeforeValidator(lambda v: v.strip() if isinstance(v, str) else v), Field(min_length=1)
]


class Report(BaseModel):
    """One thing that a sender tells. Fields beyond the declared ones are kept, not refused."""

    model_config = ConfigDict(extra="allow")


class DeploymentReport(Report):
    """One deployment, told once or several times as it proceeds; ``id`` makes the tellings one."""

    id: Id
    service: RequiredText = Field(description="service.name of its telemetry")
    environment: Text = None
    version: TextOrNumber = None
    revision: Text = Field(
        default=None, description="what runs: a commit, a tag, or a version that names one"
    )
    repository: Text = Field(default=None, description="owner/name")
    artifact: Text = Field(
        default=None, description="what was rolled out: an image with its digest, a digest, or a package URL"
    )
    started_at: Moment = None
    finished_at: Moment = Field(default=None, validate_default=True)
    type: Annotated[DeploymentType | None, BeforeValidator(lambda v: _none_if_empty(_lowered(v)))] = Field(
        default=None, description="'deploy' when absent"
    )
    status: LowerText = Field(default=None, description="'succeeded' when absent")
    canary_until: Moment = None

    @field_validator("finished_at")
    @classmethod
    def _has_a_time(cls, value: datetime | None, others: ValidationInfo) -> datetime | None:
        if value is None and others.data.get("started_at") is None:
            raise ValueError("a deployment needs started_at or finished_at")
        return value


class ArtifactReport(Report):
    """What one image was built from: a fact that gives every place where the image runs its commit."""

    artifact: RequiredText = Field(
        description="the image with its digest, the digest, a package URL, or replicaset:NAME"
    )
    revision: RequiredText = Field(description="the commit, a tag, or a version that names one")
    repository: Text = Field(default=None, description="owner/name")
    service: Text = Field(default=None, description="service.name of its telemetry, if it is one service's")
    version: TextOrNumber = Field(default=None, description="the version or build number that it was given")
    built_at: Moment = None

    @field_validator("artifact")
    @classmethod
    def _is_exact(cls, value: str) -> str:
        if not artifact_names.of_reference(value):
            raise ValueError("an artifact needs its digest (sha256:...): a tag may be moved")
        return value


class IncidentLinks(Report):
    """What the sender knows about where to look."""

    trace_id: Annotated[str | None, BeforeValidator(_trace_id), Field(pattern="^[0-9a-f]{32}$")] = None
    commit: Annotated[str | None, BeforeValidator(_commit), Field(pattern="^[0-9a-f]{7,64}$")] = None
    pull_request: TextOrNumber = None
    url: Text = None


class IncidentReport(Report):
    """One event of one incident. Its state is the fold of all events, ordered by when they happened."""

    id: Id
    event: Annotated[IncidentEvent, BeforeValidator(_lowered)]
    occurred_at: Moment = Field(
        default=None,
        description="when this event happened; opened_at or resolved_at stand in for it, else its receipt",
    )
    title: Text = None
    service: Text = None
    environment: Text = None
    severity: LowerText = None
    status: LowerText = None
    opened_at: Moment = Field(
        default=None, validate_default=True, description="required when event is opened"
    )
    resolved_at: Moment = None
    duplicate_of: TextOrNumber = Field(default=None, description="id of the incident that this one repeats")
    links: IncidentLinks = Field(default_factory=IncidentLinks)
    labels: dict[str, Any] = Field(default_factory=dict)
    postmortem: Text = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        """``"links": null`` and ``"labels": null`` say the same as leaving them out."""
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if not (v is None and k in {"links", "labels"})}

    @field_validator("opened_at")
    @classmethod
    def _opens_at_a_time(cls, value: datetime | None, others: ValidationInfo) -> datetime | None:
        is_opened = others.data.get("event") is IncidentEvent.OPENED
        if is_opened and value is None and others.data.get("occurred_at") is None:
            raise ValueError("an opened event needs opened_at")
        return value


class RequestCommit(Report):
    """One of a request's own commits: what a squash merge leaves behind."""

    sha: Annotated[str | None, BeforeValidator(_commit), Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")] = (
        None
    )
    message: str = Field(max_length=REQUEST_MESSAGE_CHARACTERS_MAX)
    author_name: Text = None
    author_email: Text = None
    committer_name: Text = None
    committer_email: Text = None
    authored_at: Moment = None
    lines_added: int | None = Field(default=None, ge=0, le=2**31, description="weighs it among the others")


class ChangeReport(Report):
    """One pull or merge request, told once or several times."""

    repository: RequiredText = Field(description="owner/name")
    number: int = Field(ge=1, le=2**53)
    title: Text = None
    body: Text = None
    head_ref: Text = None
    merge_commit_sha: Annotated[
        str | None, BeforeValidator(_commit), Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")
    ] = None
    merge_method: Annotated[
        str | None,
        BeforeValidator(lambda v: _none_if_empty(_lowered(v))),
        Field(pattern="^(merge|squash|rebase)$"),
    ] = None
    created_at: Moment = None
    merged_at: Moment = None
    user: Annotated[str | None, BeforeValidator(_login)] = Field(
        default=None, description="login of the opener"
    )
    labels: list[Annotated[str, BeforeValidator(_label_name)]] | None = None
    commits: list[RequestCommit] | None = Field(
        default=None,
        max_length=REQUEST_COMMITS_MAX,
        description="its own commits; read where a squash kept no mark",
    )


class TraceContributor(Report):
    """Who wrote lines. ``mixed`` counts as ai, ``unknown`` as nothing."""

    type: Annotated[str, BeforeValidator(_lowered), Field(pattern="^(human|ai|mixed|unknown)$")]
    model_id: Text = None


class TraceRange(Report):
    """Lines, 1-based and inclusive, as the recorded revision numbers them."""

    start_line: int = Field(ge=1, le=LINE_NUMBER_MAX)
    end_line: int = Field(ge=1, le=LINE_NUMBER_MAX)
    contributor: TraceContributor | None = None

    @field_validator("end_line")
    @classmethod
    def _ends_after_its_start(cls, value: int, others: ValidationInfo) -> int:
        if value < others.data.get("start_line", 1):
            raise ValueError("end_line lies before start_line")
        return value


class TraceConversation(Report):
    """Ranges that one conversation gave. Its link is not stored."""

    contributor: TraceContributor | None = None
    ranges: list[TraceRange] = Field(default_factory=list, max_length=TRACE_RANGES_MAX)


class TraceFile(Report):
    path: RequiredText
    conversations: list[TraceConversation] = Field(default_factory=list)


class TraceRevision(Report):
    """The commit whose line numbers the ranges have."""

    type: Annotated[str, BeforeValidator(_lowered), Field(pattern="^git$", description="only git is joined")]
    revision: Annotated[str, BeforeValidator(_commit), Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]


class TraceTool(Report):
    name: Text = None
    version: Text = None


class AgentTraceReport(Report):
    """One Agent Trace record (RFC 0.1.0): which lines of a revision an AI or a person wrote."""

    version: RequiredText
    id: Id
    timestamp: Moment = None
    vcs: TraceRevision
    tool: TraceTool = Field(default_factory=TraceTool)
    files: list[TraceFile] = Field(default_factory=list)


REPORTS: dict[str, type[Report]] = {
    "deployments": DeploymentReport,
    "incidents": IncidentReport,
    "changes": ChangeReport,
    "artifacts": ArtifactReport,
    "agent-traces": AgentTraceReport,
}
"""Noun of the intake route -> one item of its body; each route takes one item or an array of them."""

"""The public contract of ``/v1/provenance``: coverage, marks, one commit, statements of people, audits of the tags.

As in ``schemas/responses.py`` no model has a field for a person; a statement names the token it was made with.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.vocabulary import AuditLabel, Confidence, Origin, Role


class CoverageRow(BaseModel):
    """One figure of one repository and month of landing, over its non-merge commits."""

    time: datetime
    repository: str
    figure: str = Field(
        description="declared_share | ai_share | human_share | assumed_share | unknown_share | automation_share "
        "| notes_share"
    )
    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int
    n: int
    status: str
    suppressed: bool


class Coverage(BaseModel):
    """How much of what landed is declared."""

    rows: list[CoverageRow]


class Marker(BaseModel):
    """One kind of mark in one repository."""

    repository: str
    channel: str
    kind: str
    tool: str | None
    origin: Origin
    commit_count: int
    first_seen_at: datetime
    last_seen_at: datetime


class Markers(BaseModel):
    items: list[Marker]


class ProvenanceStatement(BaseModel):
    """What a person states about who wrote a commit or, of a merge, its change."""

    model_config = ConfigDict(extra="forbid")

    repository: str = Field(min_length=1, max_length=200)
    sha: str = Field(pattern="^[0-9a-fA-F]{7,64}$", description="full sha, or a unique start of it")
    origin: Literal["ai", "human", "automation", "unknown"] | None = Field(
        description="null takes the last statement back"
    )
    tools: list[str] = Field(default_factory=list, max_length=20)
    reason: str | None = Field(default=None, max_length=2000)


class StatedProvenance(BaseModel):
    """A statement as it was kept."""

    repository: str
    sha: str
    stated_at: datetime
    origin: Origin | None
    tools: list[str]
    reason: str | None
    token_id: str


class StatedProvenances(BaseModel):
    items: list[StatedProvenance]


class MadeVerdict(BaseModel):
    """A verdict on a commit with the version of the rules that gave it."""

    origin: Origin
    role: Role
    tools: list[str]
    models: list[str]
    confidence: Confidence | None
    basis: str
    conflict: bool
    catalogue_version: str | None
    evidence: list[dict[str, Any]]


class CommitProvenance(MadeVerdict):
    """All that is said of one commit."""

    repository: str
    sha: str
    subject: str
    authored_at: datetime
    is_merge: bool
    statements: list[StatedProvenance]
    former: list[MadeVerdict] = Field(description="by earlier versions of the rule catalogue, newest first")


class AuditDraw(BaseModel):
    """A sample to draw."""

    model_config = ConfigDict(extra="forbid")

    sample: int = Field(default=200, ge=1, le=10_000)
    seed: int | None = Field(default=None, ge=0)
    since: datetime | None = Field(default=None, description="changes that landed from then on")


class LabelStatement(BaseModel):
    """What a person says of one drawn change."""

    model_config = ConfigDict(extra="forbid")

    repository: str
    sha: str
    label: AuditLabel


class LabelStatements(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: list[LabelStatement] = Field(max_length=10_000)


class AuditItem(BaseModel):
    """One drawn change. What the tags say of it is not told, so that a label is not led."""

    position: int
    repository: str
    sha: str
    subject: str | None
    number: int | None
    landed_at: datetime | None
    lines_added: int | None
    lines_deleted: int | None
    files_changed: int | None
    label: AuditLabel | None


class Interval(BaseModel):
    value: float
    low: float
    high: float


class AuditFigures(BaseModel):
    """What the labels say of the tags; ``is_used``: the rates take it for their word."""

    drawn: int
    labelled: int
    unsure: int
    marked_labelled: int
    unmarked_labelled: int
    sensitivity: Interval | None
    specificity: Interval | None
    prevalence: Interval | None
    is_used: bool


class Audit(BaseModel):
    """One audit of the tags."""

    audit_id: str
    drawn_at: datetime
    items: list[AuditItem]
    figures: AuditFigures


class AuditSummary(BaseModel):
    audit_id: str
    drawn_at: datetime
    drawn: int
    labelled: int


class Audits(BaseModel):
    items: list[AuditSummary]

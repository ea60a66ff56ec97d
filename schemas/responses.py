"""The public contract of the REST port: what each answer holds. Times are RFC 3339 in UTC, shas full and lower-case.

No model has a field for a person: commits come without author or committer.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.vocabulary import (
    Candidate,
    ChangeKind,
    Confidence,
    Detector,
    EvidenceKind,
    FailureCategory,
    GroupingDecision,
    MergeMethod,
    Origin,
    OutcomeKind,
    Role,
    SplitBy,
    TokenScope,
    TrafficCaveat,
)


class Problem(BaseModel):
    """Why a request was not answered (RFC 9457), as ``application/problem+json``."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URN of the kind of problem; about:blank when the status says it all")
    title: str
    status: int
    detail: str
    instance: str = Field(description="path of the request")
    request_id: str
    hint: str | None = Field(default=None, description="what to do next, in one sentence")
    errors: list[dict[str, Any]] | None = Field(default=None, description="{field, detail} of each fault")


class Page(BaseModel):
    """One page of a list; ``next_cursor`` (also in the ``Link`` header) leads to the next, null on the last."""

    next_cursor: str | None


# --- changes --------------------------------------------------------------------------------------


class Change(BaseModel):
    """What landed on the mainline as one unit, is deployed and counted."""

    repository: str
    sha: str
    subject: str
    number: int | None = Field(description="pull or merge request; null for a direct push")
    position: int
    landed_at: datetime
    deployed_at: datetime | None = Field(description="first in production; null: never seen deployed")
    services: list[str] = Field(description="services in which it was seen deployed")
    merge_method: MergeMethod
    kind: ChangeKind
    is_code: bool
    origin: Origin
    ai_share: float | None
    tools: list[str]
    suggesting_tools: list[str] = Field(description="whose review hunks were accepted; never a reason for ai")
    conflict: bool = Field(description="a declared No stands beside marks of AI")
    confidence: Confidence | None
    origin_basis: str
    lines_added: int
    lines_deleted: int
    files_changed: int
    size_band: str
    incident_weight: float = Field(description="sum of its shares in incidents")
    failure_group_weight: float = Field(description="sum of its shares in failure groups")


class ChangePage(Page):
    """Changes, newest landing first."""

    items: list[Change]


class ProvenanceItem(BaseModel):
    """One reason to believe who wrote a commit."""

    commit: str
    channel: str
    kind: str
    tool: str | None
    model: str | None
    role: Role
    confidence: Confidence
    matched_text: str
    origin: Origin


class ChangeCommit(BaseModel):
    """One commit that landed with a change, and who wrote it."""

    sha: str
    subject: str | None
    authored_at: datetime | None
    origin: Origin
    role: Role
    tools: list[str]
    models: list[str]
    confidence: Confidence | None
    basis: str
    conflict: bool
    catalogue_version: str | None
    provenance: list[ProvenanceItem]


class ChangeOutcome(BaseModel):
    """Something that happened after a change, and the share of it that the change carries."""

    kind: OutcomeKind
    outcome_id: str
    occurred_at: datetime
    service: str
    category: FailureCategory
    severity: str | None
    weight: float


class Evidence(BaseModel):
    """One reason to suspect a change: log-likelihood ratio, a sentence, and the facts behind it."""

    kind: EvidenceKind
    log_lr: float
    detail: str
    facts: dict[str, Any]


class SuspectedIn(BaseModel):
    """One incident or failure group in which the change is a candidate."""

    subject: Literal["incident", "failure_group"]
    id: str
    title: str
    rank: int
    weight: float
    evidence: list[Evidence]


class Rework(BaseModel):
    """What became of the lines of a change."""

    observed_days: float
    lines_added: int
    lines_added_test: int
    lines_reworked_14d: int
    lines_reworked_21d: int
    lines_reworked_30d: int
    lines_reworked_30d_test: int
    lines_reworked_30d_same_author: int
    lines_fixed_30d: int
    lines_alive_7d: int
    lines_alive_30d: int
    lines_alive_90d: int
    reverted_by: str | None
    reverted_at: datetime | None


class ChangeDeployment(BaseModel):
    """The first time that a change ran in production in one service."""

    service: str
    environment: str
    deployed_at: datetime
    deployment_sha: str
    has_traces: bool
    has_revision: bool


class ChangeDetail(Change):
    """One change with everything that is known of it."""

    kind_rule: str
    reverts: list[str]
    fixes: list[str]
    closes: list[str]
    commits: list[ChangeCommit]
    deployments: list[ChangeDeployment]
    outcomes: list[ChangeOutcome]
    suspected_in: list[SuspectedIn]
    rework: Rework | None


# --- incidents ------------------------------------------------------------------------------------


class Verdict(BaseModel):
    """What a person decided about an incident; kept beside the machine's answer."""

    candidate: Candidate
    sha: str | None
    reason: str | None
    decided_at: datetime
    token_id: str


class VerdictStatement(BaseModel):
    """Body of ``PUT /v1/incidents/{id}/verdict``."""

    model_config = ConfigDict(extra="forbid")

    candidate: Literal[Candidate.CHANGE, Candidate.NO_CHANGE]
    change: str | None = Field(
        default=None,
        description="sha of the change, unique short form allowed; required for candidate 'change'",
    )
    reason: str | None = Field(default=None, max_length=2000)


class IncidentHead(BaseModel):
    """One incident as of the last correlation."""

    id: str
    external_id: str
    source: str
    title: str
    service: str | None
    environment: str | None
    severity: str | None
    opened_at: datetime
    resolved_at: datetime | None
    status: str
    duplicate_of: str | None
    is_false_alarm: bool
    category_reason: str
    detection_delay_s: float | None
    url: str | None


class Incident(IncidentHead):
    """One incident with its category and the heaviest candidate of its attribution."""

    category: FailureCategory
    labels: dict[str, Any]
    top_candidate: Candidate
    top_change: str | None
    top_weight: float
    no_change: float
    unattributed: float
    verdict: Verdict | None


class IncidentPage(Page):
    """Incidents, newest opening first."""

    items: list[Incident]


class ChainFrame(BaseModel):
    """One frame of the sample stack, innermost first; who last wrote its line at the running revision."""

    position: int
    file: str | None
    function: str | None
    line: int | None
    in_app: bool | None
    path: str | None
    mapping: str | None
    blamed_sha: str | None
    blamed_change: str | None


class Chain(BaseModel):
    """From production to a line: the sample trace, its root-cause span, the exception and its frames."""

    trace_id: str
    span_id: str
    group_id: str
    service: str
    operation: str
    exception_type: str | None
    message: str | None = Field(description="of the exception; what was found, when a detector found it")
    detector: Detector | None = Field(description="what found it, when no span failed; the trace shows it")
    frames: list[ChainFrame]


class AttributionCandidate(BaseModel):
    """One change that may have caused the incident, with its share of the mass and the whole chain of evidence."""

    change: str
    repository: str
    subject: str | None
    number: int | None
    landed_at: datetime | None
    deployed_at: datetime | None
    kind: ChangeKind | None
    merge_method: MergeMethod | None
    weight: float
    origin: Origin
    tools: list[str]
    evidence: list[Evidence]
    provenance: list[ProvenanceItem]
    chain: Chain | None


class LinkedGroup(BaseModel):
    """One failure group that explains a share of the incident."""

    group_id: str
    title: str
    weight: float
    evidence: list[dict[str, Any]]


class SettingCandidate(BaseModel):
    """A feature flag or a configuration value that may have caused an incident: a change without a commit."""

    candidate: Literal[Candidate.FLAG, Candidate.CONFIGURATION]
    setting: str = Field(description="key = value that began to hold")
    weight: float
    evidence: list[Evidence]


class Attribution(BaseModel):
    """Who may have caused an incident: ``candidates`` + ``settings`` + ``no_change`` + ``unattributed`` = 1."""

    incident: IncidentHead
    category: FailureCategory
    candidates: list[AttributionCandidate]
    settings: list[SettingCandidate]
    no_change: float
    no_change_evidence: list[Evidence]
    unattributed: float
    algorithm_version: str | None = Field(
        description="of the weights; null before the first correlation of it"
    )
    verdict: Verdict | None
    groups: list[LinkedGroup]


# --- failures, services ---------------------------------------------------------------------------


class SaidReason(BaseModel):
    """What had changed since the version before."""

    kind: str = Field(
        description="kind of evidence, or first | false_alarm | duplicate | failure | rules | weights"
    )
    sha: str | None = Field(description="change that the evidence is about")
    text: str


class PieceOfEvidence(BaseModel):
    """One reason, with its log-likelihood ratio."""

    kind: EvidenceKind
    log_lr: float
    detail: str


class SaidCandidate(BaseModel):
    """One share of a former answer."""

    candidate: Candidate
    repository: str | None
    sha: str | None
    subject: str | None
    weight: float
    evidence: list[PieceOfEvidence]


class SaidAttribution(BaseModel):
    """What was said from one time on, until the next version."""

    version: int
    said_at: datetime
    candidates: list[SaidCandidate]
    is_false_alarm: bool | None = Field(description="null for a failure group")
    duplicate_of: str | None
    category: str | None
    groups: list[str] = Field(description="failure groups that explained it")
    reasons: list[SaidReason]
    algorithm_version: str


class SaidAttributionList(BaseModel):
    """Every version, the newest first."""

    items: list[SaidAttribution]


class FailureGroup(BaseModel):
    """One failure: equal fingerprint, service and environment."""

    group_id: str
    fingerprint: str
    fingerprint_version: str
    fingerprint_parts: dict[str, Any] = Field(description="what contributed to the fingerprint")
    service: str
    environment: str
    operation: str
    title: str
    exception_type: str | None
    message_template: str | None
    category: FailureCategory
    categories: list[dict[str, Any]]
    first_seen_at: datetime
    last_seen_at: datetime
    failing_trace_count: int
    sample_trace_id: str
    sample_span_id: str
    repository: str | None
    onset_sha: str | None
    previous_sha: str | None
    is_partial: bool
    callers: list[str]
    detector: Detector | None = Field(
        description="what found it, when no span failed; null for failing spans"
    )
    top_candidate: Candidate
    top_change: str | None
    top_weight: float


class GroupingStatement(BaseModel):
    """Body of ``POST /v1/failures/{group_id}/groupings``."""

    model_config = ConfigDict(extra="forbid")

    decision: GroupingDecision
    into: str | None = Field(
        default=None, max_length=16, description="group_id of the same service; required for decision 'merge'"
    )
    by: SplitBy | None = Field(default=None, description="required for decision 'split'")
    fingerprint: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{16}$",
        description="one that the group is made of, whose decision is undone; default: the group's own",
    )
    reason: str | None = Field(default=None, max_length=2000)


class Grouping(BaseModel):
    """What a person decided about one fingerprint of a service."""

    service: str
    fingerprint: str
    fingerprint_version: str
    decided_at: datetime
    decision: GroupingDecision
    into_fingerprint: str | None
    split_by: SplitBy | None
    token_id: str
    reason: str | None


class GroupingList(BaseModel):
    """Decisions about the fingerprints that a failure group is made of, newest first."""

    items: list[Grouping]


class FailureGroupPage(Page):
    """Failure groups, newest failure first."""

    items: list[FailureGroup]


class Missing(BaseModel):
    """One thing that an answer about a service lacks, and what to do about it."""

    code: str
    detail: str
    hint: str
    gain: float | None = Field(
        description="what mending it adds to named_first, estimated; null where it adds to other answers"
    )


class ServiceStatus(BaseModel):
    """What is known of one service, and what is missing for an answer. Shares are 0..1, null where 0/0."""

    service: str
    span_count: int
    revision_share: float | None = Field(description="of its spans that carry a revision")
    last_span_at: datetime | None
    repository: str | None
    path: str | None
    basis: str | None = Field(description="how the repository is known")
    deployment_count: int
    running_revision: str | None = Field(description="newest revision seen running, as sent")
    running_sha: str | None
    failure_group_count: int
    frame_count: int
    frame_share: float | None = Field(description="of the frames of its failures that map to a path")
    incident_count: int
    stack_share: float | None = Field(description="of its failure groups that show a line of the repository")
    kept_share: float | None = Field(
        description="of its traces that are sent; null when the sampling is unknown"
    )
    named_first: float = Field(description="estimated share of its failures whose change stands first")
    missing: list[str] = Field(description="one sentence each, what would add most first")
    advice: list[Missing] = Field(description="the same with a code, what to do and what it adds")


class ServiceList(BaseModel):
    """Every service seen in telemetry, deployments, incidents or mappings."""

    items: list[ServiceStatus]


# --- traffic --------------------------------------------------------------------------------------


class OperationTraffic(BaseModel):
    """How often one operation ran and failed, and how long it took. Each span counts once, however often delivered."""

    service: str
    environment: str = Field(description="'' when its spans name none")
    operation: str = Field(description="span name")
    kind: int = Field(description="OTLP SpanKind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer")
    revision: str | None = Field(description="as sent")
    hour_at: datetime | None = Field(description="beginning of the hour; null: the whole range")
    span_count: int
    error_count: int = Field(description="of status Error")
    exception_count: int = Field(
        description="that fail by an exception they recorded: status unset, and neither client nor producer"
    )
    weighed_count: int = Field(description="spans whose sampling is known, by tracestate or by setting")
    weighted_span_count: float | None = Field(
        description="spans that those stand for; null when none is known"
    )
    weighted_failing_count: float | None = Field(
        description="failing spans (error or exception) that those stand for"
    )
    duration_ms_mean: float
    duration_ms_p50: float = Field(description="within 4.4 %, of the spans that came")
    duration_ms_p95: float
    duration_ms_p99: float
    first_seen_at: datetime
    last_seen_at: datetime
    caveats: list[TrafficCaveat]


class OperationTrafficPage(Page):
    """Operations by service, environment, name, kind, revision and hour."""

    items: list[OperationTraffic]


# --- metrics --------------------------------------------------------------------------------------


class MetricDefinition(BaseModel):
    """How one metric is defined; METRICS.md says the same in prose."""

    id: str
    title: str
    unit: str
    numerator: str
    denominator: str
    window: str
    interval: str
    caveats: list[str]
    group_bys: list[str]
    window_days: int | None
    windows: list[int]
    min_n: int


class MetricCatalogue(BaseModel):
    """Every metric. ``definition_version`` rises whenever a figure of equal facts would change."""

    definition_version: str
    items: list[MetricDefinition]


class MetricRow(BaseModel):
    """One flat row; the columns of ``group_by`` stand beside these. A suppressed row keeps counts, not the value."""

    model_config = ConfigDict(extra="allow")

    time: datetime | None
    value: float | None
    low: float | None
    high: float | None
    numerator: float | None
    denominator: float | None
    n: int | None
    status: str
    suppressed: str | None


class MetricAnswer(BaseModel):
    """The answer to one metric query; ``meta`` qualifies it: window, method, coverage, caveats, versions."""

    metric: str
    rows: list[MetricRow]
    meta: dict[str, Any]


# --- intake, tokens, operations -------------------------------------------------------------------


class IntakeReceipt(BaseModel):
    """What became of the items of an intake request, all of them durable: new or corrected, and told before."""

    accepted: int
    duplicates: int


class TokenRequest(BaseModel):
    """Body of ``POST /v1/tokens``."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    scope: TokenScope
    expires_at: datetime | None = None


class Token(BaseModel):
    """One token, without its secret."""

    token_id: str
    name: str
    scope: TokenScope
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewToken(Token):
    """A token just made; ``token`` is shown this once."""

    token: str


class TokenList(BaseModel):
    """Every token ever made, oldest first."""

    items: list[Token]


class LoginLink(BaseModel):
    """A link that logs one browser in, once, within ten minutes."""

    path: str
    expires_at: datetime


class OperationResult(BaseModel):
    """What an operation did, in its own words."""

    model_config = ConfigDict(extra="allow")


class Health(BaseModel):
    """Liveness or readiness."""

    status: str


# --- backtest -------------------------------------------------------------------------------------


class ShareOf(BaseModel):
    """A share of cases with its interval (95 %); null without cases."""

    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int


class Mean(BaseModel):
    """A mean over cases with its interval (95 %), which needs two causes."""

    value: float | None
    low: float | None
    high: float | None


class BacktestCounts(BaseModel):
    """How many failures there are, and of how many somebody said what caused them."""

    groups: int
    incidents: int = Field(description="those that repeat another one are left out")
    groups_labelled: int
    incidents_labelled: int
    told_before: int = Field(description="solved in production before they were reported: no cases")
    cases: int
    causes: int = Field(description="distinct truths: intervals count these")


class PeerRule(BaseModel):
    """A rule that other products use, on the same cases."""

    top_1: ShareOf
    answered: int = Field(description="cases in which it names a change")


class Ranked(BaseModel):
    """How often the truth came first, and among the first three."""

    n: int
    causes: int
    top_1: ShareOf
    top_3: ShareOf
    mass: Mean = Field(description="weight on the truth")


class RankedWithPeers(Ranked):
    """The same, beside the peer rules: newest_deployed, blamed_at_head."""

    peers: dict[str, PeerRule]


class NoChange(BaseModel):
    """Where no change was to blame, and where we said so."""

    recall: ShareOf
    precision: ShareOf


class ReliabilityBin(BaseModel):
    """Cases whose first candidate weighed [from, to)."""

    model_config = ConfigDict(populate_by_name=True)

    from_: float = Field(alias="from")
    to: float
    n: int
    said: float | None
    right: ShareOf


class Calibration(BaseModel):
    """Whether weights mean what they say."""

    ece: Mean = Field(description="expected calibration error over the bins")
    n: int
    bins: list[ReliabilityBin]


class BacktestRow(BaseModel):
    """Cases of one service, label, kind of evidence or subject."""

    key: str
    n: int
    right: ShareOf
    mass: float


class BacktestChange(BaseModel):
    """A change that is held to be the truth."""

    sha: str
    subject: str | None


class BacktestLabel(BaseModel):
    """What the team said later."""

    kind: str = Field(description="verdict | named | false_alarm | revert | fix | rollback")
    detail: str
    changes: list[BacktestChange] = Field(description="any of them is the truth; none: no change is to blame")
    is_range: bool = Field(description="all that a rollback took back")


class SaidSuspect(BaseModel):
    """One share of an answer."""

    candidate: Candidate
    sha: str | None
    subject: str | None
    weight: float
    evidence: list[PieceOfEvidence]


class BacktestCase(BaseModel):
    """One labelled failure: what was said blind, and what was true."""

    subject: Literal["group", "incident"]
    id: str
    title: str
    service: str | None
    environment: str | None
    onset_at: datetime
    as_of: datetime = Field(description="nothing later was read")
    label: BacktestLabel
    said: list[SaidSuspect]
    rank: int | None = Field(description="of the truth among the named candidates; null: not named")
    mass: float
    top: str | None = Field(description="sha, or no_change; null: nobody was named")
    confidence: float
    led_by: str = Field(description="kind of the strongest evidence; prior | nothing")
    is_right: bool
    why: str | None = Field(description="why it was wrong")
    peers: dict[str, str | None] = Field(description="rule -> sha that it blames")


class Backtest(BaseModel):
    """How right attribution was, by what the team said later."""

    as_of: datetime
    after_s: float
    rules: dict[str, str]
    failures: BacktestCounts
    exact: RankedWithPeers = Field(description="cases whose change is known")
    range: Ranked = Field(description="rollbacks of several changes: any of them counts as right")
    no_change: NoChange
    calibration: Calibration
    by_subject: list[BacktestRow]
    by_service: list[BacktestRow]
    by_label: list[BacktestRow]
    by_evidence: list[BacktestRow]
    caveats: list[str]
    cases: list[BacktestCase]

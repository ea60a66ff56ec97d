"""The closed sets of the domain, and every telemetry attribute key that we read.

Keys are spelled as the OpenTelemetry semantic conventions spell them; a literal ``"exception.type"`` in
another file is a fault. Old names fold into current ones through :data:`RENAMED_KEYS`, the one table of names.
Source: OpenTelemetry semantic conventions 1.44 (registry and deprecated registry); DORA; git.
"""

from enum import StrEnum


class Origin(StrEnum):
    """Who wrote a commit (first four) or a change (all five). ``unknown`` is never ``human``."""

    AI = "ai"
    MIXED = "mixed"
    HUMAN = "human"
    AUTOMATION = "automation"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What the AI tool did for a commit; the last three never make a change ai."""

    AUTHOR = "author"
    COAUTHOR = "coauthor"
    ASSIST = "assist"
    SUGGESTION = "suggestion"
    MESSAGE_ONLY = "message_only"
    REVIEW_ONLY = "review_only"
    NONE = "none"


class Confidence(StrEnum):
    """A: identity or structured trailer. B: declared in text. C: weak, listed as evidence only."""

    A = "A"
    B = "B"
    C = "C"


class AuditLabel(StrEnum):
    """What a person says of a drawn change. ``ai``: an AI tool wrote some of its added lines, or all."""

    AI = "ai"
    OTHER = "other"
    UNSURE = "unsure"


class ChangeKind(StrEnum):
    """What a change is for; the first rule that fires decides (``correlator/changes.py``)."""

    FEATURE = "feature"
    FIX = "fix"
    REVERT = "revert"
    FORMATTER = "formatter"
    DEPENDENCY = "dependency"
    LOCKFILE = "lockfile"
    DOCS = "docs"
    CONFIGURATION = "configuration"


class MergeMethod(StrEnum):
    """How a change landed on the mainline."""

    MERGE = "merge"
    SQUASH = "squash"
    DIRECT = "direct"


class FailureCategory(StrEnum):
    """How a change fails. The first four are the study's, the rest complete them; ``unknown`` is a legal answer."""

    INTEGRATION = "integration"
    COMPLIANCE_GOVERNANCE = "compliance_governance"
    DATA_INTEGRITY = "data_integrity"
    SECURITY = "security"
    RESOURCE_PERFORMANCE = "resource_performance"
    LOGIC_UNHANDLED = "logic_unhandled"
    CONFIGURATION_DEPLOY = "configuration_deploy"
    DEPENDENCY_INFRASTRUCTURE = "dependency_infrastructure"
    UNKNOWN = "unknown"


class Candidate(StrEnum):
    """What one share of an attribution is given to. The shares of one incident sum to one."""

    CHANGE = "change"
    FLAG = "flag"
    """A feature flag that was flipped: a change without a commit."""
    CONFIGURATION = "configuration"
    """Configuration that was changed outside of any repository."""
    NO_CHANGE = "no_change"
    UNATTRIBUTED = "unattributed"


class GroupingDecision(StrEnum):
    """What a person decided about a fingerprint: it is another one's failure, it is several, or neither any more."""

    MERGE = "merge"
    SPLIT = "split"
    UNDO = "undo"


class SplitBy(StrEnum):
    """What tells the failures of one fingerprint apart after a split."""

    MESSAGE = "message"
    OPERATION = "operation"


class EvidenceKind(StrEnum):
    """Why a change is suspected; the weights stand in ``correlator/weights.toml``. The AI tag is never one."""

    NAMED_BY_INCIDENT = "named_by_incident"
    NAMED_BY_FIX = "named_by_fix"
    REVERTED_AFTER = "reverted_after"
    ROLLED_BACK_AFTER = "rolled_back_after"
    BLAMED_LINE = "blamed_line"
    BLAMED_NEAR = "blamed_near"
    CHANGED_FUNCTION = "changed_function"
    WROTE_FUNCTION = "wrote_function"
    CHANGED_FILE = "changed_file"
    CHANGED_ROUTE_FILE = "changed_route_file"
    CHANGED_CONFIGURATION = "changed_configuration"
    CHANGED_TOKEN = "changed_token"  # noqa: S105
    CHANGED_MATTER = "changed_matter"
    RAISES_MESSAGE = "raises_message"
    RAISES_TYPE = "raises_type"
    REMOVED_NAME = "removed_name"
    MISSING_NAME = "missing_name"
    CHANGED_SIGNATURE = "changed_signature"
    CHANGED_CALLEE = "changed_callee"
    CHANGED_VALUE = "changed_value"
    CHANGED_IMPORT = "changed_import"
    CHANGED_CODE_NAME = "changed_code_name"
    REMOVED_GUARD = "removed_guard"
    ADDED_LOAD = "added_load"
    CHANGED_BOUND = "changed_bound"
    CHANGED_CONTRACT = "changed_contract"
    CHANGE_POINT = "change_point"
    SERVED_WELL = "served_well"
    OUTSIDE_FAULT = "outside_fault"
    CROWD = "crowd"
    FLIPPED_BEFORE = "flipped_before"
    VARIANT_FAILS = "variant_fails"
    FLIPPED_BACK_AFTER = "flipped_back_after"
    CONCURRENT_REVISIONS = "concurrent_revisions"
    OLDER_THAN_RANGE = "older_than_range"
    UNTOUCHED = "untouched"
    DEPENDENCY_DOWN = "dependency_down"
    CALLER_GARBAGE = "caller_garbage"
    PREDATES_RANGE = "predates_range"
    REVISIONS_ALIKE = "revisions_alike"
    ONE_INSTANCE = "one_instance"
    PEER_FAILED = "peer_failed"
    PEER_REFUSED = "peer_refused"
    ENDED_WITHOUT_DEPLOYMENT = "ended_without_deployment"
    FALSE_ALARM = "false_alarm"
    HUMAN_VERDICT = "human_verdict"


class IncidentEvent(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"


class DeploymentType(StrEnum):
    DEPLOY = "deploy"
    ROLLBACK = "rollback"


class ReviewEvent(StrEnum):
    """What a reviewer did to a pull or merge request. The last two take back an approval or a request for changes."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    COMMENT = "comment"
    DISMISSED = "dismissed"
    WITHDRAWN = "withdrawn"


class Review(StrEnum):
    """How a change was reviewed before it landed, by people other than whoever opened it. ``unknown``: its forge told
    nothing of reviews by then; that is never ``unreviewed``."""

    APPROVED_AT_ONCE = "approved_at_once"
    APPROVED_AFTER_CHANGES = "approved_after_changes"
    NOT_APPROVED = "not_approved"
    UNREVIEWED = "unreviewed"
    UNKNOWN = "unknown"


class Signal(StrEnum):
    """What is counted by the hour because it tells of a failure that raises no error."""

    DENIED = "denied"
    """Requests of a route that were refused for want of identity or right."""
    ANONYMOUS = "anonymous"
    """Granted requests of a route that name no user."""
    OUTBOUND = "outbound"
    """Calls to a host."""
    CONSTRAINT = "constraint"
    """Calls to a collection of a database that broke one of its rules."""
    EMPTY_VALUE = "empty_value"
    """Spans of an operation in which a watched attribute says nothing."""
    FLAG = "flag"
    """Spans that evaluated a feature flag, by variant; failing ones are hits."""
    PERSONAL_DATA = "personal_data"
    """Attribute values that have the form of personal data, of one span in four."""


class Detector(StrEnum):
    """What finds failures that raise no error; docs/failure-categories.md tells the test of each."""

    DENIALS_ROSE = "denials_rose"
    DENIALS_STOPPED = "denials_stopped"
    CALLERS_UNAUTHENTICATED = "callers_unauthenticated"
    HOST_IS_NEW = "host_is_new"
    CONSTRAINTS_BROKEN = "constraints_broken"
    VALUES_EMPTY = "values_empty"
    PERSONAL_DATA_SENT = "personal_data_sent"
    OPERATION_SLOWER = "operation_slower"
    CALLS_MULTIPLIED = "calls_multiplied"


class OutcomeKind(StrEnum):
    """What can happen to a change within its follow-up window (14 days)."""

    INCIDENT = "incident"
    FAILURE_GROUP = "failure_group"
    ROLLBACK = "rollback"
    REVERT = "revert"
    HOTFIX = "hotfix"


class ExceptionSource(StrEnum):
    SPAN_EVENT = "span_event"
    LOG_RECORD = "log_record"


class TokenScope(StrEnum):
    """What a bearer token may do. ``admin`` includes the others."""

    ADMIN = "admin"
    READ = "read"
    INTAKE = "intake"
    INGEST = "ingest"


class Caveat(StrEnum):
    """Codes that qualify a figure; METRICS.md explains each."""

    SMALL_N = "small_n"
    ZERO_CELL = "zero_cell"
    OPEN_UPPER = "open_upper"
    IMMATURE_EXCLUDED = "immature_excluded"
    LOW_TAG_COVERAGE = "low_tag_coverage"
    HIGH_UNKNOWN = "high_unknown"
    LOW_OVERLAP = "low_overlap"
    HIGH_UNATTRIBUTED = "high_unattributed"
    UNCALIBRATED_WEIGHTS = "uncalibrated_weights"
    OVERDISPERSED = "overdispersed"
    MULTIPLE_COMPARISONS = "multiple_comparisons"
    SAMPLED_TRACES = "sampled_traces"
    ASSUMED_HUMAN = "assumed_human"
    UNEQUAL_DETECTION = "unequal_detection"
    DIFFUSE_ATTRIBUTION = "diffuse_attribution"
    UNCERTAIN_TAGS = "uncertain_tags"
    CONFOUNDED_CRUDE = "confounded_crude"


class TrafficCaveat(StrEnum):
    """Codes that qualify the counts of an operation."""

    SAMPLING_UNKNOWN = "sampling_unknown"
    """Neither tracestate nor a setting says how many spans some of its spans stand for."""
    SAMPLED_DURATIONS = "sampled_durations"
    """Durations are those of the spans that came, and some of them stand for several."""
    DISPLACED_SPANS = "displaced_spans"
    """Some spans named a time after their receipt or ten years before it: they count in the hour of receipt."""


class SpanKind:
    """OTLP ``Span.SpanKind``: an open enum, kept as int32."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode:
    """OTLP ``Status.StatusCode``: an open enum, kept as int32."""

    UNSET = 0
    OK = 1
    ERROR = 2


# --- resource attributes ------------------------------------------------------------------------
SERVICE_NAME = "service.name"
SERVICE_NAMESPACE = "service.namespace"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE_ID = "service.instance.id"
DEPLOYMENT_ENVIRONMENT_NAME = "deployment.environment.name"
VCS_REF_HEAD_REVISION = "vcs.ref.head.revision"
VCS_REPOSITORY_URL_FULL = "vcs.repository.url.full"
TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language"
DEPLOYMENT_ID = "deployment.id"
CONTAINER_IMAGE_ID = "container.image.id"
CONTAINER_IMAGE_NAME = "container.image.name"
CONTAINER_IMAGE_REPO_DIGESTS = "container.image.repo_digests"
CONTAINER_IMAGE_TAGS = "container.image.tags"
CONTAINER_IMAGE_TAG = "container.image.tag"
K8S_REPLICASET_NAME = "k8s.replicaset.name"
K8S_POD_TEMPLATE_HASH = "k8s.pod.label.pod-template-hash"
OCI_MANIFEST_DIGEST = "oci.manifest.digest"

# --- feature flags --------------------------------------------------------------------------------
FEATURE_FLAG_KEY = "feature_flag.key"
FEATURE_FLAG_VARIANT = "feature_flag.result.variant"
FEATURE_FLAG_VALUE = "feature_flag.result.value"

# --- exceptions and errors ----------------------------------------------------------------------
EVENT_EXCEPTION = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EXCEPTION_ESCAPED = "exception.escaped"
ERROR_TYPE = "error.type"

# --- span attributes with a column of their own ---------------------------------------------------
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
URL_PATH = "url.path"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
DB_SYSTEM_NAME = "db.system.name"
DB_COLLECTION_NAME = "db.collection.name"
DB_OPERATION_NAME = "db.operation.name"
DB_QUERY_TEXT = "db.query.text"
DB_RESPONSE_STATUS_CODE = "db.response.status_code"
RPC_SYSTEM = "rpc.system"
RPC_SERVICE = "rpc.service"
RPC_METHOD = "rpc.method"
RPC_GRPC_STATUS_CODE = "rpc.grpc.status_code"
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
CODE_FUNCTION_NAME = "code.function.name"
CODE_FILE_PATH = "code.file.path"
CODE_LINE_NUMBER = "code.line.number"

# --- span attributes that the attribute policy knows --------------------------------------------------
CLIENT_ADDRESS = "client.address"
ENDUSER_ID = "enduser.id"
USER_ID = "user.id"
USER_HASH = "user.hash"
URL_FULL = "url.full"
URL_QUERY = "url.query"
HTTP_TARGET = "http.target"
HTTP_URL = "http.url"

ATTRIBUTES_DROPPED: tuple[str, ...] = (
    # Who used it, in words: nothing here needs a name or a mail address.
    "enduser.role",
    "enduser.scope",
    "user.email",
    "user.full_name",
    "user.name",
    "user.roles",
    # Credentials.
    "http.request.header.authorization",
    "http.request.header.cookie",
    "http.request.header.proxy-authorization",
    "http.request.header.x-api-key",
    "http.response.header.set-cookie",
    # What people and models said to each other.
    "gen_ai.completion*",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt*",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    # Bodies, bound values and query strings carry whatever a user typed.
    "db.query.parameter.*",
    "http.request.body*",
    "http.response.body*",
    URL_QUERY,
)
"""Attributes that are not stored unless a setting says so; ``*`` at the end stands for any rest."""

ATTRIBUTES_HASHED: tuple[str, ...] = (
    CLIENT_ADDRESS,
    ENDUSER_ID,
    "enduser.pseudo.id",
    USER_ID,
    USER_HASH,
    "session.id",
    # Old names of client.address.
    "http.client_ip",
    "net.sock.peer.addr",
)
"""Attributes of which only a keyed hash is stored: callers can be told apart, not named."""

IDENTITY_KEYS: tuple[str, ...] = (ENDUSER_ID, "enduser.pseudo.id", USER_ID, USER_HASH)
"""Attributes that tell who asked; a request without any of them is anonymous."""

RENAMED_KEYS: dict[str, str] = {
    "deployment.environment": DEPLOYMENT_ENVIRONMENT_NAME,
    "vcs.repository.ref.revision": VCS_REF_HEAD_REVISION,
    "http.method": HTTP_REQUEST_METHOD,
    "http.status_code": HTTP_RESPONSE_STATUS_CODE,
    HTTP_TARGET: URL_PATH,
    # Of a CLIENT span the other side, of a SERVER span itself; a span that carries both names is a CLIENT's.
    "net.peer.name": SERVER_ADDRESS,
    "net.host.name": SERVER_ADDRESS,
    "net.peer.port": SERVER_PORT,
    "net.host.port": SERVER_PORT,
    "db.system": DB_SYSTEM_NAME,
    "db.sql.table": DB_COLLECTION_NAME,
    "db.mongodb.collection": DB_COLLECTION_NAME,
    "db.cassandra.table": DB_COLLECTION_NAME,
    "db.operation": DB_OPERATION_NAME,
    "db.statement": DB_QUERY_TEXT,
    "rpc.system.name": RPC_SYSTEM,
    "rpc.status_code": RPC_GRPC_STATUS_CODE,
    "messaging.destination": MESSAGING_DESTINATION_NAME,
    "code.function": CODE_FUNCTION_NAME,
    "code.filepath": CODE_FILE_PATH,
    "code.lineno": CODE_LINE_NUMBER,
    "feature_flag.variant": FEATURE_FLAG_VARIANT,
}
"""Deprecated key -> current key. A span that carries both keeps the current one in the column; of several deprecated
ones the first of this table."""

READ_KEYS: frozenset[str] = frozenset(
    value
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, str) and "." in value
) | frozenset(RENAMED_KEYS)
"""Every attribute key that something here reads, old names included."""

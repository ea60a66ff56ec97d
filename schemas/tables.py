"""Each table, declared once: columns, type, unit, meaning, key.

The Arrow schema, ``CREATE TABLE``, the append order and the data dictionary are derived from these declarations;
there is no second list of column names. Points in time are UTC without a zone in the store (``TIMESTAMP``,
microseconds; spans ``TIMESTAMP_NS``) and timezone-aware at the edges (``schemas/store.py`` converts).
Trace ids are ``UUID``, span ids ``UBIGINT``; everything else that is hex is lower-case text.

Three schemas: ``facts`` (append-only, written by the collector), ``inferences`` (written by the correlator, rebuilt
from the facts at any time) and ``ledger`` (what was published or decided by people: append-only, never rebuilt).
"""

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa


class Schema(StrEnum):
    FACTS = "facts"
    INFERENCES = "inferences"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Type:
    """One column type as DuckDB spells it and as Arrow carries it."""

    sql: str
    arrow: pa.DataType


TEXT = Type("VARCHAR", pa.string())
INT = Type("BIGINT", pa.int64())
INT32 = Type("INTEGER", pa.int32())
UINT32 = Type("UINTEGER", pa.uint32())
UINT64 = Type("UBIGINT", pa.uint64())
REAL = Type("DOUBLE", pa.float64())
WEIGHT = Type("DECIMAL(38, 6)", pa.decimal128(38, 6))
TOTAL = Type("DECIMAL(38, 0)", pa.decimal128(38, 0))
COUNTS = Type("MAP(INTEGER, BIGINT)", pa.map_(pa.int32(), pa.int64()))
BOOL = Type("BOOLEAN", pa.bool_())
TIME = Type("TIMESTAMP", pa.timestamp("us"))
TIME_NS = Type("TIMESTAMP_NS", pa.timestamp("ns"))
TRACE_ID = Type("UUID", pa.uuid())
BLOB = Type("BLOB", pa.binary())
TEXTS = Type("VARCHAR[]", pa.list_(pa.string()))
UINT64S = Type("UBIGINT[]", pa.list_(pa.uint64()))
TRACE_IDS = Type("UUID[]", pa.list_(pa.uuid()))


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``meaning`` says what it holds and in which unit."""

    name: str
    type: Type
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``key`` names the columns that make a row unique (empty: the table may hold equal rows).

    ``is_kept``: of an inference, that rows come and go one by one; the others are replaced as a whole.

    ``stamps`` are columns that are not part of what is decoded: whoever stores a batch may add them to it, and they
    are null where nobody did.
    """

    name: str
    schema: Schema
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    stamps: tuple[Column, ...] = ()
    is_kept: bool = False

    @property
    def arrow_schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type.arrow, nullable=not c.required) for c in self.columns])

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def qualified_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def is_indexed(self) -> bool:
        """Does DuckDB hold an index of the key?

        Of a few rows that are replaced together it would serve nobody, and take a quarter of a megabyte for each kind of
        node, twice while they are replaced: ``Store.append`` looks through those itself (decision 26).
        """
        return bool(self.key) and (self.is_kept or self.schema is not Schema.INFERENCES)

    def ddl(self) -> str:
        """``CREATE TABLE`` for this table, without the database name."""
        lines = [
            f'  "{c.name}" {c.type.sql}{" NOT NULL" if c.required or c.name in self.key else ""}'
            for c in (*self.columns, *self.stamps)
        ]
        if self.is_indexed:
            lines.append(f"  PRIMARY KEY ({', '.join(self.key)})")
        body = ",\n".join(lines)
        return f"CREATE TABLE {self.qualified_name} (\n{body}\n)"


def _column(name: str, type_: Type, meaning: str, *, required: bool = False) -> Column:
    return Column(name, type_, meaning, required)


def _attributes(which: str) -> tuple[Column, ...]:
    """Attributes as three parallel columns. Two lists cost a third of what a MAP costs to insert, and are as lossless:
    ``facts.attribute(attribute_keys, attribute_values, 'some.key')`` reads one of them."""
    return (
        _column("attribute_keys", TEXTS, f"{which}: the keys in the order sent, none twice"),
        _column("attribute_values", TEXTS, "the value of each key; JSON text for what is not a string"),
        _column("attribute_kinds", TEXT, "one digit per key: field number of its AnyValue, 0 when unset"),
    )


# --- facts: telemetry -----------------------------------------------------------------------------

_LOAD_NUMBER = _column("load_number", INT, "-> loads; null: it came by another way than the loader")

SPANS = Table(
    "spans",
    Schema.FACTS,
    "One span as received. OTLP delivers at least once: equal (trace_id, span_id) rows can occur.",
    (
        _column("trace_id", TRACE_ID, "trace", required=True),
        _column("span_id", UINT64, "span, big-endian value of its 8 bytes", required=True),
        _column("parent_span_id", UINT64, "parent span; null for a root span"),
        _column("trace_state", TEXT, "W3C tracestate; null when empty"),
        _column("flags", UINT32, "OTLP flags"),
        _column("start_time", TIME_NS, "UTC; clamped to the range of TIMESTAMP_NS", required=True),
        _column(
            "duration_ns", INT, "end - start, nanoseconds; negative values are clamped to 0", required=True
        ),
        _column("received_at", TIME, "when the collector acknowledged it, UTC", required=True),
        _column("resource_id", UINT64, "-> resources", required=True),
        _column("scope_id", UINT64, "-> scopes", required=True),
        _column("service", TEXT, "service.name; 'unknown_service' when absent", required=True),
        _column("service_version", TEXT, "service.version"),
        _column("environment", TEXT, "deployment.environment.name"),
        _column("revision", TEXT, "vcs.ref.head.revision, as sent; else a name of the artifact that ran"),
        _column("name", TEXT, "span name", required=True),
        _column("kind", INT32, "OTLP SpanKind, open enum", required=True),
        _column("status_code", INT32, "OTLP StatusCode, open enum: 0 unset, 1 ok, 2 error", required=True),
        _column("status_message", TEXT, "null when empty"),
        _column("exception_type", TEXT, "of the first exception event"),
        _column("exception_message", TEXT, "of the first exception event"),
        _column("error_type", TEXT, "error.type"),
        _column("http_request_method", TEXT, "http.request.method"),
        _column("http_route", TEXT, "http.route"),
        _column("http_response_status_code", INT, "http.response.status_code"),
        _column("url_path", TEXT, "url.path"),
        _column("server_address", TEXT, "server.address"),
        _column("server_port", INT, "server.port"),
        _column("db_system_name", TEXT, "db.system.name"),
        _column("db_collection_name", TEXT, "db.collection.name"),
        _column("db_operation_name", TEXT, "db.operation.name"),
        _column("db_query_text", TEXT, "db.query.text"),
        _column("db_response_status_code", TEXT, "db.response.status_code, e.g. a SQLSTATE"),
        _column("rpc_system", TEXT, "rpc.system"),
        _column("rpc_service", TEXT, "rpc.service"),
        _column("rpc_method", TEXT, "rpc.method"),
        _column("rpc_grpc_status_code", INT, "rpc.grpc.status_code"),
        _column("messaging_system", TEXT, "messaging.system"),
        _column("messaging_destination_name", TEXT, "messaging.destination.name"),
        _column("code_function_name", TEXT, "code.function.name"),
        _column("code_file_path", TEXT, "code.file.path"),
        _column("code_line_number", INT, "code.line.number"),
        *_attributes("every attribute without a column of its own"),
        _column("dropped_attributes_count", UINT32, "as sent"),
        _column("dropped_events_count", UINT32, "as sent"),
        _column("dropped_links_count", UINT32, "as sent"),
    ),
    stamps=(_LOAD_NUMBER,),
)

SPAN_EVENTS = Table(
    "span_events",
    Schema.FACTS,
    "One event of one span, in the order sent. The texts of an exception event stand in exceptions, not here again.",
    (
        _column("trace_id", TRACE_ID, "-> spans", required=True),
        _column("span_id", UINT64, "-> spans", required=True),
        _column("received_at", TIME, "UTC", required=True),
        _column("time", TIME_NS, "UTC; the start of the span when none was sent", required=True),
        _column("name", TEXT, "event name", required=True),
        *_attributes("every attribute, but for the texts of an exception"),
        _column("dropped_attributes_count", UINT32, "as sent"),
    ),
)

SPAN_LINKS = Table(
    "span_links",
    Schema.FACTS,
    "One link of one span, in the order sent.",
    (
        _column("trace_id", TRACE_ID, "-> spans: the span that links", required=True),
        _column("span_id", UINT64, "-> spans: the span that links", required=True),
        _column("received_at", TIME, "UTC", required=True),
        _column("linked_trace_id", TRACE_ID, "null when the ids of the link are malformed"),
        _column("linked_span_id", UINT64, "null when the ids of the link are malformed"),
        _column("trace_state", TEXT, "W3C tracestate of the link; null when empty"),
        _column("flags", UINT32, "OTLP flags of the link"),
        *_attributes("every attribute of the link"),
        _column("dropped_attributes_count", UINT32, "as sent"),
    ),
)

RESOURCES = Table(
    "resources",
    Schema.FACTS,
    "One distinct resource.",
    (
        _column(
            "resource_id",
            UINT64,
            "first 8 bytes of SHA-256 of the encoded resource and schema URL",
            required=True,
        ),
        _column("service", TEXT, "service.name", required=True),
        _column("repository_url", TEXT, "vcs.repository.url.full"),
        _column("sdk_language", TEXT, "telemetry.sdk.language"),
        *_attributes("every attribute of the resource"),
        _column("schema_url", TEXT, "null when empty"),
    ),
    key=("resource_id",),
)

SCOPES = Table(
    "scopes",
    Schema.FACTS,
    "One distinct instrumentation scope.",
    (
        _column(
            "scope_id", UINT64, "first 8 bytes of SHA-256 of the encoded scope and schema URL", required=True
        ),
        _column("name", TEXT, "instrumentation scope name"),
        _column("version", TEXT, "instrumentation scope version"),
        *_attributes("every attribute of the scope"),
        _column("schema_url", TEXT, "null when empty"),
    ),
    key=("scope_id",),
)

EXCEPTIONS = Table(
    "exceptions",
    Schema.FACTS,
    "One exception record: of a span event, or of a log record. Duplicates are folded by exception_id when read.",
    (
        _column("exception_id", UINT64, "hash of trace, span, type, message and stack trace", required=True),
        _column("trace_id", TRACE_ID, "null for a log record outside a trace"),
        _column("span_id", UINT64, "null for a log record outside a span"),
        _column("time", TIME_NS, "when it was recorded, UTC", required=True),
        _column("received_at", TIME, "UTC", required=True),
        _column("resource_id", UINT64, "-> resources", required=True),
        _column("service", TEXT, "service.name", required=True),
        _column("service_version", TEXT, "service.version"),
        _column("environment", TEXT, "deployment.environment.name"),
        _column("revision", TEXT, "vcs.ref.head.revision; else a name of the artifact that ran"),
        _column("source", TEXT, "span_event | log_record", required=True),
        _column("severity_number", INT32, "of the log record; null for span events"),
        _column("type", TEXT, "exception.type"),
        _column("message", TEXT, "exception.message"),
        _column("stack_id", UINT64, "-> stacks; null when exception.stacktrace is absent"),
    ),
    stamps=(_LOAD_NUMBER,),
)

STACKS = Table(
    "stacks",
    Schema.FACTS,
    "One distinct stack trace of exceptions. Stored anew each day that it is seen, and by each process: any of them serves.",
    (
        _column("stack_id", UINT64, "hash of the stack trace", required=True),
        _column("stacktrace", TEXT, "exception.stacktrace", required=True),
        _column("length", INT, "characters of it", required=True),
    ),
    stamps=(_column("loaded_at", TIME, "UTC; what is loaded until the end of that day may name it"),),
)

SPOOL_DONE = Table(
    "spool_done",
    Schema.FACTS,
    "Spool segments whose rows are in the store; written in the same transaction as the rows.",
    (
        _column("segment", INT, "segment number", required=True),
        _column("loaded_at", TIME, "UTC", required=True),
        _column("span_count", INT, "spans stored from it so far, in its order", required=True),
        _column("is_whole", BOOL, "all of its spans are stored; false: the rest follows", required=True),
    ),
    key=("segment",),
)

LOADS = Table(
    "loads",
    Schema.FACTS,
    "One transaction of the loader that brought spans or exceptions; written in it. Numbers rise and are never given twice.",
    (
        _column("load_number", INT, "-> spans, exceptions", required=True),
        _column("loaded_at", TIME, "UTC", required=True),
        _column("span_count", INT, "spans that it brought", required=True),
    ),
    key=("load_number",),
)

FOLDED_LOADS = Table(
    "folded_loads",
    Schema.FACTS,
    "One load whose spans are counted in operation_hours; written in the same transaction as the counts.",
    (
        _column("load_number", INT, "-> loads", required=True),
        _column("folded_at", TIME, "when its spans were counted, but for the late ones, UTC", required=True),
        _column("late_count", INT, "its late spans (macro is_late), duplicates too", required=True),
        _column("late_folded_at", TIME, "when those were counted, UTC; null: not yet"),
    ),
    key=("load_number",),
)

OPERATION_HOURS = Table(
    "operation_hours",
    Schema.FACTS,
    "How often an operation ran and failed in one hour, and how long it took: spans counted once however often they "
    "were delivered. One row per service, environment, revision, operation, kind and hour.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "deployment.environment.name; '' when absent", required=True),
        _column(
            "revision",
            TEXT,
            "vcs.ref.head.revision, an artifact's name, or service.version; null when absent",
        ),
        _column("operation", TEXT, "span name", required=True),
        _column("kind", INT32, "OTLP SpanKind", required=True),
        _column(
            "hour_at",
            TIME,
            "beginning of the hour in which the spans started (macro seen_at), UTC",
            required=True,
        ),
        _column("span_count", INT, "spans", required=True),
        _column("error_count", INT, "of them with status Error", required=True),
        _column(
            "exception_count",
            INT,
            "of them that fail by an exception they recorded: status unset, and neither CLIENT nor PRODUCER",
            required=True,
        ),
        _column("displaced_count", INT, "of them whose clock named another hour than hour_at", required=True),
        _column("weighed_count", INT, "of them whose sampling is known", required=True),
        _column("span_weight", WEIGHT, "spans that those stand for", required=True),
        _column(
            "failing_weight", WEIGHT, "failing spans (error or exception) that those stand for", required=True
        ),
        _column("duration_ns_sum", TOTAL, "nanoseconds", required=True),
        _column("duration_counts", COUNTS, "bucket (macro duration_bucket) -> spans", required=True),
        _column("first_seen_at", TIME, "start of the first span, UTC", required=True),
        _column("last_seen_at", TIME, "start of the last span, UTC", required=True),
        _column("last_received_at", TIME, "UTC", required=True),
    ),
)

SIGNAL_HOURS = Table(
    "signal_hours",
    Schema.FACTS,
    "How often something that tells of a failure without an error was seen in one hour, out of how many spans: each "
    "counted once. One row per service, environment, revision, signal, subject, aspect and hour.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "deployment.environment.name; '' when absent", required=True),
        _column(
            "revision",
            TEXT,
            "vcs.ref.head.revision, an artifact's name, or service.version; null when absent",
        ),
        _column("signal", TEXT, "Signal: denied | anonymous | outbound | constraint | ...", required=True),
        _column("subject", TEXT, "route, host, collection, operation or attribute key", required=True),
        _column("aspect", TEXT, "attribute key or form of personal data; '' when it has none", required=True),
        _column("hour_at", TIME, "beginning of the hour in which the spans started, UTC", required=True),
        _column("span_count", INT, "spans in which it could have been seen", required=True),
        _column("hit_count", INT, "of them in which it was seen", required=True),
        _column("first_seen_at", TIME, "start of the first span, UTC", required=True),
        _column("last_seen_at", TIME, "start of the last span, UTC", required=True),
        _column("last_received_at", TIME, "UTC", required=True),
        _column("hit_at", TIME, "start of the first span in which it was seen, UTC; null without one"),
        _column("hit_trace_id", TRACE_ID, "of that span"),
        _column("hit_span_id", UINT64, "of that span"),
        _column("miss_at", TIME, "start of the first span in which it was not seen, UTC; null without one"),
        _column("miss_trace_id", TRACE_ID, "of that span"),
        _column("miss_span_id", UINT64, "of that span"),
    ),
)

# --- facts: git -----------------------------------------------------------------------------------

REPOSITORIES = Table(
    "repositories",
    Schema.FACTS,
    "One repository that we mirror; written by `aftermerge repo` and by sync.",
    (
        _column("repository", TEXT, "owner/name", required=True),
        _column("source", TEXT, "path or URL it is fetched from", required=True),
        _column("url", TEXT, "vcs.repository.url.full that its services send; null when unknown"),
        _column("default_branch", TEXT, "branch whose first-parent history is the mainline"),
        _column("head_sha", TEXT, "mainline head as of synced_at"),
        _column("notes_sha", TEXT, "refs/notes/ai as of synced_at"),
        _column(
            "assume_unmarked",
            TEXT,
            "'human' when the operator states that unmarked commits are human, else null",
        ),
        _column("assume_unmarked_from", TIME, "commits authored from then on, UTC"),
        _column("added_at", TIME, "UTC", required=True),
        _column("synced_at", TIME, "UTC; null before the first sync"),
    ),
    key=("repository",),
)

COMMITS = Table(
    "commits",
    Schema.FACTS,
    "One commit reachable from a head or a tag of the mirror.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "full hex", required=True),
        _column("parents", TEXTS, "full hex, first parent first", required=True),
        _column("author_name", TEXT, "as committed", required=True),
        _column("author_email", TEXT, "as committed", required=True),
        _column("committer_name", TEXT, "as committed", required=True),
        _column("committer_email", TEXT, "as committed", required=True),
        _column("authored_at", TIME, "UTC", required=True),
        _column("committed_at", TIME, "UTC", required=True),
        _column("message", TEXT, "whole message, decoded with replacement", required=True),
    ),
    key=("repository", "sha"),
)

COMMIT_NOTES = Table(
    "commit_notes",
    Schema.FACTS,
    "The git-ai note of a commit (refs/notes/ai); the newest text wins.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "annotated commit", required=True),
        _column("text", TEXT, "note text, cut at the size cap", required=True),
    ),
    key=("repository", "sha"),
)

ATTESTED_LINES = Table(
    "attested_lines",
    Schema.FACTS,
    "Lines that an imported Agent Trace record attests; ranges of one record are numbered.",
    (
        _column("record_id", TEXT, "id of the record", required=True),
        _column("position", INT32, "0 for the first range of the record", required=True),
        _column("sha", TEXT, "revision whose line numbers these are, full hex", required=True),
        _column("path", TEXT, "inside the repository", required=True),
        _column("start_line", INT32, "first line, 1-based", required=True),
        _column("end_line", INT32, "last line, inclusive", required=True),
        _column("origin", TEXT, "ai | human", required=True),
        _column("tool", TEXT, "as sent; null when unnamed"),
        _column("model", TEXT, "as sent, e.g. vendor/model"),
        _column("recorded_at", TIME, "UTC, by the record"),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("record_id", "position"),
)

SIDE_COMMIT_PATHS = Table(
    "side_commit_paths",
    Schema.FACTS,
    "One path that a commit beside the mainline changes against its parent; merges have none.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "-> commits", required=True),
        _column("path", TEXT, "path; '' stands for a commit that changes nothing", required=True),
        _column("lines_added", INT, "lines; 0 for a binary file", required=True),
        _column("lines_deleted", INT, "lines, likewise", required=True),
    ),
    key=("repository", "sha", "path"),
)

MAINLINE = Table(
    "mainline",
    Schema.FACTS,
    "The first-parent history of the default branch: one row per change, oldest first.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("position", INT, "0 for the oldest", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column(
            "landed_at", TIME, "max(committer time, landing time of the first parent), UTC", required=True
        ),
    ),
    key=("repository", "position"),
)

CHANGE_PATHS = Table(
    "change_paths",
    Schema.FACTS,
    "One path that one mainline commit changes against its first parent.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("path", TEXT, "path after the change (before it, for a deletion)", required=True),
        _column("old_path", TEXT, "path before a rename; null otherwise"),
        _column("status", TEXT, "A added, M modified, D deleted, R renamed", required=True),
        _column("is_binary", BOOL, "git shows no lines for it", required=True),
        _column("is_generated", BOOL, "its new first lines say that a tool wrote it", required=True),
        _column("lines_added", INT, "lines", required=True),
        _column("lines_deleted", INT, "lines", required=True),
    ),
    key=("repository", "sha", "path"),
)

HUNKS = Table(
    "hunks",
    Schema.FACTS,
    "One hunk of the -U0 diff of one mainline commit against its first parent.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("path", TEXT, "path after the change", required=True),
        _column("position", INT32, "0 for the first hunk of the path", required=True),
        _column(
            "old_start", INT32, "first removed line, 1-based; the line before an insertion", required=True
        ),
        _column("old_count", INT32, "removed lines", required=True),
        _column("new_start", INT32, "first added line, 1-based", required=True),
        _column("new_count", INT32, "added lines", required=True),
        _column("heading", TEXT, "git's function context after the second @@; null when empty"),
        _column(
            "removed_digests",
            UINT64S,
            "per removed line: hash of its stripped text; 0 under 3 word characters",
            required=True,
        ),
        _column("added_digests", UINT64S, "per added line, likewise", required=True),
        _column(
            "tokens",
            TEXTS,
            "distinct identifiers and quoted literals of the changed lines, sorted, bounded",
            required=True,
        ),
    ),
    key=("repository", "sha", "path", "position"),
)

IGNORED_REVISIONS = Table(
    "ignored_revisions",
    Schema.FACTS,
    "What .git-blame-ignore-revs says from one mainline commit on; one row per change of that file.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("revisions", TEXTS, "commits that blame looks through, full hex, sorted", required=True),
    ),
    key=("repository", "sha"),
)

GIT_REVISIONS = Table(
    "git_revisions",
    Schema.FACTS,
    "What a revision text sent by telemetry or a deployment names (answer of RepositoryPort.resolve).",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("revision", TEXT, "as sent", required=True),
        _column(
            "service_names",
            TEXT,
            "by which tags may call the service that sent it, one a line",
            required=True,
        ),
        _column("sha", TEXT, "full hex; null when it names nothing"),
    ),
    key=("repository", "revision", "service_names"),
)

GIT_TREES = Table(
    "git_trees",
    Schema.FACTS,
    "All file paths of a revision (answer of RepositoryPort.tree).",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "full hex", required=True),
        _column("paths", TEXTS, "sorted", required=True),
    ),
    key=("repository", "sha"),
)

GIT_BLAMES = Table(
    "git_blames",
    Schema.FACTS,
    "Who last wrote a line at a revision (answer of RepositoryPort.blame); null columns: git had no answer.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "revision blamed", required=True),
        _column("path", TEXT, "path at that revision", required=True),
        _column("line", INT32, "1-based", required=True),
        _column("blamed_sha", TEXT, "commit that last wrote it"),
        _column("original_path", TEXT, "path in that commit"),
        _column("original_line", INT32, "line in that commit"),
    ),
    key=("repository", "sha", "path", "line"),
)

GIT_ANSWERS = Table(
    "git_answers",
    Schema.FACTS,
    "Answers of RepositoryPort.excerpt, .search, .branch and .diffs at a revision, as JSON.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "revision asked", required=True),
        _column("question", TEXT, "JSON array: verb and arguments", required=True),
        _column("answer", TEXT, "JSON", required=True),
    ),
    key=("repository", "sha", "question"),
)

# --- facts: intake --------------------------------------------------------------------------------

DELIVERIES = Table(
    "deliveries",
    Schema.FACTS,
    "One intake or webhook request, stored before it is understood.",
    (
        _column("source", TEXT, "generic | pagerduty | github | gitlab", required=True),
        _column("delivery_id", TEXT, "the sender's id, else SHA-256 of the body", required=True),
        _column(
            "noun",
            TEXT,
            "deployments | incidents | changes | reviews | artifacts | setting-changes | agent-traces | pagerduty | github "
            "| gitlab",
            required=True,
        ),
        _column("received_at", TIME, "UTC", required=True),
        _column("body", BLOB, "raw bytes", required=True),
        _column("refused", TEXT, "why it was not understood; null when it was"),
    ),
    key=("source", "delivery_id"),
)

DEPLOYMENTS = Table(
    "deployments",
    Schema.FACTS,
    "One deployment as last reported by its sender.",
    (
        _column("deployment_id", TEXT, "sender's id", required=True),
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "deployment.environment.name"),
        _column("version", TEXT, "as sent"),
        _column("revision", TEXT, "as sent"),
        _column("repository", TEXT, "as sent"),
        _column("artifact", TEXT, "image, digest or package URL, as sent"),
        _column("started_at", TIME, "UTC"),
        _column("finished_at", TIME, "UTC"),
        _column("type", TEXT, "deploy | rollback", required=True),
        _column("status", TEXT, "as sent, lower case; 'succeeded' when absent", required=True),
        _column("canary_until", TIME, "UTC; null when the deployment is no canary"),
        _column("extra", TEXT, "JSON object of the fields we do not know"),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("deployment_id",),
)

ARTIFACTS = Table(
    "artifacts",
    Schema.FACTS,
    "One build, as its pipeline told: which commit an image was made from.",
    (
        _column("artifact", TEXT, "sha256:..., or another name of schemas/artifact_names.py", required=True),
        _column("revision", TEXT, "as sent", required=True),
        _column("repository", TEXT, "as sent"),
        _column("service", TEXT, "service.name; null when several run it"),
        _column("version", TEXT, "version or build number, as sent"),
        _column("built_at", TIME, "UTC"),
        _column("extra", TEXT, "JSON object of the fields we do not know"),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("artifact", "revision"),
)

SETTING_CHANGES = Table(
    "setting_changes",
    Schema.FACTS,
    "One feature flag that was flipped, or one change of configuration without a commit, as told.",
    (
        _column("change_id", TEXT, "sender's id", required=True),
        _column("kind", TEXT, "flag | configuration", required=True),
        _column("key", TEXT, "of the flag or the setting", required=True),
        _column("value", TEXT, "variant or value that holds from then on"),
        _column("service", TEXT, "service.name; null: all"),
        _column("environment", TEXT, "deployment.environment.name; null: all"),
        _column("occurred_at", TIME, "UTC", required=True),
        _column("extra", TEXT, "JSON object of the fields we do not know"),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("change_id",),
)

INCIDENT_EVENTS = Table(
    "incident_events",
    Schema.FACTS,
    "One event of one incident; the state of an incident is the view `incidents` over these, by occurred_at.",
    (
        _column("source", TEXT, "generic | pagerduty", required=True),
        _column("external_id", TEXT, "the sender's incident id", required=True),
        _column("event", TEXT, "opened | updated | resolved", required=True),
        _column("occurred_at", TIME, "UTC", required=True),
        _column("title", TEXT, "as sent"),
        _column("service", TEXT, "service.name, or the sender's service"),
        _column("environment", TEXT, "as sent"),
        _column("severity", TEXT, "as sent, lower case"),
        _column("status", TEXT, "as sent, lower case"),
        _column("opened_at", TIME, "UTC"),
        _column("resolved_at", TIME, "UTC"),
        _column("trace_id", TEXT, "32 hex digits named by the sender"),
        _column("commit_sha", TEXT, "commit named by the sender"),
        _column("pull_request", TEXT, "pull request named by the sender"),
        _column("url", TEXT, "as sent"),
        _column("duplicate_of", TEXT, "external_id of the incident it repeats, when the sender says so"),
        _column("labels", TEXT, "JSON object"),
        _column("postmortem", TEXT, "text"),
        _column("extra", TEXT, "JSON object of the fields we do not know"),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("source", "external_id", "event", "occurred_at"),
)

CHANGE_REQUESTS = Table(
    "change_requests",
    Schema.FACTS,
    "One pull or merge request as last reported.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("number", INT, "pull or merge request number", required=True),
        _column("title", TEXT, "as sent"),
        _column("body", TEXT, "as sent"),
        _column("head_ref", TEXT, "branch name"),
        _column("merge_commit_sha", TEXT, "full hex"),
        _column("merge_method", TEXT, "merge | squash | rebase"),
        _column("created_at", TIME, "UTC"),
        _column("merged_at", TIME, "UTC"),
        _column("opened_by", TEXT, "login of the opener, as sent"),
        _column("labels", TEXTS, "as sent"),
        _column("extra", TEXT, "JSON object of the fields we do not know"),
        _column("received_at", TIME, "UTC", required=True),
        _column(
            "commits",
            TEXT,
            "JSON array of its own commits, {sha, message, author_name, author_email, committer_name, "
            "committer_email, authored_at, lines_added}; null when not told",
        ),
    ),
    key=("repository", "number"),
)

REVIEWS = Table(
    "reviews",
    Schema.FACTS,
    "One review of a pull or merge request, or one comment on it, as last reported. Who it was is not stored.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("number", INT, "pull or merge request number", required=True),
        _column("event_id", TEXT, "kind of thing and the forge's id of it", required=True),
        _column(
            "event",
            TEXT,
            "approved | changes_requested | commented | comment | dismissed | withdrawn",
            required=True,
        ),
        _column("occurred_at", TIME, "UTC", required=True),
        _column(
            "reviewer",
            TEXT,
            "tells reviewers of one request apart; another text in every request; null when not told",
        ),
        _column("is_opener", BOOL, "by whoever opened the request; null when not told"),
        _column("is_bot", BOOL, "by an app or a bot", required=True),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("repository", "number", "event_id"),
)

SERVICE_MAPPINGS = Table(
    "service_mappings",
    Schema.FACTS,
    "Where a service's code lives, stated by the operator.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("repository", TEXT, "-> repositories", required=True),
        _column("path", TEXT, "directory inside the repository; '' for its root", required=True),
        _column("stated_at", TIME, "UTC", required=True),
    ),
    key=("service",),
)

CODE_MAPPINGS = Table(
    "code_mappings",
    Schema.FACTS,
    "What the files in a service's stacks stand for in its repository, stated by the operator.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("prefix", TEXT, "what the file of a frame begins with", required=True),
        _column("path", TEXT, "what stands there in the repository; '' for its root", required=True),
        _column("stated_at", TIME, "UTC", required=True),
    ),
    key=("service", "prefix"),
)

SOURCE_MAPS = Table(
    "source_maps",
    Schema.FACTS,
    "One source map of a service's build, as its pipeline uploaded it.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("version", TEXT, "service.version of the build, or its revision", required=True),
        _column(
            "file",
            TEXT,
            "the generated file as stacks name it, without scheme, host and query",
            required=True,
        ),
        _column("content", BLOB, "the map's JSON, zstd", required=True),
        _column("content_sha256", TEXT, "hex, of the JSON", required=True),
        _column("byte_count", INT, "of the JSON", required=True),
        _column("received_at", TIME, "UTC", required=True),
    ),
    key=("service", "version", "file"),
)

# --- inferences -----------------------------------------------------------------------------------

COMMIT_PROVENANCE = Table(
    "commit_provenance",
    Schema.INFERENCES,
    "Who wrote a commit.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "-> commits", required=True),
        _column("origin", TEXT, "ai | human | automation | unknown", required=True),
        _column(
            "role",
            TEXT,
            "author | coauthor | assist | suggestion | message_only | review_only | none",
            required=True,
        ),
        _column("tools", TEXTS, "sorted", required=True),
        _column("models", TEXTS, "sorted", required=True),
        _column("confidence", TEXT, "A | B | C; null without evidence"),
        _column(
            "basis", TEXT, "declared | attested_lines | override | policy | automation | none", required=True
        ),
        _column("conflict", BOOL, "evidence speaks both ways", required=True),
        _column(
            "evidence",
            TEXT,
            "JSON array of {channel, kind, tool, model, role, confidence, matched_text, origin}",
            required=True,
        ),
        _column(
            "ai_lines",
            TEXT,
            "JSON array of {path, start, end, origin, tool} from a git-ai note or an Agent Trace record",
            required=True,
        ),
        _column("catalogue_version", TEXT, "version of the rule catalogue", required=True),
    ),
    key=("repository", "sha"),
)

CHANGES = Table(
    "changes",
    Schema.INFERENCES,
    "One change: what landed on the mainline as one unit, is deployed and counted.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("position", INT, "on the mainline, 0 for the oldest", required=True),
        _column("landed_at", TIME, "UTC", required=True),
        _column("subject", TEXT, "first line of the message", required=True),
        _column("number", INT, "pull or merge request number; null for a direct push"),
        _column("merge_method", TEXT, "merge | squash | direct", required=True),
        _column(
            "kind",
            TEXT,
            "feature | fix | revert | formatter | dependency | lockfile | docs | configuration",
            required=True,
        ),
        _column("kind_rule", TEXT, "which rule decided the kind", required=True),
        _column("is_code", BOOL, "counts in the headline: not formatter, lockfile, docs", required=True),
        _column(
            "commits",
            TEXTS,
            "non-merge commits that landed with it, the mainline commit included unless a merge",
            required=True,
        ),
        _column("origin", TEXT, "ai | mixed | human | automation | unknown", required=True),
        _column("ai_share", REAL, "share of added lines written by AI, 0..1; null when unmeasured"),
        _column("tools", TEXTS, "AI tools of its commits, sorted", required=True),
        _column(
            "suggesting_tools",
            TEXTS,
            "AI tools whose review hunks were accepted, sorted; never a reason for ai",
            required=True,
        ),
        _column("conflict", BOOL, "a declared No stands beside marks of AI", required=True),
        _column("confidence", TEXT, "of the origin: A | B | C; null without evidence"),
        _column(
            "origin_basis",
            TEXT,
            "declared | attested_lines | override | policy | automation | none",
            required=True,
        ),
        _column(
            "lines_added",
            INT,
            "lines of code files; generated, vendored and lock files left out",
            required=True,
        ),
        _column("lines_deleted", INT, "lines, likewise", required=True),
        _column("files_changed", INT, "paths", required=True),
        _column(
            "size_band", TEXT, "small (< 20 lines added + deleted) | medium (< 200) | large", required=True
        ),
        _column("reverts", TEXTS, "changes that it reverts, full hex", required=True),
        _column("fixes", TEXTS, "changes that it names as mended (Fixes: sha), full hex", required=True),
        _column("closes", TEXTS, "issues or incidents that its message closes, as written", required=True),
    ),
    key=("repository", "sha"),
)

DEATH_EDGES = Table(
    "death_edges",
    Schema.INFERENCES,
    "Lines of one change (victim) that a later change (killer) removed or replaced; moved lines do not die.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("killer", TEXT, "mainline commit", required=True),
        _column("victim", TEXT, "mainline commit; '' for lines older than the window", required=True),
        _column("path", TEXT, "path in the killer's parent", required=True),
        _column("lines", INT, "lines", required=True),
    ),
    key=("repository", "killer", "victim", "path"),
    is_kept=True,
)

LINES_WRITTEN = Table(
    "lines_written",
    Schema.INFERENCES,
    "Lines that one change wrote in one path, moved lines left out.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("path", TEXT, "path after the change", required=True),
        _column("lines_added", INT, "lines", required=True),
        _column("lines_moved", INT, "lines that kept their former owner", required=True),
    ),
    key=("repository", "sha", "path"),
    is_kept=True,
)

LINE_OWNERS = Table(
    "line_owners",
    Schema.INFERENCES,
    "Who owns each line of one live file at the last change that was replayed; kept from run to run.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("path", TEXT, "live path", required=True),
        _column(
            "owners",
            BLOB,
            "per line the mainline position of its owner, int32, -1 unknown; zlib",
            required=True,
        ),
    ),
    key=("repository", "path"),
    is_kept=True,
)

LINE_READS = Table(
    "line_reads",
    Schema.INFERENCES,
    "How far the mainline of one repository was replayed into line_owners, death_edges and lines_written.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("change_count", INT, "changes replayed, from the oldest", required=True),
        _column("last_sha", TEXT, "the last one replayed; '' for none", required=True),
        _column("rules", TEXT, "what else the result depends on: rules and ignored revisions", required=True),
    ),
    key=("repository",),
    is_kept=True,
)

CHANGE_REWORK = Table(
    "change_rework",
    Schema.INFERENCES,
    "What became of the lines of one change; production and test code, generated, vendored and lock files left out.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "-> changes", required=True),
        _column("observed_days", REAL, "days from landing to the end of the observed history", required=True),
        _column("lines_added", INT, "lines it wrote, moved lines left out", required=True),
        _column("lines_added_test", INT, "of those, in test code", required=True),
        _column(
            "lines_reworked_14d",
            INT,
            "of those, removed or replaced by a later change within 14 days",
            required=True,
        ),
        _column("lines_reworked_21d", INT, "within 21 days", required=True),
        _column("lines_reworked_30d", INT, "within 30 days", required=True),
        _column("lines_reworked_14d_test", INT, "of those within 14 days, in test code", required=True),
        _column("lines_reworked_21d_test", INT, "of those within 21 days, in test code", required=True),
        _column("lines_reworked_30d_test", INT, "of those within 30 days, in test code", required=True),
        _column(
            "lines_reworked_30d_same_author", INT, "of those, by a change of the same author", required=True
        ),
        _column("lines_fixed_30d", INT, "of the reworked, by a fix or a revert", required=True),
        _column("lines_alive_7d", INT, "lines alive 7 days after landing", required=True),
        _column("lines_alive_30d", INT, "30 days after", required=True),
        _column("lines_alive_90d", INT, "90 days after", required=True),
        _column("reverted_by", TEXT, "first change that reverts it; null when none"),
        _column("reverted_at", TIME, "UTC"),
    ),
    key=("repository", "sha"),
)

SERVICE_REPOSITORIES = Table(
    "service_repositories",
    Schema.INFERENCES,
    "Where a service's code lives, by the best statement or evidence at hand.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("repository", TEXT, "-> repositories; null when unknown"),
        _column("path", TEXT, "directory inside the repository; '' for its root", required=True),
        _column("basis", TEXT, "stated | telemetry | frames | settings | deployment", required=True),
    ),
    key=("service",),
)

RUNNING_REVISIONS = Table(
    "running_revisions",
    Schema.INFERENCES,
    "One interval in which a revision of a service ran in an environment.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("started_at", TIME, "UTC", required=True),
        _column("ended_at", TIME, "UTC; null for the newest"),
        _column("repository", TEXT, "-> repositories"),
        _column("revision", TEXT, "as sent"),
        _column("sha", TEXT, "full hex; null when the revision does not resolve"),
        _column("previous_sha", TEXT, "revision that ran before; null for the first"),
        _column("is_rollback", BOOL, "sha is an ancestor of previous_sha", required=True),
        _column("basis", TEXT, "spans | deployment | both", required=True),
        _column("deployment_id", TEXT, "-> deployments; null when only spans tell"),
    ),
    key=("service", "environment", "started_at"),
)

PLAUSIBLE_REVISIONS = Table(
    "plausible_revisions",
    Schema.INFERENCES,
    "One revision that may have run in an interval in which nothing names one; those of an interval sum to one.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("started_at", TIME, "UTC", required=True),
        _column("ended_at", TIME, "UTC", required=True),
        _column("rank", INT32, "1 for the likeliest", required=True),
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "-> changes", required=True),
        _column("probability", REAL, "0..1, rounded to 6 decimals", required=True),
        _column(
            "basis",
            TEXT,
            "what gives most of it: last_known | sister_services | own_, repository_, other_lead_times | custom",
            required=True,
        ),
    ),
    key=("service", "environment", "started_at", "rank"),
)

CHANGE_DEPLOYMENTS = Table(
    "change_deployments",
    Schema.INFERENCES,
    "The first time that a change ran in production in a service whose files it touches.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "-> changes", required=True),
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("deployed_at", TIME, "UTC", required=True),
        _column("deployment_sha", TEXT, "revision that carried it", required=True),
        _column("has_traces", BOOL, "the service sent spans while it ran", required=True),
        _column("has_revision", BOOL, "those spans carried a revision", required=True),
    ),
    key=("repository", "sha", "service", "environment"),
)

FAILING_TRACES = Table(
    "failing_traces",
    Schema.INFERENCES,
    "One trace in which something failed, with what is needed to know that more of it arrived.",
    (
        _column("trace_id", TRACE_ID, "16 bytes", required=True),
        _column(
            "first_ns",
            INT,
            "start of its first failing span or exception, ns since the Unix epoch",
            required=True,
        ),
        _column("last_ns", INT, "start of its last one", required=True),
        _column(
            "linked_trace_ids", TRACE_IDS, "traces that sent the messages at which it failed; null for none"
        ),
    ),
)

ROOT_CAUSES = Table(
    "root_causes",
    Schema.INFERENCES,
    "One root-cause span of a failing trace, and of a caller that gave up waiting also the SERVER that it waited for.",
    (
        _column("trace_id", TRACE_ID, "16 bytes", required=True),
        _column("span_id", UINT64, "8 bytes, big-endian", required=True),
        _column("failed_at", TIME, "start of the span, UTC", required=True),
        _column("shape_id", UINT64, "-> failure_shapes", required=True),
        _column("is_awaited", BOOL, "the SERVER that a caller waited for", required=True),
        _column(
            "awaited_ns", INT, "how long the SERVER took that a caller waited for; null where nobody waited"
        ),
        _column("resource_id", UINT64, "-> resources: on which instance it failed", required=True),
        _column(
            "alike_id",
            UINT64,
            "-> failure_minutes: the shapes that its trace failed in and the minute in which it began to; null when somebody "
            "waited in its trace, or it failed for a minute or longer",
        ),
    ),
)

FAILURE_MINUTES = Table(
    "failure_minutes",
    Schema.INFERENCES,
    "Root causes of one shape, in traces that began to fail in one minute, did for less than one, and failed in the same "
    "shapes. Where somebody waited, which root causes count is decided when they are read: those stand in root_causes alone.",
    (
        _column("shape_id", UINT64, "-> failure_shapes", required=True),
        _column("alike_id", UINT64, "hash of the shapes and the minute", required=True),
        _column("first_failed_at", TIME, "of the first of them, UTC", required=True),
        _column("last_failed_at", TIME, "of the last, UTC", required=True),
        _column("failure_count", INT, "root causes", required=True),
        _column("trace_count", INT, "traces; the same in every shape of them", required=True),
    ),
)

FAILURE_SHAPES = Table(
    "failure_shapes",
    Schema.INFERENCES,
    "Root causes that are alike in all that tells failures apart, by the first of them: lines of its stack included, "
    "ids in its message not.",
    (
        _column("shape_id", UINT64, "hash of what they have in common", required=True),
        _column("trace_id", TRACE_ID, "of the first", required=True),
        _column("span_id", UINT64, "of the first", required=True),
        _column("failed_at", TIME, "start of the first, UTC", required=True),
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("revision", TEXT, "vcs.ref.head.revision; else a name of the artifact that ran"),
        _column("service_version", TEXT, "service.version"),
        _column("repository_url", TEXT, "vcs.repository.url.full"),
        _column("sdk_language", TEXT, "telemetry.sdk.language"),
        _column("kind", INT32, "SpanKind", required=True),
        _column("name", TEXT, "span name", required=True),
        _column("http_request_method", TEXT, "of the first"),
        _column("http_route", TEXT, "of the first"),
        _column("http_response_status_code", INT, "of the first"),
        _column("url_path", TEXT, "of the first"),
        _column("server_address", TEXT, "of the first"),
        _column("db_system_name", TEXT, "of the first"),
        _column("db_collection_name", TEXT, "of the first"),
        _column("db_operation_name", TEXT, "of the first"),
        _column("db_response_status_code", TEXT, "of the first"),
        _column("rpc_system", TEXT, "of the first"),
        _column("rpc_service", TEXT, "of the first"),
        _column("rpc_method", TEXT, "of the first"),
        _column("rpc_grpc_status_code", INT, "of the first"),
        _column("messaging_destination_name", TEXT, "of the first"),
        _column("error_type", TEXT, "of the first"),
        _column("status_message", TEXT, "of the first"),
        _column("exception_type", TEXT, "of the first"),
        _column("exception_message", TEXT, "of the first"),
        _column("exception_stacktrace", TEXT, "of the first"),
        _column("is_partial", BOOL, "their traces lack their root span", required=True),
        _column("is_dependency_leaf", BOOL, "a call that left no span on the other side", required=True),
        _column("caller_services", TEXTS, "services above the root-cause span, sorted", required=True),
        _column(
            "upstream_is_garbage_client", BOOL, "a stranger sent what was rightly refused", required=True
        ),
        _column("entry_name", TEXT, "SERVER or CONSUMER span by which the work entered the service"),
        _column("callee_service", TEXT, "service on the other side of a failing call"),
        _column("is_handled", BOOL, "the service survived it: no failure of the service", required=True),
        _column("is_awaited", BOOL, "SERVERs that callers waited for", required=True),
        _column("awaited_service", TEXT, "service that was waited for; null where nobody waited"),
        _column("awaited_operation", TEXT, "its operation; null where nobody waited"),
    ),
)

CAUSE_READS = Table(
    "cause_reads",
    Schema.INFERENCES,
    "How far the facts were read for root causes. One row, or none before the first time.",
    (
        _column("rules", TEXT, "version of what makes root causes and shapes", required=True),
        _column("until", TIME, "spans and exceptions until then, UTC", required=True),
        _column("load_number", INT, "last load that was looked at", required=True),
        _column("unnumbered_count", INT, "spans and exceptions without a load, all looked at", required=True),
        _column("held_count", INT, "spans and exceptions that the store held then", required=True),
    ),
)

DRIFT_HOURS = Table(
    "drift_hours",
    Schema.INFERENCES,
    "One hour whose counts were looked through for drift.",
    (
        _column("hour_at", TIME, "its beginning, UTC", required=True),
        _column("digest", TEXT, "of its counts when it was looked through", required=True),
    ),
    key=("hour_at",),
    is_kept=True,
)

DRIFT_FINDINGS = Table(
    "drift_findings",
    Schema.INFERENCES,
    "One drift: a failure that raised no error, by its first day.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("detector", TEXT, "Detector", required=True),
        _column("subject", TEXT, "route, host, collection, operation or attribute key", required=True),
        _column(
            "aspect", TEXT, "attribute key, form of the data, or figures before and since", required=True
        ),
        _column("day_at", TIME, "beginning of the day of its onset, UTC", required=True),
        _column("onset_at", TIME, "first span that shows it, or begin of the revision, UTC", required=True),
        _column(
            "last_seen_at", TIME, "until when it was seen; at most two days are looked at", required=True
        ),
        _column("revision", TEXT, "that ran at the onset, as sent; null when absent"),
        _column("before_hits", INT, "hits before", required=True),
        _column("before_spans", INT, "spans (of calls: requests) before", required=True),
        _column("hits", INT, "hits since", required=True),
        _column("spans", INT, "spans (of calls: requests) since", required=True),
        _column("p_value", REAL, "chance of it without a change", required=True),
        _column(
            "trace_id", TEXT, "32 hex digits, a trace that shows it; '' when only counts do", required=True
        ),
        _column("span_id", TEXT, "16 hex digits; '' when only counts show it", required=True),
        _column("moments", TEXT, "JSON array of [begin_us, end_us, revision, count]", required=True),
    ),
)

DRIFT_READS = Table(
    "drift_reads",
    Schema.INFERENCES,
    "How far hours were looked through for drift. One row, or none before the first time.",
    (
        _column("rules", TEXT, "version of the detectors", required=True),
        _column("closed_at", TIME, "hours that ended until then, UTC", required=True),
        _column("received_at", TIME, "newest receipt among all hours then, UTC", required=True),
    ),
)

FAILURE_GROUPS = Table(
    "failure_groups",
    Schema.INFERENCES,
    "One failure: equal fingerprint, service and environment.",
    (
        _column("group_id", TEXT, "16 hex digits", required=True),
        _column("fingerprint", TEXT, "16 hex digits", required=True),
        _column("fingerprint_version", TEXT, "version of the rule", required=True),
        _column("fingerprint_parts", TEXT, "JSON: what contributed", required=True),
        _column("service", TEXT, "of the root-cause span", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("operation", TEXT, "route, rpc method or span name of the root-cause span", required=True),
        _column("title", TEXT, "type and message template, for people", required=True),
        _column("exception_type", TEXT, "null without an exception"),
        _column("message_template", TEXT, "message with ids and literals removed"),
        _column("category", TEXT, "FailureCategory", required=True),
        _column("categories", TEXT, "JSON array of {category, score, reason}, best first", required=True),
        _column("first_seen_at", TIME, "UTC", required=True),
        _column("last_seen_at", TIME, "UTC", required=True),
        _column("failing_trace_count", INT, "distinct traces", required=True),
        _column(
            "sample_trace_id",
            TEXT,
            "32 hex digits, the first failing trace; '' when only counts show it",
            required=True,
        ),
        _column("sample_span_id", TEXT, "16 hex digits, its root-cause span; '' as above", required=True),
        _column("repository", TEXT, "of the service; null when unknown"),
        _column("onset_sha", TEXT, "revision that ran when it was first seen; null when unknown"),
        _column("previous_sha", TEXT, "revision that ran before; null when unknown"),
        _column("is_partial", BOOL, "some of its traces lack their root span", required=True),
        _column("callers", TEXTS, "services above the root-cause span in its traces, sorted", required=True),
        _column("detector", TEXT, "Detector that found it; null for failing spans"),
    ),
    key=("group_id",),
)

GROUP_FRAMES = Table(
    "group_frames",
    Schema.INFERENCES,
    "One frame of the sample stack of a failure group, innermost first.",
    (
        _column("group_id", TEXT, "-> failure_groups", required=True),
        _column("position", INT32, "0 innermost of the root cause", required=True),
        _column("file", TEXT, "as written in the stack"),
        _column("function", TEXT, "as written in the stack"),
        _column("line", INT32, "1-based"),
        _column("in_app", BOOL, "resolves in the repository; null when unclear"),
        _column("path", TEXT, "path in the repository; null when unmapped"),
        _column(
            "mapping",
            TEXT,
            "how file became path; unmapped: generated code without a source map; null: no path",
        ),
        _column("blamed_sha", TEXT, "commit that last wrote the line at the running revision"),
        _column("blamed_change", TEXT, "mainline commit that it landed with"),
    ),
    key=("group_id", "position"),
)

SHAPE_GROUPS = Table(
    "shape_groups",
    Schema.INFERENCES,
    "Which failure group the root causes of one shape belong to.",
    (
        _column("shape_id", UINT64, "-> failure_shapes", required=True),
        _column("group_id", TEXT, "-> failure_groups", required=True),
    ),
    key=("shape_id",),
)

GROUP_SUSPECTS = Table(
    "group_suspects",
    Schema.INFERENCES,
    "One share of a failure group's mass; the weights of a group sum to one.",
    (
        _column("group_id", TEXT, "-> failure_groups", required=True),
        _column("rank", INT32, "1 for the heaviest", required=True),
        _column("candidate", TEXT, "change | flag | configuration | no_change | unattributed", required=True),
        _column("repository", TEXT, "of the change; null unless candidate = change"),
        _column("sha", TEXT, "-> changes; null unless candidate = change"),
        _column("setting", TEXT, "key = value; null unless candidate = flag or configuration"),
        _column("weight", REAL, "0..1, rounded to 6 decimals", required=True),
        _column("evidence", TEXT, "JSON array of {kind, log_lr, detail, facts}", required=True),
        _column("algorithm_version", TEXT, "version of the weights", required=True),
    ),
    key=("group_id", "rank"),
)

INCIDENT_LINKS = Table(
    "incident_links",
    Schema.INFERENCES,
    "How much of an incident one failure group explains.",
    (
        _column("incident_id", TEXT, "-> incidents", required=True),
        _column("group_id", TEXT, "-> failure_groups", required=True),
        _column("weight", REAL, "0..1; the links of an incident sum to at most one", required=True),
        _column("evidence", TEXT, "JSON array of {kind, detail}", required=True),
    ),
    key=("incident_id", "group_id"),
)

INCIDENT_ATTRIBUTIONS = Table(
    "incident_attributions",
    Schema.INFERENCES,
    "One share of an incident's mass; the weights of an incident sum to one.",
    (
        _column("incident_id", TEXT, "-> incidents", required=True),
        _column("rank", INT32, "1 for the heaviest", required=True),
        _column("candidate", TEXT, "change | flag | configuration | no_change | unattributed", required=True),
        _column("repository", TEXT, "of the change; null unless candidate = change"),
        _column("sha", TEXT, "-> changes; null unless candidate = change"),
        _column("setting", TEXT, "key = value; null unless candidate = flag or configuration"),
        _column("weight", REAL, "0..1, rounded to 6 decimals", required=True),
        _column("group_id", TEXT, "failure group that gave most of it; null when none"),
        _column("evidence", TEXT, "JSON array of {kind, log_lr, detail, facts}", required=True),
        _column("algorithm_version", TEXT, "version of the weights", required=True),
    ),
    key=("incident_id", "rank"),
)

INCIDENT_STATES = Table(
    "incident_states",
    Schema.INFERENCES,
    "One incident as of the correlation: its events folded, duplicates pointed at the first, category decided.",
    (
        _column("incident_id", TEXT, "source:external_id", required=True),
        _column("source", TEXT, "generic | pagerduty", required=True),
        _column("external_id", TEXT, "the sender's id", required=True),
        _column("title", TEXT, "newest title", required=True),
        _column("service", TEXT, "newest service"),
        _column("environment", TEXT, "newest environment"),
        _column("severity", TEXT, "newest severity"),
        _column("opened_at", TIME, "UTC", required=True),
        _column("resolved_at", TIME, "UTC; null while open"),
        _column("status", TEXT, "open | resolved", required=True),
        _column("duplicate_of", TEXT, "incident_id of the first of its kind; null when it is the first"),
        _column("is_false_alarm", BOOL, "nothing failed, or people said so", required=True),
        _column("category", TEXT, "FailureCategory", required=True),
        _column("category_reason", TEXT, "what decided it", required=True),
        _column(
            "detection_delay_s", REAL, "opened_at - first failing span, seconds; null when no group is linked"
        ),
        _column("url", TEXT, "as sent"),
        _column("labels", TEXT, "JSON object"),
    ),
    key=("incident_id",),
)

CHANGE_OUTCOMES = Table(
    "change_outcomes",
    Schema.INFERENCES,
    "One share of one outcome: who may have caused it. The weights of one (kind, outcome_id) sum to one.",
    (
        _column("kind", TEXT, "incident | failure_group | rollback | revert | hotfix", required=True),
        _column(
            "outcome_id",
            TEXT,
            "incident_id, group_id, deployment key, or sha of the revert or hotfix",
            required=True,
        ),
        _column("rank", INT32, "1 for the heaviest", required=True),
        _column("occurred_at", TIME, "UTC", required=True),
        _column("service", TEXT, "'' when it has none", required=True),
        _column("category", TEXT, "FailureCategory; 'unknown' where it has none", required=True),
        _column("severity", TEXT, "of an incident; null otherwise"),
        _column("candidate", TEXT, "change | flag | configuration | no_change | unattributed", required=True),
        _column("repository", TEXT, "of the change; null unless candidate = change"),
        _column("sha", TEXT, "-> changes; null unless candidate = change"),
        _column("weight", REAL, "0..1", required=True),
    ),
    key=("kind", "outcome_id", "rank"),
)

DEPLOYMENT_OUTCOMES = Table(
    "deployment_outcomes",
    Schema.INFERENCES,
    "One production deployment and whether it needed immediate intervention (DORA).",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("environment", TEXT, "'' when not sent", required=True),
        _column("deployed_at", TIME, "UTC", required=True),
        _column("deployment_id", TEXT, "-> deployments; null when only spans tell"),
        _column("sha", TEXT, "revision; null when unknown"),
        _column("is_rollback", BOOL, "puts an older revision back", required=True),
        _column(
            "is_failed",
            BOOL,
            "followed by a rollback, a revert, a hotfix or an incident that links to its range",
            required=True,
        ),
        _column("is_unplanned", BOOL, "made to mend an incident: a rollback or a hotfix", required=True),
        _column(
            "recovered_at",
            TIME,
            "next deployment that mended it, or the incident's end; null when none or not failed",
        ),
        _column("change_count", INT, "changes that it carried first", required=True),
        _column(
            "lead_time_s",
            REAL,
            "median of deployed_at - landed_at over those changes, seconds; null when none",
        ),
    ),
    key=("service", "environment", "deployed_at"),
)

CORRELATION_RUNS = Table(
    "correlation_runs",
    Schema.INFERENCES,
    "The last correlation: what it read, under which rules, and the digest of what it wrote.",
    (
        _column("as_of", TIME, "facts that occurred until then, UTC", required=True),
        _column("facts_digest", TEXT, "SHA-256 over what it read", required=True),
        _column(
            "rules", TEXT, "JSON: versions of catalogue, fingerprint, categories, weights", required=True
        ),
        _column("inferences_digest", TEXT, "SHA-256 over every other inference table", required=True),
    ),
    key=("as_of",),
)

# --- ledger ---------------------------------------------------------------------------------------

TOKENS = Table(
    "tokens",
    Schema.LEDGER,
    "One bearer token, as a hash.",
    (
        _column("token_id", TEXT, "8 hex digits, the public part", required=True),
        _column("name", TEXT, "for people", required=True),
        _column("scope", TEXT, "admin | read | intake | ingest", required=True),
        _column("secret_sha256", TEXT, "hex", required=True),
        _column("created_at", TIME, "UTC", required=True),
        _column("expires_at", TIME, "UTC; null: never"),
        _column("revoked_at", TIME, "UTC"),
        _column("last_used_at", TIME, "UTC, to the hour"),
    ),
    key=("token_id",),
)

AUDIT = Table(
    "audit",
    Schema.LEDGER,
    "Who changed what through the API or the command line. Never a secret.",
    (
        _column("happened_at", TIME, "UTC", required=True),
        _column("token_id", TEXT, "-> tokens; 'local' for the command line without a server", required=True),
        _column("action", TEXT, "verb", required=True),
        _column("object", TEXT, "what it was done to", required=True),
        _column("request_id", TEXT, "of the HTTP request"),
    ),
)

VERDICTS = Table(
    "verdicts",
    Schema.LEDGER,
    "What a person decided about an incident; the newest wins, the machine's answer is kept beside it.",
    (
        _column("incident_id", TEXT, "-> incident_states", required=True),
        _column("decided_at", TIME, "UTC", required=True),
        _column("candidate", TEXT, "change | no_change", required=True),
        _column("sha", TEXT, "full hex; null unless candidate = change"),
        _column("token_id", TEXT, "-> tokens", required=True),
        _column("reason", TEXT, "text"),
    ),
    key=("incident_id", "decided_at"),
)

SAID_ATTRIBUTIONS = Table(
    "said_attributions",
    Schema.LEDGER,
    "What was said of an incident or a failure group until the next version said otherwise. Never rewritten.",
    (
        _column("subject", TEXT, "incident | group", required=True),
        _column("subject_id", TEXT, "incident_id or group_id", required=True),
        _column("version", INT32, "1 for the first answer", required=True),
        _column("said_at", TIME, "as of when: the correlation that said so, UTC", required=True),
        _column(
            "candidates",
            TEXT,
            "JSON array of {candidate, repository, sha, weight, evidence [{kind, log_lr, detail}]}, heaviest first",
            required=True,
        ),
        _column("is_false_alarm", BOOL, "null for a group"),
        _column("duplicate_of", TEXT, "incident that it was held to repeat"),
        _column("category", TEXT, "FailureCategory; null for a group"),
        _column(
            "groups", TEXTS, "failure groups that explained it, by a tenth or more, sorted", required=True
        ),
        _column("reasons", TEXT, "JSON array of {kind, sha, text}: what had changed", required=True),
        _column("algorithm_version", TEXT, "version of the weights", required=True),
        _column("facts_digest", TEXT, "of the facts that it was said by", required=True),
    ),
    key=("subject", "subject_id", "version"),
)

GROUPINGS = Table(
    "groupings",
    Schema.LEDGER,
    "What a person decided about a fingerprint: that it is another one's failure, or several; the newest wins.",
    (
        _column("service", TEXT, "service.name", required=True),
        _column("fingerprint", TEXT, "16 hex digits", required=True),
        _column("fingerprint_version", TEXT, "version of the rule that made it", required=True),
        _column("decided_at", TIME, "UTC", required=True),
        _column("decision", TEXT, "merge | split | undo", required=True),
        _column("into_fingerprint", TEXT, "whose failure it is; null unless decision = merge"),
        _column("split_by", TEXT, "message | operation; null unless decision = split"),
        _column("token_id", TEXT, "-> tokens", required=True),
        _column("reason", TEXT, "text"),
    ),
    key=("service", "fingerprint", "decided_at"),
)

PROVENANCE_OVERRIDES = Table(
    "provenance_overrides",
    Schema.LEDGER,
    "What a person states about who wrote a commit, or (of a merge) its change; the newest holds, none is deleted.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "commit, full hex", required=True),
        _column("stated_at", TIME, "UTC", required=True),
        _column("origin", TEXT, "ai | human | automation | unknown; null takes the statement back"),
        _column("tools", TEXTS, "AI tools, sorted; empty unless ai", required=True),
        _column("reason", TEXT, "text"),
        _column("token_id", TEXT, "-> tokens; 'local' for the command line without a server", required=True),
    ),
    key=("repository", "sha", "stated_at"),
)

FORMER_PROVENANCE = Table(
    "former_provenance",
    Schema.LEDGER,
    "The verdict on a commit by an earlier version of the rule catalogue, as it stood when a newer one replaced it.",
    (
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "-> commits", required=True),
        _column("catalogue_version", TEXT, "by which it was made", required=True),
        _column("origin", TEXT, "as in commit_provenance", required=True),
        _column("role", TEXT, "likewise", required=True),
        _column("tools", TEXTS, "likewise", required=True),
        _column("models", TEXTS, "likewise", required=True),
        _column("confidence", TEXT, "likewise"),
        _column("basis", TEXT, "likewise", required=True),
        _column("conflict", BOOL, "likewise", required=True),
        _column("evidence", TEXT, "likewise", required=True),
    ),
    key=("repository", "sha", "catalogue_version"),
)

PROVENANCE_AUDITS = Table(
    "provenance_audits",
    Schema.LEDGER,
    "One change drawn for people to say who wrote it; what the tags said then, and how many changes it stands for.",
    (
        _column("audit_id", TEXT, "8 hex digits", required=True),
        _column("drawn_at", TIME, "UTC", required=True),
        _column("position", INT32, "in the order to label, 0 for the first", required=True),
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("stratum", TEXT, "what it was drawn from, e.g. ai-A or unknown", required=True),
        _column("stratum_size", INT, "changes in that stratum", required=True),
        _column("stratum_drawn", INT, "of them, drawn", required=True),
    ),
    key=("audit_id", "position"),
)

PROVENANCE_LABELS = Table(
    "provenance_labels",
    Schema.LEDGER,
    "What a person said of a drawn change; the newest holds.",
    (
        _column("audit_id", TEXT, "-> provenance_audits", required=True),
        _column("repository", TEXT, "-> repositories", required=True),
        _column("sha", TEXT, "mainline commit", required=True),
        _column("labelled_at", TIME, "UTC", required=True),
        _column("label", TEXT, "ai (some or all of its added lines) | other | unsure", required=True),
        _column("token_id", TEXT, "-> tokens; 'local' for the command line without a server", required=True),
    ),
    key=("audit_id", "repository", "sha", "labelled_at"),
)

REPORTS = Table(
    "reports",
    Schema.LEDGER,
    "One revision of one weekly report, as published. Never rewritten.",
    (
        _column("week", TEXT, "ISO week, e.g. 2026-W47", required=True),
        _column("revision", INT32, "1 for the first", required=True),
        _column("published_at", TIME, "UTC", required=True),
        _column("digest", TEXT, "SHA-256 of document", required=True),
        _column("document", TEXT, "the report as JSON", required=True),
    ),
    key=("week", "revision"),
)

REPORT_RUNS = Table(
    "report_runs",
    Schema.LEDGER,
    "Guard: one scheduled report per period, whoever fires it.",
    (
        _column("kind", TEXT, "weekly", required=True),
        _column("period", TEXT, "ISO week", required=True),
        _column("run_at", TIME, "UTC", required=True),
    ),
    key=("kind", "period"),
)

ALL: tuple[Table, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Table))
"""Every table, in the order of declaration."""


def of(schema: Schema) -> tuple[Table, ...]:
    """The tables of one schema, in the order of declaration."""
    return tuple(t for t in ALL if t.schema is schema)

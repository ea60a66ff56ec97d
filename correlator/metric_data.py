"""What metrics read, as Arrow tables, and the same as arrays in one canonical order.

The order of rows in the tables never matters: every table is sorted by its key before anything is counted or drawn,
and the digest of the arrays seeds the draws. The arrays are made once per :class:`MetricData` and kept.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from correlator import metric_teams
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.ratios import ASSUMED, TagErrors
from schemas.vocabulary import Review

NEVER = 2**62
"""Microseconds since the epoch beyond any window: a null time."""
DAY_US = 86_400_000_000
_SEPARATOR = "\x1f"
_LATER = ("models", "teams", "review", "lines_deleted")
_CHANGE_COLUMNS = [
    "repository",
    "sha",
    "landed_at",
    "deployed_at",
    "kind",
    "size_band",
    "origin",
    "origin_basis",
    "ai_share",
    "lines_added",
    "lines_deleted",
    "is_code",
    "services",
    "tools",
    "has_traces",
    "has_revision",
]


@dataclass(frozen=True, slots=True)
class Names:
    """A column of names as codes into a sorted list; null is the empty name."""

    codes: IntArray
    names: tuple[str, ...]

    def code(self, name: str) -> int:
        """Code of ``name``, -1 when no row has it."""
        return self.names.index(name) if name in self.names else -1

    def among(self, wanted: tuple[str, ...]) -> BoolArray:
        """Rows whose name is one of ``wanted``."""
        return np.isin(self.codes, [self.code(name) for name in wanted if name in self.names])


@dataclass(frozen=True, slots=True)
class NameLists:
    """A column of lists of names: ``codes[starts[i]:starts[i + 1]]`` belong to row i."""

    codes: IntArray
    starts: IntArray
    names: tuple[str, ...]

    @property
    def counts(self) -> IntArray:
        return np.diff(self.starts)

    def holding(self, wanted: tuple[str, ...]) -> BoolArray:
        """Rows whose list holds one of ``wanted``; the empty name stands for an empty list."""
        codes = [self.names.index(name) for name in wanted if name in self.names]
        hits = np.r_[0, np.cumsum(np.isin(self.codes, codes))]
        found: BoolArray = hits[self.starts[1:]] > hits[self.starts[:-1]]
        return found | (self.counts == 0) if "" in wanted else found

    def holds(self, rows: IntArray, codes: IntArray) -> BoolArray:
        """Whether the list of each of ``rows`` (-1 and beyond: no list) holds the code beside it."""
        found = np.zeros(rows.size, dtype=bool)
        known = np.flatnonzero((rows >= 0) & (rows < self.counts.size))
        at, ends, wanted = self.starts[rows[known]], self.starts[rows[known] + 1], codes[known]
        # Lists are short: each round looks at the next place of those that have one left.
        while known.size:
            is_left = at < ends
            known, at, ends, wanted = known[is_left], at[is_left], ends[is_left], wanted[is_left]
            found[known] |= self.codes[at] == wanted
            at = at + 1
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Changes ordered by repository and sha. Times are microseconds since the epoch, :data:`NEVER` for null."""

    key: pa.Array
    repository: Names
    landed_at: IntArray
    deployed_at: IntArray
    kind: Names
    size_band: Names
    origin: Names
    ai_share: FloatArray
    lines_added: IntArray
    lines_deleted: IntArray
    is_code: BoolArray
    is_assumed: BoolArray
    services: NameLists
    tools: NameLists
    models: NameLists
    teams: NameLists
    review: Names
    has_traces: BoolArray
    has_revision: BoolArray

    @property
    def count(self) -> int:
        return int(self.landed_at.size)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Shares of outcomes, ordered by kind, outcome and rank. ``change``: index into :class:`Changes` or -1."""

    kind: Names
    outcome: IntArray
    outcome_id: Names
    occurred_at: IntArray
    service: Names
    category: Names
    severity: Names
    candidate: Names
    change: IntArray
    weight: FloatArray
    is_void: BoolArray


@dataclass(frozen=True, slots=True)
class Rework:
    """Line counts per change, aligned with :class:`Changes`; ``observed_days`` is nan for changes without a row."""

    observed_days: FloatArray
    lines_added: IntArray
    reworked: Mapping[int, IntArray]
    lines_fixed: IntArray
    reverted_at: IntArray
    alive: Mapping[int, IntArray]


@dataclass(frozen=True, slots=True)
class Reviews:
    """How each change was reviewed before it landed, aligned with :class:`Changes`; others than the opener, no bots.

    What was said in the end is ``Changes.review``. Where that is unknown counts are 0 and times :data:`NEVER`.
    """

    opened_at: IntArray
    approved_at: IntArray
    approval_count: IntArray
    comment_count: IntArray


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests that services answered, per service and UTC day. ``is_known``: sampling is known for all of them."""

    service: Names
    day_at: IntArray
    count: FloatArray
    is_known: BoolArray


@dataclass(frozen=True, slots=True)
class Deployments:
    """Production deployments ordered by service, environment and time."""

    service: Names
    deployed_at: IntArray
    is_rollback: BoolArray
    is_failed: BoolArray
    is_unplanned: BoolArray
    recovered_at: IntArray


@dataclass(frozen=True, slots=True)
class Incidents:
    """Incidents ordered by id. ``is_void``: a false alarm, or a duplicate of another."""

    incident_id: Names
    service: Names
    category: Names
    severity: Names
    opened_at: IntArray
    resolved_at: IntArray
    detection_delay_s: FloatArray
    is_void: BoolArray


@dataclass(frozen=True)
class MetricData:
    """Everything that metrics read, as of one moment. Times in the tables are UTC without a zone.

    ``changes``: the columns of ``changes`` + ``deployed_at`` (first production deployment; null: never seen
    deployed), ``services`` (sorted), ``has_traces``, ``has_revision`` and, where known, ``models`` (sorted). ``outcomes``, ``rework``, ``incidents``:
    the columns of ``change_outcomes``, ``change_rework``, ``incident_states``. ``deployments``:
    ``deployment_outcomes`` of production. ``repositories_policy``: since when unmarked commits of a repository are
    stated to be human; None: not stated. ``reviews``: per change ``repository``, ``sha``, ``verdict``, ``opened_at``,
    ``approved_at``, ``approval_count``, ``comment_count``; None: no forge tells of reviews. ``requests``: ``service``,
    ``day_at``, ``request_count``, ``is_known``; None: not counted. ``teams``: see ``correlator/metric_teams.py``.
    """

    changes: pa.Table
    outcomes: pa.Table
    rework: pa.Table
    deployments: pa.Table
    incidents: pa.Table
    as_of: datetime
    repositories_policy: Mapping[str, datetime | None] = field(default_factory=dict)
    tag_errors: TagErrors = ASSUMED
    has_sampled_traces: bool = False
    reviews: pa.Table | None = None
    requests: pa.Table | None = None
    teams: metric_teams.Teams = field(default_factory=dict)

    @cached_property
    def change_columns(self) -> Changes:
        has_models = "models" in self.changes.column_names
        read = self.changes.select([*_CHANGE_COLUMNS, *(["models"] if has_models else [])])
        table = _sorted(read, "repository", "sha")
        services = _name_lists(table["services"])
        return Changes(
            key=(key := _key(table)),
            repository=_names(table["repository"]),
            landed_at=_times(table["landed_at"]),
            deployed_at=_times(table["deployed_at"]),
            kind=_names(table["kind"]),
            size_band=_names(table["size_band"]),
            origin=_names(table["origin"]),
            ai_share=_floats(table["ai_share"]),
            lines_added=_ints(table["lines_added"]),
            lines_deleted=_ints(table["lines_deleted"]),
            is_code=_bools(table["is_code"]),
            is_assumed=_equal(table["origin_basis"], "policy"),
            services=services,
            tools=_name_lists(table["tools"]),
            models=_name_lists(table["models"]) if has_models else _no_lists(table.num_rows),
            teams=_owners(self.teams, _names(table["repository"]), services),
            review=_verdicts(self.reviews, key),
            has_traces=_bools(table["has_traces"]),
            has_revision=_bools(table["has_revision"]),
        )

    @cached_property
    def outcome_columns(self) -> Outcomes:
        table = _sorted(self.outcomes, "kind", "outcome_id", "rank")
        kind, outcome_id = _names(table["kind"]), _names(table["outcome_id"])
        pair = kind.codes * max(len(outcome_id.names), 1) + outcome_id.codes
        new = np.r_[True, pair[1:] != pair[:-1]] if pair.size else np.zeros(0, bool)
        void = self.incident_columns
        void_names = {
            n
            for n, v in zip(void.incident_id.names, _by_name(void.incident_id, void.is_void), strict=True)
            if v
        }
        void_codes = [i for i, n in enumerate(outcome_id.names) if n in void_names]
        return Outcomes(
            kind=kind,
            outcome=np.cumsum(new).astype(np.int64) - 1,
            outcome_id=outcome_id,
            occurred_at=_times(table["occurred_at"]),
            service=_names(table["service"]),
            category=_names(table["category"]),
            severity=_names(table["severity"]),
            candidate=_names(table["candidate"]),
            change=_positions(_key(table), self.change_columns.key),
            weight=np.clip(np.nan_to_num(_floats(table["weight"])), 0.0, 1.0),
            is_void=(kind.codes == kind.code("incident")) & np.isin(outcome_id.codes, void_codes),
        )

    @cached_property
    def rework_columns(self) -> Rework:
        table = _sorted(self.rework, "repository", "sha")
        at = _positions(self.change_columns.key, _key(table))
        present = at >= 0

        def aligned(column: str) -> IntArray:
            values = _ints(table[column])
            return np.where(present, values[at], 0) if values.size else np.zeros(at.size, np.int64)

        observed = _floats(table["observed_days"])
        reverted = _times(table["reverted_at"])
        none = not observed.size
        return Rework(
            observed_days=np.full(at.size, np.nan) if none else np.where(present, observed[at], np.nan),
            lines_added=aligned("lines_added"),
            reworked={d: aligned(f"lines_reworked_{d}d") for d in (14, 21, 30)},
            lines_fixed=aligned("lines_fixed_30d"),
            reverted_at=np.full(at.size, NEVER) if none else np.where(present, reverted[at], NEVER),
            alive={d: aligned(f"lines_alive_{d}d") for d in (7, 30, 90)},
        )

    @cached_property
    def review_columns(self) -> Reviews:
        changes = self.change_columns
        if self.reviews is None or not self.reviews.num_rows:
            nothing, never = np.zeros(changes.count, np.int64), np.full(changes.count, NEVER)
            return Reviews(never, never, nothing, nothing)
        at = _positions(changes.key, _key(self.reviews))
        present = at >= 0
        return Reviews(
            *(
                np.where(present, _times(self.reviews[name])[at], NEVER)
                for name in ("opened_at", "approved_at")
            ),
            *(
                np.where(present, _ints(self.reviews[name])[at], 0)
                for name in ("approval_count", "comment_count")
            ),
        )

    @cached_property
    def request_columns(self) -> Requests:
        if self.requests is None:
            empty = np.zeros(0, np.int64)
            return Requests(Names(empty, ()), empty, np.zeros(0), np.zeros(0, bool))
        table = _sorted(self.requests, "service", "day_at")
        return Requests(
            service=_names(table["service"]),
            day_at=_times(table["day_at"]),
            count=_floats(table["request_count"]),
            is_known=_bools(table["is_known"]),
        )

    @cached_property
    def team_of_service(self) -> Mapping[str, str]:
        """The team of each service: the first that owns it by name, else the first that owns changes that ran in it."""
        changes = self.change_columns
        names = {
            *self.deployment_columns.service.names,
            *self.incident_columns.service.names,
            *changes.services.names,
        }
        by_change: dict[str, str] = {}
        if changes.teams.codes.size:
            first = changes.teams.codes[np.minimum(changes.teams.starts[:-1], changes.teams.codes.size - 1)]
            owner = np.repeat(np.arange(changes.count), changes.services.counts)
            owned = changes.teams.counts[owner] > 0
            for code, team in np.unique(
                np.column_stack([changes.services.codes[owned], first[owner[owned]]]), axis=0
            ):
                by_change.setdefault(changes.services.names[code], changes.teams.names[team])
        ordered = sorted(names)
        stated = metric_teams.of_services(self.teams, ordered)
        return {
            name: teams[0] if teams else by_change.get(name, "")
            for name, teams in zip(ordered, stated, strict=True)
        }

    @cached_property
    def deployment_columns(self) -> Deployments:
        table = _sorted(self.deployments, "service", "environment", "deployed_at")
        return Deployments(
            service=_names(table["service"]),
            deployed_at=_times(table["deployed_at"]),
            is_rollback=_bools(table["is_rollback"]),
            is_failed=_bools(table["is_failed"]),
            is_unplanned=_bools(table["is_unplanned"]),
            recovered_at=_times(table["recovered_at"]),
        )

    @cached_property
    def incident_columns(self) -> Incidents:
        table = _sorted(self.incidents, "incident_id")
        duplicate = np.asarray(pc.is_valid(table["duplicate_of"].combine_chunks()), dtype=bool)
        return Incidents(
            incident_id=_names(table["incident_id"]),
            service=_names(table["service"]),
            category=_names(table["category"]),
            severity=_names(table["severity"]),
            opened_at=_times(table["opened_at"]),
            resolved_at=_times(table["resolved_at"]),
            detection_delay_s=_floats(table["detection_delay_s"]),
            is_void=duplicate | _bools(table["is_false_alarm"]),
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all that is read, in canonical order: equal data, equal digest.

        ``as_of`` is not part of it: the clock alone must not change a digit.
        """
        total = hashlib.sha256()
        for columns in (
            self.change_columns,
            self.outcome_columns,
            self.rework_columns,
            self.deployment_columns,
            self.incident_columns,
        ):
            for name in type(columns).__slots__:
                if name not in _LATER:
                    _feed(total, getattr(columns, name))
        # What a company may not have is fed where it is there: the draws of the others stay what they were.
        changes = self.change_columns
        for name in ("models", "teams", "review"):
            if getattr(changes, name).codes.any() or len(getattr(changes, name).names) > 1:
                total.update(name.encode())
                _feed(total, getattr(changes, name))
        if changes.lines_deleted.any():
            _feed(total, changes.lines_deleted)
        if self.reviews is not None and self.reviews.num_rows:
            for name in Reviews.__slots__:
                _feed(total, getattr(self.review_columns, name))
        if self.requests is not None and self.requests.num_rows:
            for name in Requests.__slots__:
                _feed(total, getattr(self.request_columns, name))
        total.update(repr((self.tag_errors, self.has_sampled_traces)).encode())
        policy = sorted((k, v.isoformat() if v else "") for k, v in self.repositories_policy.items())
        total.update(repr(policy).encode())
        return total.hexdigest()


def _feed(total: "hashlib._Hash", value: object) -> None:
    if isinstance(value, Names | NameLists):
        total.update(_SEPARATOR.join(value.names).encode())
        total.update(value.codes.tobytes())
        if isinstance(value, NameLists):
            total.update(value.starts.tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value):
            _feed(total, value[key])
    elif isinstance(value, np.ndarray):
        total.update(np.ascontiguousarray(value).tobytes())
    else:
        total.update("\n".join(value.to_pylist()).encode())  # type: ignore[attr-defined]


def _sorted(table: pa.Table, *keys: str) -> pa.Table:
    return table.take(pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys]))


def _one(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.cast(combined.type.value_type) if pa.types.is_dictionary(combined.type) else combined


def _key(table: pa.Table) -> pa.Array:
    text = [_one(table[name]).cast(pa.large_string()) for name in ("repository", "sha")]
    return pc.binary_join_element_wise(*text, pa.scalar(_SEPARATOR, pa.large_string()))


def _positions(keys: pa.Array, among: pa.Array) -> IntArray:
    """Index of each of ``keys`` in ``among``, -1 when absent or null."""
    found = pc.fill_null(pc.index_in(keys, value_set=among, skip_nulls=True), -1)
    return np.asarray(found, dtype=np.int64)


def _names(column: pa.ChunkedArray) -> Names:
    filled = pc.fill_null(_one(column).cast(pa.string()), "")
    codes, names = _coded(filled)
    return Names(codes, names)


def _coded(values: pa.Array) -> tuple[IntArray, tuple[str, ...]]:
    encoded = values.dictionary_encode()
    found: list[str] = encoded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found), np.int64)
    rank[order] = np.arange(len(found))
    indices = np.asarray(encoded.indices, dtype=np.int64)
    return (rank[indices] if len(found) else indices), tuple(found[i] for i in order)


def _name_lists(column: pa.ChunkedArray) -> NameLists:
    lists = column.combine_chunks()
    counts = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), dtype=np.int64)
    codes, names = _coded(pc.list_flatten(lists).cast(pa.string()))
    starts = np.r_[0, np.cumsum(counts)].astype(np.int64)
    order = np.lexsort((codes, np.repeat(np.arange(counts.size), counts)))
    return NameLists(codes[order], starts, names)


def _verdicts(reviews: pa.Table | None, keys: pa.Array) -> Names:
    """What reviewers said in the end of each change of ``keys``; unknown where nothing is told."""
    unknown = Review.UNKNOWN.value
    if reviews is None or not reviews.num_rows:
        return Names(np.zeros(len(keys), np.int64), (unknown,))
    said = _names(reviews["verdict"])
    names = tuple(sorted({*said.names, unknown}))
    place = np.array([names.index(name) for name in said.names], np.int64)[said.codes]
    at = _positions(keys, _key(reviews))
    return Names(np.where(at >= 0, place[at], names.index(unknown)), names)


def _no_lists(count: int) -> NameLists:
    return NameLists(np.zeros(0, np.int64), np.zeros(count + 1, np.int64), ())


def _owners(teams: metric_teams.Teams, repository: Names, services: NameLists) -> NameLists:
    """Teams of each change: those that own its repository, and those that own a service in which it ran."""
    count = repository.codes.size
    if not teams:
        return _no_lists(count)
    names = tuple(sorted(teams))
    of_service = np.repeat(np.arange(count), services.counts)
    pairs = [
        _owned(
            np.arange(count), repository.codes, metric_teams.of_repositories(teams, repository.names), names
        ),
        _owned(of_service, services.codes, metric_teams.of_services(teams, services.names), names),
    ]
    change, team = np.divmod(np.unique(np.concatenate(pairs)), len(names))
    starts = np.r_[0, np.cumsum(np.bincount(change, minlength=count))].astype(np.int64)
    return NameLists(team.astype(np.int64), starts, names)


def _owned(
    change: IntArray, code: IntArray, owners: list[tuple[str, ...]], names: tuple[str, ...]
) -> IntArray:
    """change x teams + team for each team that owns what ``code`` names."""
    found = [np.zeros(0, np.int64)]
    for k, listed in enumerate(owners):
        found += [change[code == k] * len(names) + names.index(team) for team in listed]
    return np.concatenate(found)


def _times(column: pa.ChunkedArray) -> IntArray:
    micro = pc.cast(_one(column), pa.timestamp("us", tz=column.type.tz), safe=False)
    return np.asarray(pc.fill_null(micro.cast(pa.int64()), NEVER), dtype=np.int64)


def _floats(column: pa.ChunkedArray) -> FloatArray:
    return np.asarray(pc.fill_null(_one(column).cast(pa.float64()), float("nan")), dtype=np.float64)


def _ints(column: pa.ChunkedArray) -> IntArray:
    return np.asarray(pc.fill_null(_one(column).cast(pa.int64()), 0), dtype=np.int64)


def _bools(column: pa.ChunkedArray) -> BoolArray:
    return np.asarray(pc.fill_null(_one(column).cast(pa.bool_()), False), dtype=bool)


def _equal(column: pa.ChunkedArray, name: str) -> BoolArray:
    return np.asarray(pc.fill_null(pc.equal(_one(column).cast(pa.string()), name), False), dtype=bool)


def _by_name(names: Names, values: BoolArray) -> BoolArray:
    found = np.zeros(len(names.names), dtype=bool)
    np.logical_or.at(found, names.codes, values)
    return found

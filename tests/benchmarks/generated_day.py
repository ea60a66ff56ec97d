"""A day of telemetry of fifty services, written straight into the store: a million spans in seconds.

Ten spans to a trace, one trace in twenty fails in two of them: one span in a hundred. A failure is one of 2,000 kinds,
each with its service, route, exception and stack in the code of a generated repository; no two messages are equal.
"""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from benchmarks.generated_history import GeneratedHistory

from api.installation import Installation
from collector import walk
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store

NAME = "acme/shop"
STARTS_AT = datetime(2026, 3, 2, tzinfo=UTC)
DAY_SPANS = 20_000_000
KINDS = 2_000
SERVICES = 50
SPANS_PER_TRACE = 10
_LOAD_TRACES = 20_000
_FRAMES = 12
_DAY_US = 86_400_000_000

_SPANS = """
    INSERT INTO facts.spans BY NAME
    WITH traces AS (
        SELECT
            i,
            md5('t' || i)::UUID AS trace_id,
            hash('kind' || i) % $kinds::UBIGINT AS kind_of_failure,
            hash(i, 1) % 20 = 0 AS is_failing,
            $start_us::BIGINT + (i * $step_us::DOUBLE)::BIGINT AS at_us
        FROM range($first::BIGINT, $last::BIGINT) AS numbers(i)
    )
    SELECT
        trace_id,
        hash(i, j)::UBIGINT AS span_id,
        CASE WHEN j > 0 THEN hash(i, 0::BIGINT)::UBIGINT END AS parent_span_id,
        make_timestamp_ns((at_us + j * 1000) * 1000) AS start_time,
        CASE WHEN j = 0 THEN 30_000_000 ELSE 2_000_000 + hash(i, j, 3) % 1_000_000 END::BIGINT AS duration_ns,
        make_timestamp(at_us + 1_000_000) AS received_at,
        kind_of_failure % $services::UBIGINT AS resource_id,
        1::UBIGINT AS scope_id,
        'service-' || (kind_of_failure % $services::UBIGINT) AS service,
        'production' AS environment,
        $revision::VARCHAR AS revision,
        CASE WHEN j = 0 THEN 'POST /route/' || (kind_of_failure // $services::UBIGINT) ELSE 'step ' || j END AS name,
        CASE WHEN j = 0 THEN 2 WHEN j % 3 = 1 THEN 3 ELSE 1 END::INTEGER AS kind,
        CASE WHEN is_failing AND j IN (0, 5) THEN 2 ELSE 0 END AS status_code,
        CASE WHEN j = 0 THEN 'POST' END AS http_request_method,
        CASE WHEN j = 0 THEN '/route/' || (kind_of_failure // $services::UBIGINT) END AS http_route,
        CASE WHEN j = 0 THEN CASE WHEN is_failing THEN 500 ELSE 200 END END::BIGINT AS http_response_status_code,
        ['thread.id', 'cart.id'] AS attribute_keys,
        [(hash(i, 5) % 64)::VARCHAR, hash(i, 6)::VARCHAR] AS attribute_values,
        '31' AS attribute_kinds,
        $load_number::BIGINT AS load_number
    FROM traces, range(10) AS places(j)
"""
_EXCEPTIONS = """
    INSERT INTO facts.exceptions BY NAME
    SELECT
        hash(s.span_id, 1) AS exception_id,
        s.trace_id,
        s.span_id,
        s.start_time + INTERVAL 1 MILLISECOND AS "time",
        s.received_at,
        s.resource_id,
        s.service,
        s.environment,
        s.revision,
        'span_event' AS source,
        k.type,
        'order ' || s.span_id || ' cannot be priced' AS message,
        k.kind AS stack_id,
        s.load_number
    FROM facts.spans AS s
    JOIN facts.spans AS r ON r.span_id = s.parent_span_id AND r.load_number = s.load_number
    JOIN failure_kinds AS k
        ON k.kind = s.resource_id + $services::UBIGINT * replace(r.http_route, '/route/', '')::UBIGINT
    WHERE s.load_number = $load_number::BIGINT AND s.status_code = 2 AND s.name = 'step 5'
"""


class Day:
    """One installation under ``folder`` and its telemetry so far."""

    def __init__(self, folder: Path, *, day_spans: int = DAY_SPANS) -> None:
        """``day_spans``: how many spans come in 24 hours."""
        history = GeneratedHistory(change_count=400)
        self._repository = history.write(folder / "shop")
        self.installation = Installation.open(Settings(data=folder / "data"))
        self.installation.add_repository(NAME, str(self._repository.path))
        self.installation.sync(NAME)
        for number in range(SERVICES):
            self.installation.map_service(f"service-{number}", NAME, "")
        self._step_us = _DAY_US / (day_spans / SPANS_PER_TRACE)
        self._load_number = 0
        self.traces = 0
        store = self.installation.store
        resources = pa.table(
            {
                "resource_id": pa.array(range(SERVICES), pa.uint64()),
                "service": [f"service-{n}" for n in range(SERVICES)],
                "sdk_language": ["python"] * SERVICES,
            }
        )
        with store.registered("made", resources):
            store.execute(
                "INSERT INTO facts.resources BY NAME SELECT *, [] AS attribute_keys, [] AS attribute_values, '' AS attribute_kinds FROM made"
            )
        self._stacks = pa.table(
            {
                "kind": pa.array(range(KINDS), pa.uint64()),
                "type": [_type(n) for n in range(KINDS)],
            }
        )
        store.append_rows(
            tables.STACKS,
            [
                walk.stack_row(text.replace("$message", "order <number> cannot be priced"))
                | {"stack_id": kind}
                for kind, text in enumerate(self._texts())
            ],
        )

    def arrive(self, spans: int) -> None:
        """The next ``spans`` of the day, counted by the hour."""
        last = self.traces + spans // SPANS_PER_TRACE
        while self.traces < last:
            self._load(min(last, self.traces + _LOAD_TRACES))
        self.installation.count(is_thorough=True)

    @property
    def store(self) -> Store:
        return self.installation.store

    def _load(self, last: int) -> None:
        self._load_number += 1
        revisions = self._repository.git("rev-list", "--max-count=2", "main").split()
        told = {
            "load_number": self._load_number,
            "services": SERVICES,
        }
        with self.store.registered("failure_kinds", self._stacks), self.store.transaction():
            self.store.execute(
                _SPANS,
                first=self.traces,
                last=last,
                kinds=KINDS,
                start_us=int(STARTS_AT.timestamp() * 1e6),
                step_us=self._step_us,
                revision=revisions[-1] if self._load_number % 2 else revisions[0],
                **told,
            )
            self.store.execute(_EXCEPTIONS, **told)
            self.store.execute(
                "INSERT INTO facts.loads SELECT $load_number, max(received_at), count(*) "
                "FROM facts.spans WHERE load_number = $load_number",
                load_number=self._load_number,
            )
        self.store.refresh()
        self.traces = last

    def _texts(self) -> list[str]:
        paths = self._repository.git("ls-tree", "-r", "--name-only", "main").splitlines()
        return [_stack(kind, paths) for kind in range(KINDS)]


def _stack(kind: int, paths: list[str]) -> str:
    lines = ["Traceback (most recent call last):"]
    for depth in range(_FRAMES):
        if depth % 2:
            lines.append(
                f'  File "/usr/lib/python3.12/site-packages/framework/layer_{depth}.py", line {depth + 7}, in call'
            )
            lines.append("    return await self.app(scope, receive, send)")
        else:
            path = paths[(kind * 13 + depth * 7) % len(paths)]
            name = f"price_{_word(kind)}" if depth == _FRAMES - 2 else f"step_{_word(kind % 40 + depth)}"
            lines.append(f'  File "/srv/app/{path}", line {1 + (kind * 3 + depth) % 150}, in {name}')
            lines.append("    total = order.price(item) * stock.count(2)")
    lines.append(f"{_type(kind)}: $message")
    return "\n".join(lines)


def _type(kind: int) -> str:
    return f"{_word(kind).capitalize()}Error"


def _word(number: int) -> str:
    """A word to a number, of syllables: what looks like a number or like hex digits is taken for an id."""
    syllables = [consonant + vowel for consonant in "klmnprstvw" for vowel in "iou"]
    found = [syllables[number % 30]]
    while number >= 30:
        number //= 30
        found.append(syllables[number % 30])
    return "".join(found)

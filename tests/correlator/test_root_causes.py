"""Where a failing trace failed first, on spans made for each case. Method: the hops of ``root_causes.sql``, one per test."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import builders as b
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind as SdkKind
from trace_builders import deliver, emptied, python_stack, telemetry

from correlator import frames, root_causes
from correlator.occurrences import micros
from schemas import tables
from schemas.store import Store
from schemas.vocabulary import SpanKind, StatusCode


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    store = Store.open()
    yield store
    store.close()


@pytest.fixture
def store(opened: Store) -> Store:
    """An empty store; one database serves the whole module because opening one takes most of a test's time."""
    return emptied(opened)


def causes(store: Store, until: Any = b.UNTIL) -> list[dict[str, Any]]:
    """Every root cause with the columns of its shape; of a caller that gave up waiting and its SERVER the one that counts."""
    root_causes.follow(store, until=until)
    counted = {shape.first["span_id"] for shape in root_causes.read(store, until=until)}
    rows = store.rows(
        "SELECT k.* REPLACE (trace_hex(c.trace_id) AS trace_id, span_hex(c.span_id) AS span_id, c.failed_at AS failed_at) "
        "FROM root_causes AS c JOIN failure_shapes AS k ON k.shape_id = c.shape_id "
        "ORDER BY c.failed_at, c.trace_id, c.span_id"
    )
    return [row for row in rows if row["awaited_service"] is None or row["span_id"] in counted]


def ids(store: Store) -> list[int]:
    return sorted(int(row["span_id"], 16) for row in causes(store))


def test_a_store_without_failures_has_no_root_cause(store: Store) -> None:
    b.insert(store, [b.server(1), b.client(2, parent=1)])
    assert causes(store) == []


def test_a_failing_server_under_a_client_is_the_root_and_names_its_callers(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, is_error=True, service="edge", ms=50),
            b.client(2, parent=1, is_error=True, service="edge", start_ms=1, ms=40),
            b.server(3, parent=2, is_error=True, service="checkout", start_ms=2, ms=30),
            b.client(4, parent=3, is_error=True, service="checkout", start_ms=3, ms=20),
            b.server(5, parent=4, is_error=True, service="prices", start_ms=4, ms=10),
        ],
        [b.exception(5, service="prices", at_ms=8)],
    )
    (row,) = causes(store)
    assert (row["span_id"], row["service"], row["exception_type"]) == (
        b.hex_span_id(5),
        "prices",
        "ValueError",
    )
    assert row["trace_id"] == b.hex_trace_id(1)
    assert row["caller_services"] == ["checkout", "edge"]
    assert row["failed_at"] == b.at(4)
    assert not row["is_partial"]
    assert not row["is_dependency_leaf"]
    assert not row["is_handled"]
    assert row["repository_url"] == "https://git.example.org/acme/shop"
    assert row["sdk_language"] == "python"


def test_one_exception_on_enclosing_spans_has_its_root_inside_and_its_longest_stack(store: Store) -> None:
    inner, outer = python_stack("price"), python_stack("view", "total", "price")
    b.insert(
        store,
        [b.server(1, is_error=True, ms=50), b.span(2, parent=1, is_error=True, ms=20)],
        [
            b.exception(2, at_ms=19, type_="shop.errors.PriceError", stacktrace=inner),
            b.exception(1, at_ms=30, type_="shop.errors.PriceError", stacktrace=outer),
        ],
    )
    (row,) = causes(store)
    assert row["span_id"] == b.hex_span_id(2)
    assert row["exception_stacktrace"] == outer
    assert row["entry_name"] == "GET /orders"


def test_the_stack_that_prints_the_root_exception_as_its_cause_is_taken(store: Store) -> None:
    inner = python_stack("execute", header="psycopg.errors.UniqueViolation: duplicate key")
    outer = (
        inner
        + "\nThe above exception was the direct cause of the following exception:\n\n"
        + python_stack("save", header="shop.SaveFailed: order")
    )
    b.insert(
        store,
        [
            b.server(1, is_error=True, ms=50),
            b.client(2, parent=1, is_error=True, ms=20, db_system_name="postgresql"),
        ],
        [
            b.exception(2, at_ms=19, type_="UniqueViolation", message="duplicate key", stacktrace=inner),
            b.exception(1, at_ms=30, type_="shop.SaveFailed", message="order", stacktrace=outer),
        ],
    )
    (row,) = causes(store)
    assert (row["span_id"], row["exception_type"]) == (b.hex_span_id(2), "UniqueViolation")
    assert row["exception_stacktrace"] == outer


def test_a_call_without_an_exception_takes_the_nearest_one_above_it(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, is_error=True, ms=50),
            b.client(
                2, parent=1, is_error=True, ms=20, http_response_status_code=503, server_address="vendor"
            ),
        ],
        [b.exception(1, at_ms=30, type_="requests.HTTPError", message="503", stacktrace=python_stack("pay"))],
    )
    (row,) = causes(store)
    assert row["span_id"] == b.hex_span_id(2)
    assert row["is_dependency_leaf"]
    assert row["exception_type"] == "requests.HTTPError"
    assert row["exception_stacktrace"] == python_stack("pay")


def test_a_refused_request_blames_its_caller(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, service="checkout", is_error=True, ms=50),
            b.client(2, parent=1, service="checkout", is_error=True, ms=40, http_response_status_code=422),
            b.server(3, parent=2, service="prices", ms=30, http_response_status_code=422),
            b.span(4, parent=3, service="prices", is_error=True, ms=5),
        ],
        [b.exception(4, service="prices", at_ms=4, type_="ValidationError")],
    )
    (row,) = causes(store)
    assert (row["service"], row["span_id"]) == ("checkout", b.hex_span_id(2))
    assert row["callee_service"] == "prices"
    assert not row["is_dependency_leaf"]
    assert row["exception_type"] is None


def test_a_grpc_refusal_blames_its_caller(store: Store) -> None:
    grpc = {"rpc_system": "grpc", "rpc_grpc_status_code": 3, "http_response_status_code": None}
    b.insert(
        store,
        [
            b.client(2, service="checkout", is_error=True, **grpc),
            b.server(3, parent=2, service="prices", ms=5, **grpc),
        ],
        [b.exception(3, service="prices", at_ms=4)],
    )
    assert [row["service"] for row in causes(store)] == ["checkout"]


def test_an_uninstrumented_caller_that_sends_garbage_is_flagged(store: Store) -> None:
    b.insert(store, [b.server(1, http_response_status_code=422)], [b.exception(1, type_="ValidationError")])
    (row,) = causes(store)
    assert row["upstream_is_garbage_client"]
    assert not row["is_handled"]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_lost_credentials_and_crashes_are_never_laid_on_the_client(store: Store, status: int) -> None:
    b.insert(store, [b.server(1, http_response_status_code=status)], [b.exception(1)])
    (row,) = causes(store)
    assert not row["upstream_is_garbage_client"]


def test_a_leaf_call_is_flagged_only_without_a_span_on_the_other_side(store: Store) -> None:
    b.insert(
        store,
        [
            b.client(2, trace=1, is_error=True),
            b.client(2, trace=2, is_error=True),
            b.server(3, trace=2, parent=2, service="prices", ms=1),
        ],
    )
    assert [row["is_dependency_leaf"] for row in causes(store)] == [True, False]


def test_a_retry_that_succeeded_explains_nothing(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, is_error=True, ms=50),
            b.client(2, parent=1, is_error=True, start_ms=1, ms=5),
            b.client(3, parent=1, start_ms=10, ms=5),
        ],
        [b.exception(1, at_ms=30, type_="KeyError", message="'total'")],
    )
    assert {int(row["span_id"], 16): row["is_handled"] for row in causes(store)} == {1: False, 2: True}


def test_a_failing_call_under_a_request_that_succeeded_was_handled(store: Store) -> None:
    b.insert(store, [b.server(1, ms=50), b.client(2, parent=1, is_error=True, ms=5)])
    assert [row["is_handled"] for row in causes(store)] == [True]


def test_a_failure_that_python_does_not_print_as_a_cause_was_handled(store: Store) -> None:
    stack = python_stack("view", header="KeyError: 'total'")
    b.insert(
        store,
        [b.server(1, is_error=True, ms=50), b.client(2, parent=1, is_error=True, start_ms=1, ms=5)],
        [
            b.exception(
                2, at_ms=5, type_="ConnectionError", message="refused", stacktrace=python_stack("get")
            ),
            b.exception(1, at_ms=30, type_="KeyError", message="'total'", stacktrace=stack),
        ],
    )
    assert {int(row["span_id"], 16): row["is_handled"] for row in causes(store)} == {1: False, 2: True}


def test_what_failed_later_did_not_cause_it(store: Store) -> None:
    """Compensation after the failure, and work that outlives its parent."""
    b.insert(
        store,
        [b.server(1, is_error=True, ms=50), b.span(2, parent=1, is_error=True, start_ms=20, ms=10)],
        [b.exception(1, at_ms=10), b.exception(2, at_ms=25, type_="OSError")],
    )
    assert ids(store) == [1, 2]


def test_parallel_branches_keep_a_root_each(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, is_error=True, ms=50),
            b.span(2, parent=1, is_error=True, ms=10),
            b.span(3, parent=1, is_error=True, ms=20),
        ],
        [b.exception(2, at_ms=9, message="a"), b.exception(3, at_ms=19, message="b")],
    )
    assert ids(store) == [2, 3]


def test_a_producer_does_not_fail_because_its_consumer_does(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, is_error=True, ms=50),
            b.span(2, parent=1, kind=SpanKind.PRODUCER, ms=1),
            b.span(3, parent=2, kind=SpanKind.CONSUMER, service="mailer", is_error=True, ms=20),
        ],
        [b.exception(1, at_ms=40), b.exception(3, service="mailer", at_ms=19, type_="SMTPError")],
    )
    assert ids(store) == [1, 3]


def test_a_consumer_with_a_trace_of_its_own_names_its_producer_by_link(store: Store) -> None:
    b.insert(
        store,
        [
            b.server(1, service="checkout"),
            b.span(2, parent=1, kind=SpanKind.PRODUCER, service="checkout", ms=1),
            b.span(3, trace=2, kind=SpanKind.CONSUMER, service="mailer", is_error=True),
        ],
    )
    link = {"linked_trace_id": b.trace_id(1), "linked_span_id": 2, "received_at": b.at(0)}
    store.append_rows(tables.SPAN_LINKS, [{"trace_id": b.trace_id(2), "span_id": 3, **link}])
    (row,) = causes(store)
    assert (row["service"], row["caller_services"], row["is_partial"]) == ("mailer", ["checkout"], False)


def test_ok_set_by_the_developer_is_no_failure(store: Store) -> None:
    b.insert(store, [b.server(1, status_code=StatusCode.OK)], [b.exception(1)])
    assert causes(store) == []


@pytest.mark.parametrize(("severity", "count"), [(5, 0), (13, 0), (17, 1), (21, 1)])
def test_log_exceptions_count_from_error_upwards(store: Store, severity: int, count: int) -> None:
    b.insert(
        store,
        [b.server(1)],
        [b.exception(1, source="log_record", severity_number=severity, type_="ValueError")],
    )
    assert len(causes(store)) == count
    assert all(row["is_handled"] for row in causes(store))


def test_an_exception_alone_does_not_make_a_client_span_fail(store: Store) -> None:
    b.insert(store, [b.client(1)], [b.exception(1)])
    assert causes(store) == []


def test_event_and_log_of_one_exception_give_the_qualified_type_and_the_longest_stack(store: Store) -> None:
    b.insert(
        store,
        [b.server(1, is_error=True)],
        [
            b.exception(
                1, at_ms=3, source="log_record", severity_number=17, type_="PriceError", stacktrace="short"
            ),
            b.exception(1, at_ms=5, type_="shop.PriceError", stacktrace="a longer stack"),
            b.exception(1, at_ms=7, type_="OSError", message="later", stacktrace="the longest stack of all"),
        ],
    )
    (row,) = causes(store)
    assert (row["exception_type"], row["exception_stacktrace"]) == ("shop.PriceError", "a longer stack")


def test_duplicates_of_spans_and_exceptions_are_folded(store: Store) -> None:
    rows = [b.server(1, is_error=True), b.server(1, is_error=True, received_at=b.at(99_000))]
    b.insert(store, rows, [b.exception(1), b.exception(1)])
    assert len(causes(store)) == 1


def test_a_trace_without_its_root_span_is_partial(store: Store) -> None:
    b.insert(store, [b.server(5, parent=4, is_error=True)])
    (row,) = causes(store)
    assert row["is_partial"]
    assert row["environment"] == "production"


def test_absent_environment_is_empty(store: Store) -> None:
    b.insert(store, [b.server(1, is_error=True, environment=None)])
    assert causes(store)[0]["environment"] == ""


def test_a_cycle_of_parents_ends(store: Store) -> None:
    b.insert(
        store, [b.span(1, parent=2, is_error=True), b.span(2, parent=1), b.span(3, parent=3, is_error=True)]
    )
    assert ids(store) == [1, 3]


def test_spans_after_until_are_not_read(store: Store) -> None:
    b.insert(store, [b.server(1, is_error=True), b.server(2, trace=2, is_error=True, start_ms=60_000)])
    assert [row["span_id"] for row in causes(store, until=b.at(1000))] == [b.hex_span_id(1)]


def timed_out(server_ms: float) -> list[dict[str, Any]]:
    usual = [b.server(100 + i, trace=100 + i, service="prices", ms=10) for i in range(9)]
    return [
        *usual,
        b.server(1, is_error=True, ms=120),
        b.client(2, parent=1, is_error=True, start_ms=1, ms=server_ms, error_type="ReadTimeout"),
        b.server(3, parent=2, service="prices", start_ms=2, ms=server_ms),
    ]


def test_a_server_slower_than_usual_is_the_root_of_its_callers_timeout(store: Store) -> None:
    b.insert(store, timed_out(server_ms=100))
    (row,) = causes(store)
    assert (row["service"], row["error_type"], row["caller_services"]) == ("prices", "timeout", ["checkout"])
    assert not row["is_dependency_leaf"]


def test_a_caller_that_waits_too_short_a_time_is_the_root_itself(store: Store) -> None:
    b.insert(store, timed_out(server_ms=11))
    assert [row["service"] for row in causes(store)] == ["checkout"]


def test_the_order_of_arrival_changes_nothing(store: Store) -> None:
    spans = [
        b.server(1, is_error=True, service="edge", ms=50),
        b.client(2, parent=1, is_error=True, service="edge", start_ms=1, ms=40),
        b.server(3, parent=2, is_error=True, start_ms=2, ms=30),
        b.span(4, parent=3, is_error=True, start_ms=3, ms=5),
        b.span(5, parent=3, is_error=True, start_ms=3, ms=6),
        b.span(5, parent=3, start_ms=3, ms=6, received_at=b.at(1009)),
        *timed_out(server_ms=100)[:-3],
    ]
    recorded = [b.exception(4, at_ms=7), b.exception(5, at_ms=8, type_="OSError"), b.exception(3, at_ms=20)]
    b.insert(store, spans, recorded)
    expected = causes(store)
    assert len(expected) == 2
    for seed in range(2):
        random.Random(seed).shuffle(spans)
        random.Random(seed).shuffle(recorded)
        other = Store.open()
        b.insert(other, spans, recorded)
        assert causes(other) == expected
        other.close()


def recorded(spans: tuple[ReadableSpan, ...]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Spans of the SDK as rows of ``spans`` and ``exceptions``."""
    rows, exceptions = [], []
    for one in spans:
        assert one.context is not None
        assert one.start_time is not None
        assert one.end_time is not None
        rows.append(
            b.span(
                one.context.span_id,
                parent=one.parent.span_id if one.parent else None,
                name=one.name,
                kind=one.kind.value + 1,
                status_code=one.status.status_code.value,
                start_time=datetime.fromtimestamp(one.start_time / 1e9, UTC),
                duration_ns=one.end_time - one.start_time,
            )
        )
        for event in one.events:
            assert event.attributes is not None
            exceptions.append(
                b.exception(
                    one.context.span_id,
                    type_=str(event.attributes["exception.type"]),
                    message=str(event.attributes["exception.message"]),
                    stacktrace=str(event.attributes["exception.stacktrace"]),
                    time=datetime.fromtimestamp(event.timestamp / 1e9, UTC),
                )
            )
    return rows, exceptions


def test_spans_that_the_python_sdk_recorded_lead_to_the_query_and_to_every_caller_of_it(store: Store) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")

    def execute() -> None:
        with tracer.start_as_current_span("INSERT orders", kind=SdkKind.CLIENT):
            raise KeyError("duplicate")

    def save() -> None:
        with tracer.start_as_current_span("save"):
            try:
                execute()
            except KeyError as error:
                raise RuntimeError("order cannot be saved") from error

    def handle() -> None:
        with tracer.start_as_current_span("POST /orders", kind=SdkKind.SERVER):
            save()

    with pytest.raises(RuntimeError):
        handle()
    rows, exceptions = recorded(exporter.get_finished_spans())
    b.insert(store, rows, exceptions)
    (row,) = causes(store, until=datetime(2100, 1, 1, tzinfo=UTC))
    assert (row["name"], row["exception_type"]) == ("INSERT orders", "KeyError")
    stack = frames.parse(row["exception_stacktrace"], row["sdk_language"])
    assert stack is not None
    assert [link.type for link in stack.chain] == ["RuntimeError", "KeyError"]
    assert [frame.function for frame in stack.root_cause.frames if frame.in_app] == ["execute", "save"]
    assert [frame.function for frame in stack.outermost.frames if frame.in_app] == ["save", "handle"]


# --- what arrives in parts ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def another() -> Iterator[Store]:
    store = Store.open()
    yield store
    store.close()


def known(store: Store) -> list[list[dict[str, Any]]]:
    """All that is kept of root causes but how far the facts were read."""
    kept = [
        "SELECT * FROM root_causes ORDER BY ALL",
        "SELECT * FROM failure_minutes ORDER BY ALL",
        "SELECT * FROM failure_shapes ORDER BY shape_id",
        "SELECT * FROM failing_traces ORDER BY trace_id",
    ]
    return [store.rows(text) for text in kept]


@settings(deadline=None, max_examples=60)
@given(
    telemetry(), st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=4), st.booleans()
)
def test_what_arrives_in_parts_and_in_any_order_gives_what_it_gives_at_once(
    opened: Store,
    another: Store,
    facts: list[tuple[tables.Table, dict[str, Any]]],
    chance: random.Random,
    cuts: list[int],
    is_numbered: bool,
) -> None:
    at_once, in_parts = emptied(opened), emptied(another)
    deliver(at_once, facts)
    root_causes.follow(at_once, until=b.UNTIL)
    # The links of a span, and its resource, are stored with it.
    links = [fact for fact in facts if fact[0] is tables.SPAN_LINKS]
    deliver(in_parts, [fact for fact in facts if fact[0] is tables.RESOURCES])
    shuffled = [fact for fact in facts if fact[0] in (tables.SPANS, tables.EXCEPTIONS)]
    chance.shuffle(shuffled)
    bounds = [0, *sorted(min(cut, len(shuffled)) for cut in cuts), len(shuffled)]
    for number, (low, high) in enumerate(pairwise(bounds)):
        part = shuffled[low:high]
        ids = {(row["trace_id"], row["span_id"]) for of, row in part if of is tables.SPANS}
        arrived = [fact for fact in links if (fact[1]["trace_id"], fact[1]["span_id"]) in ids]
        deliver(in_parts, part + arrived, is_numbered=is_numbered)
        root_causes.follow(in_parts, until=b.UNTIL - timedelta(days=len(bounds) - number))
    root_causes.follow(in_parts, until=b.UNTIL)
    assert known(in_parts) == known(at_once)
    assert in_parts.rows("SELECT * FROM failure_minutes ORDER BY ALL") == in_parts.rows(
        "SELECT shape_id, alike_id, min(failed_at) AS first_failed_at, max(failed_at) AS last_failed_at, "
        "count(*) AS failure_count, count(DISTINCT trace_id) AS trace_count "
        "FROM root_causes WHERE alike_id IS NOT NULL GROUP BY shape_id, alike_id ORDER BY ALL"
    )
    # Traces are alike when they began to fail in one minute and failed in the same shapes, whatever each of them says.
    failed_in = in_parts.rows(
        "SELECT trace_id, min(alike_id) AS alike_id, count(DISTINCT alike_id) AS ids, list_sort(list(DISTINCT shape_id)) AS shapes, "
        "date_trunc('minute', min(failed_at)) AS minute_at FROM root_causes WHERE alike_id IS NOT NULL GROUP BY trace_id"
    )
    assert all(row["ids"] == 1 for row in failed_in)
    told = {row["alike_id"]: (row["shapes"], row["minute_at"]) for row in failed_in}
    assert all((row["shapes"], row["minute_at"]) == told[row["alike_id"]] for row in failed_in)
    assert len(told) == len({(tuple(shapes), at) for shapes, at in told.values()})


def test_only_traces_of_which_something_arrived_are_looked_at_again(opened: Store) -> None:
    store = emptied(opened)
    deliver(store, [(tables.SPANS, b.server(1, trace=n, is_error=True)) for n in range(1, 6)])
    assert root_causes.follow(store, until=b.UNTIL) == 5
    assert root_causes.follow(store, until=b.UNTIL) == 0
    deliver(store, [(tables.SPANS, b.span(2, trace=3, parent=1)), (tables.SPANS, b.server(1, trace=9))])
    assert root_causes.follow(store, until=b.UNTIL) == 1


def test_a_shape_whose_first_failure_turns_out_otherwise_is_shown_by_the_next(opened: Store) -> None:
    store = emptied(opened)
    for n in (1, 2, 3):
        deliver(store, [(tables.SPANS, b.span(2, parent=1, trace=n, start_ms=n, is_error=True))])
    root_causes.follow(store, until=b.UNTIL)
    deliver(store, [(tables.SPANS, b.server(1, trace=1))])
    root_causes.follow(store, until=b.UNTIL)
    shown = {
        shape.first["trace_id"]: shape.failures.total for shape in root_causes.read(store, until=b.UNTIL)
    }
    assert shown == {b.hex_trace_id(2): 2}


def test_a_trace_that_fails_for_a_minute_or_longer_keeps_the_time_of_each_failure(opened: Store) -> None:
    store = emptied(opened)
    again = [b.span(2 + n, parent=1, start_ms=n * 20_000, is_error=True) for n in range(4)]
    deliver(store, [(tables.SPANS, row) for row in [b.server(1, ms=90_000, is_error=True), *again]])
    root_causes.follow(store, until=b.UNTIL)
    (shape,) = root_causes.read(store, until=b.UNTIL)
    assert shape.failures.moments.at.tolist() == [micros(b.at(n * 20_000)) for n in range(4)]
    assert shape.failures.moments.counts.tolist() == [1, 1, 1, 1]


def test_alike_traces_of_a_minute_are_read_as_one_row(opened: Store) -> None:
    store = emptied(opened)
    for n in range(1, 6):
        deliver(store, [(tables.SPANS, b.server(1, trace=n, start_ms=n * 1000, is_error=True))])
        root_causes.follow(store, until=b.UNTIL)
    (shape,) = root_causes.read(store, until=b.UNTIL)
    found = shape.failures
    assert (found.counts.tolist(), found.trace_counts.tolist()) == ([5], [5])
    assert (found.first_at.tolist(), found.last_at.tolist()) == ([micros(b.at(1000))], [micros(b.at(5000))])


def test_what_retention_took_fails_no_more(opened: Store) -> None:
    store = emptied(opened)
    for n in (1, 2):
        deliver(store, [(tables.SPANS, b.server(1, trace=n, start_ms=n, is_error=True))])
    root_causes.follow(store, until=b.UNTIL)
    store.execute("DELETE FROM spans WHERE span_id = 1 AND start_time = $start", start=b.at(1))
    root_causes.follow(store, until=b.UNTIL)
    (shape,) = root_causes.read(store, until=b.UNTIL)
    assert (shape.first["trace_id"], shape.failures.total) == (b.hex_trace_id(2), 1)
    store.execute("DELETE FROM spans")
    root_causes.follow(store, until=b.UNTIL)
    assert known(store) == [[], [], [], []]


def test_an_earlier_time_is_answered_anew(opened: Store) -> None:
    store = emptied(opened)
    deliver(store, [(tables.SPANS, b.server(1, trace=n, start_ms=n * 1000, is_error=True)) for n in (1, 2)])
    root_causes.follow(store, until=b.UNTIL)
    root_causes.follow(store, until=b.at(1500))
    assert [shape.first["trace_id"] for shape in root_causes.read(store, until=b.at(1500))] == [
        b.hex_trace_id(1)
    ]

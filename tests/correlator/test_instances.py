"""Which instance fails, beside those that serve the same: asked of a real store, and weighed."""

from collections.abc import Iterator
from datetime import timedelta
from math import log

import builders as b
import pytest
from evidence_builders import RULED, around, by_kind, failing
from hypothesis import given
from hypothesis import strategies as st

from correlator import instances, root_causes
from correlator.evidence_in_time import of_no_change
from correlator.instances import Lone
from correlator.run import _StoreReader
from schemas import tables
from schemas.store import Store
from schemas.vocabulary import EvidenceKind, SpanKind

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    store = Store.open()
    yield store
    store.close()


@pytest.fixture
def store(opened: Store) -> Store:
    for table in (tables.SPANS, tables.RESOURCES, *root_causes.WORKING):
        opened.execute(f"DELETE FROM {table.qualified_name}")
    return opened


def located(number: int, **attributes: str) -> b.Row:
    return b.resource(
        resource_id=number,
        attribute_keys=list(attributes),
        attribute_values=list(attributes.values()),
        attribute_kinds="1" * len(attributes),
    )


def pods(count: int) -> list[b.Row]:
    """Instances 1 to ``count``, each on a host of its own, all in one zone."""
    return [
        located(n, **{"k8s.pod.name": f"pod-{n}", "host.name": f"host-{n}", "cloud.availability_zone": "a"})
        for n in range(1, count + 1)
    ]


def served(
    number: int, instance: int, *, minute: float, is_error: bool = False, **overrides: object
) -> b.Row:
    """Request ``number``, a trace of its own, answered by an instance."""
    told = {"name": "GET /cart", "revision": "aaa", **overrides}
    return b.span(
        number,
        trace=number,
        kind=SpanKind.SERVER,
        start_ms=minute * MINUTE_MS,
        is_error=is_error,
        resource_id=instance,
        **told,  # type: ignore[arg-type]
    )


def asked(store: Store, resources: list[b.Row], spans: list[b.Row]) -> dict[str, Lone]:
    store.append_rows(tables.RESOURCES, resources)
    store.append_rows(tables.SPANS, spans)
    root_causes.follow(store, until=b.UNTIL)
    shapes = [
        {"group_id": "g", "shape_id": shape.first["shape_id"]}
        for shape in root_causes.read(store, until=b.UNTIL)
    ]
    return instances.lone(_StoreReader(store, b.UNTIL).instances(shapes, b.UNTIL))


def healthy(*on: int, count: int = 30, **overrides: object) -> list[b.Row]:
    """``count`` requests a minute apart to each instance."""
    return [
        served(1000 * instance + n, instance, minute=n, **overrides) for instance in on for n in range(count)
    ]


def failures(*on: int, count: int = 12, **overrides: object) -> list[b.Row]:
    """``count`` failures two minutes apart, by turns on the instances."""
    return [
        served(n + 1, on[n % len(on)], minute=2 * n + 0.5, is_error=True, **overrides) for n in range(count)
    ]


def test_failures_of_one_of_three_instances_that_serve_the_same_revision_are_that_instances(
    store: Store,
) -> None:
    found = asked(store, pods(3), [*healthy(1, 2, 3), *failures(2)])["g"]
    assert found.place in ("pod-2", "host-2")
    assert found.failed == 12
    assert found.share == pytest.approx(42 / 102, abs=0.01)
    assert found.log_ratio > log(RULED.maximum("one_instance_max"))
    (piece,) = [
        p
        for p in of_no_change(failing(), around(lone=found), weights=RULED)
        if p.kind is EvidenceKind.ONE_INSTANCE
    ]
    assert piece.log_lr == pytest.approx(log(RULED.maximum("one_instance_max")), abs=1e-5)
    assert found.place in piece.detail


def test_failures_on_every_instance_say_nothing(store: Store) -> None:
    assert asked(store, pods(3), [*healthy(1, 2, 3), *failures(1, 2, 3)]) == {}
    assert EvidenceKind.ONE_INSTANCE not in by_kind(of_no_change(failing(), around(), weights=RULED))


def test_a_canary_alone_with_its_revision_says_nothing(store: Store) -> None:
    spans = [*healthy(1, 2), *healthy(3, revision="bbb"), *failures(3, revision="bbb")]
    assert asked(store, pods(3), spans) == {}


def test_the_one_instance_that_runs_an_operation_says_nothing_however_many_the_service_has(
    store: Store,
) -> None:
    assert asked(store, pods(3), [*healthy(1, 2, 3, name="GET /other"), *healthy(2), *failures(2)]) == {}


def test_what_one_client_meets_in_a_few_seconds_is_met_once(store: Store) -> None:
    burst = [served(n + 1, 2, minute=5 + n / 6000, is_error=True) for n in range(50)]
    assert asked(store, pods(3), [*healthy(1, 2, 3), *burst]) == {}


def test_instances_that_served_at_another_time_only_are_not_compared(store: Store) -> None:
    later = healthy(1, 3)
    for row in later:
        row["start_time"] += timedelta(hours=6)
    assert asked(store, pods(3), [*healthy(2), *later, *failures(2)]) == {}


def test_a_zone_that_fails_as_a_whole_is_named_where_its_instances_all_fail(store: Store) -> None:
    resources = [
        located(n, **{"service.instance.id": f"i-{n}", "cloud.availability_zone": zone})
        for n, zone in ((1, "a"), (2, "a"), (3, "b"), (4, "c"))
    ]
    found = asked(store, resources, [*healthy(1, 2, 3, 4), *failures(1, 2, count=14)])["g"]
    assert (found.level, found.place) == ("zone", "a")


def test_no_more_than_the_first_failures_of_a_group_are_looked_at(store: Store) -> None:
    many = [served(n + 1, 2, minute=n / 5, is_error=True) for n in range(500)]
    found = asked(store, pods(2), [*healthy(1, 2, count=120), *many])["g"]
    assert found.failed == instances.LOOKED_AT["failures_max"]


def test_traffic_is_read_of_the_stretches_in_which_something_failed_alone() -> None:
    rows = [{"quarter_at": b.START + timedelta(hours=h)} for h in (48, 0, 0.25, 1)]
    found = list(instances.stretches(rows))
    assert [(since, len(part)) for since, _, part in found] == [
        (b.START, 3),
        (b.START + timedelta(hours=48), 1),
    ]
    assert found[0][1] == b.START + timedelta(hours=1.25)
    assert list(instances.stretches([])) == []


COUNTS = st.tuples(st.integers(1, 50), st.integers(0, 200), st.integers(0, 200))


@given(st.lists(COUNTS, min_size=1, max_size=8))
def test_the_less_of_the_traffic_the_place_has_the_more_it_says(counts: list[tuple[int, int, int]]) -> None:
    def ratio(more: int) -> float:
        rows = [
            {
                "group_id": "g",
                "level": "host",
                "place": "h",
                "failed_count": slots,
                "slot_count": slots,
                "own_count": own,
                "all_count": own + others + more,
            }
            for slots, own, others in counts
        ]
        found = instances.lone(rows).get("g")
        return found.log_ratio if found else 0.0

    assert 0 <= ratio(0) <= ratio(10)

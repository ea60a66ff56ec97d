"""What the sample trace shows beside the root-cause span."""

from random import Random
from typing import Any

from evidence_builders import failing
from hypothesis import given
from hypothesis import strategies as st

from correlator.failure_groups import FailureGroup
from correlator.traces import Sample, samples

SERVICES = ("checkout", "prices", "stock")


def sampled(name: str = "g1", trace: str = "t1", span: str = "s1") -> FailureGroup:
    return failing(name=name, sample_trace_id=trace, sample_span_id=span)


def span(id_: str, parent: str | None, service: str, **overrides: Any) -> dict[str, Any]:
    return {
        "trace_id": "t1",
        "span_id": id_,
        "parent_span_id": parent,
        "service": service,
        "http_route": None,
        **overrides,
    }


def recorded(span_id: str, message: str | None, trace: str = "t1") -> dict[str, Any]:
    return {"trace_id": trace, "span_id": span_id, "message": message}


def test_services_below_the_failing_span_are_callees_and_those_above_are_not() -> None:
    spans = [
        span("s0", None, "web"),
        span("s1", "s0", "checkout"),
        span("s2", "s1", "stock"),
        span("s3", "s2", "prices"),
        span("s4", "s0", "ads"),
        span("s5", "s1", "checkout"),
    ]
    assert samples([sampled()], spans, [])["g1"].callees == ("prices", "stock")


def test_the_sender_is_the_nearest_other_service_above() -> None:
    spans = [
        span("s0", None, "web"),
        span("s1", "s0", "stock"),
        span("s2", "s1", "checkout"),
        span("s3", "s2", "checkout"),
        span("s4", "s3", "prices"),
    ]
    assert samples([sampled(span="s3")], spans, [])["g1"].senders == ("stock",)


def test_a_consumer_in_a_trace_of_its_own_has_the_senders_that_its_links_name() -> None:
    linked = failing(name="g1", sample_trace_id="t1", sample_span_id="s1", callers=["checkout", "stock"])
    assert samples([linked], [span("s1", None, "checkout")], [])["g1"].senders == ("stock",)


def test_routes_are_those_that_were_called_below() -> None:
    spans = [
        span("s1", None, "checkout", http_route="/orders"),
        span("s2", "s1", "stock", http_route="/stock/{sku}"),
        span("s3", "s1", "stock", http_route="/stock/{sku}"),
    ]
    assert samples([sampled()], spans, [])["g1"].routes == (("stock", "/stock/{sku}"),)


def test_words_are_those_of_the_other_exceptions_of_the_trace() -> None:
    exceptions = [
        recorded("s1", "own message"),
        recorded("s2", "no voucher for 'gift-note'"),
        recorded("s3", None),
        recorded("s2", "foreign trace", trace="t2"),
    ]
    found = samples([sampled()], [span("s1", None, "checkout")], exceptions)["g1"].words
    assert {"voucher", "gift-note"} <= found
    assert not found & {"own", "foreign", "for"}


def test_a_trace_that_is_not_there_shows_nothing() -> None:
    assert samples([sampled()], [], []) == {"g1": Sample()}


def test_each_group_is_told_by_its_own_sample() -> None:
    spans = [
        span("s1", None, "checkout"),
        span("s2", "s1", "stock"),
        span("s1", None, "checkout", trace_id="t2"),
        span("s2", "s1", "prices", trace_id="t2"),
    ]
    found = samples([sampled(), sampled("g2", "t2")], spans, [])
    assert (found["g1"].callees, found["g2"].callees) == (("stock",), ("prices",))


def test_spans_that_are_each_others_parents_end() -> None:
    spans = [span("s1", "s2", "checkout"), span("s2", "s1", "stock"), span("s2", "s1", "stock")]
    found = samples([sampled()], spans, [])["g1"]
    assert (found.callees, found.senders) == (("stock",), ("stock",))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.sampled_from(SERVICES)), max_size=20),
    st.randoms(),
)
def test_a_sample_does_not_depend_on_the_order_of_spans(
    drawn: list[tuple[int, int, str]], chance: Random
) -> None:
    spans = [span(f"s{n}", f"s{parent}", service, http_route=f"/{service}") for n, parent, service in drawn]
    expected = samples([sampled()], spans, [])
    chance.shuffle(spans)
    assert samples([sampled()], spans, []) == expected

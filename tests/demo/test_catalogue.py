"""The generated history of --large: its truth is what it says, and its failures really happen."""

from collections import Counter
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from demo import catalogue_history, catalogue_traffic
from demo.catalogue_history import Deployment, Planned


@pytest.fixture(scope="module")
def planned() -> list[Planned]:
    changes = catalogue_history.plan()
    for change in changes:
        change.sha = f"{change.number:040x}"
    return changes


@pytest.fixture(scope="module")
def deployments(planned: list[Planned]) -> list[Deployment]:
    return catalogue_history.deployments(planned)


def test_the_plan_is_the_same_every_time(planned: list[Planned]) -> None:
    again = catalogue_history.plan()
    assert [(c.at_s, c.files, c.trips) for c in again] == [(c.at_s, c.files, c.trips) for c in planned]


def test_risks_of_the_sample_are_those_of_the_plan(planned: list[Planned]) -> None:
    """Changes that mend carry no risk of their own, so they are left out."""
    for origin, factor in (("ai", catalogue_history.RATIO), ("human", 1.0)):
        for size, risk in catalogue_history.RISK.items():
            group = [c for c in planned[1:] if c.origin == origin and c.size == size and c.mends is None]
            failing = sum(change.trips is not None for change in group)
            assert abs(failing - risk * factor * len(group)) <= 1


def test_agents_write_the_share_that_was_planned(planned: list[Planned]) -> None:
    origins = Counter(change.origin for change in planned)
    assert origins["ai"] / len(planned) == pytest.approx(catalogue_history.AI_SHARE, abs=0.03)
    assert all(change.origin == "ai" for change in planned if change.is_marked)


def test_every_change_is_deployed_once(planned: list[Planned], deployments: list[Deployment]) -> None:
    carried = Counter(change.number for item in deployments for change in item.changes)
    # The first change is the start of both services.
    assert carried.pop(0) == 2
    assert set(carried) == {change.number for change in planned[1:]}
    assert set(carried.values()) == {1}
    assert {len(item.changes) for item in deployments} == {1, 2, 3, 4}


def test_every_revision_is_python(deployments: list[Deployment]) -> None:
    for path, text in deployments[-1].tree.items():
        compile(text, path, "exec")


def test_failures_are_raised_by_the_line_that_is_wrong(
    deployments: list[Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[ReadableSpan] = []

    class Exporter:
        def __init__(self, **_: object) -> None: ...

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            exported.extend(spans)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None: ...

    monkeypatch.setattr(catalogue_traffic, "OTLPSpanExporter", Exporter)
    early = [item for item in deployments if item.at_s < 30 * 86_400]
    happened = catalogue_traffic.run(early, 1_700_000_000, "http://127.0.0.1:9")
    expected = {c.number for item in early for c in item.changes if c.trips is not None}
    assert happened.span_count == len(exported)
    # A few defects are edited away before a rare record finds them.
    assert len(expected) >= len(set(happened.failures)) >= 0.8 * len(expected) > 5
    stacks = [
        str((event.attributes or {})["exception.stacktrace"])
        for span in exported
        for event in span.events
        if "suppliers" not in span.name and span.name != "GET"
    ]
    assert all('File "/srv/catalogue/' in stack for stack in stacks)
    # The line that the trace shows is the line of that revision, not of one that ran before.
    assert all("total" in stack.splitlines()[-2 - ("^" in stack.splitlines()[-2])] for stack in stacks)

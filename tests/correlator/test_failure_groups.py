"""Failing spans become groups: what makes two failures one, and which frames and facts stand for it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from evidence_builders import Repository, cause, interval, shape
from failure_builders import REPOSITORY, T0, hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator.failure_groups import FRAMES_MAX, Assembler, FailureGroup, ServiceCode
from correlator.groupings import Groupings
from correlator.original_frames import OriginalFrames
from correlator.revisions import Timeline
from schemas import tables
from schemas.records import CommitSha, RepositoryName
from schemas.store import arrow
from schemas.vocabulary import FailureCategory, SpanKind

TREE = ("checkout/app.py", "checkout/prices.py", "libs/money.py")
CODE = {"checkout": ServiceCode(RepositoryName(REPOSITORY), "checkout")}


def stack(*frames: tuple[str, int, str], error: str = "KeyError: 'gift'", root: str = "/app/") -> str:
    """A Python traceback; frames outermost first, as Python prints them."""
    printed = "".join(
        f'  File "{root}{file}", line {line}, in {name}\n    pass\n' for file, line, name in frames
    )
    return f"Traceback (most recent call last):\n{printed}{error}\n"


FLAT = stack(("checkout/app.py", 12, "post_order"), ("checkout/prices.py", 40, "price"))
SHIFTED = stack(
    ("checkout/app.py", 19, "post_order"), ("checkout/prices.py", 55, "price"), root="/srv/image-7/"
)
CHAINED = (
    stack(("checkout/prices.py", 40, "price"), error="KeyError: 'gift'")
    + "\nThe above exception was the direct cause of the following exception:\n\n"
    + stack(
        ("checkout/app.py", 12, "post_order"), ("checkout/app.py", 30, "total"), error="ValueError: no price"
    )
)


def assembled(
    causes: Iterable[Mapping[str, Any]],
    *,
    port: Repository | None = None,
    services: Mapping[str, ServiceCode] | None = None,
    intervals: Sequence[dict[str, Any]] = (),
    landed: Mapping[str, str] | None = None,
    decisions: Sequence[Mapping[str, Any]] = (),
    originals: OriginalFrames | None = None,
) -> list[FailureGroup]:
    asked = port or Repository({sha(n): TREE for n in range(1, 6)})
    code = CODE if services is None else services
    return Assembler(
        port=asked,
        services=code,
        timeline=Timeline(intervals),
        resolve=lambda service, text: asked.resolve(code[service].repository, text),
        landing=lambda _, commit: (landed or {}).get(commit, commit),
        groupings=Groupings(decisions),
        originals=originals,
    ).assemble(shape(cause) for cause in causes)


def raised(trace: int = 1, text: str | None = FLAT, **overrides: Any) -> dict[str, Any]:
    return cause(trace, exception_stacktrace=text, **overrides)


# --- what is one failure ------------------------------------------------------------------------------------


def test_the_same_failure_with_shifted_lines_in_another_container_is_one_group() -> None:
    (group,) = assembled([raised(1), raised(2, SHIFTED, revision=sha(5), at=hours(1))])
    assert group.row["failing_trace_count"] == 2
    assert (group.row["first_seen_at"], group.row["last_seen_at"]) == (T0, hours(1))
    assert group.failures.revisions() == {sha(3): T0, sha(5): hours(1)}


@pytest.mark.parametrize(
    "other",
    [
        {"text": stack(("checkout/app.py", 12, "post_order"), ("checkout/prices.py", 40, "rebate"))},
        {"text": FLAT.replace("KeyError", "TypeError")},
        {"service": "stock"},
        {"environment": "staging"},
    ],
    ids=["function", "exception", "service", "environment"],
)
def test_another_function_exception_service_or_environment_is_another_group(other: dict[str, Any]) -> None:
    assert len(assembled([raised(1), raised(2, **other)])) == 2


def test_without_a_stack_ids_in_the_message_do_not_part_groups_but_statuses_do() -> None:
    told: dict[str, Any] = {"http_route": "/orders", "http_response_status_code": 500}
    first = cause(1, **told, status_message="order 17 of 4f9a2b1c-0000-4000-8000-000000000001 lost")
    again = cause(2, **told, status_message="order 18 of 4f9a2b1c-0000-4000-8000-000000000002 lost")
    other = cause(3, **{**told, "http_response_status_code": 503}, status_message="order 18 lost")
    assert sorted(g.row["failing_trace_count"] for g in assembled([first, again, other])) == [1, 2]


def test_two_root_causes_of_one_trace_count_as_one_failing_trace() -> None:
    (group,) = assembled([raised(1), raised(1, span_id="f" * 16)])
    assert group.row["failing_trace_count"] == 1
    assert len(group.failures) == 2


ORDERED = [
    raised(1, CHAINED, at=hours(3)),
    raised(2, at=hours(2), is_partial=True, caller_services=["web"]),
    raised(3, SHIFTED, at=hours(2), revision=sha(5), caller_services=["app"]),
    raised(4, at=hours(2), revision=None),
    cause(5, http_route="/orders", http_response_status_code=500, is_dependency_leaf=True),
    cause(6, http_route="/orders", http_response_status_code=500, callee_service="stock", at=hours(1)),
]


@given(st.permutations(ORDERED))
def test_groups_do_not_depend_on_the_order_of_causes(causes: list[dict[str, Any]]) -> None:
    assert assembled(causes) == assembled(ORDERED)


def test_causes_parted_among_groups_are_all_there() -> None:
    groups = assembled(ORDERED)
    assert sorted(i for g in groups for i in g.shape_ids) == sorted(c["shape_id"] for c in ORDERED)
    assert sum(len(g.failures) for g in groups) == len(ORDERED)
    assert [g.row["group_id"] for g in groups] == sorted({g.row["group_id"] for g in groups})


def test_groups_fit_their_tables() -> None:
    groups = assembled(ORDERED, intervals=[interval(1, 0, None), interval(3, 1, 1)])
    assert arrow(tables.FAILURE_GROUPS, [g.row for g in groups]).num_rows == len(groups)
    assert arrow(tables.GROUP_FRAMES, [f for g in groups for f in g.frames]).num_rows > 0


# --- frames ------------------------------------------------------------------------------------------------------


def places(group: FailureGroup) -> list[tuple[str, int]]:
    return [(frame["path"], frame["line"]) for frame in group.frames]


def test_frames_are_the_first_failing_traces() -> None:
    (group,) = assembled([raised(2, SHIFTED, at=hours(1)), raised(1)])
    assert places(group) == [("checkout/prices.py", 40), ("checkout/app.py", 12)]
    assert (group.row["sample_trace_id"], group.row["onset_sha"]) == (f"{1:032x}", sha(3))


def test_frames_of_the_root_cause_come_first_and_innermost_first() -> None:
    (group,) = assembled([raised(1, CHAINED)])
    assert places(group) == [("checkout/prices.py", 40), ("checkout/app.py", 30), ("checkout/app.py", 12)]
    assert [frame["position"] for frame in group.frames] == [0, 1, 2]
    assert group.row["exception_type"] == "KeyError"


def test_a_frame_that_both_exceptions_show_stands_once() -> None:
    both = CHAINED.replace("line 30, in total", "line 40, in price").replace(
        'checkout/app.py", line 40', 'checkout/prices.py", line 40'
    )
    (group,) = assembled([raised(1, both)])
    assert places(group) == [("checkout/prices.py", 40), ("checkout/app.py", 12)]


def test_blame_is_asked_per_path_in_one_call_at_the_revision_that_ran() -> None:
    port = Repository(
        {sha(3): TREE},
        {(sha(3), "checkout/app.py"): {12: "side", 30: sha(1)}, (sha(3), "checkout/prices.py"): {40: sha(2)}},
    )
    (group,) = assembled(
        [raised(1, CHAINED), raised(2, CHAINED, at=hours(1))], port=port, landed={"side": sha(4)}
    )
    assert port.asked == [(sha(3), "checkout/app.py", (12, 30)), (sha(3), "checkout/prices.py", (40,))]
    assert [(f["blamed_sha"], f["blamed_change"]) for f in group.frames] == [
        (sha(2), sha(2)),
        (sha(1), sha(1)),
        ("side", sha(4)),
    ]


def test_a_line_that_git_cannot_blame_blames_nobody() -> None:
    (group,) = assembled([raised(1)])
    assert {(f["blamed_sha"], f["blamed_change"]) for f in group.frames} == {(None, None)}


def test_frames_of_libraries_stay_but_map_to_nothing() -> None:
    text = stack(("checkout/prices.py", 40, "price"), ("lib/site-packages/httpx/_client.py", 9, "send"))
    (group,) = assembled([raised(1, text)])
    foreign, ours = group.frames
    assert (foreign["path"], foreign["in_app"], foreign["function"]) == (None, False, "send")
    assert (ours["path"], ours["in_app"]) == ("checkout/prices.py", True)


def test_an_endless_stack_is_cut_at_its_outer_end() -> None:
    deep = stack(*[("checkout/app.py", n, f"step_{n}") for n in range(1, 200)])
    (group,) = assembled([raised(1, deep)])
    assert [frame["line"] for frame in group.frames] == list(range(199, 199 - FRAMES_MAX, -1))


def test_without_a_revision_or_a_repository_frames_are_shown_and_nobody_is_blamed() -> None:
    port = Repository({sha(3): TREE})
    for row, services in ((raised(1, revision="v9"), CODE), (raised(1), {})):
        (group,) = assembled([row], port=port, services=services)
        assert [(f["function"], f["path"], f["blamed_sha"]) for f in group.frames] == [
            ("price", None, None),
            ("post_order", None, None),
        ]
        assert group.row["onset_sha"] is None
    assert port.asked == []


# --- what ran ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"revision": sha(3)}, sha(3)),
        ({"revision": None, "service_version": sha(2)[:12]}, sha(2)),
        ({"revision": "unknown", "service_version": sha(2)}, sha(2)),
        ({"revision": None}, sha(5)),
    ],
    ids=[
        "the span's revision",
        "its version",
        "a version when the revision names nothing",
        "the deployment's",
    ],
)
def test_the_revision_that_ran_is_the_spans_own_else_that_of_the_deployment(
    sent: dict[str, Any], expected: CommitSha
) -> None:
    (group,) = assembled([raised(1, **sent)], intervals=[interval(5, -1, 4)])
    assert group.row["onset_sha"] == expected
    assert group.row["previous_sha"] == sha(4)
    assert list(group.failures.revisions()) == [expected]


# --- what stands in the row ----------------------------------------------------------------------------------------


def test_a_title_names_the_exception_and_what_its_message_has_in_common() -> None:
    (group,) = assembled([raised(1, FLAT.replace("'gift'", "order 17"))])
    assert group.row["title"] == "KeyError: order <n>"
    assert group.row["message_template"] == "order <n>"


def test_without_an_exception_the_title_names_status_and_operation() -> None:
    (group,) = assembled([cause(1, http_response_status_code=502, name="GET /orders")])
    assert group.row["title"] == "502 on GET /orders"


def test_the_operation_is_where_the_work_entered_the_service() -> None:
    (called,) = assembled([cause(1, name="SELECT orders", kind=SpanKind.CLIENT)])
    assert (called.row["operation"], called.entry) == ("POST /orders", "POST /orders")
    (alone,) = assembled([cause(1, name="nightly", entry_name=None, kind=SpanKind.INTERNAL)])
    assert alone.row["operation"] == "nightly"


def test_callers_are_all_that_were_seen_and_one_partial_trace_makes_it_partial() -> None:
    (group,) = assembled(
        [raised(1, caller_services=["web", "app"]), raised(2, caller_services=["web"], is_partial=True)]
    )
    assert group.row["callers"] == ["app", "web"]
    assert group.row["is_partial"]


def test_most_of_the_traces_decide_whether_a_peer_was_away_or_a_stranger_sent_garbage() -> None:
    def of(*flags: bool) -> FailureGroup:
        (group,) = assembled(
            cause(n, is_dependency_leaf=flag, upstream_is_garbage_client=flag) for n, flag in enumerate(flags)
        )
        return group

    for most, group in (
        (True, of(True, True, False)),
        (False, of(True, False)),
        (False, of(False, False, True)),
    ):
        assert (group.is_dependency_leaf, group.is_garbage_caller) == (most, most)


def test_an_exception_in_our_code_is_a_logic_failure_with_its_reason() -> None:
    (group,) = assembled([raised(1)])
    assert group.row["category"] == group.categories[0].category == FailureCategory.LOGIC_UNHANDLED
    ranked = json.loads(group.row["categories"])
    assert [entry["category"] for entry in ranked] == [str(r.category) for r in group.categories]
    assert all(entry["reason"] for entry in ranked)


@pytest.mark.parametrize(
    ("cause_of", "is_startup"),
    [
        ({"at": T0 + timedelta(seconds=20)}, True),
        ({"at": T0 + timedelta(minutes=20)}, False),
        ({"at": T0 + timedelta(seconds=20), "kind": SpanKind.SERVER}, False),
        ({"at": T0 + timedelta(seconds=20), "http_route": "/orders"}, False),
        ({"at": T0 + timedelta(seconds=20), "caller_services": ["web"]}, False),
        ({"at": T0 + timedelta(seconds=20), "is_partial": True}, False),
    ],
    ids=["soon", "late", "a request", "a route", "a caller", "an unseen root"],
)
def test_what_fails_unasked_as_a_revision_starts_may_be_its_configuration(
    cause_of: dict[str, Any], is_startup: bool
) -> None:
    row = raised(1, **{"kind": SpanKind.INTERNAL, "entry_name": None, **cause_of})
    (group,) = assembled([row], intervals=[interval(3, 0, 1)])
    ranked = {entry.category for entry in group.categories}
    assert (FailureCategory.CONFIGURATION_DEPLOY in ranked) == is_startup


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 40), st.sampled_from([FLAT, SHIFTED, CHAINED])),
        max_size=12,
    ),
    st.randoms(),
)
def test_every_failing_trace_is_counted_in_one_group_and_under_one_revision(
    drawn: list[tuple[int, int, str]], chance: Random
) -> None:
    causes = [raised(n, text, at=hours(at), revision=sha(of + 1)) for n, (of, at, text) in enumerate(drawn)]
    chance.shuffle(causes)
    groups = assembled(causes)
    assert sum(g.row["failing_trace_count"] for g in groups) == len(causes)
    for group in groups:
        assert sum(map(group.failures.count, group.failures.revisions())) == len(group.failures)
        assert group.row["first_seen_at"] == group.failures.at(0)
        assert group.row["last_seen_at"] == group.failures.at(-1)


# --- what people decided ------------------------------------------------------------------------------------


def test_failures_that_a_person_merged_are_one_group_and_say_of_what() -> None:
    other = stack(("checkout/app.py", 12, "post_order"), ("checkout/prices.py", 40, "rebate"))
    first, second = sorted(assembled([raised(1), raised(2, other)]), key=lambda g: g.row["sample_trace_id"])
    decided = {
        "service": "checkout",
        "fingerprint": second.row["fingerprint"],
        "fingerprint_version": second.row["fingerprint_version"],
        "decision": "merge",
        "into_fingerprint": first.row["fingerprint"],
        "split_by": None,
    }
    (group,) = assembled([raised(1), raised(2, other)], decisions=[decided])
    assert group.row["group_id"] == first.row["group_id"]
    assert group.row["failing_trace_count"] == 2
    parts = json.loads(group.row["fingerprint_parts"])
    assert parts == json.loads(first.row["fingerprint_parts"]) | {"merged_from": [second.row["fingerprint"]]}


def test_a_failure_that_a_person_split_is_a_group_per_message() -> None:
    texts = [FLAT, FLAT.replace("'gift'", "'gift', a voucher")]
    (group,) = assembled([raised(n, text) for n, text in enumerate(texts, 1)])
    decided = {
        "service": "checkout",
        "fingerprint": group.row["fingerprint"],
        "fingerprint_version": group.row["fingerprint_version"],
        "decision": "split",
        "into_fingerprint": None,
        "split_by": "message",
    }
    found = assembled([raised(n, text) for n, text in enumerate(texts, 1)], decisions=[decided])
    assert len({g.row["group_id"] for g in found} - {group.row["group_id"]}) == 2


# --- generated code -----------------------------------------------------------------------------------------

MAPS = Path(__file__).parent.parent / "golden" / "source_maps"
SOURCES = ("web/src/cart.ts", "web/src/main.ts", "web/src/prices.ts")


def from_bundle(originals: OriginalFrames | None) -> FailureGroup:
    text = (MAPS / "a_bundle_by_esbuild.txt").read_text(encoding="utf-8")
    told: dict[str, Any] = {
        "sdk_language": "nodejs",
        "service_version": "1.4.0",
        "exception_type": "TypeError",
    }
    port = Repository({sha(3): SOURCES}, {(sha(3), "web/src/prices.ts"): {5: sha(2)}})
    (group,) = assembled([raised(1, text, **told)], port=port, originals=originals)
    return group


def test_a_frame_of_a_bundle_without_its_map_is_unmapped_and_blames_nobody() -> None:
    frames = from_bundle(None).frames
    assert {frame["mapping"] for frame in frames[:2]} == {"unmapped"}
    assert {frame["blamed_sha"] for frame in frames} == {None}


def test_with_its_map_a_bundles_frame_blames_the_line_of_the_source() -> None:
    row = {"service": "checkout", "version": "1.4.0", "file": "main.3f9c2a1b.js", "content_sha256": "one"}
    content = (MAPS / "main.3f9c2a1b.js.map").read_bytes()
    group = from_bundle(OriginalFrames([row], lambda *_: content))
    first = group.frames[0]
    assert (first["path"], first["function"], first["line"]) == ("web/src/prices.ts", "priceOf", 5)
    assert first["blamed_sha"] == sha(2)
    assert json.loads(group.row["fingerprint_parts"])["functions"][0] == "priceOf"


def test_the_line_of_compiled_code_is_not_blamed_though_its_source_is_found() -> None:
    text = "TypeError: x\n    at total (/app/dist/cart.js:12:5)"
    port = Repository({sha(3): SOURCES}, {(sha(3), "web/src/cart.ts"): {12: sha(2)}})
    (group,) = assembled([raised(1, text, sdk_language="nodejs")], port=port)
    assert (group.frames[0]["path"], group.frames[0]["mapping"]) == ("web/src/cart.ts", "transpiled")
    assert group.frames[0]["blamed_sha"] is None
    assert port.asked == []

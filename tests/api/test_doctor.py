"""What is missing for an answer about a service, and which setting would add most."""

from itertools import pairwise

import pytest

from api import doctor, gains
from schemas.store import Row

WHOLE: Row = {
    "service": "checkout",
    "span_count": 1000,
    "revision_count": 1000,
    "named_count": 1000,
    "weighed_count": 1000,
    "span_weight": 1000.0,
    "last_span_at": None,
    "repository": "acme/shop",
    "path": "",
    "basis": "stated",
    "deployment_count": 0,
    "running_revision": None,
    "running_sha": None,
    "failure_group_count": 10,
    "raised_count": 10,
    "stacked_count": 10,
    "frame_count": 100,
    "resolved_frame_count": 50,
    "unmapped_frame_count": 0,
    "incident_count": 3,
    "is_synced": True,
}


def told(sampling_ratio: float | None = None, **less: object) -> Row:
    return doctor.status({**WHOLE, **less}, sampling_ratio)


def first(**less: object) -> str | None:
    advice = told(**less)["advice"]  # type: ignore[arg-type]
    return advice[0]["code"] if advice else None


def test_a_service_that_sends_everything_lacks_nothing() -> None:
    found = told()
    assert (found["missing"], found["named_first"]) == ([], gains.NAMED_FIRST[(True, True)])


NO_STACKS = {"stacked_count": 0, "frame_count": 0, "resolved_frame_count": 0}
CELLS = [
    # Sampling by itself.
    ({"span_weight": 10_000.0}, "few_traces"),
    ({"span_weight": 100_000.0}, "few_traces"),
    ({"weighed_count": 0, "span_weight": 0.0}, "sampling_unknown"),
    # Stacks.
    ({"stacked_count": 5}, "few_stacks"),
    (NO_STACKS, "no_frames"),
    # The revision, as nothing, as a version that names no commit, and beside deployments.
    ({"revision_count": 600, "named_count": 600}, "no_revision"),
    ({"revision_count": 200, "named_count": 200}, "no_revision"),
    ({"named_count": 200}, "revision_unresolved"),
    ({"revision_count": 200, "named_count": 200, "deployment_count": 9}, "few_revisions"),
    # Several at once: the lowest rung that carries most.
    ({"span_weight": 100_000.0, "stacked_count": 5, "revision_count": 600, "named_count": 600}, "few_traces"),
    ({**NO_STACKS, "revision_count": 200, "named_count": 200}, "no_frames"),
    ({"stacked_count": 5, "revision_count": 0, "named_count": 0}, "few_stacks"),
    ({"stacked_count": 7, "revision_count": 0, "named_count": 0}, "no_revision"),
    ({"repository": None, "is_synced": False, "revision_count": 0, "named_count": 0}, "no_repository"),
    ({"is_synced": False, "stacked_count": 0}, "not_synced"),
    ({"incident_count": 0}, "no_incidents"),
]


@pytest.mark.parametrize(("less", "code"), CELLS)
def test_each_cell_of_the_ladder_names_the_setting_that_adds_most(less: Row, code: str) -> None:
    found = told(**less)
    assert found["advice"][0]["code"] == code
    gained = [item["gain"] for item in found["advice"] if item["gain"] is not None]
    assert gained == sorted(gained, reverse=True)
    assert all(found["named_first"] + gain <= 1 for gain in gained)


def test_less_is_never_estimated_to_name_more() -> None:
    shares = (0.0, 0.2, 0.6, 1.0)
    for kept in (0.01, 0.1, 1.0):
        for low, high in pairwise(shares):
            assert gains.named_first(gains.Sight(kept, low, 1)) <= gains.named_first(
                gains.Sight(kept, high, 1)
            )
            assert gains.named_first(gains.Sight(kept, 1, low)) <= gains.named_first(
                gains.Sight(kept, 1, high)
            )


def test_a_stated_sampling_ratio_stands_in_for_what_spans_do_not_tell() -> None:
    found = told(0.01, weighed_count=0, span_weight=0.0)
    assert (found["kept_share"], found["advice"][0]["code"]) == (0.01, "few_traces")


def test_every_code_has_a_text_and_every_gain_a_code() -> None:
    assert set(gains.MENDED) <= set(doctor._TEXTS)

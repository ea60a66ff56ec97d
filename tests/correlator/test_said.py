"""What was said is kept, version by version."""

import json
from typing import Any

from failure_builders import hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator import said

KEY = ("incident", "generic:INC-1")


def piece(kind: str = "blamed_line", log_lr: float = 3.7, detail: str = "it wrote line 3") -> dict[str, Any]:
    return {"kind": kind, "log_lr": log_lr, "detail": detail, "facts": {}}


def row(weight: float, n: int | None = 1, *pieces: dict[str, Any]) -> dict[str, Any]:
    """A share of change ``n``, or of nobody."""
    return {
        "candidate": "change" if n is not None else "unattributed",
        "repository": "acme/shop" if n is not None else None,
        "sha": sha(n) if n is not None else None,
        "weight": weight,
        "evidence": json.dumps(list(pieces)),
        "algorithm_version": "1",
    }


def answer(*rows: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    return {
        "candidates": list(rows) or [row(0.8, 1, piece()), row(0.2, None)],
        "is_false_alarm": False,
        "duplicate_of": None,
        "category": "unknown",
        "groups": ["g1"],
        "algorithm_version": "1",
        **overrides,
    }


def versions(*answers: dict[str, Any]) -> list[dict[str, Any]]:
    """What is kept of answers that were given one after the other."""
    last: dict[said.Key, dict[str, Any]] = {}
    kept = []
    for n, found in enumerate(answers):
        fresh = said.versions({KEY: found}, last, said_at=hours(n), facts_digest=str(n))
        kept += fresh
        for version in fresh:
            last[KEY] = version
    return kept


def texts(version: dict[str, Any]) -> list[str]:
    return [reason["text"] for reason in json.loads(version["reasons"])]


def test_an_answer_that_stays_is_one_version() -> None:
    found = versions(answer(), answer(), answer(row(0.78, 1, piece()), row(0.22, None)))
    assert [(v["version"], v["said_at"]) for v in found] == [(1, hours(0))]
    assert texts(found[0]) == ["the first answer"]


def test_an_answer_that_creeps_is_held_against_what_was_said() -> None:
    """Three steps of 0.02 are one of 0.06."""
    found = versions(*(answer(row(0.8 - n / 50, 1), row(0.2 + n / 50, None)) for n in range(4)))
    assert [v["version"] for v in found] == [1, 2]
    assert texts(found[1]) == ["the same evidence weighs otherwise: traffic and failures went on"]


def test_a_revert_makes_a_version_that_says_so_and_keeps_the_one_before() -> None:
    revert = piece("reverted_after", 5.3, "reverted by 0123456789")
    found = versions(answer(row(0.95, 1, piece())), answer(row(0.96, 1, revert, piece())))
    assert [v["version"] for v in found] == [1, 2]
    assert texts(found[1]) == ["reverted by 0123456789"]
    assert json.loads(found[0]["candidates"])[0]["weight"] == 0.95


def test_evidence_that_went_away_is_told() -> None:
    found = versions(
        answer(row(0.9, 1, piece())), answer(row(0.3, 1), row(0.7, 2, piece(detail="it wrote line 9")))
    )
    assert texts(found[1]) == ["it wrote line 9", "no longer: it wrote line 3"]


def test_what_else_changes_an_answer_is_told() -> None:
    for changed, text in (
        ({"is_false_alarm": True}, "now held to be a false alarm"),
        ({"duplicate_of": "generic:INC-0"}, "repeats generic:INC-0"),
    ):
        found = versions(answer(), answer(**changed), answer())
        assert [v["version"] for v in found] == [1, 2, 3]
        assert texts(found[1]) == [text]
    other = answer(row(0.1, 1, piece()), row(0.9, None), groups=["g2"], algorithm_version="2")
    assert texts(versions(answer(), other)[1]) == [
        "weights of evidence 1 became 2",
        "also explained by failure g2",
        "no longer explained by failure g1",
    ]


def test_groups_and_incidents_are_told_apart() -> None:
    shared = row(1.0, 1)
    state = {"incident_id": "x", "is_false_alarm": False, "duplicate_of": None, "category": "unknown"}
    links = [
        {"incident_id": "x", "group_id": g, "weight": w} for g, w in (("g2", 0.6), ("g1", 0.3), ("g3", 0.05))
    ]
    found = said.answers(
        attributions=[shared | {"incident_id": "x"}],
        states=[state],
        links=links,
        suspects=[shared | {"group_id": "x"}],
    )
    assert found[("incident", "x")]["groups"] == ["g1", "g2"]
    assert found[("group", "x")]["is_false_alarm"] is None


@given(st.lists(st.integers(0, 20), min_size=1, max_size=20))
def test_the_newest_version_says_what_is_said_now(weights: list[int]) -> None:
    """Within the least move that counts, whatever the way there."""
    found = versions(*(answer(row(n / 20, 1), row(1 - n / 20, None)) for n in weights))
    newest = json.loads(found[-1]["candidates"])[0]["weight"]
    assert abs(newest - weights[-1] / 20) < said.MOVED_MIN
    assert [v["version"] for v in found] == list(range(1, len(found) + 1))

"""Suspects as rows of their tables."""

import json
from math import fsum

import pytest
from evidence_builders import RULED, failing, frame, listed, weighed
from failure_builders import REPOSITORY, nobody, nothing, on, sha

from correlator.attribution_rows import of_groups, of_incidents
from correlator.incidents import Answer
from schemas import tables
from schemas.records import CommitSha, Suspect, SuspectEvidence
from schemas.store import arrow
from schemas.vocabulary import Candidate, EvidenceKind

OWNED: dict[str, str] = {sha(n): REPOSITORY for n in range(5)}
SHARES = (on(0.6, 3), on(0.2, 2), nothing(0.15), nobody(0.05))


GROUP_OF: dict[str | None, str] = {sha(3): "g1", sha(2): "g2", None: "g1"}


def answered(incident_id: str = "generic:INC-7", group_of: dict[str | None, str] = GROUP_OF) -> Answer:
    return Answer({"incident_id": incident_id}, SHARES, group_of)


def test_ranks_follow_the_suspects_and_weights_stay_as_they_are() -> None:
    rows = list(of_groups({"g1": SHARES}, OWNED, "v1"))
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert [row["weight"] for row in rows] == [0.6, 0.2, 0.15, 0.05]
    assert [row["candidate"] for row in rows] == ["change", "change", "no_change", "unattributed"]


def test_only_a_change_has_a_commit_and_a_repository() -> None:
    rows = list(of_groups({"g1": SHARES}, OWNED, "v1"))
    assert [row["sha"] for row in rows] == [sha(3), sha(2), None, None]
    assert [row["repository"] for row in rows] == [REPOSITORY, REPOSITORY, None, None]


def test_rows_of_groups_are_ordered_by_group_whatever_order_they_came_in() -> None:
    rows = list(of_groups({"g2": SHARES[:1], "g1": SHARES[:2]}, OWNED, "v1"))
    assert [(row["group_id"], row["rank"]) for row in rows] == [("g1", 1), ("g1", 2), ("g2", 1)]
    assert rows == list(of_groups({"g1": SHARES[:2], "g2": SHARES[:1]}, OWNED, "v1"))


def test_every_row_says_which_weights_made_it() -> None:
    rows = [*of_groups({"g1": SHARES}, OWNED, "v1"), *of_incidents([answered()], OWNED, "v1")]
    assert {row["algorithm_version"] for row in rows} == {"v1"}


def test_each_row_of_an_incident_names_the_group_that_gave_most_of_its_weight() -> None:
    rows = list(of_incidents([answered(), answered("generic:INC-8", {})], OWNED, "v1"))
    assert [row["group_id"] for row in rows] == ["g1", "g2", "g1", None] + [None] * 4
    assert [row["incident_id"] for row in rows] == ["generic:INC-7"] * 4 + ["generic:INC-8"] * 4
    assert [row["rank"] for row in rows] == [1, 2, 3, 4] * 2


def test_evidence_keeps_what_a_person_can_check() -> None:
    piece = SuspectEvidence(
        EvidenceKind.BLAMED_LINE, 1.23456789, "schrieb «grüße.py»:7", {"path": "grüße.py", "line": 7}
    )
    (row,) = of_groups({"g1": [Suspect(Candidate.CHANGE, CommitSha(sha(3)), 1.0, (piece,))]}, OWNED, "v1")
    assert "grüße.py" in row["evidence"]
    assert json.loads(row["evidence"]) == [
        {
            "kind": "blamed_line",
            "log_lr": 1.234568,
            "detail": "schrieb «grüße.py»:7",
            "facts": {"path": "grüße.py", "line": 7},
        }
    ]


def test_the_order_of_facts_does_not_change_the_bytes() -> None:
    one, other = ({"line": 7, "path": "a.py"}, {"path": "a.py", "line": 7})
    rows = [
        next(
            of_groups(
                {
                    "g1": [
                        Suspect(
                            Candidate.CHANGE,
                            sha(3),
                            1.0,
                            (SuspectEvidence(EvidenceKind.CHANGE_POINT, 1.0, "d", facts),),
                        )
                    ]
                },
                OWNED,
                "v1",
            )
        )
        for facts in (one, other)
    ]
    assert rows[0] == rows[1]


def test_rows_of_real_suspects_fit_their_tables_and_still_sum_to_one() -> None:
    found = weighed(failing(frame(blamed=3)), [listed(3), listed(2)], touched={3: ["shop/orders.py"]})
    groups = arrow(tables.GROUP_SUSPECTS, of_groups({"g1": found}, OWNED, RULED.version))
    incidents = arrow(
        tables.INCIDENT_ATTRIBUTIONS,
        of_incidents([Answer({"incident_id": "generic:INC-7"}, tuple(found), {})], OWNED, RULED.version),
    )
    for table in (groups, incidents):
        assert fsum(table["weight"].to_pylist()) == pytest.approx(1, abs=1e-9)
        assert table["rank"].to_pylist() == list(range(1, len(found) + 1))
        assert all(isinstance(json.loads(text), list) for text in table["evidence"].to_pylist())

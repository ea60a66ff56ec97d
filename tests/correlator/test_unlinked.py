"""Suspects of an incident that no failing span explains."""

from math import fsum
from typing import Any

from failure_builders import REPOSITORY, change, hours, incident, sha

from correlator import mainlines, unlinked, weights
from correlator.candidates import Listed
from correlator.failure_groups import ServiceCode
from correlator.revisions import Timeline
from schemas.records import RepositoryName
from schemas.vocabulary import Candidate, EvidenceKind

RULED = weights.load()
LINES = mainlines.by_repository([change(n) for n in range(12)])
OPENED = hours(20)


def interval(n: int, at: float, previous: int | None, environment: str = "production") -> dict[str, Any]:
    return {
        "service": "checkout",
        "environment": environment,
        "started_at": hours(at),
        "sha": sha(n),
        "previous_sha": None if previous is None else sha(previous),
    }


def listed(*rows: dict[str, Any], **state: Any) -> list[Listed]:
    return unlinked.candidates(
        incident(opened_at=OPENED, **state),
        environments=sorted({row["environment"] for row in rows}),
        timeline=Timeline(rows),
        mainlines=LINES,
        services={"checkout": ServiceCode(RepositoryName(REPOSITORY))},
        paths_of={},
        weights=RULED,
    )


def shas(found: list[Listed]) -> list[str]:
    return [c.change["sha"] for c in found]


def test_what_was_deployed_before_the_incident_is_suspected() -> None:
    rows = [interval(1, 0, None), interval(3, 10, 1), interval(5, 30, 3)]
    assert shas(listed(*rows)) == [sha(2), sha(3)]


def test_an_unnamed_environment_is_not_the_one_where_people_try_things() -> None:
    rows = [
        interval(1, 0, None),
        interval(3, 10, 1),
        interval(3, 5, None, "staging"),
        interval(7, 15, 3, "staging"),
    ]
    assert shas(listed(*rows, environment=None)) == [sha(2), sha(3)]


def test_deployments_without_an_environment_count_for_production() -> None:
    rows = [interval(1, 0, None, ""), interval(3, 10, 1, "")]
    assert shas(listed(*rows)) == [sha(2), sha(3)]


def test_an_older_change_that_the_incident_names_is_suspected_most() -> None:
    rows = [interval(6, 0, None), interval(8, 10, 6)]
    state = incident(opened_at=OPENED, commit_sha=sha(1)[:9])
    found = listed(*rows, commit_sha=sha(1)[:9])
    assert sha(1) in shas(found)
    weighed = unlinked.weigh(state, found, hunks={}, named=frozenset({sha(1)}), at_routes={}, weights=RULED)
    assert weighed[0].sha == sha(1)
    assert weighed[0].weight > 0.5
    assert EvidenceKind.NAMED_BY_INCIDENT in {piece.kind for piece in weighed[0].evidence}


def test_a_change_is_named_even_where_the_service_is_not_known() -> None:
    assert shas(listed(service=None, commit_sha=sha(4))) == [sha(4)]


def test_a_fix_that_the_post_mortem_names_is_no_suspect() -> None:
    late = mainlines.by_repository([change(0), change(1, landed_at=hours(40))])
    found = unlinked.candidates(
        incident(opened_at=OPENED, postmortem=f"Mended by {sha(1)}."),
        environments=[],
        timeline=Timeline([]),
        mainlines=late,
        services={},
        paths_of={},
        weights=RULED,
    )
    assert found == []


def test_shared_rare_words_raise_a_change_and_the_masses_sum_to_one() -> None:
    found = listed(interval(1, 0, None), interval(5, 10, 1))
    hunks: dict[str, list[dict[str, Any]]] = {
        sha(3): [{"path": "export.py", "tokens": ["consent_given", "export"]}]
    }
    state = incident(opened_at=OPENED, title="Exports without consent")
    weighed = unlinked.weigh(state, found, hunks=hunks, named=frozenset(), at_routes={}, weights=RULED)
    assert round(fsum(s.weight for s in weighed), 9) == 1.0
    assert weighed[0].sha == sha(3)
    assert weighed[0].weight <= RULED.cap["unknown_revision"]


def test_without_candidates_nobody_is_suspected() -> None:
    weighed = unlinked.weigh(incident(), [], hunks={}, named=frozenset(), at_routes={}, weights=RULED)
    assert {s.candidate for s in weighed} == {Candidate.NO_CHANGE, Candidate.UNATTRIBUTED}
    assert round(fsum(s.weight for s in weighed), 9) == 1.0


def test_a_wrong_total_is_less_often_nobodys_doing_than_a_slow_page() -> None:
    found = listed(interval(1, 0, None), interval(5, 10, 1))

    def unexplained(title: str) -> float:
        state = incident(opened_at=OPENED, title=title)
        weighed = unlinked.weigh(state, found, hunks={}, named=frozenset(), at_routes={}, weights=RULED)
        return next(s.weight for s in weighed if s.candidate is Candidate.NO_CHANGE)

    assert unexplained("Totals are wrong") < unexplained("Latency is high")

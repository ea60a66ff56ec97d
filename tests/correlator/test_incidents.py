"""One incident's answer."""

from math import fsum
from typing import Any

from failure_builders import group, hours, incident, nobody, nothing, on, sha

from correlator import incidents, weights
from correlator.incident_links import Link
from correlator.paces import Pace

RULED = weights.load()


def answer(state: dict[str, Any], *groups: Any, **overrides: Any) -> incidents.Answer:
    links = [Link(g.row["group_id"], round(0.8 / len(groups), 6), ()) for g in groups]
    given: dict[str, Any] = {
        "groups": {g.row["group_id"]: g for g in groups},
        "group_suspects": {g.row["group_id"]: [on(0.9, 1), nothing(0.06), nobody(0.04)] for g in groups},
        "duplicate_of": None,
        "is_watched": True,
        "pace": Pace.UNKNOWN,
        "unlinked": (),
        "verdict": None,
        "weights": RULED,
    }
    return incidents.answer(state, links, **(given | overrides))


def verdict(candidate: str = "change") -> dict[str, Any]:
    return {"candidate": candidate, "sha": sha(7) if candidate == "change" else None, "reason": None}


def masses(found: incidents.Answer) -> dict[str | None, float]:
    assert round(fsum(s.weight for s in found.suspects), 9) == 1.0
    return {s.sha or str(s.candidate): s.weight for s in found.suspects}


def test_the_masses_of_an_answer_sum_to_one() -> None:
    found = answer(incident(), *(group(f"g{n}") for n in range(7)))
    assert masses(found)[sha(1)] > 0.7
    assert masses(answer(incident(), is_watched=False)) == {"unattributed": 1.0}


def test_nothing_failed_in_a_watched_service_is_a_false_alarm() -> None:
    found = answer(incident())
    assert found.state["is_false_alarm"]
    assert masses(found)["no_change"] == 0.9


def test_nothing_seen_in_a_service_that_is_not_watched_is_none() -> None:
    assert not answer(incident(), is_watched=False).state["is_false_alarm"]


def test_an_incident_that_people_explained_is_no_false_alarm() -> None:
    for told in ({"postmortem": "We lost writes."}, {"commit_sha": sha(3)}):
        assert not answer(incident(**told)).state["is_false_alarm"]


def test_a_verdict_on_a_change_makes_an_incident_true_and_takes_all_mass() -> None:
    for state in (incident(), incident(is_declared_false=True)):
        found = answer(state, verdict=verdict())
        assert not found.state["is_false_alarm"]
        assert masses(found) == {sha(7): 1.0, "unattributed": 0.0}


def test_a_verdict_of_no_change_leaves_a_false_alarm_false() -> None:
    assert answer(incident(is_declared_false=True), verdict=verdict("no_change")).state["is_false_alarm"]


def test_detection_is_never_negative() -> None:
    assert answer(incident(), group(failed_at=[hours(0.1)])).state["detection_delay_s"] == 0.0
    assert answer(incident(), group(failed_at=[hours(-1)])).state["detection_delay_s"] == 3600.0


def test_detection_of_an_old_failure_counts_from_what_belongs_to_the_incident() -> None:
    old = group(failed_at=[hours(-24 * 30), hours(-2), hours(-1)])
    assert answer(incident(), old).state["detection_delay_s"] == 7200.0


def test_each_suspect_leads_to_the_group_that_gave_most_of_its_weight() -> None:
    first, second = group("g1"), group("g2")
    suspected = {"g1": [on(0.9, 1), nothing(0.1)], "g2": [on(0.7, 2), on(0.2, 1), nothing(0.1)]}
    found = answer(incident(), first, second, group_suspects=suspected)
    assert found.group_of == {sha(1): "g1", sha(2): "g2", None: "g1"}


def test_slowness_is_a_false_alarm_only_where_durations_were_as_ever() -> None:
    for pace in Pace:
        found = answer(incident(title="p95 latency is high"), pace=pace)
        assert found.state["is_false_alarm"] is (pace is Pace.STEADY)


def test_silence_says_nothing_of_what_fails_no_span() -> None:
    for title in ("Orders are refused", "Anyone can read the export", "Totals are wrong", "KeyError in cart"):
        assert not answer(incident(title=title)).state["is_false_alarm"]
    assert answer(incident(title="High error rate")).state["is_false_alarm"]

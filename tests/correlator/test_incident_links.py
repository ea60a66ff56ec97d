"""Which failures explain an incident, and which incidents are one."""

from datetime import datetime
from time import perf_counter

from failure_builders import HOUR, T0, group, hours, incident, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator import incident_links
from correlator.incident_links import Link
from schemas.vocabulary import FailureCategory

AS_OF = hours(24 * 60)
MINUTE = HOUR / 60


def weight(state: dict[str, object], *groups: object) -> dict[str, float]:
    links = incident_links.score(state, groups, as_of=AS_OF)  # type: ignore[arg-type]
    return {link.group_id: link.weight for link in links}


def steady(days: float, until: float = 24, every: float = 1.0) -> list[datetime]:
    """Failures at a steady rate from so many days before the incident."""
    return [hours(n * every) for n in range(int(-24 * days / every), int(until / every))]


FRESH = [T0 - n * MINUTE for n in range(0, 60, 5)]


def test_a_fresh_failure_of_the_service_explains_most() -> None:
    assert weight(incident(), group("g1", FRESH))["g1"] > 0.7


def test_the_weights_of_an_incident_sum_to_at_most_one() -> None:
    found = weight(incident(title="KeyError coupon in orders"), *(group(f"g{n}", FRESH) for n in range(7)))
    assert len(found) == 7
    assert sum(found.values()) <= 1.000004


def test_a_failure_that_went_on_for_weeks_explains_no_new_alert() -> None:
    assert weight(incident(), group("old", steady(30))) == {}


def test_it_explains_one_that_names_it_but_less_than_a_fresh_failure_does() -> None:
    said = incident(title="KeyError coupon")
    old, fresh = group("old", steady(30)), group("fresh", FRESH)
    assert 0 < weight(said, old)["old"] < weight(said, fresh)["fresh"]


def test_a_surge_of_an_old_failure_explains_an_incident() -> None:
    burst = [*steady(30), *(T0 - n * MINUTE for n in range(60))]
    assert weight(incident(), group("old", burst))["old"] > 0.5


def test_an_incident_of_the_wrong_service_is_explained_by_the_failure_that_it_names() -> None:
    failure = group("g1", FRESH)
    kind = str(failure.facts.exception_type).rsplit(".", 1)[-1]
    wrong = {"service": "elsewhere"}
    assert weight(incident(title="Customers cannot pay", **wrong), failure) == {}
    named = group("g2", FRESH, operation="POST /orders/{id}")
    assert weight(incident(title="POST /orders/{id} fails", **wrong), named)["g2"] > 0.3
    assert weight(incident(title="Errors on /orders/{id}", **wrong), named)["g2"] > 0.3
    assert weight(incident(title="Errors on /orders", **wrong), named) == {}
    assert len(kind) < incident_links.TYPE_CHARACTERS_MIN, "KeyError is everywhere"
    assert weight(incident(title=f"{kind} in orders", **wrong), failure) == {}


def test_what_failed_in_the_service_of_the_incident_goes_before_what_it_names_elsewhere() -> None:
    own = group("own", FRESH)
    named = group("named", FRESH, operation="POST /orders/{id}", service="orders")
    assert set(weight(incident(title="POST /orders/{id} fails"), own, named)) == {"own"}


def test_a_fresh_failure_wins_over_one_that_began_days_before() -> None:
    found = weight(incident(), group("older", steady(3)), group("fresh", FRESH))
    assert found["fresh"] > 5 * found.get("older", 0.0)


def test_what_began_long_after_the_incident_explains_nothing() -> None:
    still_open = incident(resolved_at=None)
    assert weight(still_open, group("later", [hours(20)])) == {}
    assert weight(still_open, group("much_later", [hours(24 * 20)])) == {}


def test_a_failure_seen_minutes_after_the_alert_belongs_to_it() -> None:
    assert "g1" in weight(incident(), group("g1", [T0 + 5 * MINUTE] * 5))


def test_an_incident_of_the_caller_is_explained_by_the_callee() -> None:
    assert "g1" in weight(incident(), group("g1", FRESH, service="pricing", callers=["checkout"]))
    assert weight(incident(), group("g1", FRESH, service="pricing")) == {}


def test_an_incident_of_a_service_that_is_down_is_explained_by_its_callers() -> None:
    down = incident(service="pricing")
    refused = group("g1", FRESH, attributes={"server.address": "pricing.shop.svc"})
    assert "g1" in weight(down, refused)
    assert "g1" in weight(down, group("g1", FRESH, callee="pricing"))
    assert weight(down, group("g1", FRESH, attributes={"server.address": "bank.example"})) == {}


def test_an_incident_without_service_environment_or_end_can_be_explained() -> None:
    vague = incident(service=None, environment=None, resolved_at=None)
    assert "g1" in weight(vague, group("g1", FRESH))


def test_environments_are_compared_by_what_they_mean() -> None:
    assert "g1" in weight(incident(environment="prod"), group("g1", FRESH))
    assert "g1" in weight(incident(), group("g1", FRESH, environment=""))
    assert weight(incident(environment="staging"), group("g1", FRESH)) == {}


def test_what_fails_after_the_as_of_is_not_known() -> None:
    later = group("g1", [hours(0.2)])
    assert incident_links.score(incident(), [later], as_of=hours(0.1)) == []


# --- drifts ------------------------------------------------------------------------------------------

DRIFT = {"detector": "personal_data_sent", "category": FailureCategory.COMPLIANCE_GOVERNANCE}
DAYS_BEFORE = [hours(-24 * 4 + n) for n in range(24)]


def test_a_drift_of_the_days_before_explains_an_incident_that_speaks_of_its_kind() -> None:
    told = incident(title="GDPR: addresses of customers left the country")
    assert weight(told, group("drift", DAYS_BEFORE, **DRIFT))["drift"] > 0.7
    assert weight(incident(title="Latency alert"), group("drift", DAYS_BEFORE, **DRIFT)) == {}
    assert weight(told, group("errors", DAYS_BEFORE)) == {}


def test_a_drift_that_ended_weeks_before_or_came_later_explains_nothing() -> None:
    told = incident(title="GDPR: addresses of customers left the country")
    assert weight(told, group("old", [hours(-24 * 20)], **DRIFT)) == {}
    assert weight(told, group("later", [hours(30)], **DRIFT)) == {}
    assert weight(told, group("other", DAYS_BEFORE, service="pricing", **DRIFT)) == {}


@given(st.permutations(range(5)))
def test_the_order_of_groups_does_not_matter(order: list[int]) -> None:
    groups = [group(f"g{n}", FRESH[: n + 2]) for n in range(5)]
    expected = incident_links.score(incident(), groups, as_of=AS_OF)
    assert incident_links.score(incident(), [groups[n] for n in order], as_of=AS_OF) == expected


def test_thousands_of_incidents_and_many_failures_take_seconds() -> None:
    groups = [group(f"g{n}", [hours(n + k / 50) for k in range(2000)]) for n in range(100)]
    began = perf_counter()
    for n in range(1000):
        incident_links.score(incident(n, opened_at=hours(n), resolved_at=hours(n + 1)), groups, as_of=AS_OF)
    assert perf_counter() - began < 5


# --- duplicates -------------------------------------------------------------------------------------

LINKED = [Link("g1", 0.8, ())]


def duplicates(*states: dict[str, object], false: tuple[str, ...] = ()) -> dict[str, str]:
    links = {str(s["incident_id"]): [] if s["incident_id"] in false else LINKED for s in states}
    return incident_links.duplicates(states, links, false)


def test_a_second_alert_for_one_failure_is_a_duplicate() -> None:
    assert duplicates(incident(1), incident(2, opened_at=hours(0.5))) == {"generic:INC-2": "generic:INC-1"}


def test_the_same_failure_days_later_is_an_incident_of_its_own() -> None:
    assert duplicates(incident(1), incident(2, opened_at=hours(72))) == {}


def test_a_false_alarm_leads_no_duplicate_whoever_says_that_it_is_one() -> None:
    false = ("generic:INC-1",)
    assert duplicates(incident(1), incident(2, opened_at=hours(0.5)), false=false) == {}
    stated = incident(2, opened_at=hours(0.5), duplicate_of="generic:INC-1")
    assert duplicates(incident(1), stated, false=false) == {}


def test_of_several_that_repeat_a_false_alarm_the_first_leads() -> None:
    told = [incident(n, opened_at=hours(n), duplicate_of="generic:INC-1") for n in (2, 3)]
    found = duplicates(incident(1), *told, false=("generic:INC-1",))
    assert found == {"generic:INC-3": "generic:INC-2"}


def test_of_incidents_that_repeat_each_other_one_counts() -> None:
    one = incident(1, duplicate_of="generic:INC-2")
    two = incident(2, duplicate_of="generic:INC-1", opened_at=hours(48))
    assert duplicates(one, two) == {"generic:INC-2": "generic:INC-1"}


def test_of_incidents_that_repeat_one_that_was_never_sent_one_counts() -> None:
    one = incident(1, duplicate_of="generic:INC-0")
    two = incident(2, duplicate_of="generic:INC-0", opened_at=hours(48))
    assert duplicates(one, two) == {"generic:INC-2": "generic:INC-1"}


def test_chains_of_duplicates_lead_to_the_first() -> None:
    two = incident(2, duplicate_of="generic:INC-1", opened_at=hours(48))
    three = incident(3, duplicate_of="generic:INC-2", opened_at=hours(96))
    assert duplicates(incident(1), two, three) == {
        "generic:INC-2": "generic:INC-1",
        "generic:INC-3": "generic:INC-1",
    }


def test_no_duplicate_leads_another() -> None:
    two = incident(2, opened_at=hours(0.2))
    three = incident(3, opened_at=hours(48), duplicate_of="generic:INC-2")
    found = duplicates(incident(1), two, three)
    assert set(found.values()) == {"generic:INC-1"}


def test_many_incidents_of_different_failures_take_seconds() -> None:
    states = [incident(n, opened_at=hours(n)) for n in range(5000)]
    links = {s["incident_id"]: [Link(f"g{n}", 0.8, ())] for n, s in enumerate(states)}
    began = perf_counter()
    assert incident_links.duplicates(states, links, ()) == {}
    assert perf_counter() - began < 1


# --- names ------------------------------------------------------------------------------------------


def test_a_short_sha_names_the_change_that_it_landed_with() -> None:
    shas: dict[str, str] = {sha(1): sha(2), sha(2): sha(2), sha(3): sha(3)}
    said = incident(postmortem=f"Caused by {sha(1)[:8].upper()}.")
    assert incident_links.named_changes(said, shas, {}) == {sha(2)}
    assert incident_links.named_changes(incident(commit_sha=sha(3)), shas, {}) == {sha(3)}


def test_a_short_sha_of_several_changes_names_none() -> None:
    shas = {"abcdef0" + "1" * 33: "one", "abcdef0" + "2" * 33: "two"}
    assert incident_links.named_changes(incident(commit_sha="abcdef0"), shas, {}) == frozenset()


def test_incidents_that_name_nothing_cost_nothing() -> None:
    shas = {f"{n:040x}": "change" for n in range(200_000)}
    began = perf_counter()
    for n in range(2000):
        incident_links.named_changes(incident(n, commit_sha=sha(n)), shas, {})
        incident_links.named_changes(incident(n), shas, {})
    assert perf_counter() - began < 2


def test_an_incident_names_a_change_by_its_pull_request() -> None:
    requests = {34: sha(1), 7: sha(2)}
    said = incident(postmortem="The export that #34 added; see also item 7 of C#7 and issue/#7.")
    assert incident_links.named_changes(said, {}, requests) == {sha(1)}
    for stated in ("34", "#34", "https://git.example.org/acme/shop/pull/34", "acme/shop!34"):
        assert incident_links.named_changes(incident(pull_request=stated), {}, requests) == {sha(1)}, stated


def test_open_access_is_explained_by_its_own_drift_before_other_failures() -> None:
    door = group("door", [hours(-2)], detector="denials_stopped", category=FailureCategory.SECURITY)
    crash = group("crash", [hours(-0.1)] * 9)
    host = group("host", [hours(-30)], detector="host_is_new", category=FailureCategory.SECURITY)
    found = incident_links.score(
        incident(title="Anyone can read /orders"), [crash, host, door], as_of=hours(24)
    )
    assert found[0].group_id == "door"
    assert sum(link.weight for link in found if link.group_id != "door") < 0.2
    usual = incident_links.score(incident(title="High error rate"), [crash, door], as_of=hours(24))
    assert usual[0].group_id == "crash"


def test_a_door_that_opened_days_ago_explains_who_walks_in_today() -> None:
    door = group("door", [hours(-72)], detector="denials_stopped", category=FailureCategory.SECURITY)
    host = group("host", [hours(-72)], detector="host_is_new", category=FailureCategory.SECURITY)
    alarm = incident(title="Reports answer without a login")
    assert [link.group_id for link in incident_links.score(alarm, [host, door], as_of=hours(24))] == ["door"]

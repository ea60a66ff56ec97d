from demo import history, incidents, releases, truth
from demo.replay import REPOSITORY


def test_every_alert_has_a_cause_and_every_cause_an_alert() -> None:
    assert [alert.key for alert in incidents.ALERTS] == list(truth.CAUSES)


def test_a_cause_was_deployed_before_its_incident() -> None:
    at = {release.upto: release.at_s for release in reversed(releases.PLAN)}
    ends = {alert.key: alert.ends_s for alert in incidents.ALERTS}
    for name, cause in truth.CAUSES.items():
        if cause.change is not None:
            deployed = min(at_s for upto, at_s in at.items() if upto >= cause.change)
            assert deployed < ends[name], name


def test_there_are_enough_causes_of_every_sort() -> None:
    causes = [cause for cause in truth.CAUSES.values() if cause.same_as is None]
    changes = [cause for cause in causes if cause.change is not None]
    assert 10 <= len(changes) <= 13
    assert len({cause.category for cause in changes}) >= 5
    assert {truth.origin(cause.change) for cause in changes if cause.change} == {"ai", "human"}
    assert sum(cause.change is None for cause in causes) == 3


def test_every_named_change_exists() -> None:
    keys = {change.key for change in history.read() if change.is_mainline}
    assert keys >= truth.AI_CHANGES | truth.AUTOMATED_CHANGES
    assert keys >= {cause.change for cause in truth.CAUSES.values() if cause.change}


def test_about_two_dozen_changes_per_arm() -> None:
    origins = [truth.origin(change.key) for change in history.read() if change.is_mainline]
    assert 22 <= origins.count("ai") <= 28
    assert 22 <= origins.count("human") <= 32


def test_what_pagers_send_does_not_tell_the_truth() -> None:
    subjects = [change.subject for change in history.read()]
    for alert in incidents.ALERTS:
        assert not any(subject in alert.title for subject in subjects)
        assert truth.CAUSES[alert.key].story not in alert.title
    assert sum(bool(alert.postmortem) for alert in incidents.ALERTS) == 1
    assert sum(alert.names_trace for alert in incidents.ALERTS) == 1
    assert REPOSITORY == "acme/shop"

from datetime import datetime

import pytest

from demo import incidents
from demo.traffic import Failure

STARTED = 1_790_035_200
ALERT = incidents.Alert(
    "INC-1", "r01", "Orders fail", "checkout", "sev1", ends_s=90_000, kinds=("order",), nth=2
)


def failures(*seconds: int, kind: str = "order") -> list[Failure]:
    return [Failure(kind, 500, (STARTED + at) * 10**9, f"{at:032x}") for at in seconds]


def test_an_alert_fires_some_minutes_after_the_nth_failure_of_its_kinds() -> None:
    found = incidents.deliveries(ALERT, [*failures(50, kind="page"), *failures(300, 100, 200)], STARTED)
    opened = datetime.fromisoformat(str(found[0].body["opened_at"])).timestamp()
    assert opened == STARTED + 200 + ALERT.delay_s
    assert [delivery.body["event"] for delivery in found] == ["opened", "resolved"]


def test_too_few_failures_are_an_error_of_the_demo() -> None:
    with pytest.raises(ValueError, match="1 requests failed in r01, 2 are needed"):
        incidents.deliveries(ALERT, failures(100), STARTED)


def test_one_alert_is_delivered_twice_with_the_same_body() -> None:
    (alert,) = [alert for alert in incidents.ALERTS if alert.deliveries == 2]
    found = incidents.deliveries(alert, failures(*range(9), kind=alert.kinds[0]), STARTED)
    assert found[0] == found[1] != found[2]


def test_pagerduty_sends_its_own_shape() -> None:
    (alert,) = [alert for alert in incidents.ALERTS if alert.is_pagerduty]
    found = incidents.deliveries(alert, failures(1, 2, 3), STARTED)
    assert [delivery.noun for delivery in found] == ["pagerduty", "pagerduty"]
    events = [delivery.body["event"] for delivery in found]
    assert [event["event_type"] for event in events if isinstance(event, dict)] == [
        "incident.triggered",
        "incident.resolved",
    ]

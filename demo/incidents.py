"""What Acme's pagers send: only what a pager knows. Who is to blame stands in ``truth.py`` and is never sent.

An alert fires when the ``nth`` request of its kinds has failed, as a monitor would; or at a given time.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from demo.fleet import ENVIRONMENT
from demo.history import seconds
from demo.traffic import Failure


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident. ``release``: while which release it fires; ``ends``: when it is over, seconds since the start."""

    key: str
    release: str
    title: str
    service: str
    severity: str
    ends_s: int
    kinds: tuple[str, ...] = ()
    nth: int = 3
    delay_s: int = 180
    at_s: int | None = None
    is_pagerduty: bool = False
    deliveries: int = 1
    names_trace: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    postmortem: str | None = None


ORDERS = ("order", "large order", "order with coupon")

ALERTS: tuple[Alert, ...] = (
    Alert(
        "INC-101",
        "r03",
        "Product pages answer 500",
        "storefront",
        "sev2",
        seconds("6d 18:40"),
        kinds=("page",),
        deliveries=2,
    ),
    Alert(
        "INC-102",
        "r05",
        "POST /orders: 5xx above 20 %",
        "checkout",
        "sev1",
        seconds("10d 16:10"),
        kinds=ORDERS,
    ),
    Alert(
        "INC-103",
        "r07",
        "Shoppers cannot order",
        "storefront",
        "sev1",
        seconds("13d 15:40"),
        kinds=ORDERS,
    ),
    # The same failure again, seen by the monitor of the business figures; nobody says that it is the same.
    Alert(
        "INC-104",
        "r07",
        "Order rate far below usual",
        "storefront",
        "sev2",
        seconds("13d 15:45"),
        kinds=ORDERS,
        nth=4,
        delay_s=900,
    ),
    Alert(
        "INC-105",
        "r08",
        "Orders fail",
        "checkout",
        "sev1",
        seconds("15d 20:40"),
        kinds=ORDERS,
        nth=2,
    ),
    Alert(
        "INC-106",
        "r10",
        "Error rate of checkout above 30 %",
        "checkout",
        "sev1",
        seconds("19d 17:50"),
        kinds=(*ORDERS, "quote"),
    ),
    Alert(
        "INC-107",
        "r12",
        "Checkout is slow, then fails",
        "checkout",
        "sev1",
        seconds("22d 19:10"),
        kinds=(*ORDERS, "read", "partner"),
    ),
    Alert(
        "INC-108",
        "r14",
        "Product list times out",
        "storefront",
        "sev2",
        seconds("25d 16:55"),
        kinds=("listing",),
    ),
    Alert(
        "INC-109",
        "r16",
        "No instance of inventory is ready",
        "inventory",
        "sev1",
        seconds("28d 10:55"),
        at_s=seconds("28d 10:06"),
    ),
    Alert(
        "INC-110",
        "r18",
        "Orders fail",
        "checkout",
        "sev1",
        seconds("31d 15:20"),
        kinds=ORDERS,
        is_pagerduty=True,
    ),
    Alert(
        "INC-111",
        "r19",
        "Partner feed: 4xx above 60 %",
        "storefront",
        "sev3",
        seconds("33d 03:40"),
        kinds=("cut partner",),
    ),
    Alert(
        "INC-112",
        "r20",
        "Some orders fail",
        "checkout",
        "sev2",
        seconds("35d 20:10"),
        kinds=ORDERS,
        nth=2,
        names_trace=True,
    ),
    Alert(
        "INC-113",
        "r23",
        "Partner orders fail",
        "storefront",
        "sev2",
        seconds("46d 15:10"),
        kinds=("samples",),
    ),
    Alert(
        "INC-114",
        "r24",
        "Customer addresses reached the newsletter team",
        "checkout",
        "sev2",
        seconds("48d 17:10"),
        at_s=seconds("48d 09:30"),
        labels={"team": "checkout", "topic": "GDPR"},
        postmortem=(
            "The export of orders that #34 added carries the customer of every order. The newsletter team has no "
            "consent to use these addresses for marketing (GDPR). The data protection officer was told the same day; "
            "the copies were deleted."
        ),
    ),
    # Nothing failed: the monitor itself was slow that night.
    Alert(
        "INC-115",
        "r25",
        "p95 of storefront above 1 s",
        "storefront",
        "sev3",
        seconds("49d 03:21"),
        at_s=seconds("49d 03:12"),
    ),
    Alert(
        "INC-116",
        "r26",
        "Some orders fail",
        "checkout",
        "sev2",
        seconds("53d 14:40"),
        kinds=ORDERS,
        nth=2,
    ),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook request: noun of the intake route, body, and the moment that it stands for."""

    noun: str
    body: dict[str, object]


def deliveries(alert: Alert, failures: list[Failure], started_unix_s: int) -> list[Delivery]:
    """Every request that the pager of ``alert`` makes, in order. ``failures``: what went wrong in its release.

    Raises:
        ValueError: fewer than ``nth`` requests failed, so that the alert would never have fired.
    """
    opened_s, trace_id = _opened(alert, failures, started_unix_s)
    opened, resolved = stamp(opened_s), stamp(started_unix_s + alert.ends_s)
    if alert.is_pagerduty:
        return [
            Delivery("pagerduty", _pagerduty(alert, "incident.triggered", "triggered", opened, opened)),
            Delivery("pagerduty", _pagerduty(alert, "incident.resolved", "resolved", opened, resolved)),
        ]
    body: dict[str, object] = {
        "id": alert.key,
        "event": "opened",
        "title": alert.title,
        "service": alert.service,
        "environment": ENVIRONMENT,
        "severity": alert.severity,
        "opened_at": opened,
        "status": "open",
        "links": {"url": f"https://pager.acme.example/{alert.key}"},
    }
    if alert.names_trace:
        body["links"] = {"url": f"https://pager.acme.example/{alert.key}", "trace_id": trace_id}
    closing = {**body, "event": "resolved", "status": "resolved", "resolved_at": resolved}
    if alert.labels:
        closing["labels"] = alert.labels
    if alert.postmortem:
        closing["postmortem"] = alert.postmortem
    return [Delivery("incidents", body)] * alert.deliveries + [Delivery("incidents", closing)]


def stamp(unix_s: float) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")


def _opened(alert: Alert, failures: list[Failure], started_unix_s: int) -> tuple[int, str]:
    if alert.at_s is not None:
        return started_unix_s + alert.at_s, ""
    seen = sorted(
        (failure for failure in failures if failure.kind in alert.kinds), key=lambda f: f.at_unix_ns
    )
    if len(seen) < alert.nth:
        raise ValueError(
            f"{alert.key}: {len(seen)} requests failed in {alert.release}, {alert.nth} are needed"
        )
    fired = seen[alert.nth - 1]
    return fired.at_unix_ns // 1_000_000_000 + alert.delay_s, fired.trace_id


def _pagerduty(alert: Alert, event: str, status: str, opened: str, at: str) -> dict[str, object]:
    """A version 3 webhook of PagerDuty, as its documentation shows it."""
    return {
        "event": {
            "id": f"01{alert.key}-{status}",
            "event_type": event,
            "resource_type": "incident",
            "occurred_at": at,
            "agent": {"id": "PSLWBL8", "type": "service_reference", "summary": "Monitor"},
            "client": None,
            "data": {
                "id": alert.key,
                "type": "incident",
                "self": f"https://api.pagerduty.com/incidents/{alert.key}",
                "html_url": f"https://acme.pagerduty.com/incidents/{alert.key}",
                "number": int(alert.key.rpartition("-")[2]),
                "status": status,
                "incident_key": alert.key.lower(),
                "created_at": opened,
                "title": alert.title,
                "service": {"id": "PF9KMXH", "type": "service_reference", "summary": alert.service},
                "assignees": [],
                "escalation_policy": {"id": "PUS0KTE", "summary": "Shop"},
                "teams": [],
                "priority": {"id": "PSO75BM", "type": "priority_reference", "summary": "P1"},
                "urgency": "high",
                "conference_bridge": None,
                "resolve_reason": None,
            },
        }
    }

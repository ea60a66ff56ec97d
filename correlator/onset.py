"""When a failure began, held against a deployment: how much likelier that moment is if the deployment brought it. Pure.

Were a change to blame, each request since its deployment had the failing share as its chance to fail, so the first
failure comes soon. Were none, the first failure is as likely at any request of the weeks before. Requests come in
bursts and the share is a guess, so the chance that so many were served well falls off slower than a geometric would.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log

from correlator.failure_groups import FailureGroup
from correlator.traffic import Traffic

LOOKBACK = timedelta(days=14)
SHORTEST = timedelta(minutes=30)
"""Traffic is counted by the hour: it does not say how much of it met a shorter failure."""

FEW = 3
"""Fewer failures do not say how long they went on: their share is of all requests since."""


@dataclass(frozen=True, slots=True)
class Onset:
    """``share`` of the requests that fail since ``at``, 0..1; 0 when nothing is known of the traffic.

    ``before``: requests within LOOKBACK before ``at``, none of which failed so.
    """

    at: datetime
    share: float
    before: float

    def log_ratio(self, served: float, *, delayed: float) -> float:
        """Log of (this moment | a deployment brought it) / (this moment | none did).

        Args:
            served: requests since the deployment before the failure began.
            delayed: share of defects that wait for something rare (a date, a value), 0..1: their moment says nothing.
        """
        soon = (self.share * self.before + 1) / (1 + self.share * served) ** 2
        return log((1 - delayed) * soon + delayed)

    def expected(self, served: float) -> float:
        """Failures that ``served`` requests would have shown at this share."""
        return self.share * served


def of(group: FailureGroup, traffic: Traffic, until: datetime) -> Onset:
    """The onset of a failure group.

    Args:
        traffic: requests of its operation.
        until: when its revision was replaced, or when we look.
    """
    first, last = group.row["first_seen_at"], group.row["last_seen_at"]
    count = len(group.failures)
    end = max(last, until) if count < FEW else max(last, first + SHORTEST)
    requests = traffic.between(first, end)
    known = requests or traffic.between(first - LOOKBACK, first)
    share = min(count / max(requests, count), 1.0) if known else 0.0
    return Onset(first, share, traffic.between(first - LOOKBACK, first))

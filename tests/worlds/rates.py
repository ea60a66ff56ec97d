"""Do the rates of generated companies hold the truth? What was asked of each world, beside what is known of it.

Nothing is told of the truth but what anybody is told: weights come from the product's own attribution, marks are
missing on a quarter of the AI-made changes, and the product assumes how often by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from api import queries
from correlator import metrics
from correlator.metric_queries import MetricQuery, MetricRow
from schemas.store import sql
from worlds.causes import Cause
from worlds.history import Change
from worlds.world import Answers, World

FOLLOWUP_DAYS = 14
A_DAY = timedelta(days=1)
ARMS = ("ai_marked", "not_ai_marked")


@dataclass(frozen=True, slots=True)
class Asked:
    """One figure: ``name`` metric and arm or method; ``truth`` the expected value, ``seen`` what chance made of it."""

    name: str
    seed: int
    n: int
    value: float | None
    low: float
    high: float
    truth: float
    seen: float | None
    is_shown: bool


def asked(answers: Answers) -> list[Asked]:
    """Failure rates of both arms and their ratio by each method, hidden ones too."""
    world = answers.world
    store, settings, end = answers.installation.store, answers.installation.settings, world.history.end
    data = queries.metric_data(store, settings, end)

    def ask(metric: str, *groups: str, least: int | None = 0) -> list[MetricRow]:
        window = {"from_": end - timedelta(days=world.settings.days + 1), "to": end}
        return list(metrics.answer(MetricQuery(metric, group_by=groups, min_n=least, **window), data).rows)

    production = list(settings.production_environments)
    known = store.rows(sql("api", "metric_changes"), as_of=end, environments=production)
    deployed = {row["sha"] for row in known if row["deployed_at"] is not None}
    found: list[Asked] = []
    for metric, failed in (("failure_rate", _failed(answers)), ("change_failure_rate", _reported(answers))):
        counted = {c.sha for c in failed if c.sha in deployed}
        for row in ask(metric, "arm"):
            arm = row.groups["arm"]
            if arm not in ARMS or not row.n or row.low is None or row.high is None:
                continue
            of_arm = [c for c in failed if c.sha in counted and c.is_tagged == (arm == "ai_marked")]
            expected = len(counted) * _defects_share(world, arm) / row.n
            shown = next((r for r in ask(metric, "arm", least=None) if r.groups["arm"] == arm), row)
            found.append(
                Asked(
                    f"{metric} {arm}",
                    world.seed,
                    row.n,
                    row.value,
                    row.low,
                    row.high,
                    expected,
                    len(of_arm) / row.n,
                    shown.status == "ok",
                )
            )
    for metric in ("failure_ratio", "change_failure_ratio"):
        for row in ask(metric):
            told = row.as_dict()
            if told["comparison"] != "ai_marked:not_ai_marked" or row.low is None or row.high is None:
                continue
            is_corrected = told["method"].endswith("tagcorrected")
            truth = world.settings.hazard_ratio if is_corrected else marked_ratio(world)
            found.append(
                Asked(
                    f"{metric} {told['method']}",
                    world.seed,
                    row.n or 0,
                    row.value,
                    row.low,
                    row.high,
                    truth,
                    None,
                    row.status == "ok",
                )
            )
    return found


def marked_ratio(world: World) -> float:
    """The true ratio of marked changes over the others, of which some were AI-made without a mark."""
    s = world.settings
    hidden = s.ai_share * (1 - s.tag_share)
    among = hidden / (hidden + 1 - s.ai_share)
    return s.hazard_ratio / (1 + (s.hazard_ratio - 1) * among)


def _defects_share(world: World, arm: str) -> float:
    marked = world.history.defects_ai_share * world.settings.tag_share
    return marked if arm == "ai_marked" else 1 - marked


def _failed(answers: Answers) -> list[Change]:
    """Changes that failed as ``failure_rate`` defines it, seen or not: failing traces, a rollback, revert or hotfix."""
    opened = _opened(answers)

    def is_failed(cause: Cause) -> bool:
        planted = cause.planted
        assert planted is not None
        if cause.traces > 0:
            return True
        mended, deployed_at = planted.mended, planted.deployed_at
        if mended is None or deployed_at is None or mended.at > deployed_at + timedelta(days=FOLLOWUP_DAYS):
            return False
        told = opened.get(cause.number)
        is_hotfix = mended.says == "fixes" and told is not None and timedelta(0) <= mended.at - told <= A_DAY
        return planted.way == "rollback" or mended.says == "reverts" or is_hotfix

    return _changes(answers, is_failed)


def _reported(answers: Answers) -> list[Change]:
    """Changes of which an incident told within the follow-up."""
    opened = _opened(answers)

    def is_reported(cause: Cause) -> bool:
        planted = cause.planted
        if cause.number not in opened or planted is None or planted.deployed_at is None:
            return False
        return opened[cause.number] <= planted.deployed_at + timedelta(days=FOLLOWUP_DAYS)

    return _changes(answers, is_reported)


def _opened(answers: Answers) -> dict[int, datetime]:
    """When the first incident of each cause was opened, by the number of the cause."""
    found: dict[int, datetime] = {}
    for incident in answers.told:
        if incident.cause is not None:
            opened = datetime.fromisoformat(incident.reports[0]["opened_at"])
            found[incident.cause.number] = min(found.get(incident.cause.number, opened), opened)
    return found


def _changes(answers: Answers, is_failure: Callable[[Cause], bool]) -> list[Change]:
    """Of mature changes those with a defect that began within the follow-up and for which ``is_failure`` holds."""
    mature = answers.world.history.end - timedelta(days=FOLLOWUP_DAYS)
    listed = {}
    for cause in answers.world.causes:
        planted = cause.planted
        if planted is None or planted.change is None or planted.deployed_at is None:
            continue
        waited = (planted.begins_at or planted.deployed_at) - planted.deployed_at
        if planted.deployed_at <= mature and waited < timedelta(days=FOLLOWUP_DAYS) and is_failure(cause):
            listed[planted.change.sha] = planted.change
    return list(listed.values())


def report(found: Sequence[Asked]) -> str:
    """How many intervals hold the expected value, and how far the figures are from it, by name."""
    head = (
        f"{'rates':<52}{'worlds':>7}{'shown':>7}{'n':>6}{'truth':>8}{'median':>8}"
        f"{'holds truth':>13}{'holds seen':>12}{'low':>8}{'high':>8}"
    )
    lines = [head, "-" * len(head)]
    for name in dict.fromkeys(a.name for a in found):
        of_name = [a for a in found if a.name == name]
        middle = [a.value if a.value is not None else (a.low * a.high) ** 0.5 for a in of_name]
        seen = [a for a in of_name if a.seen is not None]
        lines.append(
            f"{name:<52}{len(of_name):>7}{sum(a.is_shown for a in of_name):>7}"
            f"{np.median([a.n for a in of_name]):>6.0f}{np.median([a.truth for a in of_name]):>8.3f}"
            f"{np.median(middle):>8.3f}{np.mean([a.low <= a.truth <= a.high for a in of_name]):>13.3f}"
            + (
                f"{np.mean([a.low <= (a.seen or 0) <= a.high for a in seen]):>12.3f}"
                if seen
                else f"{'-':>12}"
            )
            + f"{np.median([a.low for a in of_name]):>8.3f}{np.median([a.high for a in of_name]):>8.3f}"
        )
    return "\n".join(lines)

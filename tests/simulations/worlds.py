"""Companies with a known answer: who caused each incident, who wrote each change, how risky each place is.

A world is drawn as arrays and handed over as the tables that metrics read, so that the product's own estimators are
driven from end to end. Nothing here estimates anything.
"""

from dataclasses import dataclass
from functools import cached_property

import metric_builders as build
import numpy as np
import pyarrow as pa

from correlator import weights as attribution
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.metric_data import MetricData
from correlator.ratios import TagErrors
from schemas import tables
from schemas.store import arrow

RATIO = 1.7
BASE = 0.04
"""Risk of a change not written by AI, on average."""
WINDOW_DAYS = 84.0
FOLLOWUP_DAYS = 14.0
CATEGORIES = ("logic_unhandled", "integration", "data_integrity", "security")
CATEGORY_SHARES = (0.4, 0.3, 0.2, 0.1)
CANDIDATES = 4
"""Changes that each doubtful incident names; one is the culprit unless no change is."""
SIZES = ("small", "medium", "large")
LINES = {"small": 20, "medium": 80, "large": 300}
REPOSITORIES = 3
PRIOR = attribution.load().prior
ORIGIN = np.datetime64(build.DAY_0.replace(tzinfo=None), "us")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a world is made hard. All off: everything is known.

    ``concentration``: of the Dirichlet that weights come from; None: the culprit is known. 0.21 gives the culprit
    0.59 on average, 0.47 gives 0.44. ``no_change``: share of incidents that no change caused. ``unattributed``: share of
    incidents, whoever caused them, of which attribution can say nothing. ``sensitivity``, ``specificity``: of the marks. ``confounded``: AI is used where risk is low. ``recurrences``: further incidents of
    a failed change, on average. ``seen``: share of failures that are seen where there are traces, and elsewhere, and
    the share of changes of AI and of others that run where there are traces.
    """

    name: str
    title: str
    concentration: float | None = None
    no_change: float = 0.0
    unattributed: float = 0.0
    sensitivity: float = 1.0
    specificity: float = 1.0
    confounded: bool = False
    recurrences: float = 0.0
    seen: tuple[float, float] = (1.0, 1.0)
    traced: tuple[float, float] = (1.0, 1.0)
    ratio: float = RATIO
    days: float = WINDOW_DAYS

    @property
    def hides(self) -> bool:
        """Whether some failures are never seen: rates are then of what is seen."""
        return self.seen != (1.0, 1.0)

    @property
    def has_tag_errors(self) -> bool:
        return self.sensitivity < 1 or self.specificity < 1


_DOUBT = {"concentration": 0.21, "no_change": 0.2}
_MORE_DOUBT = {"concentration": 0.47, "no_change": 0.2}
_TAGS = {"sensitivity": 0.8, "specificity": 0.98}
SCENARIOS = {
    s.name: s
    for s in (
        Scenario("A", "everything known"),
        Scenario("B59", "culprit has 0.59 on average, 20 % by no change", **_DOUBT),
        Scenario("B44", "culprit has 0.44 on average, 20 % by no change", **_MORE_DOUBT),
        Scenario("U", "B59, and nothing is known of a fifth of all incidents", **_DOUBT, unattributed=0.2),
        Scenario("C", "marks: sensitivity 0.8, specificity 0.98", **_TAGS),
        Scenario("D", "AI where risk is low", confounded=True),
        Scenario("BCD59", "B59, C and D together", **_DOUBT, **_TAGS, confounded=True),
        Scenario("BCD44", "B44, C and D together", **_MORE_DOUBT, **_TAGS, confounded=True),
        Scenario("F", "known, failed changes recur", recurrences=0.4),
        Scenario(
            "E", "AI arm better instrumented, true ratio 1", seen=(0.95, 0.45), traced=(0.9, 0.3), ratio=1.0
        ),
    )
}


@dataclass(frozen=True)
class World:
    """Changes in order of deployment, incidents, and the truth about both.

    ``risk``: of each change. ``candidate``, ``weight``: incidents x candidates, what attribution says; what is left
    of the weights is on no change. ``is_lost``: per incident, whether nothing is known of it: its weights are 0, and the
    rest is on nobody. ``culprit``: per incident, -1 for none.
    """

    scenario: Scenario
    is_ai: IntArray
    is_marked: IntArray
    place: IntArray
    size: IntArray
    day: FloatArray
    risk: FloatArray
    is_traced: IntArray
    lines: IntArray
    reworked: IntArray
    rework_risk: FloatArray
    culprit: IntArray
    incident_day: FloatArray
    candidate: IntArray
    weight: FloatArray
    category: IntArray
    is_lost: BoolArray
    errors: TagErrors

    @property
    def count(self) -> int:
        return int(self.is_ai.size)

    @cached_property
    def failed(self) -> IntArray:
        """Per change, whether it caused at least one incident."""
        caused = np.bincount(self.culprit[self.culprit >= 0], minlength=self.count)
        return (caused > 0).astype(np.int64)

    @cached_property
    def stratum(self) -> IntArray:
        """Repository x size x four weeks, as the product has it."""
        return (self.place * len(SIZES) + self.size) * 100 + (self.day // 28).astype(np.int64)

    def data(self, *, is_known: bool = False) -> MetricData:
        """The tables of this world; ``is_known``: as one who knows every culprit and every author would write them."""
        return _tables(self, is_known)


def world(scenario: Scenario, n: int, seed: int) -> World:
    """``n`` changes written by AI and ``n`` by people, over ``scenario.days`` days; equal seeds, equal worlds."""
    chance = np.random.default_rng(seed)
    count = 2 * n
    size = chance.integers(0, len(SIZES), count)
    place = chance.integers(0, REPOSITORIES, count)
    day = np.sort(chance.uniform(0, scenario.days, count))
    is_ai = np.zeros(count, np.int64)
    multiplier = np.ones((REPOSITORIES, len(SIZES)))
    if scenario.confounded:
        # Nine places whose risk differs tenfold; AI is chosen three times as often where it is lowest.
        multiplier = np.outer([0.4, 1.0, 1.9], [0.5, 1.0, 1.8])
        odds = np.array([3.0, 1.0, 0.4])[place] * np.array([2.5, 1.0, 0.5])[size]
        is_ai[chance.choice(count, n, replace=False, p=odds / odds.sum())] = 1
        multiplier /= multiplier[place, size][is_ai == 0].mean()
    else:
        is_ai[chance.choice(count, n, replace=False)] = 1
    risk = np.minimum(BASE * multiplier[place, size] * np.where(is_ai == 1, scenario.ratio, 1.0), 0.9)
    flips = chance.random(count)
    is_marked = np.where(is_ai == 1, flips < scenario.sensitivity, flips < 1 - scenario.specificity)
    traced = np.where(is_ai == 1, *scenario.traced)
    is_traced = (chance.random(count) < traced).astype(np.int64)
    lines = np.maximum(1, chance.lognormal(np.log(np.array(list(LINES.values()))[size]), 0.8)).astype(
        np.int64
    )
    rework_risk = np.minimum(
        0.12 * multiplier[place, size] ** 0.3 * np.where(is_ai == 1, scenario.ratio, 1.0), 0.9
    )
    spread = chance.beta(rework_risk * 2, (1 - rework_risk) * 2)
    reworked = chance.binomial(lines, spread)
    culprit, at, candidate, weight, category = _incidents(
        scenario, day, risk * np.where(is_traced == 1, *scenario.seen), lines, chance
    )
    errors = _audit(scenario, chance)
    is_lost = chance.random(culprit.size) < scenario.unattributed
    weight = np.where(is_lost[:, None], 0.0, weight)
    return World(
        scenario, is_ai, is_marked.astype(np.int64), place, size, day, risk, is_traced, lines,
        reworked, rework_risk,
        culprit, at, candidate, weight, category, is_lost, errors,
    )  # fmt: skip


def prior_of(lines: IntArray) -> FloatArray:
    """How suspect a change of so many lines is before any evidence, by the product's own weights."""
    return np.clip(lines, 1, PRIOR["size_lines_max"]).astype(np.float64) ** PRIOR["size_exponent"]


def _audit(scenario: Scenario, chance: np.random.Generator) -> TagErrors:
    """What an audit of 40 AI-written and 200 other changes finds."""
    if not scenario.has_tag_errors:
        return TagErrors(1e6, 1e6, 1e6, 1e6, "audit")
    return TagErrors(
        float(chance.binomial(40, scenario.sensitivity)), 40.0, float(chance.binomial(200, scenario.specificity)), 200.0, "audit"
    )  # fmt: skip


def _incidents(
    scenario: Scenario, day: FloatArray, risk: FloatArray, lines: IntArray, chance: np.random.Generator
) -> tuple[IntArray, FloatArray, IntArray, FloatArray, IntArray]:
    culprit = np.flatnonzero(chance.random(day.size) < risk)
    culprit = np.repeat(culprit, 1 + chance.poisson(scenario.recurrences, culprit.size))
    at = day[culprit] + np.minimum(chance.exponential(2.0, culprit.size), 13.9)
    if scenario.no_change:
        odds = scenario.no_change / (1 - scenario.no_change)
        none = int(chance.poisson(odds * culprit.size))
        culprit = np.r_[culprit, np.full(none, -1)]
        at = np.r_[at, chance.uniform(1, scenario.days, none)]
    category = chance.choice(len(CATEGORIES), culprit.size, p=CATEGORY_SHARES)
    if scenario.concentration is None:
        return culprit, at, culprit[:, None], (culprit[:, None] >= 0).astype(float), category
    candidate, weight = _attribution(scenario.concentration, day, lines, culprit, at, chance)
    return culprit, at, candidate, weight, category


def _attribution(
    concentration: float,
    day: FloatArray,
    lines: IntArray,
    culprit: IntArray,
    at: FloatArray,
    chance: np.random.Generator,
) -> tuple[IntArray, FloatArray]:
    """Calibrated weights: a candidate with weight w did it in a share w of all such cases, were all as risky as supposed.

    Bystanders are changes deployed in the fortnight before, suspected in proportion to the product's own prior by
    size. The last column of the Dirichlet is "no change".
    """
    weight = _accepted(concentration, culprit, chance)
    prior = np.cumsum(prior_of(lines))
    low = np.searchsorted(day, at - FOLLOWUP_DAYS)
    high = np.searchsorted(day, at, side="right")
    before = np.r_[0.0, prior]
    start, width = before[low][:, None], (before[high] - before[low])[:, None]
    target = start + chance.random((culprit.size, CANDIDATES)) * width
    candidate = np.clip(
        np.searchsorted(prior, target, side="right"), low[:, None], np.maximum(high - 1, low)[:, None]
    )
    candidate = np.minimum(candidate, day.size - 1)
    part = np.cumsum(weight[:, :-1], axis=1) / np.maximum(weight[:, :-1].sum(1, keepdims=True), 1e-12)
    column = (chance.random(culprit.size)[:, None] > part).sum(1).clip(0, CANDIDATES - 1)
    did = culprit >= 0
    candidate[np.flatnonzero(did), column[did]] = culprit[did]
    return candidate, weight[:, :-1]


def _accepted(concentration: float, culprit: IntArray, chance: np.random.Generator) -> FloatArray:
    """Weights as they are where a change (no change) did it: kept in proportion to what they give to it."""
    weight = np.zeros((culprit.size, CANDIDATES + 1))
    waiting = np.arange(culprit.size)
    while waiting.size:
        drawn = chance.dirichlet([concentration] * (CANDIDATES + 1), waiting.size)
        given = np.where(culprit[waiting] >= 0, 1 - drawn[:, -1], drawn[:, -1])
        kept = chance.random(waiting.size) < given
        weight[waiting[kept]] = drawn[kept]
        waiting = waiting[~kept]
    return weight


# --- as tables ------------------------------------------------------------------------------------


def _tables(found: World, is_known: bool) -> MetricData:
    marked = found.is_ai if is_known else found.is_marked
    n = found.count
    names = np.char.zfill(np.arange(n).astype(str), 40)
    repositories = np.char.add("acme/part-", found.place.astype(str))
    # Every six hours each repository deploys what has landed.
    landed = _at(found.day)
    deployed = _at(np.ceil(found.day * 4) / 4)
    traced = pa.array(found.is_traced.astype(bool))
    changes = _filled(
        tables.CHANGES,
        n,
        repository=repositories,
        sha=names,
        landed_at=landed,
        kind=np.full(n, "feature"),
        is_code=np.ones(n, bool),
        origin=np.where(marked == 1, "ai", "human"),
        origin_basis=np.full(n, "declared"),
        ai_share=marked.astype(np.float64),
        lines_added=found.lines,
        size_band=np.array(SIZES)[found.size],
        tools=pa.array([["agent"] if m else [] for m in marked]),
    )
    changes = changes.append_column("deployed_at", deployed).append_column(
        "services", pa.array([[r] for r in repositories])
    )
    changes = changes.append_column("has_traces", traced).append_column("has_revision", traced)
    rework = _filled(
        tables.CHANGE_REWORK,
        n,
        repository=repositories,
        sha=names,
        observed_days=np.full(n, 90.0),
        lines_added=found.lines,
        lines_reworked_14d=found.reworked,
        lines_reworked_21d=found.reworked,
        lines_reworked_30d=found.reworked,
        lines_fixed_30d=np.zeros(n, np.int64),
    )
    none: list[dict[str, object]] = []
    return MetricData(
        changes=changes,
        outcomes=_outcomes(found, repositories, names, is_known),
        rework=rework,
        deployments=arrow(tables.DEPLOYMENT_OUTCOMES, none),
        incidents=arrow(tables.INCIDENT_STATES, none),
        as_of=build.day(found.scenario.days + 60),
        tag_errors=TagErrors(1e6, 1e6, 1e6, 1e6, "audit") if is_known else found.errors,
    )


def _outcomes(found: World, repositories: np.ndarray, names: np.ndarray, is_known: bool) -> pa.Table:
    candidate = found.culprit[:, None] if is_known else found.candidate
    weight = (found.culprit[:, None] >= 0).astype(np.float64) if is_known else found.weight
    count, width = candidate.shape
    outcome = np.repeat(np.arange(count), width + 1)
    listed = np.column_stack([candidate, np.full(count, -1)]).ravel()
    shared = np.column_stack([weight, 1 - weight.sum(1)]).ravel()
    kept = (shared > 1e-7) & ((listed >= 0) | (np.arange(listed.size) % (width + 1) == width))
    # One change named twice by an incident has both weights.
    key, at = np.unique(outcome[kept] * (found.count + 1) + listed[kept] + 1, return_inverse=True)
    mass = np.bincount(at, weights=shared[kept], minlength=key.size)
    outcome, change = key // (found.count + 1), key % (found.count + 1) - 1
    is_change = change >= 0
    rest = np.where(found.is_lost & (not is_known), "unattributed", "no_change")
    empty = np.zeros(1, names.dtype)
    # A day that the deployment of the culprit is rounded up by does not put the incident before it.
    return _filled(
        tables.CHANGE_OUTCOMES,
        key.size,
        kind=np.full(key.size, "incident"),
        outcome_id=np.char.add("incident-", outcome.astype(str)),
        rank=np.arange(key.size) - np.searchsorted(outcome, outcome) + 1,
        occurred_at=_at(found.incident_day[outcome] + 0.25),
        service=np.full(key.size, ""),
        category=np.array(CATEGORIES)[found.category[outcome]],
        candidate=np.where(is_change, "change", rest[outcome]),
        repository=pa.array(repositories[change], mask=~is_change),
        sha=pa.array(np.r_[names, empty][change], mask=~is_change),
        weight=mass,
    )


def _at(day: FloatArray) -> pa.Array:
    return pa.array(ORIGIN + (day * 86_400e6).astype("timedelta64[us]"))


def _filled(table: tables.Table, count: int, **columns: object) -> pa.Table:
    """All columns of ``table``, those not given null."""
    arrays = {}
    for column in table.columns:
        kind = arrow(table, []).schema.field(column.name).type
        values = columns.get(column.name)
        made = (
            pa.nulls(count, kind)
            if values is None
            else pa.array(values)
            if not isinstance(values, pa.Array)
            else values
        )
        arrays[column.name] = made if made.type == kind else made.cast(kind, safe=False)
    return pa.table(arrays)

"""The answer of one window: metrics asked once, put into blocks, said in five sentences.

:func:`of` asks the store, :func:`gather` the metrics; :func:`assemble` is pure and makes the document that the overview page,
the weekly report and the terminal share. No rate is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api import blocks, lexicon, queries, sentences, wording
from api.blocks import Measure
from correlator import metric_catalogue as catalogue
from correlator import metrics
from correlator.metrics import MetricAnswer, MetricData, MetricQuery
from schemas.settings import Settings
from schemas.store import Store

Row = dict[str, Any]

FAILURES = Measure(
    "failures",
    "failure_rate",
    "Changes followed by a failure",
    "Changes after which, within {days} days of deployment, something new broke in production, or that were rolled back, "
    "reverted or hotfixed. Each failure counts by the weight of the evidence.",
    "percent",
    "Failed",
)
INCIDENTS = Measure(
    "incident-rate",
    "incidents_per_100_changes",
    "Incidents per 100 changes",
    "Incidents within {days} days of deployment, each counted by the weight that the evidence puts on these changes.",
    "per_100",
    "Incidents",
)
REWORK = Measure(
    "rework",
    "line_rework_rate",
    "Lines reworked",
    "Added lines that a later change removed or replaced within {days} days of landing; moved lines left out.",
    "percent",
    "Reworked lines",
)
REVERTS = Measure(
    "reverts",
    "revert_rate",
    "Changes reverted",
    "Changes that a later change reverts within {days} days of landing.",
    "percent",
    "Reverted",
)
RATES = (FAILURES, INCIDENTS, REWORK, REVERTS)
ORIGIN_RATES = (FAILURES, REWORK)
CATEGORIES = Measure(
    "category-rates",
    "failure_category_rate",
    "New failures per 100 changes, by how they fail",
    "New failure groups within {days} days of deployment, by weight; most frequent first.",
    "per_100",
    "Failures",
)
RATIO = Measure(
    "ratios",
    "failure_ratio",
    "Failure rate of AI-marked changes ÷ that of the others",
    "Failures as above: new failure groups, rollbacks, reverts and hotfixes within {days} days of deployment.",
    "ratio",
    "",
)
STRICT_RATIO = Measure(
    "strict-ratios",
    "failure_ratio",
    "Against changes that are human by statement or policy only",
    "The same, with the changes of unknown origin left out: some of them may be AI work without a mark.",
    "ratio",
    "",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What an answer is about: changes of [since, until), of one repository or service where stated."""

    since: datetime
    until: datetime
    repository: str | None = None
    service: str | None = None

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        named = {"repository": self.repository, "service": self.service}
        return {name: (value,) for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Answers:
    """The metric answers that one overview is made of, by metric and grouping."""

    by_arm: Mapping[str, MetricAnswer]
    by_origin: Mapping[str, MetricAnswer]
    ratio: MetricAnswer
    rework_ratio: MetricAnswer
    categories: MetricAnswer
    coverage: MetricAnswer


def of(store: Store, settings: Settings, scope: Scope, *, as_of: datetime) -> Row:
    """The overview of what ``store`` knows; ``as_of`` bounds the facts (see ``queries.metric_data``)."""
    return gather(queries.metric_data(store, settings, as_of), scope)


def gather(data: MetricData, scope: Scope, *, before_days: int | None = None) -> Row:
    """The overview of ``scope``; with ``before_days`` the sentences say what the rates were so many days earlier."""
    before = None
    if before_days is not None:
        step = timedelta(days=before_days)
        earlier = Scope(scope.since - step, scope.until - step, scope.repository, scope.service)
        before = {
            measure.id: _arm_block(
                measure, _ask(data, earlier, measure.metric, ("arm",), scope.until - step)
            )["rows"]
            for measure in (FAILURES, REWORK)
        }
    return assemble(asked(data, scope), scope, as_of=data.as_of, before=before)


def asked(data: MetricData, scope: Scope) -> Answers:
    """Every answer that an overview needs."""
    return Answers(
        by_arm={m.metric: _ask(data, scope, m.metric, ("arm",)) for m in RATES},
        by_origin={m.metric: _ask(data, scope, m.metric, ("origin",)) for m in ORIGIN_RATES},
        ratio=_ask(data, scope, RATIO.metric),
        rework_ratio=_ask(data, scope, "line_rework_ratio"),
        categories=_ask(data, scope, CATEGORIES.metric, ("category", "arm")),
        coverage=_ask(data, scope, "coverage"),
    )


def _ask(
    data: MetricData, scope: Scope, metric: str, group_by: tuple[str, ...] = (), as_of: datetime | None = None
) -> MetricAnswer:
    query = MetricQuery(
        metric, scope.since, scope.until, group_by=group_by, filters=scope.filters, as_of=as_of
    )
    return metrics.answer(query, data)


def assemble(
    answers: Answers, scope: Scope, *, as_of: datetime, before: Mapping[str, Sequence[Row]] | None = None
) -> Row:
    """The overview document of answers already at hand. Pure; every time in it is RFC 3339 text."""
    rates = [_arm_block(m, answers.by_arm[m.metric]) for m in RATES]
    ratios = ratio_block(answers.ratio, compared_with="not_ai_marked")
    strict = ratio_block(answers.ratio, compared_with="human")
    categories = category_block(answers.categories)
    covered = coverage_items(answers.coverage)
    main = answers.by_arm[FAILURES.metric].meta
    masses = answers.by_arm[INCIDENTS.metric].meta["coverage"]
    rework = next(
        (r for r in ratio_block(answers.rework_ratio, compared_with="not_ai_marked")["rows"] if r["decides"]),
        None,
    )
    return {
        "question": sentences.QUESTION,
        "as_of": wording.rfc3339(as_of),
        "window": {"from": wording.rfc3339(scope.since), "to": wording.rfc3339(scope.until)},
        "filters": {"repository": scope.repository, "service": scope.service},
        "scope_text": wording.scope(scope.since, scope.until, as_of, scope.repository, scope.service),
        "headline": sentences.headline(ratios),
        "sentences": sentences.answer(
            rates=rates,
            ratios=ratios,
            rework_ratio=rework,
            categories=categories,
            masses=masses,
            coverage=covered,
            before=before,
        ),
        "rates": rates,
        "origins": [_origin_block(m, answers.by_origin[m.metric]) for m in ORIGIN_RATES],
        "ratios": ratios,
        "strict": strict,
        "categories": categories,
        "coverage": covered,
        "caveats": [
            {"code": code, "text": wording.label(lexicon.CAVEATS, code)}
            for code in sorted({str(c) for a in _all(answers) for c in a.meta.get("caveats") or ()})
        ],
        "meta": {
            "level": main["level"],
            "followup_days": main["window"]["followup_days"],
            "immature": main["immature"],
            "never_deployed": main["never_deployed"],
            "definition_version": main["definition_version"],
            "data_digest": main["data_digest"],
        },
    }


def rows_of(answer: MetricAnswer) -> list[Row]:
    """The rows of an answer as flat mappings."""
    return [row.as_dict() for row in answer.rows]


def _arm_block(measure: Measure, answer: MetricAnswer) -> Row:
    rows = [row for row in rows_of(answer) if row["arm"] in lexicon.ARMS]
    return blocks.block(
        measure, rows, answer.meta, group="arm", names=lexicon.ARMS, heading="Changes", keyed=True
    )


def _origin_block(measure: Measure, answer: MetricAnswer) -> Row:
    made = blocks.block(
        measure, rows_of(answer), answer.meta, group="origin", names=lexicon.ORIGINS, heading="Origin"
    )
    return made | {"id": f"{measure.id}-by-origin"}


def ratio_block(answer: MetricAnswer, *, compared_with: str) -> Row:
    """The ratios of AI-marked changes to those ``compared_with``, one row per method, naive rules last."""
    comparison = f"ai_marked:{compared_with}"
    rows = [row for row in rows_of(answer) if row["comparison"] == comparison]
    made = blocks.block(
        RATIO if compared_with == "not_ai_marked" else STRICT_RATIO,
        rows,
        answer.meta,
        group="method",
        names=lexicon.METHODS,
        heading="How it is estimated",
    )
    by_method = {row["method"]: row for row in rows}
    for row in made["rows"]:
        source, is_naive = by_method[row["key"]], row["key"] in lexicon.NAIVE
        row |= {
            "sub": wording.method_note(row["key"], answer.meta.get("assumed")),
            "tone": "plain" if is_naive else "ours",
            "naive": is_naive,
            "short": lexicon.NAIVE.get(row["key"]),
            "decides": row["key"] == lexicon.DECIDING_METHOD,
            "events": "",
            "note": None if row["shown"] else ratio_note(source, lexicon.ARM_SHORT),
            "reason": None if row["shown"] else ratio_note(source, lexicon.ARM_PHRASES),
            "n_min": catalogue.RATIO_N_MIN,
            "events_min": catalogue.RATIO_EVENTS_MIN,
            **{name: source.get(name) for name in _RATIO_EXTRAS},
        }
    first_naive = next((row for row in made["rows"] if row["naive"]), None)
    if first_naive is not None:
        first_naive["separate"] = True
    return made | {"assumed": answer.meta.get("assumed"), "ratio_to_tell": answer.meta.get("ratio_to_tell")}


_RATIO_EXTRAS = (
    *("n_ai_marked", "n_compared", "events_ai_marked", "events_compared", "min_detectable_ratio"),
    *("needed_per_arm", "overlap_share", "e_value", "risk_difference_per_100"),
)


def ratio_note(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Why a ratio is withheld, with what there is of what is needed on the poorer side; ``names``: how to call the sides."""
    reason = row.get("suppressed")
    arms = [(row.get("n_ai_marked"), "ai_marked"), (row.get("n_compared"), "not_ai_marked")]
    failed = [(row.get("events_ai_marked"), "ai_marked"), (row.get("events_compared"), "not_ai_marked")]
    if reason == "small_n":
        n, arm = min((n, arm) for n, arm in arms if n is not None)
        return wording.not_enough(n, catalogue.RATIO_N_MIN, names[arm])
    if reason == "few_events" and None not in (failed[0][0], failed[1][0]):
        events, arm = min((e, arm) for e, arm in failed if e is not None)
        if events < catalogue.RATIO_EVENTS_MIN:
            have, need = wording.count(events, 1), wording.count(catalogue.RATIO_EVENTS_MIN)
            return f"{wording.NOT_ENOUGH}: {have} of {need} failures, {names[arm]}"
    if reason:
        return wording.label(lexicon.REASONS, reason)
    return "nothing to compare"


def category_block(answer: MetricAnswer) -> Row:
    """Failure categories with both arms side by side, most frequent first; categories without a failure left out."""
    rows = [row for row in rows_of(answer) if row["arm"] in lexicon.ARMS]
    totals: dict[str, float] = {}
    for row in rows:
        totals[row["category"]] = totals.get(row["category"], 0.0) + float(row["numerator"] or 0.0)
    ranked = sorted((c for c, total in totals.items() if total > 0), key=lambda c: (-totals[c], c))
    made = blocks.block(
        CATEGORIES, [], answer.meta, group="arm", names=lexicon.ARMS, heading="Category", keyed=True
    )
    made |= {"grouped": True, "totals": {c: round(totals[c], 6) for c in ranked}}
    digits = blocks.digits_of(rows)
    for category in ranked:
        listed = sorted(
            (r for r in rows if r["category"] == category), key=lambda r: list(lexicon.ARMS).index(r["arm"])
        )
        for index, row in enumerate(listed):
            made["rows"].append(
                blocks.row_of(
                    row,
                    key=row["arm"],
                    label=lexicon.ARMS[row["arm"]],
                    meta=answer.meta,
                    measure=CATEGORIES,
                    digits=digits,
                )
                | {
                    "category": category,
                    "group": None if index else wording.label(lexicon.CATEGORIES, category),
                    "group_size": len(listed),
                }
            )
    made["is_thin"] = not any(row["shown"] for row in made["rows"])
    return made


def coverage_items(answer: MetricAnswer) -> list[Row]:
    """What the figures can see, one item per figure of the coverage metric."""
    items = []
    for row in rows_of(answer):
        code = str(row["figure"])
        if code == "unknown_share":
            continue
        name, hint = lexicon.COVERAGE.get(code, (wording.label({}, code), ""))
        items.append(
            {
                "id": code,
                "label": name,
                "hint": hint,
                "value": row["value"],
                "have": row["numerator"],
                "of": row["denominator"],
                "digits": int(code.endswith("_mass")),
            }
        )
    order = list(lexicon.COVERAGE)
    return sorted(items, key=lambda i: (order.index(i["id"]) if i["id"] in order else len(order), i["id"]))


def _all(answers: Answers) -> list[MetricAnswer]:
    return [
        *answers.by_arm.values(),
        *answers.by_origin.values(),
        answers.ratio,
        answers.rework_ratio,
        answers.categories,
    ]

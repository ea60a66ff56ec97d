"""The pictures and figures of docs/numbers.md: five invented companies in which the truth is known.

``make pictures`` draws them anew, with the same seeds: equal code, equal bytes. In every company people's changes fail at
4 %, AI-written ones at 1.7 times that, unless the picture says otherwise.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import metric_builders as build
from pictures.drawing import Axis, Picture

from correlator.metrics import MetricData, TagErrors, answer

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
BASE, TRUE = 0.04, 1.7
RATIO_TICKS = [(v, f"{v:g}") for v in (0.5, 1.0, 1.4, 1.7, 2.0, 3.0, 4.0)]


def failing(chance: random.Random, names: Sequence[str], rate: float) -> set[str]:
    """Exactly the expected number of ``names``, so that a picture shows a bias and not luck."""
    return set(chance.sample(list(names), round(len(names) * rate)))


def ratios_of(
    data: MetricData, end: float, comparison: str = "ai_marked:not_ai_marked"
) -> dict[str, dict[str, Any]]:
    """Rows of ``failure_ratio`` by method."""
    found = answer(build.ask("failure_ratio", end=end), data)
    return {
        row.groups["method"]: {"value": row.value, "low": row.low, "high": row.high}
        for row in found.rows
        if row.groups["comparison"] == comparison
    }


# --- dilution ---------------------------------------------------------------------------------------


def diluted(size: int, per_arm: int = 4000) -> dict[str, Any]:
    """``size`` changes per deployment, arms mixed by chance; suspects of each failure weighted as well as they are right."""
    chance = random.Random(size)
    names = [f"{arm}{i}" for arm in "ah" for i in range(per_arm)]
    chance.shuffle(names)
    failed = {
        name
        for arm, rate in (("a", BASE * TRUE), ("h", BASE))
        for name in failing(chance, [n for n in names if n[0] == arm], rate)
    }
    changes, outcomes = [], []
    days = 60 / (len(names) / size)
    for k, name in enumerate(names):
        at = 1 + (k // size) * days
        changes.append(
            build.change(name, origin="ai" if name[0] == "a" else "human", landed=at - 0.5, deployed=at)
        )
        if name not in failed:
            continue
        other = names[chance.choice([i for i in range(max(0, k - 9), min(len(names), k + 10)) if i != k])]
        weight = chance.uniform(0.5, 1.0)
        # Right as often as the weight says: that is what calibrated means.
        shares = (
            {name: weight, other: 1 - weight}
            if chance.random() < weight
            else {name: 1 - weight, other: weight}
        )
        outcomes += build.outcome(f"g-{name}", shares, kind="failure_group", at=at + days / 2)
    return ratios_of(build.data(changes, outcomes), 70)


def dilution() -> tuple[Picture, dict[str, Any]]:
    sizes = (1, 2, 5, 10, 20)
    found = {size: diluted(size) for size in sizes}
    picture = Picture(
        "The more changes a deployment carries, the less its failure says",
        Axis("changes per deployment", 1, 20, [(s, str(s)) for s in sizes], is_log=True),
        Axis("failures of AI-written changes, times those of others; true: 1.7", 0.9, 2.4, RATIO_TICKS[1:5]),
    )
    picture.rule(TRUE, "the truth, 1.7")
    picture.rule(1.0, "no difference")
    for name, method, tone in (
        ("ours, adjusted", "armaware_mh", 0),
        ("ours, arm-blind", "armblind_crude", 2),
        ("last deployment", "last_deployment", 1),
    ):
        picture.line([(size, found[size][method]["value"]) for size in sizes], tone, name)
    for size in sizes:
        row = found[size]["armaware_mh"]
        picture.interval(size, row["value"], row["low"], row["high"], 0)
    kept = ("armaware_mh", "armblind_crude", "last_deployment", "share_weighted")
    return picture, {str(size): {m: rows[m] for m in kept} for size, rows in found.items()}


# --- confounding ------------------------------------------------------------------------------------


def confounding() -> tuple[Picture, dict[str, Any]]:
    """AI writes most of what fails rarely: the safe half is 80 % its own, the risky half 20 %."""
    chance = random.Random(2)
    changes, outcomes, k = [], [], 0
    for band, base, marked in (("small", 0.02, 0.8), ("large", 0.06, 0.2)):
        for arm, n, rate in (
            ("ai", round(4000 * marked), base * TRUE),
            ("human", round(4000 * (1 - marked)), base),
        ):
            names = [f"{band}-{arm}-{i}" for i in range(n)]
            failed = failing(chance, names, rate)
            for name in names:
                k += 1
                at = 1 + (k % 2000) / 100
                changes.append(build.change(name, origin=arm, deployed=at, size_band=band))
                if name in failed:
                    outcomes += build.outcome(name, {name: 1.0}, kind="failure_group", at=at + 0.1)
    rows = ratios_of(build.data(changes, outcomes), 28)
    shown = (("all changes together", "armblind_crude", 1), ("within size and team", "armaware_mh", 0))
    picture = Picture(
        "Compared with like, the difference is back",
        Axis("", 0, 3, [(1, shown[0][0]), (2, shown[1][0])]),
        Axis("failures of AI-written changes, times those of others; true: 1.7", 0.8, 2.2, RATIO_TICKS[1:5]),
    )
    picture.rule(TRUE, "the truth, 1.7")
    picture.rule(1.0, "no difference")
    for x, (_, method, tone) in enumerate(shown, start=1):
        row = rows[method]
        picture.interval(x, row["value"], row["low"], row["high"], tone)
    picture.label("not adjusted", 1)
    picture.label("ours, adjusted", 0)
    return picture, {method: rows[method] for _, method, _ in shown}


# --- tag errors -------------------------------------------------------------------------------------


def mistagged(sensitivity: float, share: float = 0.75, n: int = 20_000) -> dict[str, Any]:
    """Of AI-written changes only ``sensitivity`` carry a mark; 2 % of the others carry one. An audit found just that."""
    chance = random.Random(3)
    changes, outcomes = [], []
    for arm, count, rate, marked in (
        ("a", round(n * share), BASE * TRUE, sensitivity),
        ("h", round(n * (1 - share)), BASE, 0.02),
    ):
        names = [f"{arm}{i}" for i in range(count)]
        failed = failing(chance, names, rate)
        # Marks fall evenly on changes that failed and that did not: the correction assumes it.
        tagged = failing(chance, sorted(failed), marked) | failing(
            chance, sorted(set(names) - failed), marked
        )
        for i, name in enumerate(names):
            at = 1 + (i % 2000) / 100
            changes.append(build.change(name, origin="ai" if name in tagged else "unknown", deployed=at))
            if name in failed:
                outcomes += build.outcome(name, {name: 1.0}, kind="failure_group", at=at + 0.1)
    audit = TagErrors(400 * sensitivity, 400, 392, 400, "audit")
    return ratios_of(build.data(changes, outcomes, tag_errors=audit), 28)


def tag_errors() -> tuple[Picture, dict[str, Any]]:
    shares = (0.3, 0.5, 0.8, 0.95)
    found = {share: mistagged(share) for share in shares}
    picture = Picture(
        "AI-written changes without a mark hide among the others",
        Axis("AI-written changes that carry a mark", 0.25, 1.0, [(s, f"{s:.0%}") for s in shares]),
        Axis("failures of AI-marked changes, times those of others; true: 1.7", 0.9, 2.6, RATIO_TICKS[1:5]),
    )
    picture.rule(TRUE, "the truth, 1.7")
    picture.rule(1.0, "no difference")
    picture.line([(s, found[s]["armaware_mh"]["value"]) for s in shares], 1, "as marked")
    for share in shares:
        row = found[share]["armaware_mh_tagcorrected"]
        picture.interval(share, row["value"], row["low"], row["high"], 0)
    picture.label("ours, after an audit", 0)
    return picture, {
        str(s): {m: rows[m] for m in ("armaware_mh", "armaware_mh_tagcorrected")} for s, rows in found.items()
    }


# --- immature changes -------------------------------------------------------------------------------


def immaturity(weeks: int = 12, per_week: int = 800) -> tuple[Picture, dict[str, Any]]:
    """Every week's changes fail alike, at 5 %, half of them within five days; the data end with the last week."""
    chance = random.Random(4)
    changes, outcomes, seen = [], [], [0] * weeks
    for week in range(weeks):
        names = [f"w{week}-{i}" for i in range(per_week)]
        failed = failing(chance, names, 0.05)
        for name in names:
            at = 7 * week + chance.uniform(0.01, 6.9)
            changes.append(build.change(name, landed=at - 0.005, deployed=at))
            delay = chance.expovariate(1 / 7.2)
            if name in failed and delay <= 14 and at + delay <= 7 * weeks:
                outcomes += build.outcome(name, {name: 1.0}, kind="failure_group", at=at + delay)
                seen[week] += 1
    data = build.data(changes, outcomes, as_of=7 * weeks)
    rows = answer(build.ask("failure_rate", end=7 * weeks, interval="week"), data).rows
    ours = [
        (week + 1, row.value * 100)
        for week, row in enumerate(rows)
        if row.value is not None and row.n == per_week
    ]
    naive = [(week + 1, 100 * count / per_week) for week, count in enumerate(seen)]
    picture = Picture(
        "The newest changes always look best",
        Axis(
            "week of deployment; the data end with week 12",
            1,
            weeks,
            [(w, str(w)) for w in range(1, weeks + 1)],
        ),
        Axis("changes followed by a failure, per 100", 0, 6, [(v, str(v)) for v in range(7)]),
    )
    picture.line(naive, 1, "failures so far")
    picture.line(ours, 0, "ours: 14 days observed")
    return picture, {"naive": naive, "ours": ours}


# --- small numbers ----------------------------------------------------------------------------------


def small(n: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed * 100_003 + n)
    changes, outcomes = [], []
    for arm, rate in (("ai", BASE * TRUE), ("human", BASE)):
        for i in range(n):
            name, at = f"{arm}{i}", 1 + (i % 2000) / 100
            changes.append(build.change(name, origin=arm, deployed=at))
            if chance.random() < rate:
                outcomes += build.outcome(name, {name: 1.0}, kind="failure_group", at=at + 0.1)
    row = next(
        r
        for r in answer(build.ask("failure_ratio", end=28, min_n=0), build.data(changes, outcomes)).rows
        if r.groups["method"] == "armblind_crude"
    )
    rate = row.numerator / row.denominator if row.denominator and row.numerator is not None else None
    return {"value": rate, "low": row.low, "high": row.high, "suppressed": row.suppressed}


def small_numbers() -> tuple[Picture, dict[str, Any]]:
    sizes, luck = (30, 100, 300, 1000, 3000), 5
    found = {n: [small(n, seed) for seed in range(luck)] for n in sizes}
    picture = Picture(
        "One truth, five companies of each size",
        Axis("changes per arm", -0.5, len(sizes) - 0.5, [(k, f"{n:,}") for k, n in enumerate(sizes)]),
        Axis(
            "ratio with its 95 % interval; true: 1.7",
            0.2,
            8,
            [(v, f"{v:g}") for v in (0.25, 0.5, 1, 1.7, 3, 6)],
            is_log=True,
        ),
    )
    picture.rule(TRUE, "the truth, 1.7")
    picture.rule(1.0, "no difference")
    for k, n in enumerate(sizes):
        for i, row in enumerate(found[n]):
            if row["value"] is None or row["low"] is None:
                continue
            hidden = row["suppressed"] is not None
            picture.interval(k + (i - 2) * 0.13, row["value"], row["low"], row["high"], 2 if hidden else 0)
    picture.label("shown", 0)
    picture.label("hidden by us: too few", 2)
    return picture, {str(n): rows for n, rows in found.items()}


PICTURES = {
    "dilution": dilution,
    "confounding": confounding,
    "tag-errors": tag_errors,
    "immature": immaturity,
    "small-numbers": small_numbers,
}


def drawn() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, SVG, figures) of each picture."""
    for name, draw in PICTURES.items():
        picture, figures = draw()
        yield name, picture.svg(), figures


def main() -> None:
    every: dict[str, Any] = {}
    for name, svg, figures in drawn():
        (IMAGES / f"numbers-{name}.svg").write_text(svg, encoding="utf-8")
        every[name] = figures
    text = json.dumps(every, indent=1, sort_keys=True)
    (IMAGES / "numbers.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

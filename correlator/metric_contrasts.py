"""Groups side by side: each group's rate over that of all the other changes of the question, with q-values.

For comparisons within AI-marked changes: by tool, model, size, review, service. One of many groups stands out by
chance; the q-value says how often such a list would be wrong. Nothing here is adjusted for what else differs.
"""

from typing import Any

import numpy as np

from correlator import estimates, ratios
from correlator.estimates import IntArray
from correlator.metric_catalogue import COHORT_MIN
from correlator.metric_cells import OUTCOME_FILTERS, Grid
from correlator.metric_figures import Asked, number

GROUPS = ("tool", "model", "size_band", "review", "service", "team", "kind", "repository")
DRAWS = 4000


def has_contrasts(asked: Asked, grid: Grid) -> bool:
    """Are there groups to compare: one property of changes, over the whole window?"""
    query = asked.query
    return (
        len(query.group_by) == 1
        and query.group_by[0] in GROUPS
        and query.interval is None
        and len(grid.groups) > 1
        and not set(query.group_by) & set(OUTCOME_FILTERS)
    )


def contrasts_of(asked: Asked, grid: Grid, drawn: IntArray) -> list[dict[str, Any]]:
    """Per group ``{group, n, n_others, ratio, low, high, q_value}``, for groups of at least ``min_n`` on both sides.

    Args:
        drawn: groups x draws of failed changes. A change of two groups counts in both, and against neither itself.
    """
    n, floor = grid.n, max(asked.min_n, COHORT_MIN)
    total, failed = int(n.sum()), drawn.sum(axis=0)
    tail = (1 - asked.query.level) / 2
    found: list[dict[str, Any]] = []
    p = []
    for g, labels in enumerate(grid.groups):
        others = total - int(n[g])
        if n[g] < floor or others < floor:
            continue
        pair = np.stack([drawn[g], failed - drawn[g]])
        draws = estimates.beta_draws(pair, np.array([n[g], others]), asked.rng, DRAWS)
        low, middle, high = np.quantile(draws[0] / draws[1], [tail, 0.5, 1 - tail])
        p.append(ratios.two_sided(draws[0], draws[1]))
        found.append(
            {
                "group": labels[asked.query.group_by[0]],
                "n": int(n[g]),
                "n_others": others,
                "ratio": number(middle),
                "low": number(low),
                "high": number(high),
            }
        )
    q = estimates.benjamini_hochberg(np.array(p)) if p else np.zeros(0)
    return [row | {"q_value": number(float(value))} for row, value in zip(found, q, strict=True)]

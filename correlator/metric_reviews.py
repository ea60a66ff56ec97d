"""What review saw, beside what production saw: coverage, pace and verdicts of review, and what got past it.

Over changes of repositories whose forge tells of reviews; a change that landed before the first word of its forge is
unknown and stands outside, never among the unreviewed. Reviews by bots and by whoever opened the request do not count.
"""

from dataclasses import replace

import numpy as np

from correlator import estimates
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.metric_cells import ARMS, Grid, arm_names, cohort_of, grid_of, selected
from correlator.metric_data import NEVER
from correlator.metric_deployments import HOUR_US, medians
from correlator.metric_figures import Asked, Found, cell_rows, number, share_rows
from correlator.metric_queries import unix_us
from correlator.metric_rates import changes_that_failed
from schemas.vocabulary import Review

APPROVED = (Review.APPROVED_AT_ONCE.value, Review.APPROVED_AFTER_CHANGES.value)
MINUTE_US = 60_000_000


def unreviewed_share(asked: Asked) -> Found:
    """Landed changes that nobody but their opener looked at; see METRICS.md."""
    review = asked.data.change_columns.review
    return _share(asked, _known(asked), review.among((Review.UNREVIEWED.value,)))


def first_pass_share(asked: Asked) -> Found:
    """Approved changes of which no reviewer asked for changes; see METRICS.md."""
    review = asked.data.change_columns.review
    return _share(asked, review.among(APPROVED), review.among(APPROVED[:1]))


def approvals_per_change(asked: Asked) -> Found:
    """Standing approvals per landed change; see METRICS.md."""
    return _mean(asked, asked.data.review_columns.approval_count)


def review_comments_per_change(asked: Asked) -> Found:
    """Comments of reviewers per landed change; see METRICS.md."""
    return _mean(asked, asked.data.review_columns.comment_count)


def review_time(asked: Asked) -> Found:
    """Median hours from opening to the first standing approval; see METRICS.md."""
    reviews = asked.data.review_columns
    return _median(asked, (reviews.approved_at - reviews.opened_at) / HOUR_US, _timed(asked))


def review_pace(asked: Asked) -> Found:
    """Median lines, added and deleted, per minute between opening and approval; see METRICS.md."""
    changes, reviews = asked.data.change_columns, asked.data.review_columns
    minutes = (reviews.approved_at - reviews.opened_at) / MINUTE_US
    timed = _timed(asked) & (minutes > 0)
    lines = changes.lines_added + changes.lines_deleted
    return _median(asked, lines / np.where(timed, minutes, 1.0), timed)


def review_escape_rate(asked: Asked) -> Found:
    """Deployed changes that were approved at once and failed nevertheless; see METRICS.md.

    ``meta.by_arm`` sets the two sides of the gap beside each other: how often review had nothing to object, and how
    often production had.
    """
    filters = {**asked.query.filters, "review": APPROVED[:1]}
    found = changes_that_failed(replace(asked, query=replace(asked.query, filters=filters)))
    plain = replace(asked.query, group_by=("arm",), interval=None)
    failed = changes_that_failed(replace(asked, query=replace(plain, filters=filters)))
    changes = asked.data.change_columns
    cohort = cohort_of(plain, asked.data, asked.window_days)
    arm = arm_names(changes, plain.ai_share_min).codes[cohort.mature]
    approved, at_once = (changes.review.among(names)[cohort.mature] for names in (APPROVED, APPROVED[:1]))
    by_arm = {}
    for k, name in enumerate(ARMS[:2]):
        row = next(row for row in failed.rows if row.groups["arm"] == name)
        n = int((approved & (arm == k)).sum())
        is_shown = n >= asked.min_n
        by_arm[name] = {
            "approved": n if n >= 5 else None,
            "first_pass_share": number(float(at_once[approved & (arm == k)].mean()))
            if is_shown and n
            else None,
            "escape_rate": row.value,
            "escape_low": row.low,
            "escape_high": row.high,
        }
    return replace(found, meta={**found.meta, "by_arm": by_arm})


# --- below ----------------------------------------------------------------------------------------


def _known(asked: Asked) -> BoolArray:
    return ~asked.data.change_columns.review.among((Review.UNKNOWN.value,))


def _timed(asked: Asked) -> BoolArray:
    reviews = asked.data.review_columns
    has_times = (reviews.opened_at != NEVER) & (reviews.approved_at != NEVER)
    timed: BoolArray = has_times & (reviews.approved_at >= reviews.opened_at)
    return timed


def _landed(asked: Asked, mask: BoolArray) -> tuple[IntArray, Grid]:
    changes = asked.data.change_columns
    chosen = selected(asked.query, changes) & mask
    chosen &= (changes.landed_at >= unix_us(asked.query.from_)) & (
        changes.landed_at < min(unix_us(asked.query.to), asked.as_of_us + 1)
    )
    who = np.flatnonzero(chosen)
    return who, grid_of(asked.query, changes, who, changes.landed_at)


def _share(asked: Asked, mask: BoolArray, hit: BoolArray) -> Found:
    who, grid = _landed(asked, mask)
    return Found(share_rows(asked, grid, hit), "wilson", changes=who)


def _mean(asked: Asked, count: IntArray) -> Found:
    """Count per change. Its interval is that of a ratio of sums: comments come in clusters on one change."""
    who, grid = _landed(asked, _known(asked))
    y = count[grid.who].astype(np.float64)
    total = estimates.summed(y, grid.cell, grid.cell_count)
    squares = estimates.summed(y**2, grid.cell, grid.cell_count)
    n = grid.n.astype(np.float64)
    phi = estimates.dispersion(squares, total)
    low, high = estimates.count_rate(
        total, total.astype(np.int64)[:, None], n, phi, asked.rng, level=asked.query.level
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        value = total / n
    rows = cell_rows(
        asked,
        grid,
        value=value,
        low=low,
        high=high,
        numerator=total,
        denominator=n,
        n=grid.n,
        extra={"dispersion": phi},
    )
    return Found(rows, "gamma_phi", changes=who)


def _median(asked: Asked, values: FloatArray, mask: BoolArray) -> Found:
    who, grid = _landed(asked, mask)
    return Found(medians(asked, grid, values[grid.who]), "order_statistics", changes=who)

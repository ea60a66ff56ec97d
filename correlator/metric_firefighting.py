"""How much of what lands is there to mend what was broken."""

from collections.abc import Mapping

import numpy as np

from correlator import estimates
from correlator.estimates import BoolArray
from correlator.metric_cells import ARMS, arm_names, grid_of, selected
from correlator.metric_data import MetricData
from correlator.metric_figures import Asked, Found, number, share_rows
from correlator.metric_queries import MetricRow, unix_us
from schemas.vocabulary import ChangeKind, OutcomeKind

MENDS = (ChangeKind.FIX.value, ChangeKind.REVERT.value)
URGENT = (OutcomeKind.HOTFIX.value, OutcomeKind.REVERT.value)


def firefighting_load(asked: Asked) -> Found:
    """Fixes and reverts over all code changes that landed; see METRICS.md.

    ``urgent`` counts those among them that revert a change or mend one within a day of an incident, ``lines_share``
    is the same share by lines added and deleted. ``meta.mended_by_arm``: whose changes the urgent ones mended.
    """
    changes = asked.data.change_columns
    chosen = selected(asked.query, changes)
    chosen &= (changes.landed_at >= unix_us(asked.query.from_)) & (
        changes.landed_at < min(unix_us(asked.query.to), asked.as_of_us + 1)
    )
    who = np.flatnonzero(chosen)
    mends, (urgent, victims) = changes.kind.among(MENDS), _urgent(asked.data)
    grid = grid_of(asked.query, changes, who, changes.landed_at)
    lines = (changes.lines_added + changes.lines_deleted).astype(np.float64)
    whole = estimates.summed(lines[grid.who], grid.cell, grid.cell_count)
    part = estimates.summed(np.where(mends, lines, 0.0)[grid.who], grid.cell, grid.cell_count)
    hot = estimates.summed((mends & urgent)[grid.who].astype(np.float64), grid.cell, grid.cell_count)
    with np.errstate(invalid="ignore", divide="ignore"):
        extra = {"urgent": hot, "lines_share": part / whole}
    rows: list[MetricRow] = share_rows(asked, grid, mends, extra=extra)
    arm = arm_names(changes, asked.query.ai_share_min).codes
    mended: Mapping[str, int] = {
        name: len({v for m, v in victims if chosen[m] and arm[v] == k}) for k, name in enumerate(ARMS)
    }
    return Found(
        rows, "wilson", changes=who, meta={"mended_by_arm": {k: number(v) for k, v in mended.items()}}
    )


def _urgent(data: MetricData) -> tuple[BoolArray, list[tuple[int, int]]]:
    """Which changes revert one or mend one in an emergency, and (mender, mended) for those that we know both of."""
    changes, outcomes = data.change_columns, data.outcome_columns
    rows = np.flatnonzero(outcomes.kind.among(URGENT) & (outcomes.change >= 0))
    by_sha = (
        {key.rpartition("\x1f")[2]: i for i, key in enumerate(changes.key.to_pylist())} if rows.size else {}
    )
    pairs = []
    for row in rows.tolist():
        # The id of such an outcome is "<sha of the mender>:<sha of what it mends>".
        mender = by_sha.get(outcomes.outcome_id.names[outcomes.outcome_id.codes[row]].partition(":")[0])
        if mender is not None:
            pairs.append((mender, int(outcomes.change[row])))
    urgent = np.zeros(changes.count, dtype=bool)
    urgent[[mender for mender, _ in pairs]] = True
    return urgent, pairs

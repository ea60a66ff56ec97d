"""Did a share, or a rate, change? Tests over hourly counts that real traffic does not fool. Pure.

Hours of one service differ more than a binomial allows: a bot comes at night, a batch job at noon. So the
likelihood ratio is divided by the dispersion of the hours about their own share (quasi-likelihood: McCullagh and Nelder
1989, section 4.5), and the stretch that is the best of many pays for all of them (Bonferroni).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]

LIKELY_LOSS_MAX = 8.0
"""A stretch that begins with a revision is preferred to one whose likelihood ratio (twice its logarithm) is higher by so
little: e^4. Without that the last hour before a deployment, when it happens to look alike, takes the onset from it."""

CELLS_MAX = 600
"""Hours (of one revision each) of one series that are looked through; beyond: the last ones."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Cells [begin, end) of a series whose share differs from the others': the likeliest such stretch.

    ``p_value`` is corrected for the number of stretches; ``before_*`` count the cells before ``begin``.
    """

    begin: int
    end: int
    before_hits: int
    before_spans: int
    hits: int
    spans: int
    p_value: float

    @property
    def share(self) -> float:
        return self.hits / self.spans

    @property
    def before_share(self) -> float:
        return self.before_hits / self.before_spans


def stretch(
    hits: FloatArray,
    spans: FloatArray,
    starts: npt.NDArray[np.bool_],
    *,
    before_spans_min: int,
    spans_min: int,
    cells_min: int,
    is_rise: bool,
) -> Stretch | None:
    """The stretch of cells whose share of hits rose above (or fell below) that of the cells before and after it.

    Args:
        hits, spans: one entry per cell, in order of time; 0 <= hits <= spans, spans > 0.
        starts: whether a revision begins with the cell.
        before_spans_min: spans that must lie before the stretch, which are its baseline.
        spans_min, cells_min: spans and cells that it must hold: one odd hour is no drift. Twice the cells where no
            revision begins: odd hours follow each other now and then, but seldom just behind a deployment.

    Returns:
        The one with the greatest likelihood ratio; None when there is no such stretch.
    """
    n = np.concatenate([[0.0], np.cumsum(spans)])
    k = np.concatenate([[0.0], np.cumsum(hits)])
    inside_n = n[None, :] - n[:, None]
    inside_k = k[None, :] - k[:, None]
    outside_n, outside_k = n[-1] - inside_n, k[-1] - inside_k
    order = np.arange(len(n))
    least = np.where(np.append(starts, False), cells_min, 2 * cells_min)
    is_valid = (
        (order[None, :] - order[:, None] >= least[:, None])
        & (inside_n >= spans_min)
        & (n[:, None] >= before_spans_min)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share, before = inside_k / inside_n, k[:, None] / n[:, None]
        elsewhere = np.where(outside_n > 0, outside_k / outside_n, 0.0)
    is_valid &= (share > before) & (share > elsewhere) if is_rise else (share < before) & (share < elsewhere)
    if not is_valid.any():
        return None
    ratio = 2 * (
        _log_likelihood(inside_k, inside_n)
        + _log_likelihood(outside_k, outside_n)
        - _log_likelihood(k[-1], n[-1])
    )
    ratio = np.where(is_valid, ratio, -np.inf)
    begin, end = _best(ratio)
    dispersion = _dispersion(hits, spans, (begin <= order[:-1]) & (order[:-1] < end))
    with_revision = np.where(np.append(starts, False)[:, None], ratio, -np.inf)
    if with_revision.max() >= ratio[begin, end] - LIKELY_LOSS_MAX * dispersion:
        begin, end = _best(with_revision)
        dispersion = _dispersion(hits, spans, (begin <= order[:-1]) & (order[:-1] < end))
    p_value = _tail(float(ratio[begin, end]) / dispersion) * int(is_valid.sum())
    return Stretch(
        begin=begin,
        end=end,
        before_hits=int(k[begin]),
        before_spans=int(n[begin]),
        hits=int(inside_k[begin, end]),
        spans=int(inside_n[begin, end]),
        p_value=min(p_value, 1.0),
    )


def _best(ratio: FloatArray) -> tuple[int, int]:
    begin, end = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return int(begin), int(end)


def share_p_value(
    before_hits: FloatArray, before_spans: FloatArray, hits: FloatArray, spans: FloatArray
) -> float:
    """Of two shares that are given hour by hour being one."""
    all_hits, all_spans = np.concatenate([before_hits, hits]), np.concatenate([before_spans, spans])
    is_inside = np.arange(len(all_spans)) >= len(before_spans)
    ratio = 2 * (
        _log_likelihood(hits.sum(), spans.sum())
        + _log_likelihood(before_hits.sum(), before_spans.sum())
        - _log_likelihood(all_hits.sum(), all_spans.sum())
    )
    return _tail(float(ratio) / _dispersion(all_hits, all_spans, is_inside))


def rate_p_value(
    before_counts: FloatArray, before_exposure: FloatArray, counts: FloatArray, exposure: FloatArray
) -> float:
    """Of two rates (counts per exposure, Poisson, given hour by hour) being one."""
    total, whole = before_counts.sum() + counts.sum(), before_exposure.sum() + exposure.sum()
    ratio, chi_square = 0.0, 0.0
    for found, exposed in ((before_counts, before_exposure), (counts, exposure)):
        rate = found.sum() / exposed.sum()
        if rate > 0:
            ratio += 2 * found.sum() * np.log(rate / (total / whole))
            chi_square += float((((found - rate * exposed) ** 2) / (rate * exposed)).sum())
    freedom = max(len(before_counts) + len(counts) - 2, 1)
    return _tail(float(ratio) / max(chi_square / freedom, 1.0))


def _log_likelihood(k: FloatArray, n: FloatArray) -> FloatArray:
    """Of ``k`` of ``n`` at their own share; 0 where ``n`` is 0."""
    found: FloatArray = special.xlogy(k, k) + special.xlogy(n - k, n - k) - special.xlogy(n, n)
    return found


def _dispersion(hits: FloatArray, spans: FloatArray, is_inside: npt.NDArray[np.bool_]) -> float:
    """Pearson's chi-square per degree of freedom about the shares of both sides; at least 1."""
    total = 0.0
    for side in (is_inside, ~is_inside):
        n, k = spans[side], hits[side]
        share = k.sum() / n.sum() if n.sum() else 0.0
        if 0 < share < 1:
            total += float((((k - n * share) ** 2) / (n * share * (1 - share))).sum())
    return max(total / max(len(spans) - 2, 1), 1.0)


def _tail(ratio: float) -> float:
    """Of a chi-square with one degree of freedom."""
    return float(special.erfc(np.sqrt(max(ratio, 0.0) / 2)))

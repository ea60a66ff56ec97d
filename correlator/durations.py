"""Quantiles of durations from the counts of ``operation_hours.duration_counts``. Pure.

Bucket i holds durations in (2^(i/8), 2^((i+1)/8)] nanoseconds (macro ``duration_bucket``): any two in it differ by less
than 9.1 %, and the middle that is told is within 4.4 % of each.
"""

from collections.abc import Mapping

BUCKETS_PER_DOUBLING = 8


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """Milliseconds within which ``share`` (0..1) of the spans were done; None without spans.

    The value of the span of rank ceil(share x n), as its bucket tells it.
    """
    if not sum(counts.values()):
        return None
    bucket = quantile_bucket(counts, share)
    # At most six digits: more would claim what the buckets do not know.
    return float(f"{2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING) / 1e6:.6g}")


def quantile_bucket(counts: Mapping[int, int], share: float) -> int:
    """The bucket of the span of rank ceil(share x n); ``counts`` must hold one."""
    total, passed = sum(counts.values()), 0
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed >= share * total:
            return bucket
    raise ValueError("no span is counted")

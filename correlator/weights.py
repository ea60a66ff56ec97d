"""The weights of evidence: a versioned data file, loaded once."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import log

from schemas.records import SuspectEvidence
from schemas.vocabulary import EvidenceKind


@dataclass(frozen=True, slots=True)
class Weights:
    """``prior``, ``cap``, ``trust`` and ``part`` are numbers by name; ratios are asked for with :meth:`log_ratio`."""

    version: str
    prior: dict[str, float]
    ratio: dict[str, float | list[float]]
    cap: dict[str, float]
    trust: dict[str, float]
    part: dict[str, float]

    def log_ratio(self, kind: EvidenceKind, step: int = 0) -> float:
        """Log likelihood ratio of ``kind``; ``step`` 0 is the innermost frame, later steps repeat the last value."""
        value = self.ratio[str(kind)]
        if isinstance(value, list):
            return log(value[min(step, len(value) - 1)])
        return log(value)

    def maximum(self, name: str) -> float:
        """A bound of the ratio table, e.g. ``change_point_max``."""
        value = self.ratio[name]
        assert not isinstance(value, list)
        return value


@cache
def load() -> Weights:
    """The weights that this version of the program ships."""
    text = resources.files("correlator").joinpath("weights.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    return Weights(
        version=content["version"],
        prior={key: float(value) for key, value in content["prior"].items()},
        ratio=content["ratio"],
        cap={key: float(value) for key, value in content["cap"].items()},
        trust={key: float(value) for key, value in content["trust"].items()},
        part={key: float(value) for key, value in content["part"].items()},
    )


def piece(
    kind: EvidenceKind,
    weights: Weights,
    detail: str,
    *,
    step: int = 0,
    log_lr: float | None = None,
    **facts: object,
) -> SuspectEvidence:
    """One piece of evidence; ``log_lr`` None takes the ratio of ``kind`` at ``step``; ``facts`` are for people."""
    value = weights.log_ratio(kind, step) if log_lr is None else log_lr
    return SuspectEvidence(kind, round(value, 6), detail, facts)

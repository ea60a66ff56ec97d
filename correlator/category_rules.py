"""The rules by which failures are told apart, read from ``categories.toml``; what a rule that fires says. Pure.

Rules are data: each looks at one thing (a code, a type, a message), speaks for one category, says how strongly and why.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from schemas.records import RankedCategory
from schemas.vocabulary import FailureCategory

UNKNOWN_SCORE = 0.3
"""What stands for ``unknown`` when no rule says more: a category below it is not believed."""

_QUOTE_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``codes`` of the protocol it is about; ``side`` of the span that saw them, None for both;
    ``pattern`` over a type or a message, ``type_pattern`` where both must fit."""

    category: FailureCategory
    score: float
    reason: str
    codes: tuple[str, ...] = ()
    side: str | None = None
    pattern: re.Pattern[str] | None = None
    type_pattern: re.Pattern[str] | None = None

    def hit(self, *, code: str = "", type: str = "", text: str = "") -> RankedCategory:
        """What this rule says of a failure that it fits."""
        quoted = f'"{clip(text)}"'
        reason = self.reason.replace("{code}", code).replace("{type}", type).replace("{text}", quoted)
        return RankedCategory(self.category, self.score, reason)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one version. ``type_names``: last segments of types, or their last two (``json.SyntaxError``)."""

    version: str
    sqlstate: tuple[tuple[str, Rule], ...]
    database_codes: tuple[tuple[re.Pattern[str], re.Pattern[str], Rule], ...]
    http: tuple[Rule, ...]
    grpc: tuple[Rule, ...]
    generic_types: frozenset[str]
    carriers: re.Pattern[str]
    type_names: Mapping[str, Rule]
    type_patterns: tuple[Rule, ...]
    messages: tuple[Rule, ...]
    pairs: tuple[Rule, ...]


@cache
def load() -> Rules:
    """The rules of ``categories.toml``, read once."""
    raw = read("categories.toml")
    sqlstate = [(prefix, _rule(entry)) for entry in raw["sqlstate"] for prefix in entry["prefixes"]]
    types = [(entry, _rule(entry)) for entry in raw["type"]]
    names: dict[str, Rule] = {}
    for entry, rule in types:
        for name in entry.get("names", ()):
            names.setdefault(name, rule)
    return Rules(
        version=raw["version"],
        sqlstate=tuple(sorted(sqlstate, key=lambda pair: -len(pair[0]))),
        database_codes=tuple(
            (re.compile(entry["system"]), re.compile("|".join(entry["codes"])), _rule(entry))
            for entry in raw["database_code"]
        ),
        http=tuple(_rule(entry) for entry in raw["http"]),
        grpc=tuple(_rule(entry) for entry in raw["grpc"]),
        generic_types=frozenset(raw["generic_types"]),
        carriers=re.compile(raw["carriers"]),
        type_names=names,
        type_patterns=tuple(rule for _, rule in types if rule.pattern),
        messages=tuple(_rule(entry) for entry in raw["message"]),
        pairs=tuple(_rule(entry) for entry in raw["type_and_message"]),
    )


def read(name: str) -> dict[str, Any]:
    """A data file of this room."""
    return tomllib.loads(resources.files("correlator").joinpath(name).read_text(encoding="utf-8"))


def ordered(hits: Iterable[RankedCategory]) -> tuple[RankedCategory, ...]:
    """The strongest hit of each category, best first, and ``unknown`` wherever it stands; never empty."""
    best: dict[FailureCategory, RankedCategory] = {}
    for hit in hits:
        if hit.category not in best or hit.score > best[hit.category].score:
            best[hit.category] = hit
    reason = "nothing that is known of it speaks for another category"
    best.setdefault(FailureCategory.UNKNOWN, RankedCategory(FailureCategory.UNKNOWN, UNKNOWN_SCORE, reason))
    order = list(FailureCategory)
    listed = [RankedCategory(hit.category, round(hit.score, 6), hit.reason) for hit in best.values()]
    return tuple(sorted(listed, key=lambda hit: (-hit.score, order.index(hit.category))))


def clip(text: str) -> str:
    """``text`` on one line, cut to what a reason can quote."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _QUOTE_CHARS_MAX else flat[: _QUOTE_CHARS_MAX - 1] + "…"


def _rule(entry: Mapping[str, Any]) -> Rule:
    pattern = entry.get("pattern")
    if "phrases" in entry:
        pattern = "(?i)" + "|".join(entry["phrases"])
    return Rule(
        category=FailureCategory(entry["category"]),
        score=float(entry["score"]),
        reason=entry["reason"],
        codes=tuple(str(code) for code in entry.get("codes", ())),
        side=entry.get("side"),
        pattern=re.compile(pattern) if pattern is not None else None,
        type_pattern=re.compile(entry["type"]) if "type" in entry else None,
    )

"""What people's words about an incident say of its category: title, labels, post-mortem. Rules: ``category_texts.toml``.

Words are weak evidence, and summaries tell the effect beside the cause: what a sentence tells as the cause counts for
more. Compliance is told by labels and words alone: no span shows that a rule was broken. Pure.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import inf
from typing import Any

from correlator import category_rules
from schemas.records import RankedCategory
from schemas.vocabulary import FailureCategory

TITLE_CHARS_MAX = 2000
POSTMORTEM_CHARS_MAX = 20_000
"""A post-mortem is read from its beginning, where the summary stands."""

STATED_SCORE = 0.95
"""Of a category that a label names."""
_HALF_WEIGHT = 3.0
"""Weight of words at which a category scores one half."""
_SIDE_FACTOR = 0.5
"""Words of labels and post-mortems against those of the title."""
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_STATED: dict[str, FailureCategory] = {
    **{str(category): category for category in FailureCategory},
    "compliance": FailureCategory.COMPLIANCE_GOVERNANCE,
    "governance": FailureCategory.COMPLIANCE_GOVERNANCE,
    "gdpr": FailureCategory.COMPLIANCE_GOVERNANCE,
    "hipaa": FailureCategory.COMPLIANCE_GOVERNANCE,
    "sox": FailureCategory.COMPLIANCE_GOVERNANCE,
    "pci": FailureCategory.COMPLIANCE_GOVERNANCE,
    "privacy": FailureCategory.COMPLIANCE_GOVERNANCE,
    "legal": FailureCategory.COMPLIANCE_GOVERNANCE,
    "data": FailureCategory.DATA_INTEGRITY,
    "data_loss": FailureCategory.DATA_INTEGRITY,
    "data_corruption": FailureCategory.DATA_INTEGRITY,
    "performance": FailureCategory.RESOURCE_PERFORMANCE,
    "resource": FailureCategory.RESOURCE_PERFORMANCE,
    "capacity": FailureCategory.RESOURCE_PERFORMANCE,
    "logic": FailureCategory.LOGIC_UNHANDLED,
    "bug": FailureCategory.LOGIC_UNHANDLED,
    "config": FailureCategory.CONFIGURATION_DEPLOY,
    "configuration": FailureCategory.CONFIGURATION_DEPLOY,
    "deployment": FailureCategory.CONFIGURATION_DEPLOY,
    "infrastructure": FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    "dependency": FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    "third_party": FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    "contract": FailureCategory.INTEGRATION,
}
"""What a label may call a category."""


@dataclass(frozen=True, slots=True)
class _Words:
    version: str
    cause_factor: float
    effect_factor: float
    later_sentence_factor: float
    harms: Mapping[FailureCategory, float]
    markers: re.Pattern[str]
    rules: tuple[tuple[FailureCategory, float, re.Pattern[str]], ...]


@cache
def _words() -> _Words:
    raw = category_rules.read("category_texts.toml")
    cause, effect = "|".join(raw["before_cause"]), "|".join(raw["before_effect"])
    return _Words(
        version=raw["version"],
        cause_factor=raw["cause_factor"],
        effect_factor=raw["effect_factor"],
        later_sentence_factor=raw["later_sentence_factor"],
        harms={FailureCategory(name): float(factor) for name, factor in raw["harms"].items()},
        markers=re.compile(rf"(?i)\b(?:(?P<cause>{cause})|(?P<effect>{effect}))\b"),
        rules=tuple(
            (
                FailureCategory(entry["category"]),
                float(entry["weight"]),
                re.compile(rf"(?i)(?<!\w)(?:{'|'.join(entry['phrases'])})(?!\w)"),
            )
            for entry in raw["text"]
        ),
    )


VERSION: str = _words().version
"""Version of ``category_texts.toml``."""


def rank(title: str, labels: Mapping[str, Any], postmortem: str | None) -> tuple[RankedCategory, ...]:
    """Categories of an incident, best first, at most one entry each, never empty.

    A label that names a category decides. Words of the title count fully, of labels and the post-mortem half.

    Returns:
        Scores in (0, 1], rounded to 6 decimals; strengths of evidence, not probabilities.
    """
    hits = list(_stated(labels))
    labelled = " ; ".join(f"{key} {value}" for key, value in sorted(labels.items()))
    weights: dict[FailureCategory, float] = {}
    quoted: dict[FailureCategory, list[str]] = {}
    for text, factor in (
        (title[:TITLE_CHARS_MAX], 1.0),
        (labelled[:TITLE_CHARS_MAX], _SIDE_FACTOR),
        ((postmortem or "")[:POSTMORTEM_CHARS_MAX], _SIDE_FACTOR),
    ):
        for category, weight, phrases in _weighed(text):
            weights[category] = weights.get(category, 0.0) + weight * factor
            quoted.setdefault(category, []).extend(phrases)
    for category, weight in weights.items():
        said = category_rules.clip("; ".join(quoted[category]))
        hits.append(RankedCategory(category, weight / (weight + _HALF_WEIGHT), f'the text says "{said}"'))
    return category_rules.ordered(hits)


def of(incident: Mapping[str, Any]) -> RankedCategory:
    """The best category of a row of ``incident_states.fold``."""
    labels = json.loads(incident["labels"]) if incident["labels"] else {}
    return rank(incident["title"], labels, incident["postmortem"] or "")[0]


def _stated(labels: Mapping[str, Any]) -> Iterator[RankedCategory]:
    for key, value in sorted((str(key), str(value)) for key, value in labels.items()):
        for text in (value, key):
            category = _STATED.get(re.sub(r"[\s-]+", "_", text.strip().lower()), FailureCategory.UNKNOWN)
            if category is not FailureCategory.UNKNOWN:
                yield RankedCategory(category, STATED_SCORE, f"its label {key}: {value} says so")
                break


@lru_cache(maxsize=4096)
def _weighed(text: str) -> tuple[tuple[FailureCategory, float, tuple[str, ...]], ...]:
    """(category, weight of its words in ``text``, the phrases), for each category of which words were found.

    Of one phrase the best place counts; a stretch that a heavier phrase of the category covers says nothing more; each
    further phrase of a category counts half of the one before it, so that length alone does not decide.
    """
    words = _words()
    pieces = list(_pieces(text, words))
    by_category: dict[FailureCategory, dict[str, float]] = {}
    taken: dict[tuple[FailureCategory, int], list[tuple[int, int]]] = {}
    for category, weight, pattern in words.rules:
        for number, (piece, part, place_factor) in enumerate(pieces):
            factor = place_factor * max(part, words.harms.get(category, 0.0))
            for match in pattern.finditer(piece):
                covered = taken.setdefault((category, number), [])
                if any(match.start() < end and start < match.end() for start, end in covered):
                    continue
                covered.append(match.span())
                phrase = " ".join(match.group(0).split())
                known = by_category.setdefault(category, {})
                key = phrase.lower()
                shown = next((p for p in known if p.lower() == key), phrase)
                known[shown] = max(known.get(shown, -inf), weight * factor)
    found = []
    for category, phrases in by_category.items():
        ranked = sorted(phrases.items(), key=lambda item: (-item[1], item[0]))
        total = sum(weight / 2**place for place, (_, weight) in enumerate(ranked))
        found.append((category, total, tuple(phrase for phrase, _ in ranked[:3])))
    return tuple(found)


def _pieces(text: str, words: _Words) -> Iterator[tuple[str, float, float]]:
    """Clauses, with the factor of their part in the sentence (cause, effect, or neither) and of their sentence's place."""
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]
    for number, sentence in enumerate(sentences):
        marks = list(words.markers.finditer(sentence))
        start, before = 0, None
        for mark in [*marks, None]:
            end = mark.start() if mark else len(sentence)
            after = mark.lastgroup if mark else None
            is_cause = before == "cause" or (before is None and after == "effect")
            is_effect = before == "effect" or (before is None and after == "cause")
            part = words.cause_factor if is_cause else words.effect_factor if is_effect else 1.0
            if sentence[start:end].strip():
                yield sentence[start:end], part, words.later_sentence_factor if number else 1.0
            if mark:
                start, before = mark.end(), mark.lastgroup

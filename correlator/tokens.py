"""Names that a failure shows and names that a change touches: which they share, and how rare that is.

Pure. The word lists stand in ``words.toml``.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources
from math import log
from typing import Any

from correlator.failure_groups import FailureGroup
from schemas.vocabulary import FailureCategory

# An identifier of three characters or more.
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
# One word of an identifier: parseHTTPBody -> parse, HTTP, Body.
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]{2,}(?![a-z])")
# What a message quotes: 'gift_note', "order 7".
_QUOTED = re.compile(r"'([^']{2,60})'|\"([^\"]{2,60})\"")


@dataclass(frozen=True, slots=True)
class _Words:
    version: str
    dull: frozenset[str]
    code: frozenset[str]
    matter: Mapping[FailureCategory, frozenset[str]]


@cache
def _words() -> _Words:
    content = tomllib.loads(resources.files("correlator").joinpath("words.toml").read_text(encoding="utf-8"))
    return _Words(
        version=content["version"],
        dull=frozenset(content["dull"].split()),
        code=frozenset(content["code"].split()),
        matter={FailureCategory(name): frozenset(text.split()) for name, text in content["matter"].items()},
    )


def version() -> str:
    """Version of the word lists."""
    return _words().version


def common_code_words() -> frozenset[str]:
    """Words of code that tell no function from another."""
    return _words().code


def parts_of(texts: Iterable[str]) -> frozenset[str]:
    """Lower-case words that identifiers and paths are made of."""
    return frozenset(part.lower() for text in texts for part in _PART.findall(text))


def matter_of(category: FailureCategory) -> frozenset[str]:
    """Words that name what failures of ``category`` are about; empty where none are stated."""
    return _words().matter.get(category, frozenset())


class TokenRarity:
    """How rare a token is among the candidates of one failure: only rare ones tell candidates apart."""

    def __init__(
        self,
        tokens_of: Mapping[str, frozenset[str]],
        parts_of_tokens: Callable[[frozenset[str]], frozenset[str]] = parts_of,
    ) -> None:
        self._tokens = list(tokens_of.values())
        self._parts_of_tokens = parts_of_tokens

    @cached_property
    def _parts(self) -> list[frozenset[str]]:
        return [self._parts_of_tokens(tokens) for tokens in self._tokens]

    def part_weight(self, part: str) -> float:
        """The same for a lower-case part of an identifier; a part that only a path holds counts as rare."""
        count = sum(part in parts for parts in self._parts)
        return self._rarity(max(count, 1))

    def weight(self, token: str) -> float:
        """Inverse document frequency, 0 for a token of more than half of the candidates."""
        count = sum(token in tokens for tokens in self._tokens)
        return self._rarity(count) if count else 0.0

    @property
    def rarest(self) -> float:
        """Weight of a token of one candidate alone."""
        return self._rarity(1)

    def _rarity(self, count: int) -> float:
        total = len(self._tokens)
        return 0.0 if total > 3 and count * 2 > total else log((total + 1) / (count + 0.5))


class Vocabulary:
    """Tokens of changes, taken apart once for all the failures whose candidates they are."""

    def __init__(self, hunks: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """``hunks``: change sha -> rows of ``hunks``."""
        self._tokens_of = {
            sha: frozenset(t for h in rows for t in h["tokens"]) for sha, rows in hunks.items()
        }
        self._parts = lru_cache(maxsize=None)(parts_of)

    def rarity(self, shas: Iterable[str]) -> TokenRarity:
        """How rare a token is among these changes."""
        return TokenRarity({sha: self._tokens_of.get(sha, frozenset()) for sha in shas}, self._parts)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Identifiers and quoted literals of free texts, dull words left out."""
    found: set[str] = set()
    for text in texts:
        found |= set(_WORD.findall(text)) | {a or b for a, b in _QUOTED.findall(text)}
    return frozenset(word for word in found if word.lower() not in _words().dull)


def failure_tokens(group: FailureGroup) -> frozenset[str]:
    """Names that the failure shows: quoted literals and identifiers of the message, functions, route, table."""
    message = group.facts.message or ""
    words = set(_WORD.findall(message))
    words |= {a or b for a, b in _QUOTED.findall(message)}
    for frame in group.frames[:8]:
        if frame["path"] and frame["function"]:
            words |= set(_WORD.findall(frame["function"].rsplit(".", 1)[-1]))
    words |= set(_WORD.findall((group.facts.exception_type or "").rsplit(".", 1)[-1]))
    for value in group.facts.attributes.values():
        if isinstance(value, str):
            words |= set(_WORD.findall(value))
    return frozenset(word for word in words if word.lower() not in _words().dull)

"""The rules of AI provenance as types: what a tool, an account, a trailer key and a phrase are to the catalogue."""

import re
from dataclasses import dataclass
from datetime import date

from schemas.vocabulary import Confidence, Origin, Role

UNSPECIFIED = "unspecified-ai"
"""Stands for a tool where AI is declared and no tool is named."""

AI_WORDS = frozenset({"ai", "llm", "llms", "genai", "gen", "language", "coding"})
"""Words of ``identities.any_ai``, for the same quick look."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One AI tool. ``names`` mean nothing else; ``short_names`` are also given names, words or model families."""

    id: str
    names: tuple[str, ...]
    short_names: tuple[str, ...]
    prose_names: tuple[str, ...]
    given_name: bool
    is_family: bool
    vendor_domains: tuple[str, ...]
    writes_code: bool
    since: date | None


@dataclass(frozen=True, slots=True)
class Account:
    """What an exact mailbox or bot account stands for. ``role`` is set where it never is the author of a change."""

    tool: str
    role: Role | None = None
    confidence: Confidence = Confidence.A
    also_releases: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A model family; ``tool`` ships it as a coding tool, None leaves the tool unspecified."""

    pattern: re.Pattern[str]
    heads: frozenset[str]
    tool: str | None
    only_after_tool: bool
    only_in_declaration: bool


@dataclass(frozen=True, slots=True)
class Marker:
    """A trailer key, or a piece of text, that is evidence by itself."""

    pattern: re.Pattern[str]
    tool: str | None
    role: Role
    confidence: Confidence
    origin: Origin
    key: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence that declares something; its pattern has a group ``tool``.

    ``anywhere``: it may start behind another clause, not only with the sentence.
    """

    kind: str
    role: Role
    confidence: Confidence
    pattern: re.Pattern[str]
    origin: Origin
    example: str
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Trailers:
    """Which trailer keys say what. Keys are lower case with hyphens."""

    identity: dict[str, Role]
    tool: dict[str, Role]
    answer_keys: frozenset[str]
    answer_yes: frozenset[str]
    answer_no: frozenset[str]
    no_is_mute: frozenset[str]
    markers: dict[str, tuple[Marker, ...]]
    session_nouns: tuple[str, ...]
    spaced: frozenset[str]
    prose_keys: frozenset[str]
    leading_words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Template:
    """How pull-request templates ask about AI, and what the answers look like."""

    question: re.Pattern[str]
    heading: re.Pattern[str]
    no: re.Pattern[str]
    yes: re.Pattern[str]
    box_no: re.Pattern[str]
    box_yes: re.Pattern[str]
    box_promise: re.Pattern[str]
    disclosure_opening: re.Pattern[str]
    disclosure_yes: re.Pattern[str]
    disclosure_no: re.Pattern[str]
    disclosure_own_work: re.Pattern[str]
    disclosure_clause: re.Pattern[str]
    disclosure_looking: re.Pattern[str]
    disclosure_writing: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Automation:
    """Machines that commit without a language model."""

    mailboxes: frozenset[str]
    names: frozenset[str]
    login_patterns: tuple[re.Pattern[str], ...]
    name_patterns: tuple[re.Pattern[str], ...]
    capital_name: re.Pattern[str]
    agreeing_mailbox: re.Pattern[str]
    release_subject: re.Pattern[str]
    hint: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every rule, compiled. Dictionaries are keyed in lower case."""

    version: str
    ai_epoch: date
    tools: dict[str, Tool]
    mailboxes: dict[str, Account]
    named_mailboxes: dict[tuple[str, str], Account]
    bot_ids: dict[int, Account]
    logins: dict[str, Account]
    login_prefixes: tuple[tuple[str, Account], ...]
    author_suffixes: dict[str, str]
    note_names: dict[str, str]
    products: re.Pattern[str]
    product_tools: dict[str, str]
    short: re.Pattern[str]
    short_tools: dict[str, str]
    prose_tools: dict[str, str]
    models: tuple[Model, ...]
    not_tools: re.Pattern[str]
    trailers: Trailers
    session_urls: tuple[Marker, ...]
    marker_lines: tuple[Marker, ...]
    subjects: tuple[Marker, ...]
    branches: tuple[Marker, ...]
    labels: tuple[re.Pattern[str], ...]
    phrases: tuple[Phrase, ...]
    template: Template
    automation: Automation
    self_declared: re.Pattern[str]
    impersonal_local: re.Pattern[str]
    impersonal_domain: re.Pattern[str]
    product_words: frozenset[str]
    subject_words: re.Pattern[str]
    any_ai: re.Pattern[str]
    product_heads: frozenset[str]
    short_heads: frozenset[str]
    heads: frozenset[str]

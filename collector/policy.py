"""What of an attribute may be stored: dropped, hashed, scrubbed or cut; each is counted by its reason.

Knows keys and texts; knows no message and no table. Both decoders ask the same functions, and these work on Arrow
columns with RE2: linear in the length of the text whatever pattern an operator adds.
Source: OpenTelemetry semantic conventions for the keys; OpenTelemetry documentation, "Handling sensitive data".
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from schemas import vocabulary as v
from schemas.settings import Settings

DROPPED, NOT_KEPT, HASHED, SCRUBBED = (
    "attribute_dropped",
    "attribute_not_kept",
    "attribute_hashed",
    "text_scrubbed",
)
"""Reasons under which the policy counts."""

_KEYS_REMEMBERED_MAX = 10_000

Rule = tuple[str, str]
"""(RE2 pattern, replacement)."""

_SECRETS: tuple[Rule, ...] = (
    # postgres://app:hunter2@db/shop
    (r"://[^/\s:@]+:[^/\s@]+@", "://[credentials]@"),
    # Authorization: Bearer abc.def
    (r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}", r"\1 [secret]"),
    # A JSON web token, wherever it stands.
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", "[secret]"),
    # An access key of a cloud provider.
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "[secret]"),
    # password=hunter2, "api_key": "abc"
    (
        r"(?i)\b((?:api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|passwd|password|pwd)[\"']?\s*[=:]\s*[\"']?)"
        r"[^\s\"'&,;)]{3,}",
        r"\1[secret]",
    ),
    # 4111 1111 1111 1111
    (r"\b[3-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}\b", "[card]"),
    # jane@example.org, but not .pnpm/express@4.18.2/lib: what stands in a path is a file that frames are mapped by.
    (
        r"(?m)(^|[\s\"'<(=:,;\[{])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
        r"\1[email]",
    ),
)
_LITERALS: tuple[Rule, ...] = (
    # WHERE name = 'Jane': instrumentations should send a placeholder; not all do.
    (r"'(?:[^'\\]|''|\\.)*'", "'?'"),
)
_QUERY: tuple[Rule, ...] = ((r"(?s)\?.*", "?"),)

_SCRUBBED_KEYS: dict[str, tuple[Rule, ...]] = {
    v.EXCEPTION_MESSAGE: _SECRETS,
    v.EXCEPTION_STACKTRACE: _SECRETS,
    v.DB_QUERY_TEXT: _LITERALS + _SECRETS,
    **{old: _LITERALS + _SECRETS for old, new in v.RENAMED_KEYS.items() if new == v.DB_QUERY_TEXT},
    v.URL_FULL: _QUERY,
    v.HTTP_URL: _QUERY,
    v.HTTP_TARGET: _QUERY,
}


class Action(Enum):
    """What becomes of an attribute, by its key."""

    KEEP = 0
    HASH = 1
    DROP = 2
    LEAVE_OUT = 3
    """Not on the list of what is kept."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Lists are keys; one that ends in ``*`` stands for every key that begins so. A key that is on several lists is
    dropped rather than hashed, and hashed rather than kept.

    ``kept``: when not empty, attributes without a column of their own are stored only if listed.
    ``attribute_bytes_max``, ``stacktrace_bytes_max``: bytes of UTF-8 of one value; what is longer is cut.
    ``secret``: key of the hash; equal values have equal hashes within one installation and nowhere else.
    ``patterns``: what an operator scrubs besides, as RE2.
    """

    attribute_bytes_max: int = 8192
    stacktrace_bytes_max: int = 65_536
    dropped: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    is_scrubbing: bool = True
    patterns: tuple[str, ...] = ()
    secret: bytes = b""
    _known: dict[str, Action] = field(default_factory=dict, compare=False, repr=False)
    _hashes: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, settings: Settings, secret: bytes) -> "Policy":
        """The policy that ``settings`` state; ``secret`` is the installation's own."""
        return cls(
            attribute_bytes_max=settings.attribute_bytes_max,
            stacktrace_bytes_max=settings.stacktrace_bytes_max,
            dropped=settings.attributes_dropped,
            hashed=settings.attributes_hashed,
            kept=settings.attributes_kept,
            is_scrubbing=settings.texts_scrubbed,
            patterns=settings.scrub_patterns,
            secret=secret,
        )

    def action(self, key: str) -> Action:
        """What becomes of the attribute ``key``."""
        known = self._known.get(key)
        if known is None:
            known = self._decided(key)
            if len(self._known) < _KEYS_REMEMBERED_MAX:
                self._known[key] = known
        return known

    def _decided(self, key: str) -> Action:
        if _is_listed(key, self.dropped):
            return Action.DROP
        if _is_listed(key, self.hashed):
            return Action.HASH
        if self.kept and key not in v.READ_KEYS and not _is_listed(key, self.kept):
            return Action.LEAVE_OUT
        return Action.KEEP

    def hash(self, text: str) -> str:
        """A keyed hash of ``text``, 16 hex digits."""
        known = self._hashes.get(text)
        if known is None:
            known = hashlib.blake2b(text.encode(), key=self.secret[:64], digest_size=8).hexdigest()
            if len(self._hashes) >= _KEYS_REMEMBERED_MAX:
                self._hashes.clear()
            self._hashes[text] = known
        return known

    def rules(self, key: str) -> tuple[Rule, ...]:
        """How the text under ``key`` is scrubbed; empty for a key whose text is left as it is."""
        if not self.is_scrubbing:
            return ()
        own = _SCRUBBED_KEYS.get(key, ())
        return own + self._stated() if own else ()

    def message_rules(self) -> tuple[Rule, ...]:
        """How a message that is no attribute (a span's status) is scrubbed."""
        return self.rules(v.EXCEPTION_MESSAGE)

    def _stated(self) -> tuple[Rule, ...]:
        return tuple((pattern, "[scrubbed]") for pattern in self.patterns)


def _is_listed(key: str, listed: Iterable[str]) -> bool:
    return any(key == entry or (entry.endswith("*") and key.startswith(entry[:-1])) for entry in listed)


def scrub(texts: pa.StringArray, rules: tuple[Rule, ...]) -> pa.StringArray:
    """``texts`` with what ``rules`` match replaced; nulls stay. The same object when nothing matched."""
    if not rules or texts.null_count == len(texts):
        return texts
    # One pass over all patterns first: hardly any text holds one, and only those go through each rule.
    touched = pc.fill_null(pc.match_substring_regex(texts, "|".join(f"(?:{p})" for p, _ in rules)), False)
    if not pc.any(touched).as_py():
        return texts
    after = texts.filter(touched)
    for pattern, replacement in rules:
        after = pc.replace_substring_regex(after, pattern, replacement)
    return pc.replace_with_mask(texts, touched, after)

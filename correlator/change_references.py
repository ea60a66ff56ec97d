"""What a commit message says about other changes: its pull request, what it reverts, mends and closes.

Only explicit statements count; how they are spelled is taken from git itself (``git revert``, ``Fixes:`` of the
kernel), GitHub, GitLab, Bitbucket and Azure. Names are returned as written; ``correlator/changes.py`` looks them up.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

MESSAGE_CHARACTERS_MAX = 65_536
REFERENCES_MAX = 50


@dataclass(frozen=True, slots=True)
class References:
    """Everything one message names, each without repetition, in the order of the text.

    ``reverted_shas`` and ``fixed_shas`` are lower-case hex of 7 digits or more; ``reverted_subject`` is the quoted
    subject of a ``Revert "..."``; ``closes`` are issues and incidents as written.
    """

    number: int | None
    reverted_shas: tuple[str, ...]
    reverted_subject: str | None
    reverted_numbers: tuple[int, ...]
    fixed_shas: tuple[str, ...]
    closes: tuple[str, ...]
    fixed_issues: tuple[str, ...]


_NUMBERS = (
    re.compile(r"^Merge (?:pull request|PR) #(\d{1,9})\b", re.IGNORECASE),  # GitHub merge
    re.compile(r"^Merged in .{1,300} \(pull request #(\d{1,9})\)"),  # Bitbucket Cloud
    re.compile(r"^Pull request #(\d{1,9}):"),  # Bitbucket Server
    re.compile(r"^Merged PR (\d{1,9}):"),  # Azure Repos
    re.compile(r"\((?:PR )?[#!](\d{1,9})\)\s*$"),  # squash: "Add rates (#12)"
)
_MERGE_REQUEST = re.compile(r"^See merge request (?:\S*)!(\d{1,9})\s*$", re.MULTILINE)  # GitLab merge

_REVERT_SUBJECT = re.compile(r"^(?:\[[^\]]{1,40}\]\s*)?(?:revert(?:s|ed|ing)?\b|reapply\s+\")", re.IGNORECASE)
_QUOTED = re.compile(r"^(?:\[[^\]]{1,40}\]\s*)?(Revert|Reapply)\s+\"(.{1,500})\"", re.IGNORECASE)
_CONVENTIONAL_REVERT = re.compile(r"^revert(?:\([^)]{1,60}\))?!?:\s*(.{1,500})$", re.IGNORECASE)
_REVERTED_SHA = re.compile(r"\breverts?\s+(?:commits?\s+)?([0-9a-f]{7,64})\b", re.IGNORECASE)
_REVERTED_NUMBER = re.compile(
    r"^\s*Reverts\s+(?:merge request\s+|pull request\s+)?(?:[\w.-]+(?:/[\w.-]+)*)?[#!](\d{1,9})\b",
    re.IGNORECASE | re.MULTILINE,
)

# Fixes: 54a4f0239f2e ("KVM: MMU: make kvm_mmu_zap_page() return the number of pages")
_FIXED_SHA = re.compile(r"^\s*Fixes:?\s+(?:commit\s+)?([0-9a-f]{7,64})\b", re.IGNORECASE | re.MULTILINE)

_ISSUE = r"(?:[\w.-]+/[\w.-]+)?#\d{1,9}|\b[A-Z][A-Z0-9]{1,15}-\d{1,9}\b|https?://[^\s,)>\]]{1,300}/\d{1,9}\b"
# "Closes #1, #2 and acme/shop#3"; "Fixes: INC-7"; "Resolves https://host/acme/shop/issues/4".
_CLOSES = re.compile(
    rf"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?|incident)\b:?[ \t]+((?:{_ISSUE})(?:(?:\s*,\s*|\s+and\s+)(?:{_ISSUE}))*)",
    re.IGNORECASE,
)
_ONE_ISSUE = re.compile(_ISSUE, re.IGNORECASE)
_SQUASH_SUFFIX = re.compile(r"\s*\((?:PR )?[#!]\d{1,9}\)\s*$")


def read(message: str) -> References:
    """The references of one commit message; texts beyond 64 KiB and more than 50 of a kind are passed over."""
    text = message[:MESSAGE_CHARACTERS_MAX]
    subject = subject_of(text)
    closes: list[str] = []
    fixed: list[str] = []
    for match in _CLOSES.finditer(text):
        named = _ONE_ISSUE.findall(match.group(2))
        closes += named
        if match.group(1).lower().startswith(("fix", "incident")):
            fixed += named
    quoted = _QUOTED.match(subject)
    stated = _CONVENTIONAL_REVERT.match(subject)
    reverted_subject = None
    if quoted:
        # "Reapply X" takes back the change `Revert "X"`.
        inner = quoted.group(2)
        reverted_subject = f'Revert "{inner}"' if quoted.group(1).lower() == "reapply" else inner
    elif stated:
        reverted_subject = stated.group(1)
    return References(
        number=_number(text, subject),
        reverted_shas=_distinct(sha.lower() for sha in _REVERTED_SHA.findall(text)),
        reverted_subject=without_number(reverted_subject) if reverted_subject else None,
        reverted_numbers=_distinct(int(number) for number in _REVERTED_NUMBER.findall(text)),
        fixed_shas=_distinct(sha.lower() for sha in _FIXED_SHA.findall(text)),
        closes=_distinct(closes),
        fixed_issues=_distinct(fixed),
    )


def subject_of(message: str) -> str:
    """The first line that is not blank."""
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def is_revert(title: str) -> bool:
    """Whether a title says that the change takes something back."""
    return _REVERT_SUBJECT.match(title) is not None


def title_of(message: str) -> str:
    """What the change is about: the subject, or the title that GitHub puts in the body of a merge commit."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    is_forge_merge = bool(lines) and lines[0].startswith(("Merge pull request", "Merge branch", "Merged in "))
    return (
        lines[1]
        if is_forge_merge and len(lines) > 1 and not lines[1].startswith("See merge")
        else subject_of(message)
    )


def without_number(subject: str) -> str:
    """``subject`` without the number that a squash puts behind it."""
    return _SQUASH_SUFFIX.sub("", subject).strip()


def _number(text: str, subject: str) -> int | None:
    for pattern in _NUMBERS:
        match = pattern.search(subject)
        if match:
            return int(match.group(1))
    match = _MERGE_REQUEST.search(text)
    return int(match.group(1)) if match else None


def _distinct(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))[:REFERENCES_MAX]

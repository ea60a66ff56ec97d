"""What a change is for, with the rule that decided it.

The first rule that fires decides. Facts go before claims: what the paths can only mean stands before what a message
says, and an explicit statement (``fix:``, ``Fixes: sha``, a label) before a word in a subject, which is weak.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from correlator import paths
from correlator.paths import PathKind
from schemas.vocabulary import ChangeKind

_NOT_CODE_KINDS = frozenset({ChangeKind.FORMATTER, ChangeKind.LOCKFILE, ChangeKind.DOCS})
_NOT_CODE_PATHS = frozenset({PathKind.DOCS, PathKind.LOCK, PathKind.GENERATED, PathKind.VENDORED})

_FIX_PREFIX = re.compile(r"^(?:fix|hotfix|bugfix)(?:\([^)]{1,60}\))?!?:", re.IGNORECASE)
_FEATURE_PREFIX = re.compile(r"^(?:feat|feature|perf|refactor)(?:\([^)]{1,60}\))?!?:", re.IGNORECASE)
_STYLE_PREFIX = re.compile(r"^style(?:\([^)]{1,60}\))?!?:", re.IGNORECASE)
_FORMATTER = re.compile(
    r"""
      ^(?:chore:\s*)?(?:run|apply|use|re-?run)\s+(?:black|isort|ruff(?:\s+format)?|prettier|gofmt|goimports|gofumpt|
          rustfmt|cargo\s+fmt|clang-format|autopep8|yapf|spotless|ktlint|scalafmt|swiftformat|standardrb)\b
    | ^(?:\[?pre-commit(?:\.ci)?\]?:?\s+auto\s+fixes)
    | ^(?:chore:\s*)?(?:run|apply|re-?run)\s+(?:the\s+|our\s+)?(?:auto-?)?(?:code\s+)?formatter\b
    | ^(?:chore:\s*)?(?:re-?format|reindent|re-indent)\b
    | ^(?:chore:\s*)?(?:auto-?format|format|fix\s+formatting|formatting)(?:\s+(?:code|files|sources?|everything|the\s+code))?\s*$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DEPENDENCY = re.compile(
    r"""
      ^(?:build|chore|fix|ci)\((?:[^)]*\b)?deps(?:-dev)?\)!?:        # fix(deps): update ...
    | ^(?:[a-z]+(?:\([^)]{1,60}\))?!?:\s*)?bump\s+\S+.*\bfrom\s+\S+\s+to\s+\S+   # Bump x from 1 to 2
    | ^(?:[a-z]+(?:\([^)]{1,60}\))?!?:\s*)?(?:update|upgrade|pin)\s+(?:all\s+)?(?:non-major\s+)?dependenc(?:y|ies)\b
    | ^(?:[a-z]+(?:\([^)]{1,60}\))?!?:\s*)?(?:bump|upgrade|update)\s+[\w./@-]+\s+(?:to\s+)?v?\d[\w.]*\s*$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DEPENDENCY_BOTS = re.compile(
    r"\b(?:dependabot|renovate|pyup|greenkeeper|snyk)\b|renovate\[bot\]", re.IGNORECASE
)
# A word of its own: not "prefix", not "debug".
_FIX_WORDS = re.compile(
    r"\b(?:fix(?:e[sd])?|fixing|hotfix|bug|bugs|bugfix|regression|crash(?:es|ed)?)\b", re.IGNORECASE
)
_FIX_LABELS = frozenset(
    {"bug", "type: bug", "type/bug", "kind/bug", "bugfix", "hotfix", "fix", "regression", "incident"}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of a change when its kind is decided.

    ``titles`` are what it says it is about: its own title, or the subjects of its side commits when it has none.
    """

    titles: Sequence[str]
    paths: Collection[str]
    authors: Collection[str]
    labels: Collection[str]
    is_revert: bool
    names_fixed_change: bool
    fixes_issue: bool


def kind_of(statement: Statement) -> tuple[ChangeKind, str]:
    """The kind and the rule that fired, e.g. ``(ChangeKind.FIX, "prefix:fix")``."""
    kinds = {paths.kind_of(path) for path in statement.paths}
    title = statement.titles[0] if len(statement.titles) == 1 else ""
    every = statement.titles
    if statement.is_revert:
        return ChangeKind.REVERT, "names:reverted_change"
    if kinds and kinds <= {PathKind.LOCK}:
        return ChangeKind.LOCKFILE, "paths:lock"
    if PathKind.DOCS in kinds and kinds <= {PathKind.DOCS, PathKind.ASSET}:
        return ChangeKind.DOCS, "paths:docs"
    if kinds and _only_dependencies(statement.paths):
        if any(_DEPENDENCY_BOTS.search(author) for author in statement.authors):
            return ChangeKind.DEPENDENCY, "author:dependency_bot"
        if _all(every, _DEPENDENCY) or "dependencies" in statement.labels:
            return ChangeKind.DEPENDENCY, "title:dependency"
    if title and title.lower().startswith(("fix(deps", "chore(deps", "build(deps")):
        return ChangeKind.DEPENDENCY, "prefix:deps"
    if _all(every, _FORMATTER):
        return ChangeKind.FORMATTER, "title:formatter"
    if _all(every, _STYLE_PREFIX) and not any(p.endswith(("css", "scss", "less")) for p in statement.paths):
        return ChangeKind.FORMATTER, "prefix:style"
    if _all(every, _FIX_PREFIX):
        return ChangeKind.FIX, "prefix:fix"
    if statement.names_fixed_change:
        return ChangeKind.FIX, "trailer:fixes"
    if any(label.lower() in _FIX_LABELS for label in statement.labels):
        return ChangeKind.FIX, "label:bug"
    if statement.fixes_issue:
        return ChangeKind.FIX, "closes:fixes"
    if PathKind.CONFIG in kinds and kinds <= {PathKind.CONFIG, PathKind.LOCK, PathKind.DOCS}:
        return ChangeKind.CONFIGURATION, "paths:configuration"
    if _all(every, _FEATURE_PREFIX):
        return ChangeKind.FEATURE, "prefix:feature"
    if _all(every, _FIX_WORDS):
        return ChangeKind.FIX, "title:fix_word"
    return ChangeKind.FEATURE, "default"


def is_code(kind: ChangeKind, touched: Collection[str]) -> bool:
    """Whether a change counts in the headline: it can change what runs."""
    return kind not in _NOT_CODE_KINDS and any(paths.kind_of(path) not in _NOT_CODE_PATHS for path in touched)


def _only_dependencies(touched: Collection[str]) -> bool:
    return all(paths.is_manifest(path) or paths.is_lock(path) for path in touched)


def _all(titles: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return bool(titles) and all(pattern.search(title) for title in titles)

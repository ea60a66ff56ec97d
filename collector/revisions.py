"""What a revision text sent by telemetry, an image label or a deployment names.

Only commits and tags are revisions: a branch name says nothing about what ran. Forms seen in the wild: full and
short sha, tag, version of a ``v`` tag, ``1.2.3+gabc1234``, ``v1.2-4-gabc1234`` (git describe), ``git-abc1234``,
``sha-abc1234`` (image tags), ``20260103-abc1234`` (date and sha).
"""

import re

from collector.git import HEX, Git
from schemas.records import CommitSha, RepositoryName
from schemas.store import Store

REVISION_CHARACTERS_MAX = 200
SHORT_SHA_DIGITS_MIN = 7

# None of the characters that git forbids in a ref name or gives a meaning in a revision.
_TAG = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*")
_SHORT_SHA = re.compile(rf"[0-9a-f]{{{SHORT_SHA_DIGITS_MIN},64}}")
_SEPARATORS = re.compile(r"[-+._/@:\s]+")
# 20260103 is a date before it is the beginning of a sha.
_DATE = re.compile(r"(?:19|20)\d\d[01]\d[0-3]\d(?:\d{4}|\d{6})?")


def resolve(git: Git, store: Store, repository: RepositoryName, revision: str) -> CommitSha | None:
    """The commit that ``revision`` names in ``repository``, or None.

    Ranked: a full sha; a tag, as written, with ``v``, without ``v``; a short sha that exactly one known commit
    begins with; the last part of a compound version that is such a sha, an optional ``g`` before it.
    """
    text = revision.strip()
    if not text or len(text) > REVISION_CHARACTERS_MAX:
        return None
    lowered = text.lower()
    if HEX.fullmatch(lowered):
        return _known(store, repository, lowered) or git.commit(lowered)
    for tag in _tags(text):
        found = git.commit(f"refs/tags/{tag}")
        if found is not None:
            return found
    for part in _sha_parts(lowered):
        found = _known(store, repository, part)
        if found is not None:
            return found
    return None


def _tags(text: str) -> list[str]:
    names = [text]
    if text[0].isdigit():
        names.append(f"v{text}")
    elif text[0] in "vV" and text[1:2].isdigit():
        names.append(text[1:])
    return [name for name in names if _TAG.fullmatch(name) and ".." not in name and "@{" not in name]


def _sha_parts(lowered: str) -> list[str]:
    """Parts of a version that may be short shas, the last one first."""
    parts = []
    for part in reversed(_SEPARATORS.split(lowered)):
        candidate = part.removeprefix("g")
        if _SHORT_SHA.fullmatch(candidate) and not _DATE.fullmatch(candidate):
            parts.append(candidate)
    return parts


def _known(store: Store, repository: RepositoryName, prefix: str) -> CommitSha | None:
    """The one commit whose id begins with ``prefix``; None when there is none, or more than one."""
    rows = store.rows(
        "SELECT sha FROM commits WHERE repository = $repository AND starts_with(sha, $prefix) "
        "ORDER BY sha LIMIT 2",
        repository=repository,
        prefix=prefix,
    )
    return CommitSha(rows[0]["sha"]) if len(rows) == 1 else None

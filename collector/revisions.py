"""What a revision text sent by telemetry, an image label or a deployment names.

Only commits and tags are revisions: a branch name says nothing about what ran. Forms seen in the wild: full and
short sha, tag, version of a ``v`` tag, ``1.2.3+gabc1234``, ``v1.2-4-gabc1234`` (git describe), ``git-abc1234``,
``sha-abc1234`` (image tags), ``20260103-abc1234`` (date and sha). Where services share a repository, tags often name
the service: ``cart/v1.2.0`` (Go modules), ``cart-1.2.0``, ``@acme/cart@1.2.0`` (npm workspaces).
"""

import re

from collector.git import HEX, Git
from schemas.records import CommitSha, RepositoryName
from schemas.store import Store

REVISION_CHARACTERS_MAX = 200
SHORT_SHA_DIGITS_MIN = 7

# None of the characters that git forbids in a ref name or gives a meaning in a revision.
_TAG = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*")
# 1.2.3, v2.0-rc.1: it says nothing of which service.
_VERSION = re.compile(r"[vV]?\d[\w.+-]*")
# cart/v1.2.0, services/cart/v1.2.0, cart-1.2.0, cart@1.2.0, @acme/cart@1.2.0
_OWN_TAG = re.compile(r"(?:@[\w.-]+/)?(?P<name>[\w./-]*\w)(?:[/@_-][vV]?|[vV])(?P<version>\d[\w.+-]*)")
TAGS_BYTES_MAX = 16 * 1024 * 1024
TAGS_TIMEOUT_S = 30.0
_SHORT_SHA = re.compile(rf"[0-9a-f]{{{SHORT_SHA_DIGITS_MIN},64}}")
_SEPARATORS = re.compile(r"[-+._/@:\s]+")
# 20260103 is a date before it is the beginning of a sha.
_DATE = re.compile(r"(?:19|20)\d\d[01]\d[0-3]\d(?:\d{4}|\d{6})?")


def resolve(
    git: Git,
    store: Store,
    repository: RepositoryName,
    revision: str,
    service_names: tuple[str, ...] = (),
) -> CommitSha | None:
    """The commit that ``revision`` names in ``repository``, or None.

    Ranked: a full sha; a tag that calls the service by one of ``service_names``; a tag, as written, with ``v``,
    without ``v``; a short sha that exactly one known commit begins with; the last part of a compound version that is
    such a sha, an optional ``g`` before it. A bare version is no other service's tag: once tags call the service by a
    name, those alone are its versions.
    """
    text = revision.strip()
    if not text or len(text) > REVISION_CHARACTERS_MAX:
        return None
    lowered = text.lower()
    if HEX.fullmatch(lowered):
        return _known(store, repository, lowered) or git.commit(lowered)
    own = _own_tags(git, service_names) if _VERSION.fullmatch(text) and service_names else {}
    for tag in own.get(text.lstrip("vV"), ()) if own else _tags(text):
        found = git.commit(f"refs/tags/{tag}")
        if found is not None:
            return found
    for part in _sha_parts(lowered):
        found = _known(store, repository, part)
        if found is not None:
            return found
    return None


def _own_tags(git: Git, service_names: tuple[str, ...]) -> dict[str, list[str]]:
    """version without ``v`` -> tags that call the service by one of its names and give that version, best name first."""
    names = {name.lower(): rank for rank, name in reversed(list(enumerate(service_names)))}
    found: dict[str, list[tuple[int, str]]] = {}
    listed = git.run(
        "for-each-ref", "--format=%(refname)", "refs/tags", timeout_s=TAGS_TIMEOUT_S, bytes_max=TAGS_BYTES_MAX
    )
    for line in listed.decode("utf-8", "replace").splitlines():
        tag = line.removeprefix("refs/tags/")
        if (parts := _OWN_TAG.fullmatch(tag)) and (name := parts["name"].lower()) in names:
            found.setdefault(parts["version"], []).append((names[name], tag))
    return {version: [tag for _, tag in sorted(tags)] for version, tags in found.items()}


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

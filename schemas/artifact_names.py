"""What names the code that runs when nothing names its commit: an image by its digest, a replica set, a tag.

A name is text that is equal wherever the same build runs, so that a fact about one place is a fact about all:
``sha256:<hex>`` of an image, ``replicaset:<name>`` and ``pod-template:<hash>`` of Kubernetes, ``deployment:<id>``, and
versions, which are names within one service. Source: OpenTelemetry semantic conventions 1.44 (container, k8s, oci,
deployment); OCI distribution specification for references.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from schemas import vocabulary as v

ALGORITHM = "sha256:"
REPLICASET, POD_TEMPLATE, DEPLOYMENT = "replicaset:", "pod-template:", "deployment:"

_DIGEST = re.compile(r"(?:^|@|/)(sha256:[0-9a-f]{64})(?:$|[?&#])")
# The tag of a reference stands behind the last colon, if no slash follows: a registry's port is none.
_TAG = re.compile(r":([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})(?:@|$)")

UNNAMING = frozenset(
    {
        *("latest", "stable", "edge", "nightly", "canary", "snapshot", "release", "main", "master", "trunk"),
        *("dev", "develop", "development", "staging", "stage", "test", "prod", "production", "local"),
        *(
            "unknown",
            "unset",
            "undefined",
            "null",
            "none",
            "n/a",
            "0",
            "0.0.0",
            "0.0.1",
            "0.1.0",
            "1.0",
            "1.0.0",
        ),
        *("0.0.1-snapshot", "1.0-snapshot", "1.0.0-snapshot"),
    }
)
"""Versions and tags that stand for whatever runs: what a template comes with, or a name that is moved along."""


@dataclass(frozen=True, slots=True)
class Names:
    """``artifacts``: names that mean the same everywhere, the surest first. ``versions``: within the service."""

    artifacts: tuple[str, ...]
    versions: tuple[str, ...]


def of_resource(read: Callable[[str], str | None]) -> Names:
    """Names of what a resource says that runs.

    Args:
        read: attribute key -> its value as text, lists as JSON; None when it was not sent.
    """
    digests = [
        read(v.OCI_MANIFEST_DIGEST),
        *_listed(read(v.CONTAINER_IMAGE_REPO_DIGESTS)),
        read(v.CONTAINER_IMAGE_ID),
    ]
    found = [name for text in digests if text and (name := digest(text))]
    for key, prefix in (
        (v.K8S_REPLICASET_NAME, REPLICASET),
        (v.K8S_POD_TEMPLATE_HASH, POD_TEMPLATE),
        (v.DEPLOYMENT_ID, DEPLOYMENT),
    ):
        if text := (read(key) or "").strip():
            found.append(prefix + text)
    tags = [
        *_listed(read(v.CONTAINER_IMAGE_TAGS)),
        read(v.CONTAINER_IMAGE_TAG),
        tag(read(v.CONTAINER_IMAGE_NAME) or ""),
    ]
    versions = [text for text in (read(v.SERVICE_VERSION), *tags) if text and is_naming(text)]
    return Names(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(versions)))


def of_reference(text: str) -> tuple[str, ...]:
    """Names in a reference as deployment tools write it: an image with its digest, a package URL, a bare digest, a name
    of the kinds above; empty when it holds none."""
    stripped = text.strip().replace("%3A", ":").replace("%3a", ":")
    if stripped.startswith((REPLICASET, POD_TEMPLATE, DEPLOYMENT)):
        return (stripped,)
    found = digest(stripped)
    return (found,) if found else ()


def running(names: Names, version: str | None) -> str | None:
    """The name by which spans without ``vcs.ref.head.revision`` are told apart; None when ``version`` does it."""
    exact = next((name for name in names.artifacts if name.startswith(ALGORITHM)), None)
    if exact or (version and is_naming(version)):
        return exact
    return next(iter((*names.versions, *names.artifacts)), None)


def digest(text: str) -> str | None:
    """The digest in ``text``: bare, behind an image's name, or in a package URL."""
    found = _DIGEST.search(text.strip().lower())
    return found[1] if found else None


def tag(reference: str) -> str | None:
    """The tag of an image reference."""
    found = _TAG.search(reference.strip())
    return found[1] if found else None


def is_naming(version: str) -> bool:
    """False for a version that tells no build from another."""
    return version.strip().lower() not in UNNAMING


def _listed(text: str | None) -> list[str]:
    """The texts of a JSON list; a sender that knows one sends it bare."""
    if not text:
        return []
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    found = value if isinstance(value, list) else [text]
    return sorted(item.strip() for item in found if isinstance(item, str) and item.strip())

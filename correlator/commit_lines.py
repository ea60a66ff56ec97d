"""Commits as JSON lines, one object a line, and the verdict on each as one object.

The form in which a pipeline without a server asks who wrote a commit. Only ``message`` is required; what a line leaves
out says nothing, and what it holds beyond the known fields is the caller's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from correlator import provenance
from correlator.provenance import Policy
from schemas.errors import MalformedInput
from schemas.records import Commit, CommitSha, RepositoryName

LINE_CHARACTERS_MAX = 4 * 1024 * 1024
"""One commit with its note; a longer line is refused, not held in memory whole by whoever reads by this bound."""
_EPOCH_S_MAX = 253_402_300_799


@dataclass(frozen=True, slots=True)
class CommitLine:
    """One line that could be read: its number from 1, the commit, and the object as sent."""

    number: int
    commit: Commit
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that could not, and why."""

    number: int
    reason: str


def read(lines: Iterable[str], *, now: datetime) -> Iterator[CommitLine | BadLine]:
    """Each line that is not blank, in order; a bad one is told and does not stop the others.

    Args:
        lines: JSON objects with the fields ``repo, sha, parents`` (a count, or ids), ``authored_at, committed_at``
            (RFC 3339 or seconds since 1970), ``author_name, author_email, committer_name, committer_email, message,
            notes`` (null, the note's text, or an object with ``text``).
        now: stands in for a time that a line leaves out.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = _object(line)
            yield CommitLine(number, _commit(fields, now), fields)
        except MalformedInput as error:
            yield BadLine(number, str(error))


def explained(commit: Commit, policy: Policy | None = None) -> dict[str, Any]:
    """The verdict on a commit as one JSON object: who wrote it, with which tools, by which evidence.

    ``tools``: the leading one first. ``evidence``: strongest first, as ``ProvenanceEvidence`` has it.
    """
    verdict = provenance.detect(commit, policy or Policy())
    return {
        "repo": commit.repository,
        "sha": commit.sha,
        "origin": str(verdict.origin),
        "role": str(verdict.role),
        "tools": provenance.ranked_tools(verdict, commit.message),
        "confidence": str(verdict.confidence) if verdict.confidence else None,
        "evidence": [asdict(piece) for piece in verdict.evidence],
        "models": list(verdict.models),
        "basis": verdict.basis,
        "conflict": verdict.conflict,
        "catalogue_version": verdict.catalogue_version,
    }


def _object(line: str) -> dict[str, Any]:
    if len(line) > LINE_CHARACTERS_MAX:
        raise MalformedInput(f"longer than {LINE_CHARACTERS_MAX} characters")
    try:
        value = json.loads(line)
    except RecursionError as error:
        raise MalformedInput("nested too deep") from error
    except ValueError as error:
        raise MalformedInput(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedInput("not a JSON object")
    return value


def _commit(fields: Mapping[str, Any], now: datetime) -> Commit:
    if not isinstance(fields.get("message"), str):
        raise MalformedInput("message: a text is needed")
    author = _text(fields, "author_name"), _text(fields, "author_email")
    authored = _time(fields, "authored_at") or _time(fields, "committed_at") or now
    return Commit(
        repository=RepositoryName(_text(fields, "repo")),
        sha=CommitSha(_text(fields, "sha").lower()),
        parents=_parents(fields.get("parents")),
        author_name=author[0],
        author_email=author[1],
        committer_name=_text(fields, "committer_name", author[0]),
        committer_email=_text(fields, "committer_email", author[1]),
        authored_at=authored,
        committed_at=_time(fields, "committed_at") or authored,
        message=fields["message"],
        note=_note(fields.get("notes")),
    )


def _text(fields: Mapping[str, Any], name: str, default: str = "") -> str:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise MalformedInput(f"{name}: not a text")
    return value


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _EPOCH_S_MAX:
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise MalformedInput(f"{name}: {value!r} is no RFC 3339 time") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _parents(value: object) -> tuple[CommitSha, ...]:
    """A count gives as many nameless parents; detection asks only whether there are several."""
    if value is None:
        return ()
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000:
        return (CommitSha(""),) * value
    if isinstance(value, list) and all(isinstance(parent, str) for parent in value):
        return tuple(CommitSha(parent) for parent in value)
    raise MalformedInput("parents: neither a count nor a list of ids")


def _note(value: object) -> str | None:
    text = value.get("text") if isinstance(value, dict) else value
    if text is None or isinstance(text, str):
        return text
    raise MalformedInput("notes: neither a text nor an object with a text")

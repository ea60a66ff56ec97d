"""Changes: what landed on the mainline as one unit, with its side commits, its kind and who wrote it.

A change is one commit of the first-parent mainline: a merge with the commits that it brought in, a squash, or a
direct push. Everything that a message names is looked up by the change that it landed with, so that the id of a
side commit, of a merge or of a squash all lead to the same change.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from correlator import change_kinds, change_references, paths
from correlator.change_references import References
from correlator.change_requests import detect_change_request
from correlator.member_lines import MemberLines, stand_ins
from correlator.origins import change_origin, stated_origin
from correlator.provenance import CHANGE_REQUEST, OVERRIDE
from schemas.records import ProvenanceEvidence, ProvenanceVerdict
from schemas.store import aware_rows
from schemas.vocabulary import MergeMethod, Origin, Role

SMALL_LINES = 20
MEDIUM_LINES = 200

Row = Mapping[str, Any]

_UNMARKED = ProvenanceVerdict(
    origin=Origin.UNKNOWN,
    role=Role.NONE,
    tools=(),
    models=(),
    confidence=None,
    basis="none",
    conflict=False,
    catalogue_version="",
)


def landings(parents: Mapping[str, Sequence[str]], mainline: Iterable[str]) -> dict[str, str]:
    """The change that each commit of one repository landed with: the first mainline commit that reaches it.

    Args:
        parents: Full sha -> full shas of the parents.
        mainline: Full shas of the mainline, oldest first; it may begin after the beginning of the history.

    Returns:
        sha -> mainline sha. A commit that no mainline commit reaches (an open branch) is left out, and so is one that
        landed before the mainline begins.
    """
    listed = list(mainline)
    landed: dict[str, str] = {}
    older = list(parents.get(listed[0], ())[:1]) if listed else []
    before: set[str] = set()
    while older:
        sha = older.pop()
        if sha not in before:
            before.add(sha)
            older += parents.get(sha, ())
    for head in listed:
        # The first parent of a mainline commit is on the mainline, so it landed already: each commit is met once.
        waiting = [head]
        while waiting:
            sha = waiting.pop()
            if sha not in landed and sha not in before:
                landed[sha] = head
                waiting += parents.get(sha, ())
    return landed


def build(
    *,
    commits: Sequence[Row],
    mainline: pa.Table,
    change_paths: pa.Table,
    hunks: pa.Table,
    side_paths: Iterable[Row] = (),
    change_requests: Sequence[Row],
    verdicts: Mapping[str, ProvenanceVerdict],
    ai_cutoff: float = 0.5,
) -> list[dict[str, Any]]:
    """The rows of ``changes`` of one repository, oldest first; times are timezone-aware.

    Args:
        commits: Rows of COMMITS (every table here: of the one repository, in any order).
        mainline: MAINLINE. Give only what landed by the time that is asked about.
        change_paths: CHANGE_PATHS.
        hunks: Columns sha, path, new_start, new_count of HUNKS: what lines attested by a note are counted against.
        side_paths: Rows of SIDE_COMMIT_PATHS: what weighs the commits that a merge brought in.
        change_requests: Rows of CHANGE_REQUESTS.
        verdicts: sha -> who wrote the commit; one without a verdict is unknown.
        ai_cutoff: Share of added lines, 0..1, from which a change is ai rather than mixed.
    """
    if mainline.num_rows == 0:
        return []
    history = _History(
        commits=commits,
        mainline=aware_rows(mainline.sort_by("position")),
        touched=_grouped(change_paths.to_pylist()),
        generated=generated(change_paths),
        requests=change_requests,
    )
    lines = MemberLines(hunks, side_paths)
    rows = []
    for row, request in history.changes():
        of_mainline = verdicts.get(row["sha"], _UNMARKED)
        if of_mainline.basis == OVERRIDE and row["sha"] not in row["commits"]:
            origin = stated_origin(of_mainline)
        else:
            members = stand_ins(lines.members(row, verdicts, _UNMARKED), request)
            origin = change_origin(members, ai_cutoff=ai_cutoff, change_request=_said(request, of_mainline))
        rows.append(
            row
            | {
                "origin": str(origin.origin),
                "ai_share": origin.ai_share,
                "tools": list(origin.tools),
                "suggesting_tools": list(origin.suggesting_tools),
                "conflict": origin.conflict,
                "confidence": None if origin.confidence is None else str(origin.confidence),
                "origin_basis": origin.basis,
            }
        )
    return rows


class _History:
    """One repository's mainline while its changes are made, oldest first."""

    def __init__(
        self,
        *,
        commits: Sequence[Row],
        mainline: Sequence[Row],
        touched: Mapping[str, Sequence[Row]],
        generated: frozenset[str],
        requests: Sequence[Row],
    ) -> None:
        landed = landings({row["sha"]: row["parents"] for row in commits}, (row["sha"] for row in mainline))
        self._commits = {row["sha"]: row for row in commits}
        self._mainline = mainline
        self._touched = touched
        self._generated = generated
        self._requests = {row["number"]: row for row in requests}
        self._request_of = {row["merge_commit_sha"]: row for row in requests if row["merge_commit_sha"]}
        self._landed = landed
        self._shas = sorted(landed)
        self._position = {row["sha"]: row["position"] for row in mainline}
        self._members: dict[str, list[str]] = {}
        for sha, change in sorted(landed.items(), key=lambda item: self._age(item[0])):
            if len(self._commits[sha]["parents"] if sha in self._commits else ()) <= 1:
                self._members.setdefault(change, []).append(sha)
        self._by_subject: dict[str, str] = {}
        self._by_number: dict[int, str] = {}

    def changes(self) -> Iterable[tuple[dict[str, Any], Row | None]]:
        """Rows without their origin, in mainline order, each with its pull or merge request when known."""
        for landing in self._mainline:
            if landing["sha"] in self._commits:
                yield self._change(landing)

    def _change(self, landing: Row) -> tuple[dict[str, Any], Row | None]:
        sha = landing["sha"]
        commit = self._commits[sha]
        is_merge = len(commit["parents"]) > 1
        members = self._members.get(sha, [])
        messages = [commit["message"]]
        if is_merge:
            messages += [self._commits[member]["message"] for member in members]
        references = [change_references.read(message) for message in messages]
        request = self._request_of.get(sha)
        number = request["number"] if request else references[0].number
        request = request or (self._requests.get(number) if number is not None else None)
        if request and request["body"]:
            references.append(change_references.read(f"\n\n{request['body']}"))

        touched = self._touched.get(sha, ())
        names = [row["path"] for row in touched]
        counted = [
            row for row in touched if paths.is_counted(row["path"]) and row["path"] not in self._generated
        ]
        added = sum(row["lines_added"] for row in counted)
        deleted = sum(row["lines_deleted"] for row in counted)
        titles = self._titles(commit["message"], members if is_merge else (), request)
        reverts = self._reverted(sha, references)
        fixes = self._named(sha, (name for found in references for name in found.fixed_shas))
        kind, rule = change_kinds.kind_of(
            change_kinds.Statement(
                titles=titles,
                paths=names,
                authors=[
                    f"{self._commits[member]['author_name']} <{self._commits[member]['author_email']}>"
                    for member in (members or [sha])
                ],
                labels=list(request["labels"] or ()) if request else (),
                is_revert=self._is_revert(references, titles, reverts),
                names_fixed_change=bool(fixes),
                fixes_issue=any(found.fixed_issues for found in references),
            )
        )
        self._remember(sha, number, commit["message"], titles)
        row = {
            "repository": landing["repository"],
            "sha": sha,
            "position": landing["position"],
            "landed_at": landing["landed_at"],
            "subject": change_references.subject_of(commit["message"]),
            "number": number,
            "merge_method": _merge_method(is_merge, number, request),
            "kind": str(kind),
            "kind_rule": rule,
            "is_code": change_kinds.is_code(kind, names),
            "commits": members,
            "lines_added": added,
            "lines_deleted": deleted,
            "files_changed": len(touched),
            "size_band": size_band(added + deleted),
            "reverts": reverts,
            "fixes": fixes,
            "closes": list(dict.fromkeys(name for found in references for name in found.closes)),
        }
        return row, request

    def _titles(self, message: str, members: Sequence[str], request: Row | None) -> list[str]:
        """What the change says it is about; the subjects of its side commits when a merge says nothing itself."""
        if request and request["title"]:
            return [request["title"]]
        title = change_references.title_of(message)
        if members and title.lower().startswith(("merge ", "merged ")):
            return [change_references.subject_of(self._commits[member]["message"]) for member in members]
        return [title]

    def _is_revert(
        self, references: Sequence[References], titles: Sequence[str], reverts: Collection[str]
    ) -> bool:
        """A title that says so, or a resolved ``This reverts commit`` of the change's own message.

        A side commit that takes back a part of what landed before does not make the whole merge a revert.
        """
        if all(change_references.is_revert(title) for title in titles):
            return True
        return bool(reverts) and bool(self._lookups(references[0].reverted_shas))

    def _reverted(self, sha: str, references: Sequence[References]) -> list[str]:
        """Changes that this one takes back, oldest first; one that it brought in itself is none."""
        found = self._named(sha, (name for read in references for name in read.reverted_shas))
        for read in references:
            for number in read.reverted_numbers:
                if number in self._by_number:
                    found.append(self._by_number[number])
            # Subjects repeat, ids do not: the subject speaks only where no id leads to a change.
            if not found and read.reverted_subject and read.reverted_subject in self._by_subject:
                found.append(self._by_subject[read.reverted_subject])
        return sorted({name for name in found if name != sha}, key=lambda name: self._position[name])

    def _named(self, sha: str, prefixes: Iterable[str]) -> list[str]:
        """The changes, older than ``sha``, that the named commits landed with, oldest first."""
        found = {self._landed[name] for name in self._lookups(prefixes)}
        return sorted(
            (name for name in found if self._position[name] < self._position[sha]),
            key=lambda name: self._position[name],
        )

    def _lookups(self, prefixes: Iterable[str]) -> list[str]:
        """Full ids of the landed commits that exactly one of the known ids begins with."""
        found = []
        for prefix in prefixes:
            at = bisect_left(self._shas, prefix)
            matching = [name for name in self._shas[at : at + 2] if name.startswith(prefix)]
            if len(matching) == 1:
                found.append(matching[0])
        return found

    def _remember(self, sha: str, number: int | None, message: str, titles: Sequence[str]) -> None:
        for text in (change_references.subject_of(message), *(titles if len(titles) == 1 else ())):
            self._by_subject[change_references.without_number(text)] = sha
        if number is not None:
            self._by_number[number] = sha

    def _age(self, sha: str) -> tuple[Any, str]:
        commit = self._commits.get(sha)
        return (commit["committed_at"].timestamp() if commit else 0.0, sha)


def generated(change_paths: pa.Table) -> frozenset[str]:
    """Paths that once said of themselves that a tool writes them: what a tool writes is edited below its header."""
    return frozenset(change_paths.filter(change_paths["is_generated"])["path"].to_pylist())


def size_band(lines: int) -> str:
    """``small`` (< 20 lines added and deleted), ``medium`` (< 200) or ``large``."""
    if lines < SMALL_LINES:
        return "small"
    return "medium" if lines < MEDIUM_LINES else "large"


def _merge_method(is_merge: bool, number: int | None, request: Row | None) -> str:
    """A rebase merge lands each commit as it is, so each is a direct change that carries the number."""
    if is_merge:
        return str(MergeMethod.MERGE)
    is_rebase = request is not None and request["merge_method"] == "rebase"
    return str(MergeMethod.SQUASH if number is not None and not is_rebase else MergeMethod.DIRECT)


def _said(request: Row | None, of_mainline: ProvenanceVerdict) -> list[ProvenanceEvidence]:
    """What the change request tells of who wrote the change: its own fields, and the branch in a merge's subject."""
    found = [e for e in of_mainline.evidence if e.channel == CHANGE_REQUEST]
    if request is not None:
        found += detect_change_request(
            request["title"] or "", request["body"] or "", request["head_ref"] or "", request["labels"] or ()
        )
    return found


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["path"]):
        found.setdefault(row["sha"], []).append(row)
    return found

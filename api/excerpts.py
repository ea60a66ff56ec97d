"""The code around a blamed line, as far as it is at hand: stored answers of git first, a repository port second."""

import json
from collections.abc import Iterable
from typing import Any

from schemas.records import CommitSha, RepositoryName, RepositoryPort
from schemas.store import Row, Store, sql

AROUND = 3
EXCERPTS_MAX = 3
"""Excerpts per candidate: the innermost lines that it wrote."""


def of_candidates(store: Store, candidates: Iterable[Row], port: RepositoryPort | None = None) -> list[Row]:
    """The candidates, each with ``excerpts``: ``[{path, line, lines: [[number, text], ...]}]`` of the lines it wrote,
    or else of the innermost line of the repository.

    A line whose text is not at hand (the revision is gone, nobody asked while it was there) is left out.
    """
    listed = list(candidates)
    groups = {c["chain"]["group_id"] for c in listed if c["chain"]}
    stored, revisions = _stored(store, groups)
    return [c | {"excerpts": _of(c, stored, revisions, port)} for c in listed]


def _of(
    candidate: Row,
    stored: dict[tuple[str, str, int], list[Any]],
    revisions: dict[str, tuple[str, str]],
    port: RepositoryPort | None,
) -> list[Row]:
    chain = candidate["chain"]
    if not chain:
        return []
    mapped = [frame for frame in chain["frames"] if frame["path"] and frame["line"]]
    own = [frame for frame in mapped if frame["blamed_change"] == candidate["change"]]
    found = []
    # A candidate that wrote none of the lines is shown where it failed: the innermost line of the repository.
    for frame in own or mapped[:1]:
        path, line = frame["path"], frame["line"]
        lines = stored.get((chain["group_id"], path, line))
        if lines is None and port is not None and chain["group_id"] in revisions:
            repository, sha = revisions[chain["group_id"]]
            answer = port.excerpt(RepositoryName(repository), CommitSha(sha), path, line, AROUND)
            lines = [list(pair) for pair in answer]
        if lines:
            found.append({"path": path, "line": line, "lines": lines})
        if len(found) == EXCERPTS_MAX:
            break
    return found


def _stored(
    store: Store, group_ids: Iterable[str]
) -> tuple[dict[tuple[str, str, int], list[Any]], dict[str, tuple[str, str]]]:
    wanted = sorted(group_ids)
    texts: dict[tuple[str, str, int], list[Any]] = {}
    revisions: dict[str, tuple[str, str]] = {}
    for row in store.rows(sql("api", "group_revisions"), group_ids=wanted) if wanted else ():
        if row["repository"] and row["onset_sha"]:
            revisions[row["group_id"]] = (row["repository"], row["onset_sha"])
        if row["question"] and (answer := json.loads(row["answer"])):
            _, path, line, *_ = json.loads(row["question"])
            texts[row["group_id"], path, int(line)] = answer
    return texts, revisions

"""``.git-blame-ignore-revs``: the commits that blame shall look through, as the repository says at a revision.

The name and the form are git's and the forges': one full id a line, ``#`` begins a comment. Always read from a
commit, never from a work tree.
"""

from collector.git import HEX, Git
from schemas import tables
from schemas.errors import SourceUnavailable
from schemas.records import RepositoryName
from schemas.store import Store

PATH = ".git-blame-ignore-revs"
BYTES_MAX = 1024 * 1024

_UNREAD = """
SELECT DISTINCT p.sha
FROM change_paths AS p
ANTI JOIN ignored_revisions AS i ON i.repository = p.repository AND i.sha = p.sha
WHERE p.repository = $repository AND (p.path = $path OR p.old_path = $path)
ORDER BY p.sha
"""


def parse(content: bytes) -> list[str]:
    """The full ids in ``content``, sorted; git refuses a file with anything else, we pass it over."""
    words = (
        line.partition(b"#")[0].strip().lower().decode("ascii", "replace") for line in content.split(b"\n")
    )
    return sorted({word for word in words if HEX.fullmatch(word)})


def append(git: Git, store: Store, repository: RepositoryName, *, timeout_s: float) -> int:
    """Store what the file says after each stored change that touches it and was not read yet; returns how many."""
    rows = []
    for row in store.rows(_UNREAD, repository=repository, path=PATH):
        try:
            content = git.run(
                "cat-file", "blob", f"{row['sha']}:{PATH}", timeout_s=timeout_s, bytes_max=BYTES_MAX
            )
        except SourceUnavailable as error:
            if error.facts.get("reason") == "timeout":
                raise
            # Deleted, renamed, no file or too large: nothing is ignored from here on.
            content = b""
        rows.append({"repository": repository, "sha": row["sha"], "revisions": parse(content)})
    store.append_rows(tables.IGNORED_REVISIONS, rows)
    return len(rows)

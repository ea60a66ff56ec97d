"""Writes a history into a real git repository with ``git fast-import``, and takes revisions out of it again."""

import difflib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from demo import history, people

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A history that lies in git. ``shas``: key -> full sha; ``trees``: key -> tree after it."""

    path: Path
    changes: tuple[history.Change, ...]
    shas: dict[str, str]
    trees: dict[str, history.TREE]

    @property
    def mainline(self) -> list[history.Change]:
        return [change for change in self.changes if change.is_mainline]


class Importer:
    """One ``git fast-import`` process. Commits are named by number; :meth:`sha` answers at once, so messages can cite."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        path.mkdir(parents=True)
        git(path, "init", "--quiet", "--bare", f"--initial-branch={branch}", ".")
        self.process = subprocess.Popen(
            ["git", "fast-import", "--quiet", "--cat-blob-fd=1"],
            cwd=path,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.mark = 0

    def __enter__(self) -> "Importer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait() != 0 and error is None:
            raise RuntimeError("git fast-import failed")

    def commit(
        self,
        ref: str,
        *,
        author: tuple[str, str],
        committer: tuple[str, str],
        authored_unix_s: int,
        committed_unix_s: int,
        message: str,
        parents: Iterable[int | str] = (),
        files: dict[str, str | None] | None = None,
        notes: dict[int, str] | None = None,
    ) -> int:
        """Write one commit and return its mark. ``files``: path -> text, None deletes; ``notes``: mark -> text."""
        self.mark += 1
        self._line(f"commit {ref}\nmark :{self.mark}")
        self._line(f"author {author[0]} <{author[1]}> {authored_unix_s} +0000")
        self._line(f"committer {committer[0]} <{committer[1]}> {committed_unix_s} +0000")
        self._data(message)
        verb = "from"
        for parent in parents:
            self._line(f"{verb} {parent if isinstance(parent, str) else f':{parent}'}")
            verb = "merge"
        for path, text in sorted((files or {}).items()):
            if text is None:
                self._line(f"D {path}")
            else:
                self._line(f"M 100644 inline {path}")
                self._data(text)
        for noted, text in (notes or {}).items():
            self._line(f"N inline :{noted}")
            self._data(text)
        return self.mark

    def sha(self, mark: int) -> str:
        """Full sha of a commit written before."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._line(f"get-mark :{mark}")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()

    def _line(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")

    def _data(self, text: str) -> None:
        assert self.process.stdin is not None
        body = text.encode()
        self.process.stdin.write(b"data %d\n%s\n" % (len(body), body))


def write(path: Path, changes: list[history.Change], started_unix_s: int) -> Written:
    """Write ``changes`` into a new bare repository at ``path``, the first one at ``started_unix_s`` + its offset.

    Raises:
        ValueError: a change does not fit the tree that it is applied to.
    """
    tree: history.TREE = {}
    branches: dict[str, tuple[history.TREE, history.TREE, int]] = {}
    around: dict[str, tuple[history.TREE, history.TREE]] = {}
    names: dict[str, str] = {}
    tip = 0
    with Importer(path) as importer:
        notes = 0
        for change in changes:
            parents = [tip] if tip else []
            base = tree
            if change.branch is not None:
                forked, base, branch_tip = branches.get(change.branch, (tree, tree, tip))
                parents = [branch_tip]
            if change.merge is not None:
                forked, side, side_tip = branches[change.merge]
                parents.append(side_tip)
                after = tree | {p: text for p, text in side.items() if forked.get(p) != text}
            else:
                after = history.apply(change, base, around, names)
            at = started_unix_s + change.at_s
            mark = importer.commit(
                f"refs/heads/{change.branch or 'main'}",
                author=people.IDENTITIES[change.by],
                committer=people.IDENTITIES[change.committer],
                # What the forge commits was written a while before.
                authored_unix_s=at - 3600 if change.committer == "github" else at,
                committed_unix_s=at,
                message=history.filled(change.message, names),
                parents=parents,
                files=_difference(base, after),
            )
            sha = importer.sha(mark)
            names |= {f"sha:{change.key}": sha, f"short:{change.key}": sha[:12]}
            around[change.key] = (base, after)
            if change.git_ai:
                parent_sha = importer.sha(parents[0])
                notes = importer.commit(
                    "refs/notes/ai",
                    author=people.IDENTITIES[change.by],
                    committer=people.IDENTITIES[change.by],
                    authored_unix_s=at,
                    committed_unix_s=at,
                    message="Notes added by git-ai\n",
                    parents=[notes] if notes else [],
                    notes={mark: git_ai_note(change, base, after, parent_sha)},
                )
            if change.branch is None:
                tree, tip = after, mark
            else:
                branches[change.branch] = (forked, after, mark)
    # Merged branches are deleted, as a forge does; their commits stay reachable through the merge.
    for branch in branches:
        git(path, "update-ref", "-d", f"refs/heads/{branch}")
    shas = {key: names[f"sha:{key}"] for key in around}
    return Written(path, tuple(changes), shas, {key: after for key, (_, after) in around.items()})


def git_ai_note(change: history.Change, before: history.TREE, after: history.TREE, parent_sha: str) -> str:
    """The note that git-ai would leave: which added lines the agent typed (authorship log, version 3.0.0)."""
    tool, model, *paths = change.git_ai
    session, turn = "s_4f0c2a9be1d377", "t_9a1b60d2c3e4f5"
    attested = []
    for path in paths:
        ranges = added_lines(before.get(path, ""), after[path])
        attested += [path, f"  {session}::{turn} {','.join(ranges)}"]
    record = {
        "schema_version": "authorship/3.0.0",
        "git_ai_version": "1.4.1",
        "base_commit_sha": parent_sha,
        "prompts": {},
        "sessions": {
            session: {
                "agent_id": {"tool": tool, "id": "7c4e1f52-93fb-4a53-9e8c-0a6f0a3b9d11", "model": model},
                "human_author": "{} <{}>".format(*people.IDENTITIES[change.by]),
            }
        },
    }
    return "\n".join([*attested, "---", json.dumps(record, indent=2), ""])


def added_lines(before: str, after: str) -> list[str]:
    """Ranges (``4-9`` or ``12``, 1-based, inclusive) of the lines of ``after`` that ``before`` does not have."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    spans = [(j1 + 1, j2) for tag, _, _, j1, j2 in matcher.get_opcodes() if tag in ("insert", "replace")]
    return [f"{first}-{last}" if last > first else f"{first}" for first, last in spans]


def check_out(repository: Path, sha: str, folder: Path) -> Path:
    """Put the files of ``sha`` into ``folder`` unless they are there, and return it."""
    if not folder.exists():
        archive = git(repository, "archive", "--format=tar", sha)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
    return folder


def git(path: Path, *arguments: str) -> bytes:
    """Run git in ``path`` with a clean environment; its output. Raises ``RuntimeError`` with what it said."""
    done = subprocess.run(
        ["git", *arguments], cwd=path, env=ENVIRONMENT, capture_output=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _difference(before: history.TREE, after: history.TREE) -> dict[str, str | None]:
    changed = {path: text for path, text in after.items() if before.get(path) != text}
    return changed | {path: None for path in before if path not in after}

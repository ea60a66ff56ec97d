"""Real git repositories for tests: commits with stated files, times and authors; and random ones from a seed."""

import os
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector import repositories
from schemas.records import RepositoryName
from schemas.settings import Settings
from schemas.store import Store

NAME = RepositoryName("acme/shop")
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class RepositoryBuilder:
    """A work tree at ``path`` whose commits are one hour apart unless a time is stated."""

    def __init__(self, path: Path, *, branch: str = "main", object_format: str = "sha1") -> None:
        self.path = path
        self.now = START
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", f"--initial-branch={branch}", f"--object-format={object_format}")

    def git(
        self, *arguments: str, when: datetime | None = None, author: str = "Ada <ada@example.com>"
    ) -> str:
        name, _, email = author.rstrip(">").partition(" <")
        at = f"{int((when or self.now).timestamp())} +0000"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
            "GIT_AUTHOR_DATE": at,
            "GIT_COMMITTER_DATE": at,
        }
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", "-c", "gc.auto=0", *arguments],
            cwd=self.path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode("utf-8", "replace")

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Write (text or bytes) or delete (None) files of the work tree."""
        for name, content in files.items():
            target = self.path / name
            if content is None:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        message: str,
        files: dict[str, str | bytes | None] | None = None,
        *,
        when: datetime | None = None,
        author: str = "Ada <ada@example.com>",
    ) -> str:
        """Commit ``files`` and everything else that changed; returns the full sha."""
        self.now = when or self.now + timedelta(hours=1)
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message, author=author)
        return self.head()

    def merge(self, branch: str, message: str) -> str:
        """Merge ``branch`` with a merge commit, whatever could be fast-forwarded."""
        self.now += timedelta(hours=1)
        self.git("merge", "--quiet", "--no-ff", "-m", message, branch)
        return self.head()

    def head(self, revision: str = "HEAD") -> str:
        return self.git("rev-parse", revision).strip()


def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


def synced(tmp_path: Path, builder: RepositoryBuilder, store: Store | None = None) -> Store:
    """A store with ``builder``'s repository added and synced under :data:`NAME`."""
    store = store or Store.open()
    repositories.add(store, settings(tmp_path), repository=NAME, source=str(builder.path))
    repositories.sync(store, settings(tmp_path), NAME)
    return store


ODD_NAMES = (
    "plain.py",
    "with blank.py",
    'quote"d.py',
    "new\nline.py",
    "tab\there.py",
    "bell\a.py",
    "grüße.py",
    "日本/語.txt",
    "-option.py",
    ":(top)magic.py",
    "a/b/deep.go",
    "back\\slash.py",
)
ODD_LINES = (
    "diff --git a/plain.py b/plain.py",
    "@@ -1 +1 @@",
    "--- a/plain.py",
    "+++ b/plain.py",
    "commit 0123456789abcdef0123456789abcdef01234567",
    ":100644 100644 aaaa bbbb M\tplain.py",
    "Binary files a/x and b/x differ",
    "}",
    "",
    "\\ No newline at end of file",
    "-minus",
    "+plus",
    "\r",
    "\fform feed",
)


def random_repository(
    path: Path, seed: int, *, commits: int = 25, has_binaries: bool = False
) -> RepositoryBuilder:
    """Odd names and contents, edits, renames, copies, deletions, reverts, merges, missing final newlines, clocks that
    jump; with binaries also files that turn binary and back."""
    chance = random.Random(seed)
    builder = RepositoryBuilder(path)
    files: dict[str, list[str]] = {}
    former: dict[str, list[str]] = {}
    serial = 0

    def line() -> str:
        nonlocal serial
        serial += 1
        return chance.choice(ODD_LINES) if chance.random() < 0.3 else f"value_{serial} = compute({serial})"

    def text(lines: list[str]) -> str:
        return "\n".join(lines) + ("\n" if chance.random() < 0.8 and lines else "")

    for number in range(commits):
        touched: dict[str, str | bytes | None] = {}
        for _ in range(chance.randint(1, 3)):
            verb = chance.random()
            former |= {name: list(lines) for name, lines in files.items() if chance.random() < 0.2}
            if former and verb < 0.08:
                name = chance.choice(sorted(former))
                files[name] = list(former[name])
                touched[name] = text(files[name])
            elif files and verb < 0.11:
                name, new = chance.choice(sorted(files)), chance.choice(ODD_NAMES)
                files[new] = list(files[name])
                touched[new] = text(files[new])
            elif not files or verb < 0.3:
                name = chance.choice(ODD_NAMES)
                files[name] = [line() for _ in range(chance.randint(0, 30))]
                touched[name] = text(files[name])
            elif verb < 0.75:
                name = chance.choice(sorted(files))
                lines = files[name]
                for _ in range(chance.randint(1, 4)):
                    at = chance.randint(0, len(lines))
                    lines[at : at + chance.randint(0, 3)] = [line() for _ in range(chance.randint(0, 3))]
                touched[name] = text(lines)
            elif verb < 0.85:
                name = chance.choice(sorted(files))
                del files[name]
                touched[name] = None
            elif verb < 0.93:
                old = chance.choice(sorted(files))
                new = chance.choice(ODD_NAMES)
                if new not in files:
                    files[new] = files.pop(old)
                    touched[old] = None
                    touched[new] = text(files[new])
            elif has_binaries:
                name = chance.choice(sorted(files))
                files[name] = []
                touched[name] = b"\0binary" + bytes([number])
        present = {
            name: content
            for name, content in touched.items()
            if content is not None or (path / name).exists()
        }
        when = builder.now + timedelta(hours=chance.choice((1, 5, 30, -20)))
        branched = number > 2 and chance.random() < 0.3
        if branched:
            builder.git("checkout", "--quiet", "-B", "side")
        builder.commit(
            chance.choice((f"change {number}", "@@ -1 +1 @@\n\ndiff --git a/x b/x\n")), present, when=when
        )
        if branched:
            builder.git("checkout", "--quiet", "main")
            builder.merge("side", f"Merge pull request #{number} from acme/side")
    return builder

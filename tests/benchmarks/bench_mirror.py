"""What a repository costs from outside in: the whole history beside peers, a push, the metadata, a blame.

``AFTERMERGE_BENCH_REPOSITORY`` names a repository with a whole history; without it one is generated. Peers are looked
for in ``AFTERMERGE_BENCH_PEERS``, the ``bin`` folder of an environment of theirs, and passed over where absent.
"""

import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from time import perf_counter

import pytest
from benchmarks.generated_history import GeneratedHistory
from benchmarks.measures import Board, Cost, cost
from repository_builder import NAME, settings

from collector import history, mirror, repositories
from collector.git_answers import GitAnswers
from correlator import line_owners
from schemas.records import CommitSha
from schemas.store import Store

HOUSE = Path(__file__).resolve().parents[2]
REPOSITORY = os.environ.get("AFTERMERGE_BENCH_REPOSITORY")
PEERS = Path(os.environ.get("AFTERMERGE_BENCH_PEERS", HOUSE / ".venv-peers" / "bin"))
INSTALL = (
    "python3 -m venv DIR && DIR/bin/pip install git-of-theseus pydriller; AFTERMERGE_BENCH_PEERS=DIR/bin"
)
COMMITS = 50_000
FRAMES = 40
BLAMED_FILES = 150
_PYDRILLER = """
import sys
from pydriller import Repository
for commit in Repository(sys.argv[1]).traverse_commits():
    for file in commit.modified_files:
        file.diff_parsed
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A bare copy of the repository with its default branch only."""

    path: Path
    branch: str
    change_count: int

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.path, capture_output=True, input=b"", check=True)
        return done.stdout.decode("utf-8", "replace").strip()

    def rewind(self, changes: int, *, head: str) -> None:
        """Let the branch end ``changes`` before ``head``."""
        self.git("update-ref", f"refs/heads/{self.branch}", self.git("rev-parse", f"{head}~{changes}"))


@dataclass(frozen=True, slots=True)
class Run:
    """One process with its children: CPU seconds, seconds by the clock, and MiB of the largest of them."""

    cpu_s: float
    elapsed_s: float
    mib: int

    @property
    def told(self) -> str:
        return f"{self.elapsed_s:.1f} s, {self.mib} MiB"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("source")
    origin = REPOSITORY or str(GeneratedHistory(change_count=1500).write(folder / "work").path)
    copy = folder / "copy.git"
    clone = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--bare", "--no-local", "--single-branch"]
    branch = [] if REPOSITORY else ["--branch", "main"]
    subprocess.run([*clone, *branch, origin, str(copy)], check=True)
    made = Source(copy, "", 0)
    name = made.git("symbolic-ref", "--short", "HEAD")
    return Source(copy, name, int(made.git("rev-list", "--count", "--first-parent", "HEAD")))


@pytest.fixture
def filled(tmp_path: Path, source: Source) -> Iterator[tuple[Store, str]]:
    """A store that knows the repository up to 41 changes before its head, and that head."""
    head = source.git("rev-parse", "HEAD")
    source.rewind(41, head=head)
    with_state = settings(tmp_path)
    with_state.data.mkdir()
    store = Store.open(with_state.store_path)
    repositories.add(store, with_state, repository=NAME, source=str(source.path))
    repositories.sync(store, with_state, NAME)
    line_owners.follow(store, NAME)
    yield store, head
    store.close()
    source.rewind(0, head=head)


def bench_whole_history(board: Board, source: Source, tmp_path: Path) -> None:
    """Ours from a path to the rework of each change: mirror, commits, who wrote them, diffs, lines."""
    command = [sys.executable, "-m", "api.cli", "rework", "--repo", str(source.path), "--csv"]
    ours = _run(command)
    theseus = PEERS / "git-of-theseus-analyze"
    peers = {
        "git-of-theseus": [
            *(str(theseus), str(source.path), "--outdir", str(tmp_path), "--branch", source.branch),
            *("--procs", "1", "--quiet"),
        ],
        "PyDriller": [str(PEERS / "python"), "-c", _PYDRILLER, str(source.path)],
    }
    missing = [] if theseus.exists() else ["git-of-theseus", "PyDriller"]
    for name, peer in peers.items():
        if name in missing:
            continue
        theirs = _run(peer)
        board.add(
            "whole history",
            f"{source.change_count:,} changes",
            item="change",
            ours=Cost(ours.cpu_s, source.change_count),
            against=name,
            baseline=Cost(theirs.cpu_s, source.change_count),
            note=f"ours {ours.told}; theirs {theirs.told}",
        )
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found: {INSTALL}")


@pytest.mark.parametrize("changes", [1, 20])
def bench_push(board: Board, source: Source, tmp_path: Path, filled: tuple[Store, str], changes: int) -> None:
    """A push until its lines are known: open the store, fetch, commits, diffs, and the replay on its state."""
    store, head = filled
    store.close()
    by_clock: list[float] = []
    ours: list[Cost] = []
    for already in (0, changes):
        source.rewind(41 - already - changes, head=head)

        def push() -> None:
            started = perf_counter()
            opened = Store.open(settings(tmp_path).store_path)
            repositories.sync(opened, settings(tmp_path), NAME)
            assert line_owners.follow(opened, NAME) == changes
            by_clock.append(perf_counter() - started)
            opened.close()

        ours.append(cost(push, items=1))
    plain = tmp_path / "plain.git"
    source.rewind(41, head=head)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(source.path), str(plain)], check=True)
    source.rewind(41 - changes, head=head)
    fetch = [
        "git",
        "--git-dir",
        str(plain),
        "fetch",
        "--quiet",
        str(source.path),
        "+refs/heads/*:refs/heads/*",
    ]
    floor = cost(lambda: subprocess.run(fetch, check=True), items=1)
    board.add(
        "push",
        f"{changes} on {source.change_count:,} changes",
        item="push",
        ours=min(ours, key=lambda found: found.seconds),
        against="git fetch alone",
        baseline=floor,
        note=f"{min(by_clock) * 1000:.0f} ms by the clock, state on disk",
    )


def bench_owners(board: Board, source: Source, filled: tuple[Store, str]) -> None:
    """The owner of every line at HEAD, moves and ignored revisions off, beside ``git blame`` of random text files."""
    store, _ = filled
    head = str(store.value("SELECT head_sha FROM repositories"))
    texts = [
        line.split("\t", 2)[2]
        for line in source.git("diff", "--numstat", source.git("mktree"), head).splitlines()
        if not line.startswith(("-", '"')) and '"' not in line
    ]
    chosen = random.Random(5).sample(texts, min(len(texts), BLAMED_FILES))
    blamed: dict[str, list[str]] = {}

    def blame() -> None:
        for path in chosen:
            printed = source.git("blame", "--first-parent", "-s", "-l", "--root", head, "--", path)
            blamed[path] = [line.split(" ", 1)[0] for line in printed.splitlines()]

    found = []
    ours = cost(lambda: found.append(line_owners.replay(store, NAME, moves=False)), items=len(chosen))
    theirs = cost(blame, items=len(chosen))
    pairs = [pair for path, owners in blamed.items() for pair in zip_longest(found[0].owners(path), owners)]
    board.add(
        "owners of lines",
        f"{source.change_count:,} changes; {len(chosen)} files, {len(pairs):,} lines",
        item="file",
        ours=ours,
        against="git blame of these files",
        baseline=theirs,
        note=f"{sum(mine == its for mine, its in pairs) / len(pairs):.3%} of lines agree; ours has every file",
    )


def bench_metadata(board: Board, tmp_path: Path) -> None:
    """The commits of a large repository into DuckDB."""
    who = b"Ada <ada@example.com> 17%08d +0000"
    body = (
        b"Change the price of things (#%d)\n\n"
        + b"Because it was wrong before.\n" * 4
        + b"\nSigned-off-by: Ada\n"
    )
    stream = []
    for number in range(COMMITS):
        text = body % number
        at = who % number
        parts = (b"commit refs/heads/main", b"author " + at, b"committer " + at, b"data %d" % len(text), text)
        stream.append(b"\n".join(parts))
    path = tmp_path / "large.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
    importing = ["git", "--git-dir", str(path), "fast-import", "--quiet"]
    subprocess.run(importing, input=b"\n".join(stream), check=True)
    mirror.fetch(settings(tmp_path), NAME, str(path))
    git = mirror.opened(settings(tmp_path), NAME)
    assert git is not None
    store = Store.open(tmp_path / "store.duckdb")
    started = perf_counter()
    ours = cost(lambda: history.append_commits(git, store, NAME, timeout_s=600), items=COMMITS)
    elapsed_s = perf_counter() - started
    assert store.value("SELECT count(*) FROM commits") == COMMITS
    log = ["git", "--git-dir", str(path), "log", "-z", "--format=%H%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%B"]
    floor = cost(lambda: subprocess.run(log, check=True, capture_output=True), items=COMMITS)
    board.add(
        "metadata",
        f"{COMMITS:,} commits into DuckDB",
        item="commit",
        ours=ours,
        against="git log, unread",
        baseline=floor,
        note=f"{elapsed_s:.1f} s by the clock",
    )


def bench_blame(board: Board, source: Source, tmp_path: Path, filled: tuple[Store, str]) -> None:
    """One line of one file, each asked for the first time and then again; the peer has no graph and no filters."""
    store, _ = filled
    head = CommitSha(store.value("SELECT head_sha FROM repositories"))
    port = GitAnswers(store, settings(tmp_path))
    chance = random.Random(3)
    asked = []
    for path in chance.sample(port.tree(NAME, head), len(port.tree(NAME, head))):
        count = source.git("show", f"{head}:{path}").count("\n")
        if count >= 100 and path.endswith((".py", ".c", ".go", ".rs", ".java", ".ts", ".js", ".rb")):
            asked.append((path, chance.randint(1, count)))
        if len(asked) == FRAMES:
            break
    port = GitAnswers(store, settings(tmp_path))

    def ours() -> None:
        fresh.extend(_timed(lambda p=path, n=line: port.blame(NAME, head, p, (n,))) for path, line in asked)

    def peer() -> None:
        for path, line in asked:
            source.git("blame", "--porcelain", f"-L{line},{line}", head, "--", path)

    fresh: list[float] = []
    mine = cost(ours, items=len(asked))
    again = [_timed(lambda p=path, n=line: port.blame(NAME, head, p, (n,))) for path, line in asked]
    p50, p90 = statistics.median(fresh), statistics.quantiles(fresh, n=10)[-1]
    board.add(
        "blame of one frame",
        f"{len(asked)} files, {source.change_count:,} changes",
        item="frame",
        ours=mine,
        against="git blame -L, no graph",
        baseline=cost(peer, items=len(asked)),
        note=f"p50 {p50:.0f} ms, p90 {p90:.0f} ms; again: p50 {statistics.median(again):.4f} ms",
    )


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds by the clock."""
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def _run(command: list[str]) -> Run:
    started = perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said.decode(errors="replace")[-2000:]
    return Run(used.ru_utime + used.ru_stime, perf_counter() - started, used.ru_maxrss // 1024)

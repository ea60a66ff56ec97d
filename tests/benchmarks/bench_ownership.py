"""Who owns each line at HEAD and who destroyed whose: one replay of the mainline, beside ``git blame`` of every file.

Blame answers less (no deaths, nothing of the files that are gone) and runs on our own mirror, whose commit graph with
Bloom filters is the best case for it. The replay reads its facts from the store; what bringing them there costs is
measured beside the bare ``git log`` that it reads.
"""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pytest
from benchmarks.generated_history import GeneratedHistory
from benchmarks.measures import Board, Cost, cost, side_by_side
from repository_builder import NAME, settings

from collector import mirror, repositories
from correlator import line_owners, ownership
from schemas.store import Store

SIZES = {"medium": 300, "large": 1500}
"""Changes."""
_LOG = ("log", "--reverse", "--first-parent", "--diff-merges=first-parent", "--raw", "-p", "-U0", "-M")


@dataclass(frozen=True, slots=True)
class Synced:
    """A generated repository in a store, our mirror of it, and what the sync cost in CPU and by the clock."""

    store: Store
    mirror: Path
    sync: Cost
    sync_elapsed_s: float

    def git(self, *arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=self.mirror, capture_output=True, check=True)
        return done.stdout

    def replayed(self, *, moves: bool = True) -> ownership.Ownership:
        """As the correlator does it: one query and the replay."""
        return line_owners.replay(self.store, NAME, moves=moves)

    def blamed(self) -> dict[str, list[str]]:
        """Path -> owner of each line at HEAD, by one ``git blame`` per file."""
        paths = self.git("ls-tree", "-r", "-z", "--name-only", "HEAD").decode().split("\0")[:-1]
        return {
            path: _owners(self.git("blame", "--first-parent", "-s", "-l", "HEAD", "--", path))
            for path in paths
        }


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Synced]]:
    made: dict[int, Synced] = {}

    def of(change_count: int) -> Synced:
        if change_count not in made:
            folder = tmp_path_factory.mktemp("history")
            source = GeneratedHistory(change_count=change_count).write(folder / "work").path
            store = Store.open(folder / "store.duckdb")
            repositories.add(store, settings(folder), repository=NAME, source=str(source))
            started = perf_counter()
            sync = cost(lambda: repositories.sync(store, settings(folder), NAME), items=change_count)
            elapsed_s = perf_counter() - started
            made[change_count] = Synced(store, mirror.directory(settings(folder), NAME), sync, elapsed_s)
        return made[change_count]

    yield of
    for found in made.values():
        found.store.close()


@pytest.mark.parametrize("size", SIZES)
def bench_cold_index(board: Board, synced: Callable[[int], Synced], size: str) -> None:
    changes = SIZES[size]
    found = synced(changes)
    log = cost(lambda: found.git(*_LOG, "HEAD", "--"), items=changes)
    shape = f"{size}: {changes:,} changes"
    board.add(
        "cold index",
        shape,
        item="change",
        ours=found.sync,
        against="git log -p, output unread",
        baseline=log,
        note=f"{changes / found.sync_elapsed_s:.0f} changes/s by the clock",
    )


@pytest.mark.parametrize("size", SIZES)
def bench_ownership(board: Board, synced: Callable[[int], Synced], size: str) -> None:
    changes = SIZES[size]
    found = synced(changes)
    blamed: dict[str, list[str]] = {}
    ours, blame = side_by_side(
        found.replayed,
        lambda: blamed.update(found.blamed()),
        items=changes,
        rounds=1 if size == "large" else 2,
    )
    line_count = sum(map(len, blamed.values()))
    board.add(
        "ownership",
        f"{size}: {changes:,} changes, {line_count:,} lines at HEAD",
        item="change",
        ours=ours,
        against="git blame of every file",
        baseline=blame,
        note=f"{_agreement(found, blamed):.2%} of lines agree",
    )


def _owners(printed: bytes) -> list[str]:
    """Owner of each line of ``git blame -s -l``; a root commit is marked by a caret in the place of its last digit."""
    return [line.split(b" ", 1)[0].decode() for line in printed.splitlines()]


def _agreement(found: Synced, blamed: dict[str, list[str]]) -> float:
    """Share of the lines at HEAD with the same owner, moves aside, which blame does not follow."""
    owned = found.replayed(moves=False)
    pairs = [
        (ours, theirs)
        for path, owners in blamed.items()
        for ours, theirs in zip(owned.owners(path), owners, strict=True)
    ]
    return sum(ours.startswith(theirs.removeprefix("^")) for ours, theirs in pairs) / len(pairs)

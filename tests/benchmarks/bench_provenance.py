"""Who wrote a commit, for a history of commits, beside reading the same commits from the store and no more."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from benchmarks.measures import Board, side_by_side
from repository_builder import NAME

from correlator import provenance
from schemas import tables
from schemas.records import Commit, CommitSha
from schemas.store import Row, Store, sql

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
SIZES = {"small": (4000, 0), "medium": (3000, 6), "large": (300, 120)}
"""Commits, and body lines of each message: a subject alone; an ordinary one; a squash merge that lists its commits."""
_TRAILERS = (
    "",
    "",
    "Signed-off-by: Ada <ada@example.com>",
    "Co-Authored-By: Claude <noreply@anthropic.com>",
    "Generated with [Claude Code](https://claude.com/claude-code)\n\nCo-Authored-By: Claude <noreply@anthropic.com>",
    "Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>",
    "Reviewed-by: Grace <grace@example.com>\nAssisted-by: Cursor",
    "Closes #412",
)
_SENTENCES = (
    "* keep the price of an order in minor units, as the ledger does",
    "The bank answers 409 when a payment is repeated; that is no failure of ours.",
    "- measured: 12 ms before, 4 ms after, over 10,000 orders",
    "Refs: https://tracker.example.org/browse/SHOP-1482",
    "    total = sum(item.price * item.count for item in order.items)",
    "This was drafted by hand, the tests were run on both databases.",
)


@pytest.mark.parametrize("size", SIZES)
def bench_provenance(board: Board, size: str) -> None:
    count, line_count = SIZES[size]
    store = Store.open()
    store.append_rows(tables.COMMITS, _commits(count, line_count))
    policy = provenance.Policy()

    def read() -> list[Row]:
        return store.rows(sql("correlator", "git_commits"), repository=NAME, until=UNTIL)

    def ours() -> None:
        origins = {provenance.detect(_commit(row), policy).origin for row in read()}
        assert len(origins) > 1

    spent, reading = side_by_side(ours, read, items=count, rounds=2)
    store.close()
    shape = f"{size}: {count:,} commits, bodies of {line_count} lines"
    board.add("provenance", shape, item="commit", ours=spent, against="reading the commits", baseline=reading)


def _commits(count: int, line_count: int) -> list[Row]:
    chance = random.Random(3)
    return [
        {
            "repository": NAME,
            "sha": f"{number:040x}",
            "parents": [],
            "author_name": "dependabot[bot]" if number % 20 == 0 else f"Author {number % 40}",
            "author_email": "49699333+dependabot[bot]@users.noreply.github.com"
            if number % 20 == 0
            else f"author{number % 40}@example.com",
            "committer_name": "GitHub",
            "committer_email": "noreply@github.com",
            "authored_at": START + timedelta(minutes=number),
            "committed_at": START + timedelta(minutes=number),
            "message": _message(number, line_count, chance),
        }
        for number in range(count)
    ]


def _message(number: int, line_count: int, chance: random.Random) -> str:
    subject = (
        f"{chance.choice(('Add', 'Fix', 'feat(cart): keep', 'Move'))} the total of order {number} (#{number})"
    )
    body = "\n".join(chance.choice(_SENTENCES) for _ in range(line_count))
    parts = (subject, body, chance.choice(_TRAILERS) if line_count else "")
    return "\n\n".join(part for part in parts if part) + "\n"


def _commit(row: Row) -> Commit:
    return Commit(
        repository=NAME,
        sha=CommitSha(row["sha"]),
        parents=(),
        author_name=row["author_name"],
        author_email=row["author_email"],
        committer_name=row["committer_name"],
        committer_email=row["committer_email"],
        authored_at=row["authored_at"],
        committed_at=row["committed_at"],
        message=row["message"],
        note=None,
    )

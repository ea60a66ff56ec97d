"""Worlds are equal by seed, varied, and true: what is said to be to blame is what the diff of the culprit does."""

from dataclasses import replace
from pathlib import Path

import pytest

from worlds import git
from worlds.causes import Cause
from worlds.defects import MECHANISMS
from worlds.history import Planted, frames_at
from worlds.traffic import layout
from worlds.world import World, WorldSettings, generate

SMALL = WorldSettings(days=30, services=4, changes=50, defects=24, troubles=4, spans=500)

MENDED_ELSEWHERE = {"migration", "removed_export", "changed_signature"}
"""By another migration, or by the caller that was forgotten."""


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [generate(seed, SMALL) for seed in range(1, 5)]


def planted(worlds: list[World]) -> list[Planted]:
    return [p for w in worlds for p in w.history.planted]


def test_equal_seeds_give_equal_worlds(worlds: list[World], tmp_path: Path) -> None:
    again = generate(1, SMALL)
    first, second = worlds[0], again
    assert [(c.at, c.subject, c.files) for c in first.changes()] == [
        (c.at, c.subject, c.files) for c in second.changes()
    ]
    assert [(b.cause, len(b.drawn.at), b.drawn.at.tobytes()) for b in first.batches] == [
        (b.cause, len(b.drawn.at), b.drawn.at.tobytes()) for b in second.batches
    ]
    assert git.write(first.history, tmp_path / "a", tags="real") == git.write(
        second.history, tmp_path / "b", tags="real"
    )


def test_another_seed_gives_another_world(worlds: list[World]) -> None:
    subjects = [tuple(c.subject for c in w.changes()) for w in worlds]
    assert len(set(subjects)) == len(worlds)


def test_every_mechanism_is_planted(worlds: list[World]) -> None:
    assert {p.defect.mechanism for p in planted(worlds)} == set(MECHANISMS)


def test_the_culprit_touches_what_its_defect_is_in(worlds: list[World]) -> None:
    for found in planted(worlds):
        change = found.change
        if change is None:
            assert found.defect.flag
            continue
        assert change.files, found.defect.mechanism
        assert change.repository is found.origin.repository
        if found.mended is not None and found.defect.mechanism not in MENDED_ELSEWHERE:
            assert set(found.mended.files) & set(change.files), found.defect.mechanism


def test_the_line_that_raises_was_written_by_the_culprit(worlds: list[World]) -> None:
    """Of the mechanisms that say so; before the culprit there was no such statement."""
    seen = 0
    for world in worlds:
        for found in world.history.planted:
            if (
                found.defect.mechanism not in ("raising_line", "latent")
                or not found.change
                or not found.paths
            ):
                continue
            path, position = next(iter(found.paths.values())), found.change.position
            innermost = frames_at(world.history, found.origin, position, path)[0]
            before = frames_at(world.history, found.origin, position - 1, path[-1:])
            text = found.change.files[innermost["path"]]
            assert text is not None
            assert text.split("\n")[innermost["line"] - 1].strip() == innermost["code"]
            assert before == []
            seen += 1
    assert seen >= 3


def test_where_the_culprit_is_elsewhere_the_failing_line_is_older(worlds: list[World]) -> None:
    elsewhere = {
        "changed_default",
        "changed_return",
        "other_place",
        "registry",
        "callee_contract",
        "queue_payload",
    }
    seen = 0
    for world in worlds:
        for found in world.history.planted:
            if found.defect.mechanism not in elsewhere or not found.change or not found.paths:
                continue
            service, path = found.defect.service, next(iter(found.paths.values()))
            revisions = [c for c in world.history.changes[service.repository.name] if c.at < found.change.at]
            assert frames_at(world.history, service, revisions[-1].position, path[-1:]), (
                found.defect.mechanism
            )
            seen += 1
    assert seen >= 5


def test_what_ai_made_says_so_or_not_and_nothing_else_depends_on_it(worlds: list[World]) -> None:
    flipped = generate(1, replace(SMALL, tags="flipped"))
    assert [(c.at, c.subject, c.files, c.is_ai) for c in worlds[0].changes()] == [
        (c.at, c.subject, c.files, c.is_ai) for c in flipped.changes()
    ]
    made = [c for w in worlds for c in w.changes() if c.is_ai]
    assert 0 < sum(c.is_tagged for c in made) < len(made)


def test_traces_are_trees_in_time(worlds: list[World]) -> None:
    for batch in worlds[0].batches[:40]:
        laid = layout(batch.tree)
        for node, parent, start, lasts in laid:
            assert lasts >= 0
            assert parent < 0 or start >= laid[parent][2], node.name


def test_changes_that_are_to_blame_and_others_begin_failures(worlds: list[World]) -> None:
    causes: list[Cause] = [c for w in worlds for c in w.causes]
    assert {bool(c.change) for c in causes} == {True, False}
    assert len({s.language for w in worlds for s in w.history.company.services}) >= 4

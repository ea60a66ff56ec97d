import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from repository_builder import NAME, RepositoryBuilder, synced

from correlator import changes, provenance
from correlator.provenance import Policy
from schemas.records import Commit
from schemas.store import Row, Store
from schemas.vocabulary import Origin

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>"


def _verdicts(store: Store) -> dict[str, Any]:
    notes = {row["sha"]: row["text"] for row in store.rows("SELECT sha, text FROM commit_notes")}
    found = {}
    for row in store.rows("SELECT * FROM commits"):
        fields = {**row, "parents": tuple(row["parents"]), "note": notes.get(row["sha"])}
        found[row["sha"]] = provenance.detect(Commit(**fields), Policy())
    return found


def _built(
    store: Store, requests: list[Row] | None = None, stated: dict[str, Any] | None = None
) -> dict[str, Row]:
    rows = changes.build(
        commits=store.rows("SELECT * FROM commits"),
        mainline=store.arrow("SELECT * FROM mainline"),
        change_paths=store.arrow("SELECT * FROM change_paths"),
        hunks=store.arrow("SELECT * FROM hunks"),
        side_paths=store.rows("SELECT * FROM side_commit_paths"),
        change_requests=requests or [],
        verdicts=_verdicts(store) | (stated or {}),
    )
    assert [row["position"] for row in rows] == list(range(len(rows)))
    return {row["sha"]: row for row in rows}


def _request(number: int, **stated: Any) -> Row:
    names = ("title", "body", "head_ref", "merge_commit_sha", "merge_method", "opened_by")
    return {"repository": NAME, "number": number, "labels": [], **dict.fromkeys(names), **stated}


@pytest.fixture
def builder(tmp_path: Path) -> RepositoryBuilder:
    made = RepositoryBuilder(tmp_path / "work")
    made.commit("first", {"shop/rates.py": "".join(f"rate_{n} = {n}\n" for n in range(30))})
    return made


def _side(builder: RepositoryBuilder, *commits: tuple[str, dict[str, str | bytes | None]]) -> list[str]:
    builder.git("checkout", "--quiet", "-B", "side")
    shas = [builder.commit(message, files) for message, files in commits]
    builder.git("checkout", "--quiet", "main")
    return shas


def test_a_merge_carries_its_side_commits_and_its_number(tmp_path: Path, builder: RepositoryBuilder) -> None:
    shas = _side(builder, ("draft", {"a.py": "a = 1\n"}), ("final", {"a.py": "a = 2\n"}))
    merge = builder.merge("side", "Merge pull request #12 from acme/side\n\nfix: rates")
    row = _built(synced(tmp_path, builder))[merge]
    assert row["commits"] == shas
    assert (row["number"], row["merge_method"]) == (12, "merge")
    assert row["subject"] == "Merge pull request #12 from acme/side"
    assert (row["kind"], row["kind_rule"]) == ("fix", "prefix:fix")
    assert (row["lines_added"], row["lines_deleted"], row["files_changed"]) == (1, 0, 1)


def test_a_squash_has_a_number_and_a_direct_push_has_none(tmp_path: Path, builder: RepositoryBuilder) -> None:
    squash = builder.commit("Add carts (#13)", {"cart.py": "x = 1\n"})
    direct = builder.commit("Add more", {"cart.py": "x = 2\n"})
    rebased = builder.commit("Rebased", {"cart.py": "x = 3\n"})
    rows = _built(
        synced(tmp_path, builder),
        [_request(14, merge_commit_sha=rebased, merge_method="rebase", labels=["bug"])],
    )
    assert (rows[squash]["merge_method"], rows[squash]["number"]) == ("squash", 13)
    assert (rows[direct]["merge_method"], rows[direct]["number"]) == ("direct", None)
    assert (rows[rebased]["merge_method"], rows[rebased]["number"]) == ("direct", 14)
    assert (rows[rebased]["kind"], rows[rebased]["kind_rule"]) == ("fix", "label:bug")
    assert rows[direct]["commits"] == [direct]


def test_every_commit_lands_once_and_open_branches_do_not_land(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    inner = _side(builder, ("inner", {"i.py": "i = 1\n"}))
    first = builder.merge("side", "Merge pull request #1 from acme/side")
    _side(builder, ("more", {"j.py": "j = 1\n"}))
    builder.merge("side", "Merge pull request #2 from acme/side")
    builder.git("checkout", "--quiet", "-b", "open")
    builder.commit("wip", {"w.py": "w\n"})
    builder.git("checkout", "--quiet", "main")
    store = synced(tmp_path, builder)
    rows = _built(store)
    landed = [sha for row in rows.values() for sha in row["commits"]]
    assert len(landed) == len(set(landed)) == 3
    assert rows[first]["commits"] == inner


def test_lines_of_generated_vendored_lock_and_document_files_are_left_out(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.commit(
        "Add all",
        {
            "a.py": "a = 1\nb = 2\n",
            "tests/test_a.py": "assert 1\n",
            "uv.lock": "x\n" * 500,
            "vendor/x.go": "x\n" * 500,
            "app.min.js": "x\n" * 500,
            "README.md": "x\n" * 500,
        },
    )
    row = _built(synced(tmp_path, builder))[sha]
    assert (row["lines_added"], row["files_changed"], row["size_band"]) == (3, 6, "small")


def test_size_bands_part_at_twenty_and_two_hundred_lines() -> None:
    assert [changes.size_band(n) for n in (0, 19, 20, 199, 200)] == [
        "small",
        "small",
        "medium",
        "medium",
        "large",
    ]


def test_a_revert_names_the_change_by_the_id_of_a_side_commit_of_a_merge_or_by_subject(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    (side,) = _side(builder, ("Add carts", {"cart.py": "x = 1\n"}))
    merge = builder.merge("side", "Merge pull request #12 from acme/side\n\nAdd carts")
    plain = builder.commit("Add prices (#13)", {"prices.py": "y = 1\n"})
    by_side = builder.commit(
        f'Revert "Add carts"\n\nThis reverts commit {side[:10]}.', {"cart.py": "x = 0\n"}
    )
    by_merge = builder.commit(
        f"Undo it\n\nThis reverts commit {merge}, reversing\nchanges.", {"cart.py": "x = 9\n"}
    )
    by_subject = builder.commit('Revert "Add prices (#13)" (#14)', {"prices.py": "y = 0\n"})
    by_number = builder.commit("Take prices back\n\nReverts acme/shop#13", {"prices.py": "y = 2\n"})
    rows = _built(synced(tmp_path, builder))
    assert rows[by_side]["reverts"] == [merge]
    assert rows[by_merge]["reverts"] == [merge]
    assert rows[by_subject]["reverts"] == [plain]
    assert rows[by_number]["reverts"] == [plain]
    assert {rows[sha]["kind"] for sha in (by_side, by_merge, by_subject)} == {"revert"}


def test_a_revert_of_what_never_landed_names_nothing(tmp_path: Path, builder: RepositoryBuilder) -> None:
    (draft, undo) = _side(builder, ("draft", {"a.py": "a = 1\n"}), ("placeholder", {"a.py": "a = 0\n"}))
    builder.git("checkout", "--quiet", "side")
    builder.git("commit", "--quiet", "--amend", "-m", f"Drop the draft\n\nThis reverts commit {draft}.")
    builder.git("checkout", "--quiet", "main")
    merge = builder.merge("side", "Merge pull request #12 from acme/side\n\nAdd a")
    squash = builder.commit(f"Add b (#13)\n\n* wip\n\nThis reverts commit {'f' * 40}.", {"b.py": "b = 1\n"})
    rows = _built(synced(tmp_path, builder))
    assert rows[merge]["reverts"] == []
    assert (rows[squash]["reverts"], rows[squash]["kind"]) == ([], "feature")
    assert undo not in rows


def test_a_fix_names_what_it_mends_and_what_it_closes(tmp_path: Path, builder: RepositoryBuilder) -> None:
    bad = builder.commit("Add carts", {"cart.py": "x = 1\n"})
    fix = builder.commit(f'Mend\n\nFixes: {bad[:12]} ("Add carts")\nCloses: INC-7', {"cart.py": "x = 2\n"})
    row = _built(synced(tmp_path, builder))[fix]
    assert (row["fixes"], row["closes"]) == ([bad], ["INC-7"])
    assert (row["kind"], row["kind_rule"]) == ("fix", "trailer:fixes")


def test_the_origin_of_a_change_follows_from_its_commits(tmp_path: Path, builder: RepositoryBuilder) -> None:
    ai = builder.commit("Add a" + CLAUDE, {"a.py": "a = 1\n"})
    plain = builder.commit("Add b", {"b.py": "b = 1\n"})
    configured = builder.commit("Raise limit" + CLAUDE, {"app.yaml": "limit: 2\n"})
    _side(
        builder,
        ("one" + CLAUDE, {"c.py": "c = 1\n"}),
        ("two", {"c.py": "c = 2\n"}),
        ("three", {"c.py": "c = 3\n"}),
    )
    merge = builder.merge("side", "Merge pull request #12 from acme/side")
    rows = _built(synced(tmp_path, builder))
    assert (rows[ai]["origin"], rows[ai]["tools"], rows[ai]["origin_basis"]) == (
        "ai",
        ["claude-code"],
        "declared",
    )
    assert (rows[plain]["origin"], rows[plain]["tools"]) == ("unknown", [])
    assert rows[configured]["origin"] == "ai"
    assert rows[merge]["origin"] == "mixed"


def test_attested_lines_count_only_where_the_change_added_lines(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.commit("Add a", {"a.py": "".join(f"a_{n} = {n}\n" for n in range(10))})
    note = (
        "a.py\n  abc1234def567890 1-2,9000-9999999\nshop/rates.py\n  abc1234def567890 1-30\n---\n"
        '{"schema_version": "authorship/3.0.0", "base_commit_sha": "' + sha + '",'
        ' "prompts": {"abc1234def567890": {"agent_id": {"tool": "cursor", "id": "x", "model": "gpt-5"}}}}'
    )
    builder.git("notes", "--ref=ai", "add", "-m", note, sha)
    row = _built(synced(tmp_path, builder))[sha]
    assert row["ai_share"] == pytest.approx(0.2)
    assert (row["origin"], row["origin_basis"], row["tools"]) == ("mixed", "attested_lines", ["cursor"])


def test_an_agents_branch_speaks_for_a_squash_without_a_mark(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.commit("Add a (#15)", {"a.py": "a = 1\n"})
    requests = [_request(15, head_ref="codex/add-a", merge_commit_sha=sha, title="Add a")]
    row = _built(synced(tmp_path, builder), requests)[sha]
    assert (row["origin"], row["confidence"]) == ("ai", "B")


def test_the_order_of_the_facts_does_not_matter(tmp_path: Path, builder: RepositoryBuilder) -> None:
    _side(builder, ("one", {"c.py": "c = 1\n"}), ("two" + CLAUDE, {"d.py": "d = 2\n"}))
    builder.merge("side", "Merge pull request #12 from acme/side")
    store = synced(tmp_path, builder)

    def built(*, is_reversed: bool) -> list[dict[str, Any]]:
        def of(name: str) -> pa.Table:
            table = store.arrow(f"SELECT * FROM {name}")
            return table.take(pa.array(range(table.num_rows - 1, -1, -1))) if is_reversed else table

        commits = store.rows("SELECT * FROM commits")
        return changes.build(
            commits=commits[::-1] if is_reversed else commits,
            mainline=of("mainline"),
            change_paths=of("change_paths"),
            hunks=of("hunks"),
            side_paths=of("side_commit_paths").to_pylist(),
            change_requests=[],
            verdicts=_verdicts(store),
        )

    assert built(is_reversed=False) == built(is_reversed=True)
    assert built(is_reversed=False)[0]["repository"] == NAME


def _lines(count: int) -> str:
    return "".join(f"value_{n} = {n}\n" for n in range(count))


def test_a_merge_is_weighed_by_the_lines_of_its_commits(tmp_path: Path, builder: RepositoryBuilder) -> None:
    """One of three commits is AI's and wrote nine tenths of the lines; lock files weigh nothing."""
    _side(
        builder,
        ("one", {"one.py": _lines(5), "package-lock.json": _lines(500)}),
        ("two" + CLAUDE, {"two.py": _lines(90)}),
        ("three", {"three.py": _lines(5)}),
    )
    merge = builder.merge("side", "Merge pull request #12 from acme/side")
    store = synced(tmp_path, builder)
    assert (_built(store)[merge]["origin"], _built(store)[merge]["tools"]) == ("ai", ["claude-code"])
    store.execute("DELETE FROM side_commit_paths")
    assert _built(store)[merge]["origin"] == "mixed"


def test_a_small_ai_commit_among_large_ones_makes_a_merge_mixed(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    _side(builder, ("one" + CLAUDE, {"one.py": _lines(3)}), ("two", {"two.py": _lines(60)}))
    merge = builder.merge("side", "Merge pull request #12 from acme/side")
    assert _built(synced(tmp_path, builder))[merge]["origin"] == "mixed"


def _own(*messages: str, lines: list[int] | None = None) -> str:
    return json.dumps(
        [
            {"message": message, "author_email": "ada@example.com"}
            | ({"lines_added": lines[n]} if lines else {})
            for n, message in enumerate(messages)
        ]
    )


def test_a_squash_is_what_the_commits_of_its_request_were(tmp_path: Path, builder: RepositoryBuilder) -> None:
    squash = builder.commit("Add carts (#13)", {"cart.py": _lines(40)})
    marked = builder.commit("Add more (#14)" + CLAUDE, {"more.py": _lines(4)})
    store = synced(tmp_path, builder)
    told = [
        _request(13, commits=_own("a" + CLAUDE, "b" + CLAUDE, "c")),
        _request(14, commits=_own("by hand")),
    ]
    rows = _built(store, told)
    assert (rows[squash]["origin"], rows[squash]["confidence"], rows[squash]["tools"]) == (
        "ai",
        "B",
        ["claude-code"],
    )
    assert rows[marked]["origin"] == "ai"
    weighed = _own("a" + CLAUDE, "b", lines=[1, 99])
    assert _built(store, [_request(13, commits=weighed)])[squash]["origin"] == "mixed"
    assert _built(store, [_request(13, commits=_own("a", "b"))])[squash]["origin"] == "unknown"


def test_a_statement_about_a_merge_is_about_its_change(tmp_path: Path, builder: RepositoryBuilder) -> None:
    _side(builder, ("one" + CLAUDE, {"one.py": _lines(3)}))
    merge = builder.merge("side", "Merge pull request #12 from acme/side")
    store = synced(tmp_path, builder)
    stated = {merge: provenance.overridden(_verdicts(store)[merge], Origin.HUMAN, (), "written by hand")}
    row = _built(store, stated=stated)[merge]
    assert (row["origin"], row["origin_basis"], row["confidence"]) == ("human", "override", "A")


def test_a_statement_about_a_squash_goes_before_its_marks(tmp_path: Path, builder: RepositoryBuilder) -> None:
    squash = builder.commit("Add carts (#13)" + CLAUDE, {"cart.py": _lines(40)})
    other = builder.commit("Add more", {"more.py": _lines(4)})
    store = synced(tmp_path, builder)
    found = _verdicts(store)
    stated = {
        squash: provenance.overridden(found[squash], Origin.UNKNOWN, (), None),
        other: provenance.overridden(found[other], Origin.AI, ["codex"], None),
    }
    request = _request(13, head_ref="codex/carts", commits=_own("a" + CLAUDE))
    rows = _built(store, [request], stated)
    assert rows[squash]["origin"] == "unknown"
    assert (rows[other]["origin"], rows[other]["tools"], rows[other]["origin_basis"]) == (
        "ai",
        ["codex"],
        "override",
    )


def test_suggestions_and_conflicts_are_shown_apart(tmp_path: Path, builder: RepositoryBuilder) -> None:
    review = "\n\nCo-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>"
    suggested = builder.commit("Apply a suggestion" + review, {"one.py": _lines(3)})
    both = builder.commit("Add\n\nAI-assisted: no" + CLAUDE, {"two.py": _lines(3)})
    rows = _built(synced(tmp_path, builder))
    assert (rows[suggested]["origin"], rows[suggested]["suggesting_tools"]) == ("unknown", ["copilot"])
    assert (rows[both]["origin"], rows[both]["conflict"]) == ("ai", True)
    assert not rows[suggested]["conflict"]

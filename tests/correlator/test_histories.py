"""What one repository's history says, over real git."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repository_builder import NAME, START, RepositoryBuilder, synced

from correlator import histories, line_owners
from correlator.histories import GitFacts, History, Verdicts
from schemas import tables
from schemas.records import AttestedLines
from schemas.store import Store, arrow
from schemas.vocabulary import Origin

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>"


def facts_of(store: Store, **repository: Any) -> GitFacts:
    row = store.row("SELECT * FROM repositories")
    assert row is not None
    line_owners.follow(store, NAME)
    return GitFacts(
        repository={**row, **repository},
        commits=store.rows("SELECT * FROM commits"),
        notes={r["sha"]: r["text"] for r in store.rows("SELECT sha, text FROM commit_notes")},
        mainline=store.arrow("SELECT * FROM mainline ORDER BY position"),
        change_paths=store.arrow("SELECT * FROM change_paths"),
        hunks=store.arrow("SELECT * FROM hunks"),
        change_requests=[],
        lines=line_owners.read(store, NAME, until=line_owners.END),
    )


def told(history: History) -> dict[str, dict[str, Any]]:
    return {row["sha"]: row for row in history.provenance}


@pytest.fixture
def builder(tmp_path: Path) -> RepositoryBuilder:
    made = RepositoryBuilder(tmp_path / "work")
    made.commit("Start", {"shop/app.py": "a = 1\nb = 2\n", "README.md": "shop\n"})
    return made


def test_every_commit_has_a_verdict_and_every_mainline_commit_is_a_change(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    marked = builder.commit(f"Add carts{CLAUDE}", {"shop/cart.py": "x = 1\n"})
    builder.git("checkout", "--quiet", "-b", "open")
    unlanded = builder.commit("Draft", {"shop/draft.py": "y = 1\n"})
    builder.git("checkout", "--quiet", "main")
    history = histories.infer(facts_of(synced(tmp_path, builder)), {})
    assert [row["sha"] for row in history.provenance] == sorted(row["sha"] for row in history.provenance)
    assert told(history)[marked]["origin"] == "ai"
    assert told(history)[unlanded]["origin"] == "unknown"
    assert [row["sha"] for row in history.changes][-1] == marked
    assert [row["origin"] for row in history.changes] == ["unknown", "ai"]
    assert unlanded not in {row["sha"] for row in history.changes}


def test_a_change_reads_its_paths_and_the_lines_that_it_destroyed(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    first = builder.head()
    second = builder.commit("Replace", {"shop/app.py": "a = 1\nb = 3\n", "b.py": "z = 1\n"})
    history = histories.infer(facts_of(synced(tmp_path, builder)), {})
    assert history.paths_of == {first: ["README.md", "shop/app.py"], second: ["b.py", "shop/app.py"]}
    (edge,) = history.lines.death_edges.to_pylist()
    assert (edge["killer"], edge["victim"], edge["path"], edge["lines"]) == (second, first, "shop/app.py", 1)
    assert history.repository == NAME


def test_people_are_told_apart_by_their_mail_address_in_lower_case(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.head()
    other = builder.commit("More", {"b.py": "z = 1\n"}, author="Bo <Bo@Example.COM>")
    history = histories.infer(facts_of(synced(tmp_path, builder)), {})
    assert history.authors == {sha: "ada@example.com", other: "bo@example.com"}


def test_unmarked_commits_are_human_only_where_the_operator_says_so_and_from_then_on(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    before, marked = builder.head(), builder.commit(f"Marked{CLAUDE}", {"b.py": "z = 1\n"})
    after = builder.commit("After", {"b.py": "z = 2\n"})
    store = synced(tmp_path, builder)
    when = START.replace(hour=11)
    silent = told(histories.infer(facts_of(store, assume_unmarked_from=when), {}))
    assert silent[after]["origin"] == "unknown"
    stated = told(histories.infer(facts_of(store, assume_unmarked="human", assume_unmarked_from=when), {}))
    assert [stated[sha]["origin"] for sha in (before, marked, after)] == ["unknown", "ai", "human"]
    assert stated[after]["basis"] == "policy"


def test_a_note_speaks_for_its_commit(tmp_path: Path, builder: RepositoryBuilder) -> None:
    sha = builder.head()
    facts = facts_of(synced(tmp_path, builder))
    noted = replace(facts, notes={sha: "not a note of any tool"})
    assert told(histories.infer(noted, {}))[sha]["origin"] == "unknown"


def test_a_verdict_that_is_known_is_not_made_again_and_the_answer_is_the_same(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    builder.commit(f"Add carts{CLAUDE}", {"shop/cart.py": "x = 1\n"})
    facts = facts_of(synced(tmp_path, builder))
    known: Verdicts = {}
    first = histories.infer(facts, known)
    made = dict(known)
    assert len(made) == len(facts.commits)
    again = histories.infer(facts, known)
    assert known == made
    assert (again.provenance, again.changes) == (first.provenance, first.changes)
    assert again.lines is facts.lines


def test_a_known_verdict_is_made_anew_when_its_note_or_the_policy_changes(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.head()
    facts = facts_of(synced(tmp_path, builder))
    known: Verdicts = {}
    histories.infer(facts, known)
    policy = {**facts.repository, "assume_unmarked": "human", "assume_unmarked_from": START}
    assert told(histories.infer(replace(facts, repository=policy), known))[sha]["origin"] == "human"
    assert told(histories.infer(facts, known))[sha]["origin"] == "unknown"
    histories.infer(replace(facts, notes={sha: "text"}), known)
    assert len(known) == 3


def test_the_order_of_the_facts_does_not_change_what_they_say(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    for n in range(4):
        builder.commit(f"Change {n}", {"shop/app.py": f"a = {n}\nb = {n}\n", f"new_{n}.py": "c = 1\n"})
    facts = facts_of(synced(tmp_path, builder))
    backwards = replace(
        facts,
        commits=facts.commits[::-1],
        change_paths=facts.change_paths.take(list(range(facts.change_paths.num_rows))[::-1]),
        hunks=facts.hunks.take(list(range(facts.hunks.num_rows))[::-1]),
    )
    one, other = histories.infer(facts, {}), histories.infer(backwards, {})
    assert (one.provenance, one.changes, one.paths_of) == (other.provenance, other.changes, other.paths_of)
    assert one.lines.death_edges.equals(other.lines.death_edges)
    assert one.lines.lines_written.equals(other.lines.lines_written)


def test_rows_fit_their_tables_and_evidence_is_json(tmp_path: Path, builder: RepositoryBuilder) -> None:
    builder.commit(f"Add carts{CLAUDE}", {"shop/cart.py": "x = 1\n"})
    history = histories.infer(facts_of(synced(tmp_path, builder)), {})
    assert arrow(tables.COMMIT_PROVENANCE, history.provenance).num_rows == 2
    assert arrow(tables.CHANGES, history.changes).num_rows == 2
    found = [json.loads(row["evidence"]) for row in history.provenance]
    assert sorted(len(pieces) for pieces in found) == [0, 1]
    (piece,) = next(pieces for pieces in found if pieces)
    assert (piece["tool"], piece["origin"], piece["confidence"]) == ("claude-code", "ai", "A")


def test_an_empty_mainline_has_no_changes(tmp_path: Path, builder: RepositoryBuilder) -> None:
    facts = facts_of(synced(tmp_path, builder))
    cut = replace(
        facts,
        commits=[],
        mainline=facts.mainline.slice(0, 0),
        change_paths=facts.change_paths.slice(0, 0),
        hunks=facts.hunks.slice(0, 0),
    )
    history = histories.infer(cut, {})
    assert (history.changes, history.provenance, history.paths_of) == ([], [], {})


def test_an_imported_record_attests_lines_by_the_catalogues_name(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.commit("Add carts", {"shop/cart.py": "a = 1\nb = 2\nc = 3\nd = 4\n"})
    traced = (
        AttestedLines("shop/cart.py", 1, 3, Origin.AI, "Claude Code", "anthropic/claude-opus-4-5"),
        AttestedLines("shop/cart.py", 2, 4, Origin.HUMAN, None),
    )
    found = histories.infer(replace(facts_of(synced(tmp_path, builder)), traced={sha: traced}), {})
    row = told(found)[sha]
    assert (row["origin"], row["basis"], row["tools"]) == ("ai", "attested_lines", ["claude-code"])
    assert row["models"] == ["anthropic/claude-opus-4-5"]
    change = next(c for c in found.changes if c["sha"] == sha)
    assert (change["origin"], change["ai_share"]) == ("ai", 0.75)


def test_a_note_and_a_record_of_the_same_lines_count_them_once(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.commit("Add carts", {"shop/cart.py": "a = 1\nb = 2\nc = 3\nd = 4\n"})
    note = "shop/cart.py\n  s_0123456789abcd::t_0123456789abcd 1-2\n---\n{}"
    builder.git("notes", "--ref=ai", "add", "-m", note, sha)
    traced = (AttestedLines("shop/cart.py", 2, 3, Origin.AI, "cursor"),)
    found = histories.infer(replace(facts_of(synced(tmp_path, builder)), traced={sha: traced}), {})
    assert next(c for c in found.changes if c["sha"] == sha)["ai_share"] == 0.75


def test_a_statement_of_a_person_holds_until_it_is_taken_back(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.commit("Add carts" + CLAUDE, {"shop/cart.py": "a = 1\n"})
    facts = facts_of(synced(tmp_path, builder))
    known: Verdicts = {}

    def origin(**override: Any) -> tuple[str, str]:
        stated = {sha: {"tools": [], "reason": "we sat together", **override}} if override else {}
        row = told(histories.infer(replace(facts, overrides=stated), known))[sha]
        return row["origin"], row["basis"]

    assert origin() == ("ai", "declared")
    assert origin(origin="human") == ("human", "override")
    assert origin(origin=None) == ("ai", "declared")

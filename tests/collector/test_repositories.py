import base64
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from repository_builder import NAME, START, RepositoryBuilder, settings, synced

from collector import mirror, repositories
from collector.git_answers import GitAnswers
from correlator.changes import landings
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.records import CommitSha
from schemas.store import Store


def _shas(store: Store) -> list[str]:
    return [row["sha"] for row in store.rows("SELECT sha FROM mainline ORDER BY position")]


@pytest.fixture
def builder(tmp_path: Path) -> RepositoryBuilder:
    made = RepositoryBuilder(tmp_path / "work")
    made.commit("first", {"a.py": "one\ntwo\n"})
    made.commit("second\n\nCo-authored-by: Claude <noreply@anthropic.com>", {"a.py": "one\n2\n"})
    return made


def test_a_sync_stores_commits_mainline_paths_and_hunks(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    commits = store.rows("SELECT * FROM commits ORDER BY committed_at")
    assert [c["message"].splitlines()[0] for c in commits] == ["first", "second"]
    assert commits[1]["parents"] == [commits[0]["sha"]]
    assert commits[0]["authored_at"] == START + timedelta(hours=1)
    assert commits[0]["author_email"] == "ada@example.com"
    paths = store.rows("SELECT * FROM change_paths WHERE sha = $sha", sha=commits[1]["sha"])
    assert [(p["path"], p["status"], p["lines_added"], p["lines_deleted"]) for p in paths] == [
        ("a.py", "M", 1, 1)
    ]
    hunk = store.row("SELECT * FROM hunks WHERE sha = $sha", sha=commits[1]["sha"])
    assert hunk is not None
    assert (hunk["old_start"], hunk["old_count"], hunk["new_start"], hunk["new_count"]) == (2, 1, 2, 1)
    row = repositories.listed(store)[0]
    assert (row["default_branch"], row["head_sha"]) == ("main", builder.head())
    assert (row["commit_count"], row["change_count"]) == (2, 2)
    assert row["synced_at"] is not None


def test_a_second_sync_adds_only_what_is_new(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    assert repositories.sync(store, settings(tmp_path), NAME).changes_added == 0
    builder.commit("third", {"b.py": "b\n"})
    report = repositories.sync(store, settings(tmp_path), NAME)
    assert (report.commits_added, report.changes_added, report.changes_dropped) == (1, 1, 0)
    assert _shas(store)[-1] == builder.head()


def test_incremental_syncs_and_one_cold_sync_store_the_same_rows(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    step = Store.open()
    for number in range(6):
        builder.commit(f"change {number}", {"a.py": "".join(f"{n * number}\n" for n in range(number + 3))})
        synced(tmp_path, builder, step)
    cold = synced(tmp_path / "cold", builder)
    for table in ("commits", "mainline", "change_paths", "hunks"):
        columns = "repository, sha" if table != "hunks" else "sha, path, position, added_digests, tokens"
        query = f"SELECT {columns} FROM {table} ORDER BY ALL"
        assert step.rows(query) == cold.rows(query)


def test_a_force_push_replaces_the_mainline_after_the_common_beginning(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    store = synced(tmp_path, builder)
    first, gone = _shas(store)
    builder.git("reset", "--quiet", "--hard", first)
    kept = builder.commit("other second", {"c.py": "c\n"})
    report = repositories.sync(store, settings(tmp_path), NAME)
    assert (report.changes_added, report.changes_dropped) == (1, 1)
    assert _shas(store) == [first, kept]
    assert store.value("SELECT count(*) AS n FROM hunks WHERE sha = $gone", gone=gone) == 0
    # A revision that may still run somewhere stays readable, and so does its commit.
    answers = GitAnswers(store, settings(tmp_path))
    assert answers.resolve(NAME, gone) == gone
    assert answers.tree(NAME, CommitSha(gone)) == ("a.py",)


def test_a_merge_that_swaps_the_parents_rewrites_the_mainline(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    store = synced(tmp_path, builder)
    first, second = _shas(store)
    builder.git("checkout", "--quiet", "-b", "side", first)
    side = builder.commit("on the side", {"s.py": "s\n"})
    merge = builder.merge("main", "Merge branch 'main' into side")
    builder.git("checkout", "--quiet", "main")
    builder.git("merge", "--quiet", "--ff-only", "side")
    repositories.sync(store, settings(tmp_path), NAME)
    assert _shas(store) == [first, side, merge]
    assert second not in _shas(store)


def test_landing_time_never_runs_backwards(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("now", when=START)
    builder.commit("clock is late", when=START - timedelta(days=3))
    builder.commit("next", when=START + timedelta(days=1))
    store = synced(tmp_path, builder)
    landed = [row["landed_at"] for row in store.rows("SELECT landed_at FROM mainline ORDER BY position")]
    assert landed == [START, START, START + timedelta(days=1)]


def test_notes_are_stored_without_transcripts_and_followed(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    sha = builder.head()
    note = 'a.py\n  abc1234 2\n---\n{"prompts": {"abc1234": {"agent_id": {"tool": "cursor"}, "messages": ["secret"]}}}'
    builder.git("notes", "--ref=ai", "add", "-m", note, sha)
    store = synced(tmp_path, builder)
    text = store.value("SELECT text FROM commit_notes WHERE sha = $sha", sha=sha)
    assert text.startswith("a.py\n  abc1234 2\n---\n")
    assert '"tool": "cursor"' in text
    assert "secret" not in text
    builder.git("notes", "--ref=ai", "add", "-f", "-m", "b.py\n  abc1234 1", sha)
    assert repositories.sync(store, settings(tmp_path), NAME).notes_added == 1
    assert store.value("SELECT text FROM commit_notes WHERE sha = $sha", sha=sha).startswith("b.py")


def test_a_feature_branch_checked_out_in_a_local_source_is_not_the_mainline(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    store = synced(tmp_path, builder)
    main = builder.head()
    builder.git("checkout", "--quiet", "-b", "feature")
    builder.commit("wip", {"w.py": "w\n"})
    report = repositories.sync(store, settings(tmp_path), NAME)
    assert (report.default_branch, report.head_sha) == ("main", main)
    assert report.commits_added == 1


def test_a_branch_in_the_place_of_a_folder_of_branches_is_followed(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    builder.git("branch", "topic/one")
    store = synced(tmp_path, builder)
    builder.git("branch", "-D", "topic/one")
    builder.git("branch", "topic")
    repositories.sync(store, settings(tmp_path), NAME)
    git = mirror.opened(settings(tmp_path), NAME)
    assert git is not None
    assert git.commit("refs/heads/topic") == builder.head()
    assert git.commit("refs/heads/topic/one") is None


def test_an_empty_repository_syncs_to_nothing(tmp_path: Path) -> None:
    store = synced(tmp_path, RepositoryBuilder(tmp_path / "work"))
    row = repositories.listed(store)[0]
    assert row["head_sha"] is None
    assert row["synced_at"] is not None


def test_hooks_of_the_source_and_of_templates_never_run(tmp_path: Path, builder: RepositoryBuilder) -> None:
    marker = tmp_path / "ran"
    hook = builder.path / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    synced(tmp_path, builder)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["shop", "../../etc/x", "acme/../x", "-a/b", "a b/c", "acme/", "/acme/x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        mirror.checked_name(name)
    assert "owner/name" in caught.value.hint


@pytest.mark.parametrize(
    "source", ["--upload-pack=touch x", "ext::sh -c true", "git://host/x", "http://host/x", "/no/such/folder"]
)
def test_a_source_of_another_transport_is_refused(source: str) -> None:
    with pytest.raises(MalformedInput):
        mirror.checked_source(source)


def test_a_folder_without_git_is_refused_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceUnavailable, match="acme/shop") as caught:
        repositories.add(Store.open(), settings(tmp_path), repository=NAME, source=str(tmp_path / "plain"))
    assert ".git" in caught.value.hint


def test_a_shallow_source_is_refused_with_the_next_step(tmp_path: Path, builder: RepositoryBuilder) -> None:
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{builder.path}", str(shallow)],
        check=True,
        timeout=30,
    )
    store = Store.open()
    repositories.add(store, settings(tmp_path), repository=NAME, source=str(shallow))
    with pytest.raises(SourceUnavailable) as caught:
        repositories.sync(store, settings(tmp_path), NAME)
    assert "unshallow" in caught.value.hint


def test_an_unknown_repository_is_named_with_those_that_are_known(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    store = synced(tmp_path, builder)
    with pytest.raises(MalformedInput, match="acme/other") as caught:
        repositories.sync(store, settings(tmp_path), "acme/other")
    assert NAME in caught.value.hint


def test_a_vanished_source_leaves_what_was_stored(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    builder.path.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceUnavailable, match=NAME):
        repositories.sync(store, settings(tmp_path), NAME)
    assert len(_shas(store)) == 2


def _without(tmp_path: Path, *objects: str) -> None:
    """Take objects out of the mirror, as a damaged disk does."""
    git = mirror.opened(settings(tmp_path), NAME)
    assert git is not None
    folder = mirror.directory(settings(tmp_path), NAME) / "objects"
    packs = [pack.read_bytes() for pack in folder.glob("pack/*.pack")]
    shutil.rmtree(folder / "pack")
    for pack in packs:
        git.run("unpack-objects", "-q", timeout_s=30, stdin=pack)
    for name in objects:
        (folder / name[:2] / name[2:]).unlink()


def _fetched(tmp_path: Path, builder: RepositoryBuilder) -> Store:
    store = Store.open()
    repositories.add(store, settings(tmp_path), repository=NAME, source=str(builder.path))
    mirror.fetch(settings(tmp_path), NAME, str(builder.path))
    return store


def test_a_missing_blob_costs_the_lines_of_the_changes_that_need_it_and_no_others(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    second = builder.head()
    third = builder.commit("third", {"a.py": "one\n2\n3\n", "c.py": "c\n"})
    fourth = builder.commit("fourth", {"c.py": "c\nd\n"})
    store = _fetched(tmp_path, builder)
    _without(tmp_path, builder.head("HEAD~2:a.py"))
    report = repositories.sync(store, settings(tmp_path), NAME)
    assert report.changes_unread == (second, third)
    assert _shas(store) == [builder.head("HEAD~3"), second, third, fourth]
    rows = store.rows(
        "SELECT path, is_binary FROM change_paths WHERE sha = $third ORDER BY path", third=third
    )
    assert [(row["path"], row["is_binary"]) for row in rows] == [("a.py", True), ("c.py", True)]
    assert store.value("SELECT lines_added FROM change_paths WHERE sha = $fourth", fourth=fourth) == 1
    assert store.value("SELECT count(*) AS n FROM commits") == 4


def test_a_missing_tree_keeps_what_was_read_whole_and_names_change_and_repository(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    third = builder.commit("third", {"lib/c.py": "c\n"})
    builder.commit("fourth", {"d.py": "d\n"})
    store = _fetched(tmp_path, builder)
    _without(tmp_path, builder.head("HEAD~1:lib"))
    with pytest.raises(SourceUnavailable, match=NAME) as caught:
        repositories.sync(store, settings(tmp_path), NAME)
    assert third in str(caught.value)
    assert "git fsck" in caught.value.hint
    assert len(_shas(store)) == 2
    assert store.value("SELECT count(*) AS n FROM commits") == 4


def test_a_partial_clone_is_refused_with_the_next_step(tmp_path: Path, builder: RepositoryBuilder) -> None:
    builder.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{builder.path}", str(partial)],
        check=True,
        timeout=30,
    )
    store = Store.open()
    repositories.add(store, settings(tmp_path), repository=NAME, source=str(partial))
    with pytest.raises(SourceUnavailable, match=NAME) as caught:
        repositories.sync(store, settings(tmp_path), NAME)
    assert "partial clone" in caught.value.hint


def test_a_repository_of_sha256_ids_is_mirrored_with_them(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work", object_format="sha256")
    builder.commit("first", {"a.py": "one = 1\n"})
    head = builder.commit("second", {"a.py": "one = 2\n"})
    store = synced(tmp_path, builder)
    assert len(head) == 64
    assert _shas(store)[-1] == head
    answers = GitAnswers(store, settings(tmp_path))
    assert answers.resolve(NAME, head[:10]) == head
    assert answers.blame(NAME, CommitSha(head), "a.py", (1,))[1].sha == head


def test_a_source_that_changed_its_kind_of_ids_is_refused_with_the_next_step(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    store = synced(tmp_path, builder)
    # A mirror of nothing can still become either.
    shutil.rmtree(builder.path)
    builder = RepositoryBuilder(tmp_path / "work", object_format="sha256")
    builder.commit("first", {"a.py": "one = 1\n"})
    repositories.sync(store, settings(tmp_path), NAME)
    shutil.rmtree(builder.path)
    RepositoryBuilder(tmp_path / "work").commit("first", {"a.py": "one = 1\n"})
    with pytest.raises(SourceUnavailable, match=NAME) as caught:
        repositories.sync(store, settings(tmp_path), NAME)
    assert f"aftermerge repo remove {NAME}" in caught.value.hint


def test_a_renamed_default_branch_is_followed(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    before = _shas(store)
    builder.git("branch", "-m", "main", "trunk")
    head = builder.commit("third", {"b.py": "b\n"})
    report = repositories.sync(store, settings(tmp_path), NAME)
    assert (report.default_branch, report.changes_added, report.changes_dropped) == ("trunk", 1, 0)
    assert _shas(store) == [*before, head]


def test_names_and_messages_of_other_encodings_are_read(tmp_path: Path, builder: RepositoryBuilder) -> None:
    builder.git("config", "i18n.commitEncoding", "ISO-8859-1")
    (builder.path / os.fsdecode(b"caf\xe9.py")).write_bytes(b"caf\xe9 = 1\n")
    message = tmp_path / "message"
    message.write_bytes(b"Caf\xe9 ge\xf6ffnet\n")
    builder.git("add", "--all")
    builder.git("commit", "--quiet", "-F", str(message))
    (builder.path / "damaged.py").write_bytes(b"x = 1\n")
    builder.git("config", "i18n.commitEncoding", "UTF-8")
    message.write_bytes(b"not UTF-8: \xff\xfe\n")
    builder.git("add", "--all")
    builder.git("commit", "--quiet", "-F", str(message))
    store = synced(tmp_path, builder)
    messages = [r["message"].strip() for r in store.rows("SELECT message FROM commits")]
    assert "Café geöffnet" in messages
    assert any(text.startswith("not UTF-8: ") for text in messages)
    paths = {r["path"] for r in store.rows("SELECT path FROM change_paths")}
    assert "caf\\xe9.py" in paths


def test_a_credential_goes_to_its_host_and_is_never_shown(
    tmp_path: Path, builder: RepositoryBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git that notes how it was called stands before the real one."""
    told = tmp_path / "told"
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\n{{ echo "$@"; env | grep GIT_CONFIG_; }} >> {told}\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    source = "https://me:s%40cret@git.example.com/acme/shop.git"
    with pytest.raises(SourceUnavailable) as caught:
        repositories.add(Store.open(), settings(tmp_path), repository=NAME, source=source)
    seen = told.read_text()
    encoded = base64.b64encode(b"me:s@cret").decode()
    assert "https://git.example.com/acme/shop.git" in seen
    assert "GIT_CONFIG_KEY_0=http.https://git.example.com/.extraHeader" in seen
    assert f"GIT_CONFIG_VALUE_0=Authorization: Basic {encoded}" in seen
    assert "cret@" not in seen
    assert "cret" not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


def test_a_listing_shows_no_credential(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    store.execute("UPDATE repositories SET source = 'https://me:secret@host/x.git'")
    assert repositories.listed(store)[0]["source"] == "https://***@host/x.git"


def test_a_history_can_be_read_from_a_date_on(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("old", {"a.py": "one = 1\ntwo = 2\n"}, when=START)
    builder.git("checkout", "--quiet", "-b", "side")
    side = builder.commit("side", {"b.py": "b = 1\n"}, when=START + timedelta(days=9))
    builder.git("checkout", "--quiet", "main")
    merge = builder.merge("side", "Merge branch 'side'")
    last = builder.commit("new", {"a.py": "one = 1\ntwo = 3\n"}, when=START + timedelta(days=10))
    own = settings(tmp_path).model_copy(update={"history_from": (START + timedelta(days=5)).date()})
    store = Store.open()
    repositories.add(store, own, repository=NAME, source=str(builder.path))
    repositories.sync(store, own, NAME)
    assert _shas(store) == [merge, last]
    assert store.value("SELECT count(*) AS n FROM commits") == 4
    assert {row["sha"] for row in store.rows("SELECT sha FROM hunks")} == {merge, last}
    parents = {row["sha"]: row["parents"] for row in store.rows("SELECT sha, parents FROM commits")}
    assert landings(parents, _shas(store)) == {merge: merge, side: merge, last: last}
    newest = builder.commit("newer", {"c.py": "c = 1\n"})
    assert repositories.sync(store, own, NAME).changes_added == 1
    assert _shas(store) == [merge, last, newest]


def test_removing_forgets_facts_and_mirror(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    repositories.remove(store, settings(tmp_path), NAME)
    assert repositories.listed(store) == []
    assert _shas(store) == []
    assert not list((tmp_path / "data" / "mirrors").glob("acme*"))
    assert _shas(synced(tmp_path, builder, store)) != []


def test_the_policy_for_unmarked_commits_needs_a_date(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = Store.open()
    with pytest.raises(MalformedInput):
        repositories.add(
            store, settings(tmp_path), repository=NAME, source=str(builder.path), assume_unmarked="human"
        )
    row = repositories.add(
        store,
        settings(tmp_path),
        repository=NAME,
        source=str(builder.path),
        assume_unmarked="human",
        assume_unmarked_from=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert row["assume_unmarked"] == "human"


def test_a_stale_lock_of_a_crashed_fetch_does_not_stop_the_next_one(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    store = synced(tmp_path, builder)
    lock = mirror.directory(settings(tmp_path), NAME) / "refs" / "heads" / "main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (1, 1))
    builder.commit("third", {"b.py": "b\n"})
    assert repositories.sync(store, settings(tmp_path), NAME).changes_added == 1

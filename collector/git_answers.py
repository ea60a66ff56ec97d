"""Read-only questions to git, answered once and kept as facts: the correlator's repository port.

Each answer is stored in GIT_REVISIONS, GIT_TREES, GIT_BLAMES or GIT_ANSWERS and given from there the next time, so a
rebuild replays what was known. A question about a commit that the mirror does not hold is not answered and not
stored: a later sync may bring it.
"""

import json
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar

from collector import diff_texts, ignored_revisions, mirror, revisions
from collector.blob_texts import BlobTexts, Lines, Place
from collector.git import HEX, Git, unquoted
from schemas import tables
from schemas.errors import SourceUnavailable
from schemas.records import BlamedLine, Branch, CommitSha, DiffHunk, RepositoryName
from schemas.settings import Settings
from schemas.store import Store, sql

EXCERPT_CHARACTERS_MAX = 400
EXCERPT_AROUND_MAX = 50
SEARCH_CHARACTERS_MAX = 200
BLAMED_LINES_MAX = 200
"""Beyond so many lines of one file, one blame of the whole file is cheaper than ranges."""
BRANCH_COMMITS_MAX = 2_000
"""A branch that left the mainline longer ago is not looked at."""
MEMO_ENTRIES = 256
BLAMED_AT_ONCE = 256
"""Files whose blamed lines are asked of the store, and given to it, together."""
BLAMES_BESIDE = 2
"""git processes at once: a blame is one thread's work."""
COMMITS_HELD = 65_536
BLAMED_FILES_HELD = 4_096
"""Files at a revision whose blamed lines stay in memory: the same stacks come again and again."""

# What `git cherry-pick -x` adds to the message.
_PICKED = re.compile(r"\(cherry picked from commit ([0-9a-f]{40,64})\)")
REVISIONS_HELD = 16_384
"""What services' revisions name; each correlation asks for all that run."""
EXCERPTS_HELD = 1_024
"""Pieces of source that stay in memory: pages show the same ones again."""
ANSWERS_HELD = 2_048
"""The same of searches."""
DIFFS_HELD = 2_048
"""Changes whose diff stays in memory: the candidates of one correlation are mostly those of the last."""
DIFF_QUESTION = '["diff", 1]'
"""The number rises with the bounds of ``collector/diff_texts.py``."""

Excerpted = tuple[CommitSha, str, int, int]
"""(sha, path, line, around)."""
K = TypeVar("K")
V = TypeVar("V")


class GitAnswers:
    """:class:`schemas.records.RepositoryPort` on the mirrors of this data folder.

    ``is_replay`` answers from the store alone and never starts git (a rebuild without mirrors). Safe to share
    between threads.
    """

    def __init__(self, store: Store, settings: Settings, *, is_replay: bool = False) -> None:
        self._store = store
        self._settings = settings
        self._is_replay = is_replay
        self._revisions: OrderedDict[tuple[str, str, tuple[str, ...]], CommitSha] = OrderedDict()
        self._trees: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()
        self._texts = BlobTexts(one_s=settings.blame_timeout_s, many_s=settings.git_timeout_s)
        self._commits: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._blames: OrderedDict[tuple[str, str, str], dict[int, BlamedLine]] = OrderedDict()
        self._diffs: OrderedDict[tuple[str, str], tuple[DiffHunk, ...]] = OrderedDict()
        self._excerpts: OrderedDict[tuple[str, Excerpted], tuple[tuple[int, str], ...]] = OrderedDict()
        self._told: OrderedDict[tuple[str, str, str], list[list[Any]]] = OrderedDict()
        self._guard = threading.RLock()

    # --- the port ----------------------------------------------------------------------------------

    def resolve(
        self, repository: RepositoryName, revision: str, service_names: tuple[str, ...] = ()
    ) -> CommitSha | None:
        """Full sha of what a revision names for a service; None when it names nothing.

        A revision that was found is pinned in the mirror; one that was not is asked again after the next sync.
        """
        key = (repository, revision, service_names)
        with self._guard:
            if key in self._revisions:
                self._revisions.move_to_end(key)
                return self._revisions[key]
        sha = self._resolve(repository, revision, service_names)
        if sha is not None:
            with self._guard:
                _remember(self._revisions, key, sha, REVISIONS_HELD)
        return sha

    def _resolve(
        self, repository: RepositoryName, revision: str, service_names: tuple[str, ...]
    ) -> CommitSha | None:
        """:meth:`resolve` of what memory does not hold: from the store, else from git."""
        stored = self._store.row(
            "SELECT sha FROM git_revisions WHERE repository = $repository AND revision = $revision "
            "AND service_names = $service_names",
            repository=repository,
            revision=revision,
            service_names="\n".join(service_names),
        )
        if stored is not None:
            return CommitSha(stored["sha"]) if stored["sha"] else None
        git = self._git(repository)
        if git is None:
            return None
        sha = revisions.resolve(git, self._store, repository, revision, service_names)
        if sha is not None and git.commit(sha) is not None:
            mirror.pin(git, sha)
        if sha is not None or self._is_synced(repository):
            self._put(
                tables.GIT_REVISIONS,
                [
                    {
                        "repository": repository,
                        "revision": revision,
                        "service_names": "\n".join(service_names),
                        "sha": sha,
                    }
                ],
            )
        return sha

    def tree(self, repository: RepositoryName, sha: CommitSha) -> tuple[str, ...]:
        """All file paths at ``sha``, sorted, submodules left out; empty when the revision is missing."""
        with self._guard:
            if (repository, sha) in self._trees:
                self._trees.move_to_end((repository, sha))
                return self._trees[repository, sha]
        stored = self._store.row(
            "SELECT paths FROM git_trees WHERE repository = $repository AND sha = $sha",
            repository=repository,
            sha=sha,
        )
        if stored is not None:
            paths = tuple(stored["paths"])
        else:
            git = self._git_at(repository, sha)
            if git is None:
                return ()
            answer = git.run("ls-tree", "-r", "-z", sha, timeout_s=self._settings.git_timeout_s)
            entries = [entry.partition(b"\t") for entry in answer.split(b"\0") if entry]
            paths = tuple(
                sorted(
                    path.decode("utf-8", "backslashreplace")
                    for head, _, path in entries
                    if head.split()[1] == b"blob"
                )
            )
            self._put(tables.GIT_TREES, [{"repository": repository, "sha": sha, "paths": paths}])
        with self._guard:
            _remember(self._trees, (repository, sha), paths)
        return paths

    def blame(
        self, repository: RepositoryName, sha: CommitSha, path: str, lines: tuple[int, ...]
    ) -> dict[int, BlamedLine]:
        """:meth:`blames` of one file."""
        return self.blames(repository, {(sha, path): lines})[sha, path]

    def blames(
        self, repository: RepositoryName, asked: Mapping[Place, Iterable[int]]
    ) -> dict[Place, dict[int, BlamedLine]]:
        """Per (sha, path), who last wrote each of its lines (1-based); lines git cannot answer are left out.

        One git process answers all lines of a file that are not yet known, several run at once. A blame that takes
        longer than ``blame_timeout_s`` counts as "no answer" until the next sync. ``.git-blame-ignore-revs`` is
        honoured as it was at the revision.
        """
        wanted = {place: sorted({n for n in lines if 0 < n < 2**31}) for place, lines in asked.items()}
        with self._guard:
            held = {place: self._blames.get((repository, *place), {}) for place in wanted}
        answers = {
            place: {n: held[place][n] for n in lines}
            for place, lines in wanted.items()
            if all(n in held[place] for n in lines)
        }
        unheld = [place for place in wanted if place not in answers]
        for first in range(0, len(unheld), BLAMED_AT_ONCE):
            part = {place: wanted[place] for place in unheld[first : first + BLAMED_AT_ONCE]}
            for place, found in self._blamed_part(repository, part).items():
                answers[place] = dict(sorted(found.items()))
                with self._guard:
                    known = {**self._blames.get((repository, *place), {}), **found}
                    _remember(self._blames, (repository, *place), known, BLAMED_FILES_HELD)
        return answers

    def _blamed_part(
        self, repository: RepositoryName, wanted: Mapping[Place, list[int]]
    ) -> dict[Place, dict[int, BlamedLine]]:
        """:meth:`blames` of lines that memory does not hold all of: from the store, else from git."""
        keys = [(sha, path, line) for (sha, path), lines in wanted.items() for line in lines]
        stored = self._store.rows(
            sql("collector", "blamed_lines"),
            repository=repository,
            shas=[key[0] for key in keys],
            paths=[key[1] for key in keys],
            lines=[key[2] for key in keys],
        )
        answers: dict[Place, dict[int, BlamedLine]] = {place: {} for place in wanted}
        missing = {place: set(lines) for place, lines in wanted.items()}
        for row in stored:
            place = CommitSha(row["sha"]), row["path"]
            missing[place].discard(row["line"])
            if row["blamed_sha"]:
                answers[place][row["line"]] = BlamedLine(
                    row["line"], CommitSha(row["blamed_sha"]), row["original_path"], row["original_line"]
                )
        unknown = {place: sorted(lines) for place, lines in missing.items() if lines}
        git = self._git(repository) if unknown else None
        if git is None:
            return answers
        present = self._present(git, repository, {sha for sha, _ in unknown})
        unknown = {place: lines for place, lines in unknown.items() if place[0] in present}
        rows = []
        for place, fresh in self._blamed(git, repository, unknown).items():
            answers[place].update(fresh)
            sha, path = place
            rows += [
                {
                    "repository": repository,
                    "sha": sha,
                    "path": path,
                    "line": line,
                    "blamed_sha": fresh[line].sha if line in fresh else None,
                    "original_path": fresh[line].original_path if line in fresh else None,
                    "original_line": fresh[line].original_line if line in fresh else None,
                }
                for line in unknown[place]
            ]
        if rows:
            self._put(tables.GIT_BLAMES, rows)
        return answers

    def excerpt(
        self, repository: RepositoryName, sha: CommitSha, path: str, line: int, around: int = 3
    ) -> tuple[tuple[int, str], ...]:
        """``(line number, text)`` for ``line`` and ``around`` lines on each side; empty when there is no such line.

        Texts are cut at 400 characters, ``around`` at 50 lines.
        """
        asked = (sha, path, line, around)
        return self.excerpts(repository, [asked])[asked]

    def excerpts(
        self, repository: RepositoryName, asked: Iterable[Excerpted]
    ) -> dict[Excerpted, tuple[tuple[int, str], ...]]:
        """:meth:`excerpt` for each (sha, path, line, around): one question to the store, and one answer to it."""
        wanted = sorted(set(asked))
        with self._guard:
            found = {q: self._excerpts[repository, q] for q in wanted if (repository, q) in self._excerpts}
        questions = {
            (sha, json.dumps(["excerpt", path, line, _within(around)], ensure_ascii=False)): q
            for q in wanted
            if q not in found
            for sha, path, line, around in (q,)
        }
        stored = (
            self._store.rows(
                "SELECT sha, question, answer FROM git_answers WHERE repository = $repository "
                "AND sha IN (SELECT unnest($shas)) AND question IN (SELECT unnest($questions))",
                repository=repository,
                shas=sorted({sha for sha, _ in questions}),
                questions=sorted({question for _, question in questions}),
            )
            if questions
            else []
        )
        fresh = {
            questions[row["sha"], row["question"]]: _numbered(json.loads(row["answer"]))
            for row in stored
            if (row["sha"], row["question"]) in questions
        }
        rows = []
        unread: dict[Place, list[tuple[str, Excerpted]]] = {}
        for (sha, question), q in questions.items():
            if q not in fresh:
                unread.setdefault((sha, q[1]), []).append((question, q))
        git = self._git(repository) if unread else None
        if git is not None:
            present = self._present(git, repository, {sha for sha, _ in unread})
            places = [place for place in unread if place[0] in present]
            for place, texts in self._texts.each(git, repository, places):
                for question, q in unread[place]:
                    fresh[q] = _excerpt(texts, q[2], _within(q[3]))
                    answer = json.dumps(fresh[q], ensure_ascii=False)
                    rows.append(
                        {"repository": repository, "sha": q[0], "question": question, "answer": answer}
                    )
        if rows:
            self._put(tables.GIT_ANSWERS, rows)
        with self._guard:
            for q, excerpt in fresh.items():
                _remember(self._excerpts, (repository, q), excerpt, EXCERPTS_HELD)
        return {q: found[q] if q in found else fresh.get(q, ()) for q in wanted}

    def search(
        self, repository: RepositoryName, sha: CommitSha, text: str, limit: int = 20
    ) -> tuple[tuple[str, int], ...]:
        """``(path, line)`` of literal occurrences of ``text`` at ``sha``, ordered by path and line, at most ``limit``.

        The first line of ``text`` counts, up to 200 characters; binary files are not searched.
        """
        first = text.partition("\n")[0].partition("\0")[0][:SEARCH_CHARACTERS_MAX]
        if not first.strip() or limit < 1:
            return ()
        question = json.dumps(["search", first, limit], ensure_ascii=False)
        known = self._answer(repository, sha, question)
        if known is None:
            git = self._git_at(repository, sha)
            if git is None:
                return ()
            known = self._keep(repository, sha, question, self._found(git, sha, first, limit))
        return tuple((str(path), int(line)) for path, line in known)

    def branch(self, repository: RepositoryName, sha: CommitSha) -> Branch | None:
        """Where ``sha`` left the mainline as it is now; None when it stands on it, or git cannot tell.

        A commit of the branch and one of the mainline are the same work when one says that it was picked from the other,
        or when both have author, time of writing and subject: picking and rebasing keep them.
        """
        newest = self._store.row(sql("collector", "mainline_newest"), repository=repository)
        if newest is None:
            return None
        question = json.dumps(["branch", newest["sha"]])
        known = self._answer(repository, sha, question)
        if known is None:
            git = self._git_at(repository, sha)
            if git is None:
                return None
            known = self._keep(repository, sha, question, self._branched(git, repository, sha))
        (base, *equivalents) = known[0] if known else (None,)
        return Branch(CommitSha(base), tuple(CommitSha(e) for e in equivalents)) if base else None

    def diffs(
        self, repository: RepositoryName, shas: Iterable[CommitSha]
    ) -> dict[CommitSha, tuple[DiffHunk, ...]]:
        """The diff of each mainline change against its first parent, in the order of its paths, bounded.

        Bounds: ``collector/diff_texts.py``. A change that the mirror does not hold is left out; one whose diff git cannot
        read has none.
        """
        wanted = sorted(set(shas))
        with self._guard:
            found = {sha: self._diffs[repository, sha] for sha in wanted if (repository, sha) in self._diffs}
        missing = [sha for sha in wanted if sha not in found]
        stored = {
            row["sha"]: diff_texts.understood(json.loads(row["answer"]))
            for row in self._store.rows(
                "SELECT sha, answer FROM git_answers WHERE repository = $repository AND question = $question "
                "AND sha IN (SELECT unnest($shas))",
                repository=repository,
                question=DIFF_QUESTION,
                shas=missing,
            )
        }
        unknown = [sha for sha in missing if sha not in stored]
        git = self._git(repository) if unknown else None
        fresh = diff_texts.read(git, unknown, timeout_s=self._settings.git_timeout_s) if git else {}
        self._put(
            tables.GIT_ANSWERS,
            [
                {"repository": repository, "sha": sha, "question": DIFF_QUESTION, "answer": answer}
                for sha, hunks in fresh.items()
                for answer in [json.dumps(diff_texts.told(hunks), ensure_ascii=False)]
            ],
        )
        answers = {**stored, **{sha: tuple(hunks) for sha, hunks in fresh.items()}}
        with self._guard:
            for sha, hunks in answers.items():
                _remember(self._diffs, (repository, sha), hunks, DIFFS_HELD)
        return {sha: found.get(sha, answers.get(sha, ())) for sha in wanted if sha in found or sha in answers}

    # --- git ---------------------------------------------------------------------------------------

    def _git(self, repository: RepositoryName) -> Git | None:
        return None if self._is_replay else mirror.opened(self._settings, repository)

    def _git_at(self, repository: RepositoryName, sha: CommitSha) -> Git | None:
        """git on the mirror, when it holds the commit ``sha``."""
        git = self._git(repository)
        return git if git is not None and sha in self._present(git, repository, {sha}) else None

    def _present(self, git: Git, repository: RepositoryName, shas: set[CommitSha]) -> set[CommitSha]:
        """Those of ``shas`` that the mirror holds as commits. What it holds it keeps."""
        with self._guard:
            present = {sha for sha in shas if (repository, sha) in self._commits}
        asked = sorted(sha for sha in shas - present if HEX.fullmatch(sha))
        if asked:
            names = "".join(f"{sha}\n" for sha in asked).encode()
            answer = git.run("cat-file", "--batch-check", stdin=names, timeout_s=self._settings.git_timeout_s)
            told = [line.split() for line in answer.decode("ascii", "replace").splitlines()]
            found = {sha for sha, words in zip(asked, told, strict=True) if words[:2] == [sha, "commit"]}
            present |= found
            with self._guard:
                for sha in found:
                    _remember(self._commits, (repository, sha), True, COMMITS_HELD)
        return present

    def _is_synced(self, repository: RepositoryName) -> bool:
        row = self._store.row(
            "SELECT synced_at FROM repositories WHERE repository = $repository", repository=repository
        )
        return row is not None and row["synced_at"] is not None

    def _blamed(
        self, git: Git, repository: RepositoryName, asked: Mapping[Place, list[int]]
    ) -> dict[Place, dict[int, BlamedLine]]:
        # One line beyond the end makes git refuse the whole question.
        counts = {place: len(lines) for place, lines in self._texts.each(git, repository, asked)}

        def one(place: Place) -> dict[int, BlamedLine]:
            lines = [line for line in asked[place] if line <= counts[place]]
            return self._blamed_file(git, repository, *place, lines) if lines else {}

        with ThreadPoolExecutor(BLAMES_BESIDE) as beside:
            return dict(zip(asked, beside.map(one, asked), strict=True))

    def _blamed_file(
        self, git: Git, repository: RepositoryName, sha: CommitSha, path: str, lines: list[int]
    ) -> dict[int, BlamedLine]:
        ranges = (
            [f"-L{first},{last}" for first, last in _ranges(lines)] if len(lines) <= BLAMED_LINES_MAX else []
        )
        # Beside the mirrors: nothing that a repository brings leaves the data folder.
        with tempfile.NamedTemporaryFile(dir=git.config.parent, prefix="ignored-", suffix=".txt") as ignored:
            options = ["--porcelain", *ranges]
            if self._write_ignored(git, repository, sha, ignored):
                options += ["--ignore-revs-file", ignored.name]
            try:
                answer = git.run("blame", *options, sha, "--", path, timeout_s=self._settings.blame_timeout_s)
            except SourceUnavailable:
                # Too slow, too large or no text: the line's author is unknown, which is an answer.
                return {}
        wanted = set(lines)
        return {blamed.line: blamed for blamed in _porcelain(answer) if blamed.line in wanted}

    def _write_ignored(self, git: Git, repository: RepositoryName, sha: CommitSha, target: IO[bytes]) -> bool:
        """Copy the revisions that blame shall look through; git refuses a file that names anything else."""
        if ignored_revisions.PATH not in self.tree(repository, sha):
            return False
        texts = self._texts.of(git, repository, (sha, ignored_revisions.PATH))
        shas = ignored_revisions.parse("\n".join(texts).encode())
        target.write("".join(f"{word}\n" for word in shas).encode())
        target.flush()
        return bool(shas)

    def _branched(self, git: Git, repository: RepositoryName, sha: CommitSha) -> list[list[Any]]:
        """``[[base, equivalent, ...]]``, or [] when ``sha`` is on the mainline or holds none of it."""
        answer = git.run(
            "log",
            f"--max-count={BRANCH_COMMITS_MAX}",
            "-z",
            "--format=%H%n%ae%n%at%n%s%n%b",
            sha,
            "--",
            timeout_s=self._settings.git_timeout_s,
        )
        entries = [entry.decode("utf-8", "replace").split("\n", 4) for entry in answer.split(b"\0") if entry]
        shas = [entry[0] for entry in entries]
        rows = self._store.rows(sql("collector", "mainline_positions"), repository=repository, shas=shas)
        positions = {row["sha"]: row["position"] for row in rows}
        if not positions or sha in positions:
            return []
        base = max(positions, key=lambda name: positions[name])
        side = [entry for entry in entries if entry[0] not in positions and len(entry) == 5]
        found = self._store.rows(
            sql("collector", "picked_commits"),
            repository=repository,
            position=positions[base],
            shas=[entry[0] for entry in side],
            emails=[entry[1].lower() for entry in side],
            authored=[int(entry[2]) for entry in side],
            subjects=[entry[3] for entry in side],
            named=sorted({name for entry in side for name in _PICKED.findall(entry[4])}),
        )
        return [[base, *(row["sha"] for row in found)]]

    def _found(self, git: Git, sha: CommitSha, text: str, limit: int) -> list[list[Any]]:
        found: list[tuple[str, int]] = []
        prefix = f"{sha}:".encode()
        try:
            with git.stream(
                *("grep", "-F", "-I", "-n", "-z", "--no-color", "--full-name", "-e", text, sha, "--"),
                timeout_s=self._settings.blame_timeout_s,
                accepted=(0, 1),
            ) as output:
                for record in output:
                    name, _, rest = record.partition(b"\0")
                    number = rest.partition(b"\0")[0]
                    if name.startswith(prefix) and number.isdigit():
                        found.append((unquoted(name.removeprefix(prefix)), int(number)))
                    if len(found) >= limit:
                        raise _Enough
        except _Enough:
            pass
        except SourceUnavailable:
            found = []
        return [[path, line] for path, line in sorted(found)]

    # --- stored answers ------------------------------------------------------------------------------

    def _answer(self, repository: RepositoryName, sha: CommitSha, question: str) -> list[list[Any]] | None:
        key = (repository, sha, question)
        with self._guard:
            if key in self._told:
                self._told.move_to_end(key)
                return self._told[key]
        row = self._store.row(
            "SELECT answer FROM git_answers WHERE repository = $repository AND sha = $sha "
            "AND question = $question",
            repository=repository,
            sha=sha,
            question=question,
        )
        answer: list[list[Any]] | None = None if row is None else json.loads(row["answer"])
        if answer is not None:
            with self._guard:
                _remember(self._told, key, answer, ANSWERS_HELD)
        return answer

    def _put(self, table: tables.Table, rows: list[dict[str, Any]]) -> None:
        # A sync of another thread replaces rows of the same tables.
        with self._store.write_lock:
            self._store.append_rows(table, rows, replace=True)

    def _keep(
        self, repository: RepositoryName, sha: CommitSha, question: str, answer: list[list[Any]]
    ) -> list[list[Any]]:
        text = json.dumps(answer, ensure_ascii=False)
        self._put(
            tables.GIT_ANSWERS,
            [{"repository": repository, "sha": sha, "question": question, "answer": text}],
        )
        kept: list[list[Any]] = json.loads(text)
        with self._guard:
            _remember(self._told, (repository, sha, question), kept, ANSWERS_HELD)
        return kept


def _excerpt(texts: Lines, line: int, around: int) -> tuple[tuple[int, str], ...]:
    if not 1 <= line <= len(texts):
        return ()
    first, last = max(1, line - around), min(len(texts), line + around)
    return tuple((n, texts[n - 1][:EXCERPT_CHARACTERS_MAX]) for n in range(first, last + 1))


def _within(around: int) -> int:
    return max(0, min(around, EXCERPT_AROUND_MAX))


def _numbered(answer: list[list[Any]]) -> tuple[tuple[int, str], ...]:
    return tuple((int(number), str(text)) for number, text in answer)


class _Enough(Exception):
    """A reader has what it wants; git need not go on."""


def _ranges(lines: list[int]) -> list[tuple[int, int]]:
    """Sorted line numbers as closed ranges of neighbours."""
    ranges: list[tuple[int, int]] = []
    for line in lines:
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1] = (ranges[-1][0], line)
        else:
            ranges.append((line, line))
    return ranges


def _porcelain(answer: bytes) -> list[BlamedLine]:
    """Lines of ``git blame --porcelain``: a header per line, a block per commit, the content behind a tab."""
    blamed = []
    names: dict[str, str] = {}
    sha, original, final, name = "", 0, 0, ""
    is_header = True
    for line in answer.split(b"\n"):
        if is_header:
            words = line.split(b" ")
            if len(words) < 3:
                continue
            sha, original, final = words[0].decode("ascii"), int(words[1]), int(words[2])
            name = names.get(sha, "")
            is_header = False
        elif line.startswith(b"filename "):
            name = unquoted(line[9:])
            names[sha] = name
        elif line.startswith(b"\t"):
            blamed.append(BlamedLine(final, CommitSha(sha), name, original))
            is_header = True
    return blamed


def _remember(memo: OrderedDict[K, V], key: K, value: V, entries_max: int = MEMO_ENTRIES) -> None:
    memo[key] = value
    memo.move_to_end(key)
    while len(memo) > entries_max:
        memo.popitem(last=False)

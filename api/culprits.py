"""Which change brought what a fix mended: rows of fixes in, suspects out. A root: puts git and the rules together.

Repositories are read in place, without a store. Of a fix its place is read: lines that it removed, and where it
inserted. Its message and its new lines are not, so that the answer is worth as much for a fault nobody mended yet.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from collector import foreign, written_lines
from collector.git import Git
from correlator import culprit_accuracy, culprits, evidence_in_lines, weights
from correlator.evidence_in_lines import Clues
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.locations import Diff, OwnedFile, Place, Stretch
from schemas.records import CommitSha
from schemas.settings import Settings
from schemas.vocabulary import EvidenceKind

ROWS_AT_ONCE = 40
"""Rows of one repository whose facts are held together: commits that they share are read once."""
MODES = ("location", "range")
WINDOW_CHANGES = 30
WINDOW_CHANGES_MAX = 1_000


def explained(
    rows: Iterable[Mapping[str, Any]], repos: Path, mode: str, settings: Settings
) -> Iterator[dict[str, Any]]:
    """``{id, mode, suspects: [{sha, weight, flat_weight, evidence}], unattributed}`` per row, in the order of rows.

    Args:
        rows: ``{id, repo, fix_sha}`` or ``{id, repo, revision, location: [{path, first, last}]}``, with
            ``window: [shas]`` for range mode.
        repos: folder of repositories named ``owner+name`` (or ``owner/name``, each with or without ``.git``).
        mode: ``location`` passes over windows; ``range`` asks for one in each row; ``auto`` goes by each row.

    Raises:
        MalformedInput: a row that cannot be asked, or an unknown repository.
    """
    ruled = weights.load()
    held = list(rows)
    answers = {
        number: _answer(place, culprits.weigh(place, ruled))
        for number, place in places(held, repos, settings, mode=mode)
    }
    yield from (answers[number] for number in sorted(answers))


def _answer(place: Place, found: Sequence[culprits.Culprit]) -> dict[str, Any]:
    return {
        "id": place.id,
        "mode": "location" if place.window is None else "range",
        "suspects": [
            {
                "sha": culprit.sha,
                "weight": culprit.weight,
                "flat_weight": culprit.flat_weight,
                "evidence": [
                    {"kind": str(e.kind), "log_lr": e.log_lr, "detail": e.detail} for e in culprit.evidence
                ],
            }
            for culprit in found
        ],
        "unattributed": round(max(1 - sum(culprit.weight for culprit in found), 0.0), 6),
    }


def places(
    rows: Sequence[Mapping[str, Any]],
    repos: Path,
    settings: Settings,
    *,
    mode: str = "auto",
    is_compared: bool = False,
    seed: int | None = None,
) -> Iterator[tuple[int, Place]]:
    """(position in ``rows``, facts) of each row, repository by repository.

    Args:
        is_compared: plain ``git blame`` is asked, too.
        seed: range mode draws a window that holds the first of ``inducing_shas``; rows without such are left out.
    """
    by_repository: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        by_repository.setdefault(_text(row, "repo"), []).append(number)
    for repository, numbers in by_repository.items():
        with _opened(repos, repository, settings) as git:
            reader = _Reader(git, settings, is_compared)
            for start in range(0, len(numbers), ROWS_AT_ONCE):
                yield from reader.places(
                    [(n, rows[n]) for n in numbers[start : start + ROWS_AT_ONCE]], mode, seed
                )


class _Reader:
    """Facts of rows of one repository."""

    def __init__(self, git: Git, settings: Settings, is_compared: bool) -> None:
        self._git = git
        self._settings = settings
        self._is_compared = is_compared

    def places(
        self, rows: Sequence[tuple[int, Mapping[str, Any]]], mode: str, seed: int | None
    ) -> Iterator[tuple[int, Place]]:
        git, settings = self._git, self._settings
        fixes = {
            n: written_lines.resolved(git, row["fix_sha"], "fix_sha") for n, row in rows if "fix_sha" in row
        }
        diffs = written_lines.diffs(git, fixes.values(), settings)
        begun: list[tuple[int, CommitSha, Place]] = []
        for number, row in rows:
            revision, place = self._begun(row, diffs.get(fixes[number]) if number in fixes else None)
            if mode == "range" or (mode == "auto" and row.get("window")):
                window = self._window(row, revision, seed)
                if window is None:
                    continue
                place = replace(place, window=window)
            begun.append((number, revision, place))
        yield from self._finished(begun)

    def _begun(self, row: Mapping[str, Any], fix: Diff | None) -> tuple[CommitSha, Place]:
        """The revision that holds the fault, and its stretches."""
        name, repository = str(row.get("id")), _text(row, "repo")
        if fix is not None:
            if not fix.parents:
                raise MalformedInput(f"{fix.sha} has no parent: it mends nothing", hint=f"row {name}")
            return fix.parents[0], Place(name, repository, fix.at, written_lines.stretches(fix), {}, {})
        revision = written_lines.resolved(self._git, row.get("revision"), "revision")
        at = written_lines.headers(self._git, [revision], self._settings)[revision].at
        return revision, Place(name, repository, at, tuple(_stretches(row)), {}, {})

    def _window(
        self, row: Mapping[str, Any], revision: CommitSha, seed: int | None
    ) -> tuple[CommitSha, ...] | None:
        if seed is None:
            stated = row.get("window")
            if not isinstance(stated, list) or not 0 < len(stated) <= WINDOW_CHANGES_MAX:
                raise MalformedInput(
                    f"row {row.get('id')!r} states no window",
                    hint=f"a list of 1 to {WINDOW_CHANGES_MAX} shas",
                )
            return tuple(dict.fromkeys(written_lines.resolved(self._git, sha, "window") for sha in stated))
        culprit = self._git.commit(str((row.get("inducing_shas") or [""])[0]))
        if culprit is None:
            return None
        mainline = written_lines.list_commits(self._git, (revision,), self._settings, "--first-parent")
        # The change that brought the culprit is the oldest of the mainline that does not lie before it.
        after = set(
            written_lines.list_commits(self._git, (revision, f"^{culprit}"), self._settings, "--first-parent")
        )
        index = len([sha for sha in mainline if sha in after])
        if mainline[index : index + 1] != [culprit]:
            holding = set(
                written_lines.list_commits(
                    self._git, (revision, f"^{culprit}"), self._settings, "--ancestry-path"
                )
            )
            index = max((i for i, sha in enumerate(mainline) if sha in holding), default=-1)
            if index < 0:
                return None
        chance = Random(f"{seed} {row.get('id')}")  # noqa: S311
        first = max(0, min(index - chance.randrange(WINDOW_CHANGES), len(mainline) - WINDOW_CHANGES))
        return tuple(mainline[first : first + WINDOW_CHANGES])

    def _finished(self, begun: Sequence[tuple[int, CommitSha, Place]]) -> Iterator[tuple[int, Place]]:
        git, settings = self._git, self._settings
        read = [(number, revision, self._read(place, revision)) for number, revision, place in begun]
        known: dict[CommitSha, Diff] = {}
        owners = {
            owner.sha
            for _, _, place in read
            for file in place.files.values()
            for owner in file.owners.values()
        }
        if owners:
            known |= written_lines.headers(git, sorted(owners), settings)
        wanted: set[CommitSha] = set()
        for _, _, place in read:
            wanted |= set(place.window or culprits.candidates(Clues(place), known))
        known |= written_lines.diffs(git, wanted, settings)
        for number, _, place in read:
            followed = place if place.window is not None else self._followed(place, known)
            if followed is not place:
                named = set(culprits.candidates(Clues(followed), _with(known, followed, git, settings)))
                known |= written_lines.diffs(
                    git, {sha for sha in named if not _has_diff(known, sha)}, settings
                )
            chosen = followed.window or culprits.candidates(Clues(followed), known)
            blamed = {sha for lines in followed.blamed.values() for sha in lines.values()}
            diffs = {sha: known[sha] for sha in {*chosen, *blamed} if sha in known}
            yield number, replace(followed, diffs=diffs)

    def _read(self, place: Place, revision: CommitSha) -> Place:
        """The place with its files, their owners, and which commits each change of the window brought."""
        git, settings = self._git, self._settings
        texts = {
            path: written_lines.texts(git, revision, path, settings)
            for path in dict.fromkeys(s.path for s in place.stretches)
        }
        place = replace(place, files={path: OwnedFile(path, lines) for path, lines in texts.items() if lines})
        through: list[CommitSha] = []
        if place.window is not None:
            heads = written_lines.headers(git, place.window, settings)
            landings = {sha: sha for sha in place.window}
            for sha in place.window:
                for commit in written_lines.side_commits(git, heads[sha], settings):
                    landings.setdefault(commit, sha)
            through = written_lines.list_commits(git, (revision, *(f"^{s}" for s in place.window)), settings)
            place = replace(place, landings=landings)
        files = dict(place.files)
        for path, file in Clues(place).files.items():
            lines = None
            if place.window is not None:
                stretches = [s for s in place.stretches if s.path == path]
                lines = [n for s in stretches for n in evidence_in_lines.lines_of(s, len(file.texts))]
                for first, last, _ in evidence_in_lines.functions(file.texts, stretches):
                    lines += range(first, last + 1)
            owners = written_lines.owners(git, revision, path, settings, lines=lines, looked_through=through)
            files[path] = replace(file, owners=owners)
        place = replace(place, files=files)
        return replace(place, blamed=self._blamed(place, revision)) if self._is_compared else place

    def _blamed(self, place: Place, revision: CommitSha) -> dict[str, dict[int, CommitSha]]:
        found: dict[str, dict[int, CommitSha]] = {}
        is_plain = place.window is None and not written_lines.stated_ignored(
            self._git, revision, self._settings
        )
        for path, file in place.files.items():
            lines = [n for s in place.stretches if s.path == path for n in range(s.first, s.last + 1)]
            owners = (
                file.owners
                if is_plain and file.owners
                else written_lines.owners(
                    self._git, revision, path, self._settings, lines=lines, looked_through=None
                )
            )
            found[path] = {n: owners[n].sha for n in lines if n in owners}
        return found

    def _followed(self, place: Place, known: Mapping[CommitSha, Diff]) -> Place:
        files = dict(place.files)
        for stretch in place.stretches:
            file = files.get(stretch.path)
            if file is not None and file.owners and not stretch.is_insertion:
                lines = range(stretch.first, stretch.last + 1)
                files[stretch.path] = written_lines.followed(self._git, file, lines, known, self._settings)
        same = all(
            files[path] is file or files[path].owners == file.owners for path, file in place.files.items()
        )
        return place if same else replace(place, files=files)


def _has_diff(known: Mapping[CommitSha, Diff], sha: CommitSha) -> bool:
    return sha in known and bool(known[sha].paths)


def _with(
    known: dict[CommitSha, Diff], place: Place, git: Git, settings: Settings
) -> Mapping[CommitSha, Diff]:
    """``known`` with time and parents of the owners that following moves brought."""
    fresh = {o.sha for file in place.files.values() for o in file.owners.values()} - known.keys()
    if fresh:
        known |= written_lines.headers(git, sorted(fresh), settings)
    return known


@contextlib.contextmanager
def _opened(repos: Path, repository: str, settings: Settings) -> Iterator[Git]:
    name = repository.strip("/")
    for form in (name.replace("/", "+"), name, name.rsplit("/", 1)[-1]):
        for path in (repos / form, repos / f"{form}.git"):
            if ".." not in Path(form).parts and path.exists():
                with foreign.borrowed(path, settings) as git:
                    with contextlib.suppress(SourceUnavailable):
                        # Blame is five times faster with it; without it, it is as right.
                        git.run(
                            *("commit-graph", "write", "--reachable", "--changed-paths"),
                            timeout_s=settings.git_timeout_s,
                        )
                    yield git
                return
    raise MalformedInput(
        f"there is no repository {repository!r} in {repos}", hint="a folder owner+name, bare or a work tree"
    )


def _stretches(row: Mapping[str, Any]) -> Iterator[Stretch]:
    stated = row.get("location")
    for part in stated if isinstance(stated, list) else [None]:
        try:
            path, first, last = part["path"], int(part["first"]), int(part["last"])  # type: ignore[index]
        except (TypeError, KeyError, ValueError):
            path, first, last = None, 0, 0
        if not isinstance(path, str) or "\0" in path or first < 1 or last < first - 1:
            raise MalformedInput(
                f"row {row.get('id')!r} states neither a fix nor lines",
                hint="fix_sha, or revision and location: [{path, first, last}]",
            )
        yield Stretch(path, first, last)


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedInput(f"{key} is not a text", hint=f"in the row with id {row.get('id')!r}")
    return value


def evaluated(
    rows: Sequence[Mapping[str, Any]],
    repos: Path,
    settings: Settings,
    *,
    seed: int,
    modes: Sequence[str] = MODES,
) -> dict[str, Any]:
    """Accuracy on labelled rows, by mode; the inducing commits are compared with the answers, never read by them.

    Args:
        rows: as :func:`explained` takes them, with ``inducing_shas``.
        seed: of the drawn windows and of the intervals.

    Raises:
        MalformedInput: a row without labels, or no row at all.
    """
    for row in rows:
        labels = row.get("inducing_shas")
        if not isinstance(labels, list) or not labels:
            raise MalformedInput(f"row {row.get('id')!r} has no inducing_shas", hint="evaluate needs labels")
    if not rows:
        raise MalformedInput("there is no row to evaluate", hint="one JSON object per line")
    ruled = weights.load()
    found: dict[str, Any] = {"seed": seed, "weights": ruled.version}
    for mode in modes:
        drawn = seed if mode == "range" else None
        judged = [
            _judged(rows[number], place, culprits.weigh(place, ruled))
            for number, place in places(rows, repos, settings, mode=mode, is_compared=True, seed=drawn)
        ]
        measure = culprit_accuracy.ranges if mode == "range" else culprit_accuracy.location
        found[mode] = measure(judged, seed=seed) if judged else None
    return found


def _judged(
    row: Mapping[str, Any], place: Place, found: Sequence[culprits.Culprit]
) -> culprit_accuracy.Judged:
    named = [CommitSha(str(sha)) for sha in row["inducing_shas"]]
    truth = named if place.window is None else [place.landings[sha] for sha in named if sha in place.landings]
    flat = sorted(found, key=lambda culprit: (-culprit.flat_weight, culprit.sha))
    touching = [c for c in found if any(e.kind is not EvidenceKind.UNTOUCHED for e in c.evidence)]
    return culprit_accuracy.Judged(
        place.id,
        place.repository,
        frozenset(truth),
        [(culprit.sha, culprit.weight) for culprit in found],
        [(culprit.sha, culprit.flat_weight) for culprit in flat],
        [sha for sha, _ in culprits.by_blame(place)],
        is_any_touching=bool(touching),
    )


def table(found: Mapping[str, Any]) -> RenderableType:
    """The figures of :func:`evaluated` for a terminal."""
    parts: list[RenderableType] = []
    if found.get("location"):
        parts += ["location mode: all ancestors", _location_table(found["location"])]
    if found.get("range"):
        parts += [
            "range mode: a window of changes",
            _range_table(found["range"]),
            _reliability(found["range"]),
        ]
    return Group(*parts)


def _location_table(found: Mapping[str, Any]) -> Table:
    told = Table("rows", "n", "method", "precision", "recall", "F1", "top-1", "no candidate")
    for name, figures in (("all", found), *found["repositories"].items()):
        for method in ("ours", "plain"):
            row = figures[method]
            cells = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1", "top1", "no_candidate")]
            told.add_row(name, str(figures["n"]), "git blame" if method == "plain" else method, *cells)
        differences = [_interval(figures["difference"][key]) for key in ("precision", "recall", "f1", "top1")]
        told.add_row(name, "", "difference", *differences, "")
    return told


def _range_table(found: Mapping[str, Any]) -> Table:
    told = Table(
        "rows", "n", "top-1", "top-3", "no candidate", "ECE", "ECE flat", "blame top-1", "difference"
    )
    for name, figures in (("all", found), *found["repositories"].items()):
        ours = figures["ours"]
        told.add_row(
            name,
            str(figures["n"]),
            f"{ours['top1']:.3f} ({ours['top1_low']:.2f}-{ours['top1_high']:.2f})",
            *(f"{ours[key]:.3f}" for key in ("top3", "no_candidate")),
            *(f"{figures[key]:.3f}" for key in ("ece", "ece_flat")),
            f"{figures['plain']['top1']:.3f}",
            _interval(figures["difference"]["top1"]),
        )
    return told


def _reliability(found: Mapping[str, Any]) -> Table:
    told = Table("weight of the heaviest", "n", "mean weight", "share right")
    for row in found["reliability"]:
        if row["n"]:
            span = f"{row['low']:.1f}-{row['high']:.1f}"
            told.add_row(span, str(row["n"]), f"{row['weight']:.3f}", f"{row['right']:.3f}")
    return told


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"

"""Which change brought the fault that a fix mends, weighed like the suspects of a failure. Pure.

Location mode: any ancestor that wrote part of the files may be the culprit, or none of those (``unattributed``).
Range mode: one of the changes of a window did it, so they share the whole mass. That no change did it is no answer:
there was a fault, and it was mended. Source: DESIGN "Suspects"; the numbers stand in ``weights.toml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from correlator import evidence_in_lines, suspects, tokens
from correlator.evidence_in_lines import Clues
from correlator.paths import PathKind, kind_of
from correlator.weights import Weights
from schemas.locations import Diff, Place
from schemas.records import CommitSha, Suspect, SuspectEvidence
from schemas.vocabulary import Candidate

CANDIDATES_MAX = 60
"""Owners of the files alone are asked for their diffs only so far, newest first; all that wrote lines or functions are."""
DAY_S = 86_400
MONTH_S = 30 * DAY_S


@dataclass(frozen=True, slots=True)
class Culprit:
    """One suspect. ``flat_weight``: its weight were changes of every size equally likely beforehand."""

    sha: CommitSha
    weight: float
    flat_weight: float
    evidence: tuple[SuspectEvidence, ...]


def candidates(clues: Clues, diffs: Mapping[CommitSha, Diff]) -> list[CommitSha]:
    """Who may have brought the fault, sorted.

    Args:
        diffs: at least time and parents; who wrote other parts of the files counts only when it is among them.
    """
    if clues.place.window is not None:
        return sorted(clues.place.window)
    traces = clues.traces
    near = {*traces.line, *traces.beside, *traces.function}
    others = sorted(
        (traces.file.keys() - near) & diffs.keys(), key=lambda sha: (-diffs[CommitSha(sha)].at, sha)
    )
    return sorted(CommitSha(sha) for sha in {*near, *others[: max(CANDIDATES_MAX - len(near), 0)]})


def listed(clues: Clues, weights: Weights) -> list[suspects.CandidateChange]:
    """The candidates with their shares of the prior and their evidence."""
    diffs = clues.place.diffs
    named = candidates(clues, diffs)
    rarity = tokens.TokenRarity(
        {sha: evidence_in_lines.tokens_of(diffs[sha]) for sha in named if sha in diffs}
    )
    return _shared(
        clues,
        [
            suspects.CandidateChange(
                sha, 1.0, tuple(evidence_in_lines.of_lines(sha, clues, diffs.get(sha), rarity, weights))
            )
            for sha in named
        ],
        weights,
        size_exponent=weights.prior["size_exponent_lines"],
    )


def weigh(place: Place, weights: Weights) -> list[Culprit]:
    """Suspects of one fault, heaviest first; what the weights leave to one is a culprit that is not listed."""
    clues = Clues(place)
    fitted = listed(clues, weights)
    flat = {
        suspect.sha: suspect.weight
        for suspect in _weighed(clues, _shared(clues, fitted, weights, size_exponent=0.0), weights)
    }
    return [
        Culprit(suspect.sha, suspect.weight, flat.get(suspect.sha, 0.0), suspect.evidence)
        for suspect in _weighed(clues, fitted, weights)
        if suspect.candidate is Candidate.CHANGE and suspect.sha is not None
    ]


def by_blame(place: Place) -> list[tuple[CommitSha, int]]:
    """(commit, lines of it that were removed), most lines first, of equals the newest: the plain answer of blame.

    Every file counts and every line does. In a window only its own changes are answers.
    """
    counts: dict[CommitSha, int] = {}
    for stretch in place.stretches:
        blamed = place.blamed.get(stretch.path, {})
        for number in range(stretch.first, stretch.last + 1):
            sha = blamed.get(number)
            if sha and place.window is not None:
                sha = place.landings.get(sha)
            if sha:
                counts[sha] = counts.get(sha, 0) + 1

    def order(sha: CommitSha) -> tuple[int, int, str]:
        return -counts[sha], -place.diffs[sha].at if sha in place.diffs else 0, sha

    return [(sha, counts[sha]) for sha in sorted(counts, key=order)]


def _weighed(clues: Clues, found: Sequence[suspects.CandidateChange], weights: Weights) -> list[Suspect]:
    is_exhaustive = clues.place.window is not None
    return suspects.weigh(
        found,
        (),
        no_change_prior=0.0,
        is_revision_known=True,
        weights=weights,
        reserve=0.0 if is_exhaustive else weights.prior["unattributed_lines"],
        is_capped=False,
    )


def _shared(
    clues: Clues, found: Sequence[suspects.CandidateChange], weights: Weights, *, size_exponent: float
) -> list[suspects.CandidateChange]:
    """``found`` with shares of the prior; only their ratios mean something: there was a fault, whoever is listed."""
    shares = [
        _share(clues, clues.place.diffs.get(CommitSha(c.sha)), weights, size_exponent=size_exponent)
        for c in found
    ]
    most = max(shares, default=1.0)
    return [replace(c, share=share / most) for c, share in zip(found, shares, strict=True)]


def _share(clues: Clues, diff: Diff | None, weights: Weights, *, size_exponent: float) -> float:
    """Prior share: by size, and where any ancestor may have done it by age."""
    prior = weights.prior
    if diff is None:
        return 1.0
    share = float(min(max(diff.line_count, 1), prior["size_lines_max"]) ** size_exponent)
    if clues.place.window is not None:
        kinds = {kind_of(change.path) for change in diff.paths}
        can_fail = not kinds or bool(kinds & {PathKind.CODE, PathKind.CONFIG})
        return share if can_fail else share * prior["docs_or_test_lines"]
    age_s = max(clues.place.at - diff.at, 0)
    share *= float((1 + age_s / MONTH_S) ** -prior["age_exponent"])
    # What was committed together with the fix prepared it.
    return share * (prior["same_day"] if age_s < DAY_S else 1.0)

"""From evidence to weights: which change, or none, is behind a failure.

Each candidate's score is the log of its prior plus, per kind of evidence, the strongest log-likelihood ratio; a
softmax over all candidates, an explicit ``no_change`` and a reserve for unlisted culprits turns scores into weights
that sum to one. Caps keep what cannot be known from looking certain. Pure; the AI tag is not an input.
Source: DESIGN section 5; the numbers stand in ``weights.toml``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, log

from correlator.weights import Weights
from schemas.records import CommitSha, Suspect, SuspectEvidence
from schemas.vocabulary import Candidate, EvidenceKind

CONFIRMING = frozenset(
    {
        EvidenceKind.NAMED_BY_INCIDENT,
        EvidenceKind.NAMED_BY_FIX,
        EvidenceKind.REVERTED_AFTER,
        EvidenceKind.HUMAN_VERDICT,
    }
)
BLAME_KINDS = frozenset(
    {
        EvidenceKind.BLAMED_LINE,
        EvidenceKind.CHANGED_FUNCTION,
        EvidenceKind.CHANGED_FILE,
        EvidenceKind.UNTOUCHED,
    }
)
STACK_KINDS = frozenset(
    {
        EvidenceKind.BLAMED_LINE,
        EvidenceKind.CHANGED_FUNCTION,
        EvidenceKind.CHANGED_FILE,
        EvidenceKind.OLDER_THAN_RANGE,
    }
)
"""Three ways to say that a change touched the stack: they go together, so only the strongest is counted."""
WORD_KINDS = frozenset(
    {
        EvidenceKind.CHANGED_TOKEN,
        EvidenceKind.RAISES_MESSAGE,
        EvidenceKind.RAISES_TYPE,
        EvidenceKind.REMOVED_NAME,
        EvidenceKind.MISSING_NAME,
        EvidenceKind.CHANGED_CONTRACT,
    }
)
"""Ways to say that a change holds the words of the failure."""
USE_KINDS = frozenset(
    {
        EvidenceKind.CHANGED_SIGNATURE,
        EvidenceKind.CHANGED_CALLEE,
        EvidenceKind.CHANGED_VALUE,
        EvidenceKind.CHANGED_IMPORT,
        EvidenceKind.CHANGED_CODE_NAME,
        EvidenceKind.REMOVED_GUARD,
    }
)
"""Ways to say that a change touched what the failing code uses."""
FAMILIES = (STACK_KINDS, WORD_KINDS, USE_KINDS)
"""Kinds that go together: of each family the strongest counts, and families add up (docs/decisions/0014)."""

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class CandidateChange:
    """A change that may be to blame. ``share`` is its part of the prior mass of all changes, any positive number."""

    sha: str
    share: float
    evidence: tuple[SuspectEvidence, ...]


def strongest(evidence: Sequence[SuspectEvidence]) -> tuple[SuspectEvidence, ...]:
    """One piece per kind, the strongest; correlated evidence is never multiplied. Heaviest first."""
    best: dict[EvidenceKind, SuspectEvidence] = {}
    for piece in evidence:
        known = best.get(piece.kind)
        if known is None or (abs(piece.log_lr), piece.detail) > (abs(known.log_lr), known.detail):
            best[piece.kind] = piece
    return tuple(sorted(best.values(), key=lambda piece: (-abs(piece.log_lr), piece.kind)))


def weigh(
    candidates: Sequence[CandidateChange],
    no_change: Sequence[SuspectEvidence],
    *,
    no_change_prior: float,
    is_revision_known: bool,
    weights: Weights,
) -> list[Suspect]:
    """The suspects of :func:`weighed`."""
    return weighed(
        candidates,
        no_change,
        no_change_prior=no_change_prior,
        is_revision_known=is_revision_known,
        weights=weights,
    )[0]


def weighed(
    candidates: Sequence[CandidateChange],
    no_change: Sequence[SuspectEvidence],
    *,
    no_change_prior: float,
    is_revision_known: bool,
    weights: Weights,
) -> tuple[list[Suspect], float]:
    """Weights of all candidates, of ``no_change`` and of ``unattributed``: they sum to one, heaviest first; and the log of
    how likely all of the evidence is, whoever did it, against no evidence: what tells revisions that may have run apart.

    Args:
        candidates: changes with their evidence; an empty list leaves everything to no change and unattributed.
        no_change: evidence that nothing we deployed is to blame.
        no_change_prior: 0..1, before evidence.
        is_revision_known: the failing revision resolves to a commit; otherwise no change may weigh over the cap.
    """
    reserve = weights.prior["unattributed"]
    total_share = fsum(c.share for c in candidates)
    reasons = strongest(no_change)
    scores: list[tuple[float, str, CandidateChange | None]] = [
        (log(no_change_prior) + fsum(piece.log_lr for piece in reasons), "", None)
    ]
    # Candidates that can hardly fail at run time (documentation, a formatter run) do not become likely by being alone.
    changes_prior = max(1 - no_change_prior - reserve, 1e-6) * min(total_share, 1.0)
    for candidate in candidates:
        prior = log(changes_prior * candidate.share / total_share)
        kept = strongest(candidate.evidence)
        score = prior + _total(kept)
        scores.append((score, candidate.sha, CandidateChange(candidate.sha, candidate.share, kept)))
    scores.append((log(reserve if candidates else max(1 - no_change_prior, reserve)), "~", None))
    highest = max(score for score, _, _ in scores)
    masses = {name: exp(score - highest) for score, name, _ in scores}
    total = fsum(masses[name] for name in sorted(masses))
    shares = {name: mass / total for name, mass in masses.items()}

    suspects: list[Suspect] = []
    folded = shares["~"]
    for _, name, listed in scores:
        if listed is None:
            continue
        limit = _cap(listed.evidence, is_revision_known=is_revision_known, weights=weights)
        weight = min(shares[name], limit)
        folded += shares[name] - weight
        if weight < weights.cap["fold"]:
            folded += weight
            continue
        suspects.append(Suspect(Candidate.CHANGE, CommitSha(name), weight, listed.evidence))
    suspects.append(Suspect(Candidate.NO_CHANGE, None, shares[""], reasons))
    return rounded([*suspects, Suspect(Candidate.UNATTRIBUTED, None, folded)]), highest + log(total)


def _total(kept: Sequence[SuspectEvidence]) -> float:
    """Log-likelihood ratio of pieces of different kinds; of each family of kinds the strongest alone.

    What names a change outright needs no stack: that the change touches nothing shown then says nothing against it.
    """
    is_named = any(piece.kind in CONFIRMING for piece in kept)
    families = [
        max((piece.log_lr for piece in kept if piece.kind in family), default=0.0) for family in FAMILIES
    ]
    rest = [
        piece.log_lr
        for piece in kept
        if not any(piece.kind in family for family in FAMILIES)
        and not (is_named and piece.kind is EvidenceKind.UNTOUCHED)
    ]
    return fsum(rest) + fsum(families)


def _cap(evidence: Sequence[SuspectEvidence], *, is_revision_known: bool, weights: Weights) -> float:
    kinds = {piece.kind for piece in evidence}
    if kinds & CONFIRMING:
        return weights.cap["confirmed"]
    if not is_revision_known:
        return weights.cap["unknown_revision"]
    if kinds and kinds <= BLAME_KINDS:
        return weights.cap["blame_only"]
    return weights.cap["default"]


def rounded(suspects: Sequence[Suspect]) -> list[Suspect]:
    """The same masses at six decimals, still summing to one: what rounding leaves goes to ``unattributed``.

    Order: heaviest first; of equals, changes by sha, then ``no_change``, then ``unattributed``.
    """
    order = {Candidate.CHANGE: 0, Candidate.NO_CHANGE: 1, Candidate.UNATTRIBUTED: 2}
    listed = [s for s in suspects if s.candidate is not Candidate.UNATTRIBUTED]
    rest = [s for s in suspects if s.candidate is Candidate.UNATTRIBUTED]
    kept = [Suspect(s.candidate, s.sha, round(s.weight, DECIMALS), s.evidence) for s in listed]
    left = round(1 - fsum(s.weight for s in kept), DECIMALS)
    if left < 0:
        heaviest = max(range(len(kept)), key=lambda i: kept[i].weight)
        top = kept[heaviest]
        kept[heaviest] = Suspect(top.candidate, top.sha, round(top.weight + left, DECIMALS), top.evidence)
        left = 0.0
    evidence = rest[0].evidence if rest else ()
    kept.append(Suspect(Candidate.UNATTRIBUTED, None, left, evidence))
    return sorted(kept, key=lambda s: (-s.weight, order[s.candidate], s.sha or ""))


def mixed(parts: Sequence[tuple[float, Sequence[Suspect]]]) -> list[Suspect]:
    """Suspects of several groups as one list: each group's masses times its share; what shares leave is unattributed.

    Args:
        parts: (share 0..1, suspects of one group); the shares sum to at most one.
    """
    masses: dict[tuple[Candidate, str | None], float] = {}
    evidence: dict[tuple[Candidate, str | None], list[SuspectEvidence]] = {}
    for share, suspects in parts:
        for suspect in suspects:
            key = (suspect.candidate, suspect.sha)
            masses[key] = masses.get(key, 0.0) + share * suspect.weight
            evidence.setdefault(key, []).extend(suspect.evidence)
    left = 1 - fsum(share for share, _ in parts)
    nobody = (Candidate.UNATTRIBUTED, None)
    masses[nobody] = masses.get(nobody, 0.0) + max(left, 0.0)
    return rounded(
        [
            Suspect(
                candidate,
                CommitSha(sha) if sha else None,
                mass,
                strongest(evidence.get((candidate, sha), [])),
            )
            for (candidate, sha), mass in masses.items()
        ]
    )

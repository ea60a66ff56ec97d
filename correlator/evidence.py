"""All evidence of one failure group, weighed: every candidate change against "no change is to blame".

The AI tag is not read here, nor in anything that this file calls. Source: DESIGN "Suspects".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from correlator import outside_peers, suspects
from correlator.candidates import Listed
from correlator.change_diffs import ChangeDiff
from correlator.evidence_in_code import of_code
from correlator.evidence_in_diffs import of_diffs
from correlator.evidence_in_time import Circumstances, no_change_prior, of_no_change, of_time
from correlator.failing_code import FailingCode
from correlator.failure_groups import FailureGroup
from correlator.tokens import Vocabulary
from correlator.weights import Weights
from schemas.records import Suspect

Row = Mapping[str, Any]


def weigh(
    group: FailureGroup,
    candidates: Sequence[Listed],
    around: Circumstances,
    *,
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    hunks: Mapping[str, Sequence[Row]],
    vocabulary: Vocabulary,
    code: FailingCode,
    diffs: Mapping[str, ChangeDiff],
    weights: Weights,
    settings: Sequence[suspects.CandidateChange] = (),
) -> tuple[list[Suspect], float]:
    """Suspects of one group from all of its evidence, and the log of how likely that evidence is.

    Args:
        paths_of: (repository, change sha) -> paths it touches.
        hunks: change sha -> rows of ``hunks``.
        vocabulary: of ``hunks``.
        code: what the code on the stack names.
        diffs: change sha -> its diff, read.
        settings: flags and configuration that may be to blame.
    """
    repository = group.row["repository"]

    def touched_by(sha: str) -> Sequence[str]:
        return paths_of.get((repository, sha), ())

    in_diffs = of_diffs(group, candidates, code, diffs=diffs, weights=weights)
    rarity = vocabulary.rarity(c.change["sha"] for c in candidates)
    weighed = [
        suspects.CandidateChange(
            c.change["sha"],
            c.share,
            (
                *of_code(
                    c,
                    group,
                    touched=paths_of.get((c.change["repository"], c.change["sha"]), ()),
                    hunks=hunks.get(c.change["sha"], ()),
                    tokens=rarity,
                    around=around,
                    in_diff=in_diffs.get(c.change["sha"], ()),
                    weights=weights,
                ),
                *of_time(c, group, around, weights, touched_by=touched_by),
            ),
        )
        for c in candidates
    ]
    return suspects.weighed(
        [*weighed, *settings],
        outside_peers.unexplained(
            of_no_change(group, around, weights=weights),
            [p for c in (*weighed, *settings) for p in c.evidence],
        ),
        no_change_prior=no_change_prior(group, around, weights),
        is_revision_known=group.row["onset_sha"] is not None,
        weights=weights,
    )

"""Cases to fit the weights of evidence by, one JSON line each; made here from labelled fixes, elsewhere from anything.

    python -m tests.fitting.cases FILE --repos DIR [--mode range] > cases.jsonl

A line is ``{case, group, exhaustive, candidates: [{sha, is_culprit, prior: {name: value}, evidence: {name: value}}]}``.
Values multiply coefficients and add up to a log score. ``prior``: what makes a change likelier beforehand, ``size`` (log of
changed lines), ``age`` (log of 1 + months), ``same_day``. ``evidence``: 1 for a kind that counts, and ``kind.part`` for the
log of a part or the part itself, as ``[part]`` of ``weights.toml`` has it. ``exhaustive``: the culprit is among them.
``group`` is what is left out when a fit is tested: a repository, a generated company.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from math import log
from pathlib import Path
from typing import Any

from api import culprits as places_of
from api.explain import json_lines
from correlator import culprits, suspects, weights
from correlator.evidence_in_lines import PART_MIN, Clues, function_worth
from schemas.locations import Place
from schemas.records import SuspectEvidence
from schemas.settings import load
from schemas.vocabulary import EvidenceKind

PARTS = {
    EvidenceKind.BLAMED_LINE: lambda part: log(max(part, PART_MIN)),
    EvidenceKind.CHANGED_TOKEN: lambda part: part,
}
ONLY_PARTS = {EvidenceKind.CHANGED_TOKEN}


def features(pieces: list[SuspectEvidence]) -> dict[str, float]:
    """Names and values of the pieces that count."""
    found: dict[str, float] = {}
    for piece in suspects.counted(pieces):
        if piece.kind is EvidenceKind.WROTE_FUNCTION:
            found[str(piece.kind)] = function_worth(float(str(piece.facts["part"])))
        elif piece.kind not in ONLY_PARTS:
            found[str(piece.kind)] = 1.0
        if piece.kind in PARTS:
            found[f"{piece.kind}.part"] = PARTS[piece.kind](float(str(piece.facts["part"])))
    if EvidenceKind.CHANGED_FILE in found:
        held = next(p for p in pieces if p.kind is EvidenceKind.CHANGED_FILE)
        found["spread"] = weights.load().log_ratio(held.kind) - held.log_lr
    return found


def case(place: Place, inducing: set[str]) -> dict[str, Any]:
    """One line, from the facts of a place and the labelled commits."""
    truth = {place.landings.get(sha, "") for sha in inducing} if place.window is not None else inducing  # type: ignore[call-overload]
    rows = []
    for listed in culprits.listed(Clues(place), weights.load()):
        diff = place.diffs.get(listed.sha)  # type: ignore[call-overload]
        prior = {}
        if diff is not None:
            prior["size"] = log(min(max(diff.line_count, 1), weights.load().prior["size_lines_max"]))
            if place.window is None:
                age_s = max(place.at - diff.at, 0)
                prior |= {"age": log(1 + age_s / culprits.MONTH_S), "same_day": float(age_s < culprits.DAY_S)}
        rows.append(
            {
                "sha": listed.sha,
                "is_culprit": listed.sha in truth,
                "prior": prior,
                "evidence": features(list(suspects.strongest(listed.evidence))),
            }
        )
    return {
        "case": place.id,
        "group": place.repository,
        "exhaustive": place.window is not None,
        "candidates": rows,
    }


def cases(rows: list[Mapping[str, Any]], repos: Path, mode: str, seed: int) -> Iterator[dict[str, Any]]:
    found = places_of.places(rows, repos, load(), mode=mode, seed=seed if mode == "range" else None)
    for number, place in found:
        yield case(place, set(rows[number]["inducing_shas"]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--mode", choices=("location", "range"), default="location")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with asked.file.open(encoding="utf-8") as lines:
        rows: list[Mapping[str, Any]] = list(json_lines(lines))
    for line in cases(rows, asked.repos, asked.mode, asked.seed):
        print(json.dumps(line))


if __name__ == "__main__":
    main()

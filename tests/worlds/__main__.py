"""``python -m worlds``: generate worlds from seeds, correlate them, and print how well the answers agree with the truth."""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from worlds import scoring
from worlds.traffic import Sampling
from worlds.world import Case, WorldSettings, cases, generate, run

LADDER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("everything", {}),
    ("head 10 %", {"sampling": Sampling("head", 0.1)}),
    ("head 1 %", {"sampling": Sampling("head", 0.01)}),
    ("tail 10 %", {"sampling": Sampling("tail", 0.1)}),
    ("tail 1 %", {"sampling": Sampling("tail", 0.01)}),
    ("stacks 50 %", {"stack_share": 0.5}),
    ("stacks 0 %", {"stack_share": 0.0}),
    ("revision 60 %", {"revision_share": 0.6}),
    ("revision 20 %", {"revision_share": 0.2}),
    ("poor", {"sampling": Sampling("tail", 0.1), "stack_share": 0.5, "revision_share": 0.2}),
)


def main() -> None:
    asked = _arguments()
    found: dict[str, list[Case]] = {}
    with Path(asked.cases or os.devnull).open("w", encoding="utf-8") as out:
        for name, changed in LADDER if asked.ladder else LADDER[:1]:
            found[name] = []
            for seed in range(asked.first, asked.first + asked.seeds):
                listed = _world(seed, name, replace(WorldSettings(spans=asked.spans), **changed))
                found[name] += listed
                out.writelines(json.dumps(scoring.row(c, {"cell": name}), default=str) + "\n" for c in listed)
    every = [case for listed in found.values() for case in listed]
    print(scoring.report(every))
    if asked.ladder:
        cells = [(name, scoring.score(listed)) for name, listed in found.items()]
        print("\n" + scoring.table("by cell of the ladder", cells))
    if asked.misses:
        print("\n" + "\n".join(scoring.miss(c) for c in every if c.top() != c.truth))


def _world(seed: int, name: str, settings: WorldSettings) -> list[Case]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        answers = run(generate(seed, settings), Path(folder))
        listed = cases(answers)
        answers.close()
    right, took = sum(c.top() == c.truth for c in listed), time.monotonic() - started
    print(f"{name}, seed {seed}: {right} of {len(listed)} right, {took:.1f} s", file=sys.stderr, flush=True)
    return listed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m worlds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many worlds")
    parser.add_argument("--first", type=int, default=1, help="seed of the first")
    parser.add_argument("--spans", type=int, default=80_000, help="about how many spans a world has")
    parser.add_argument("--ladder", action="store_true", help="also with less: sampling, stacks, revisions")
    parser.add_argument(
        "--cases", help="write every case with its evidence to this file, a JSON object a line"
    )
    parser.add_argument("--misses", action="store_true", help="list the cases that were answered wrongly")
    return parser.parse_args()


main()

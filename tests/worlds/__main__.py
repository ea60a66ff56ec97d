"""``python -m worlds``: generate worlds from seeds, correlate them, and print how well the answers agree with the truth."""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from api import queries
from correlator import weights
from worlds import parity, rates, scoring
from worlds.cases import Case, cases, traits
from worlds.traffic import Sampling
from worlds.world import WorldSettings, generate, run

LARGE = WorldSettings(days=70, changes=240, defects=24, hazard_ratio=1.7)
"""For rates: longer than the follow-up by far, and with enough failures to compare."""

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
    ("revision 20 %, nobody tells", {"revision_share": 0.2, "told_share": 0.0}),
    ("nobody names", {"named_share": 0.0}),
    ("poor", {"sampling": Sampling("tail", 0.1), "stack_share": 0.5, "revision_share": 0.2}),
)


def main() -> None:
    asked = _arguments()
    if asked.flat_prior:
        ruled = weights.load()
        flat = replace(ruled, prior={**ruled.prior, "size_exponent": 0.0})
        mock.patch.object(weights, "load", return_value=flat).start()
    found: dict[str, list[Case]] = {}
    changes: list[dict[str, Any]] = []
    figures: list[rates.Asked] = []
    advised: dict[str, Counter[str]] = {}
    context = multiprocessing.get_context("fork")
    with (
        Path(asked.cases or os.devnull).open("w", encoding="utf-8") as out,
        context.Pool(asked.jobs, maxtasksperchild=20) as pool,
    ):
        for name, changed in LADDER if asked.ladder else LADDER[:1]:
            if asked.cell and name not in asked.cell:
                continue
            found[name] = []
            settings = replace(LARGE if asked.rates else WorldSettings(), spans=asked.spans, **changed)
            seeds = range(asked.first, asked.first + asked.seeds)
            of_seed = partial(_world, name, settings, has_rates=asked.rates)
            for made in pool.imap(of_seed, seeds):
                listed = made.cases
                found[name] += listed
                changes += made.changes
                figures += made.rates
                advised.setdefault(name, Counter()).update(made.advice)
                out.writelines(json.dumps(scoring.row(c, {"cell": name}), default=str) + "\n" for c in listed)
    every = [case for listed in found.values() for case in listed]
    print(scoring.report(every))
    if not asked.ladder:
        print("\n" + parity.report(every, changes))
    if asked.rates:
        print("\n" + rates.report(figures))
    if asked.ladder:
        cells = [(name, scoring.score(listed)) for name, listed in found.items()]
        print("\n" + scoring.table("by cell of the ladder", cells))
        print("\n" + scoring.intervals(found))
        print(f"\n{'what the doctor names first':<28} by service")
        for name, codes in advised.items():
            print(f"{name:<28} " + ", ".join(f"{code} {count}" for code, count in codes.most_common()))
    if asked.misses:
        print("\n" + "\n".join(scoring.miss(c) for c in every if not c.is_right()))


@dataclass(frozen=True, slots=True)
class _Made:
    """What one world gave. ``advice``: the code of what each service's doctor names first, or ``nothing``."""

    cases: list[Case]
    changes: list[dict[str, Any]]
    rates: list[rates.Asked]
    advice: list[str]


def _world(name: str, settings: WorldSettings, seed: int, *, has_rates: bool) -> _Made:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        world = generate(seed, settings)
        answers = run(world, Path(folder))
        listed = cases(answers)
        figures = rates.asked(answers) if has_rates else []
        services = queries.services(answers.installation.store, answers.installation.settings)
        answers.close()
    right, took = sum(c.is_right() for c in listed), time.monotonic() - started
    print(f"{name}, seed {seed}: {right} of {len(listed)} right, {took:.1f} s", file=sys.stderr, flush=True)
    advice = [next((a["code"] for a in s["advice"] if a["gain"]), "nothing") for s in services]
    return _Made(
        listed, [{"seed": seed, "sha": c.sha, **traits(c)} for c in world.changes()], figures, advice
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m worlds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many worlds")
    parser.add_argument("--first", type=int, default=1, help="seed of the first")
    parser.add_argument("--jobs", type=int, default=1, help="how many worlds at a time, each in a process")
    parser.add_argument("--spans", type=int, default=80_000, help="about how many spans a world has")
    parser.add_argument("--ladder", action="store_true", help="also with less: sampling, stacks, revisions")
    parser.add_argument("--cell", action="append", help="of the ladder, this cell only")
    parser.add_argument(
        "--rates",
        action="store_true",
        help="AI-made changes fail 1.7 times as often; do the rates' intervals hold that?",
    )
    parser.add_argument(
        "--flat-prior", action="store_true", help="a change is as suspect as any other, however large it is"
    )
    parser.add_argument(
        "--cases", help="write every case with its evidence to this file, a JSON object a line"
    )
    parser.add_argument("--misses", action="store_true", help="list the cases that were answered wrongly")
    return parser.parse_args()


main()

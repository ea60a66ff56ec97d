"""Random and damaged requests through both decoders for as long as asked: ``make fuzz ARGS="--minutes 10"``.

Hypothesis makes the messages (``tests/collector/test_decoding.py`` has the strategies), this file damages their bytes
and goes on. Ends with code 1 at the first disagreement, which it prints as the test would, small.
"""

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

import otlp_builders as build
from collector_strategies import POLICIES, damaged, messages
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from collector import decoding, otlp, walk
from collector.otlp import Request, Signal
from collector.policy import Policy
from schemas.errors import MalformedInput

EXAMPLES_PER_ROUND = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    asked = parser.parse_args()
    deadline = time.monotonic() + asked.minutes * 60
    seen: Counter[str] = Counter()
    number = asked.seed
    while time.monotonic() < deadline:
        _round(number, seen)
        number += 1
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(seen.items()))
    sys.stdout.write(
        f"seeds {asked.seed} to {number - 1}, {asked.minutes:g} minutes: {told}; no disagreement\n"
    )


def _round(number: int, seen: Counter[str]) -> None:
    @seed(number)
    @settings(
        max_examples=EXAMPLES_PER_ROUND,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(messages(), max_size=3), st.sampled_from(POLICIES), st.data())
    def hold(sent: list[Any], policy: Policy, data: st.DataObject) -> None:
        whole = [build.request(message, received_unix_us=n) for n, message in enumerate(sent)]
        broken = [Request(Signal.TRACES, data.draw(damaged(request.body)), 1) for request in whole]
        for requests in (whole, [request for request in broken if _is_accepted(request)]):
            fallbacks: Counter[str] = Counter()
            found = decoding.decode(requests, policy, fallbacks)
            build.assert_same(found, walk.decode(requests, policy))
            seen["requests"] += len(requests)
            seen["spans"] += found.spans.num_rows
            seen["left to the walk"] += fallbacks.total()
        for request in broken:
            # A request that the door refuses is never decoded, but must not break anything either.
            decoding.decode([request], policy)
        seen["damaged requests"] += len(broken)
        seen["of them refused"] += sum(not _is_accepted(request) for request in broken)

    hold()


def _is_accepted(request: Request) -> bool:
    try:
        otlp.parse(Signal.TRACES, request.body)
    except MalformedInput:
        return False
    return True


if __name__ == "__main__":
    main()

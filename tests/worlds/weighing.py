"""What was weighed for each failure group: candidates with their shares of the prior and all of their evidence.

The product keeps the outcome; fitting its weights needs what went in. The calls are watched, not repeated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from correlator import evidence, suspects


@contextmanager
def watched() -> Iterator[dict[str, dict[str, Any]]]:
    """group id -> {candidates, no_change, and the other arguments of ``suspects.weighed``}, while the context lasts."""
    found: dict[str, dict[str, Any]] = {}
    last: dict[str, Any] = {}
    weigh_all, weighed = evidence.weigh, suspects.weighed

    def group(of: Any, *given: Any, **named: Any) -> Any:
        answer = weigh_all(of, *given, **named)
        found[of.row["group_id"]] = dict(last)
        return answer

    def one(candidates: Any, no_change: Any, **named: Any) -> Any:
        last.clear()
        last["candidates"] = [
            {"sha": c.sha, "share": c.share, "evidence": [_piece(p) for p in c.evidence]} for c in candidates
        ]
        last["no_change"] = [_piece(p) for p in no_change]
        last.update({k: v for k, v in named.items() if isinstance(v, bool | int | float)})
        return weighed(candidates, no_change, **named)

    with mock.patch.object(evidence, "weigh", group), mock.patch.object(suspects, "weighed", one):
        yield found


def _piece(piece: Any) -> dict[str, Any]:
    return {"kind": str(piece.kind), "log_lr": piece.log_lr}

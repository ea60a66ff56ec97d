import math
from typing import Any

import pytest

from correlator import evaluation
from correlator.evaluation import Judged
from schemas.errors import MalformedInput


def judged(
    label: str, origin: str, *, tool: str | None = None, found: str | None = None, **fields: Any
) -> Judged:
    verdict = {"repo": "r", "sha": "s", "origin": origin, "role": "coauthor", "evidence": []}
    tools = [found] if found else []
    return Judged(1, {"label": label, "tool": tool, **fields}, verdict | {"tools": tools})


def test_figures_are_counts_of_labels_and_verdicts() -> None:
    found = evaluation.evaluate(
        [
            *[judged("ai", "ai", tool="codex", found="codex", ai_role="author")] * 6,
            judged("ai", "ai", tool="codex", found="cursor"),
            judged("ai", "unknown", tool="cursor"),
            judged("unknown", "ai", found="cursor", hard=["mention_only"]),
            *[judged("human", "unknown", hard=["human_name_collision"])] * 2,
            judged("automation", "automation"),
            judged("unknown", "ai", found="cursor", label_confidence="low"),
        ]
    )
    assert (found["lines"], found["scored"]) == (13, 12)
    assert found["ai"]["precision"]["value"] == found["ai"]["recall"]["value"] == 0.875
    assert found["confusion"]["human"] == {"ai": 0, "human": 0, "automation": 0, "unknown": 2}
    assert found["tool_right"]["numerator"], found["tool_right"]["denominator"] == (6, 7)
    assert found["tools"]["codex"] == {"labelled": 7, "found": 6, "precision": 1.0, "recall": round(6 / 7, 6)}
    assert found["tools"]["cursor"] == {"labelled": 1, "found": 2, "precision": 0.0, "recall": 0.0}
    assert found["hard"]["mention_only"] == {"lines": 1, "false_ai": 1, "missed_ai": 0}
    assert found["roles"] == {"author": {"coauthor": 6}}
    assert [(e["label"], e["origin"]) for e in found["errors"]] == [("unknown", "ai"), ("ai", "unknown")]
    assert [e["tool"] for e in found["wrong_tools"]] == ["codex"]


def test_a_share_holds_its_value_in_its_interval() -> None:
    told = evaluation.share(7, 8)
    assert told["low"] < told["value"] < told["high"]
    assert math.isclose(told["low"], 0.529, abs_tol=0.001)
    assert evaluation.share(0, 0)["value"] is None


@pytest.mark.parametrize(
    "fields", [{}, {"label": "robot"}, {"label": "ai", "hard": "x"}, {"label": "ai", "tool": 3}]
)
def test_a_line_without_a_usable_label_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput):
        evaluation.check_label(fields)

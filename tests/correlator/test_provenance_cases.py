"""Labelled commits in files named by ``AFTERMERGE_PROVENANCE_CASES`` (separated by ``:``): what the product promises."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from correlator import commit_lines, evaluation
from correlator.commit_lines import CommitLine

FILES = [name for name in os.environ.get("AFTERMERGE_PROVENANCE_CASES", "").split(":") if name]
NEVER_AI = ("human_name_collision", "human_at_ai_vendor_domain", "mention_only")


@pytest.mark.skipif(not FILES, reason="AFTERMERGE_PROVENANCE_CASES names no file")
def test_labelled_commits_are_told_as_promised() -> None:
    for name in FILES:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
        read = [
            line for line in commit_lines.read(lines, now=datetime.now(UTC)) if isinstance(line, CommitLine)
        ]
        assert len(read) == len(lines)
        found = evaluation.evaluate(
            evaluation.Judged(line.number, line.fields, commit_lines.explained(line.commit)) for line in read
        )
        told = json.dumps(found["errors"], indent=1)
        assert found["ai"]["precision"]["value"] >= 0.98, told
        assert found["ai"]["recall"]["value"] >= 0.95, told
        assert found["tool_right"]["value"] >= 0.97, found["wrong_tools"]
        hits = [
            j.fields["sha"]
            for j in (
                evaluation.Judged(line.number, line.fields, commit_lines.explained(line.commit))
                for line in read
            )
            if j.label != "ai" and j.origin == "ai" and set(NEVER_AI) & set(j.fields.get("hard") or ())
        ]
        assert not hits

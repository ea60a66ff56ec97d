"""The incident of the small company again, where less and less names the revision that ran."""

from math import fsum
from pathlib import Path

import pytest
from flow.company import Company, build

from api import queries


def _weighed(company: Company) -> tuple[dict[str, float], float]:
    found = queries.attributions(company.installation.store, "INC-1")
    assert found is not None
    weights = {c["change"]: c["weight"] for c in found["candidates"]}
    return weights, fsum([*weights.values(), found["no_change"], found["unattributed"]])


FORGOTTEN = {
    "images are named, and a build says what one was made of": (
        "UPDATE spans SET revision = 'sha256:' || repeat('4f', 32) WHERE revision = $broken",
        "UPDATE spans SET revision = NULL WHERE NOT starts_with(revision, 'sha256:')",
        "DELETE FROM deployments",
        "INSERT INTO artifacts (artifact, revision, received_at) "
        "VALUES ('sha256:' || repeat('4f', 32), $broken, '2026-01-01')",
    ),
    "only the first revision is named": (
        "UPDATE spans SET revision = NULL WHERE revision <> $first",
        "DELETE FROM deployments",
    ),
    "nothing names a revision": ("UPDATE spans SET revision = NULL", "DELETE FROM deployments"),
}


@pytest.mark.parametrize("case", FORGOTTEN)
def test_the_culprit_is_still_found(case: str, tmp_path: Path) -> None:
    company = build(tmp_path)
    store, shas = company.installation.store, company.shas
    known = {"broken": shas["docs"], "first": shas["first"]}
    for statement in ("UPDATE exceptions SET revision = NULL", *FORGOTTEN[case]):
        store.execute(statement, **{name: sha for name, sha in known.items() if f"${name}" in statement})
    company.installation.correlate()
    weights, total = _weighed(company)
    assert total == pytest.approx(1, abs=1e-9)
    assert max(weights, key=lambda sha: weights[sha]) == shas["coupons"]
    assert weights[shas["coupons"]] > 0.8
    off = store.rows(
        "SELECT sum(probability) AS total FROM plausible_revisions GROUP BY service, environment, started_at "
        "HAVING abs(total - 1) > 1e-9"
    )
    assert off == []
    assert company.installation.rebuilt()["is_same"]
    company.installation.close()

"""A flag that was flipped on, and off again, while refunds failed: from the facts to the answer in words."""

from math import fsum
from pathlib import Path

import pytest
from builders import insert, resource_id, server
from flow.company import build, incident

from api import queries, wording
from schemas import tables


def test_a_flag_takes_weight_and_is_told_in_words(tmp_path: Path) -> None:
    company = build(tmp_path, port_down=False)
    store, at = company.installation.store, company.at
    spans = [
        server(
            1,
            trace=9000 + n,
            start_time=at("first", 2 + n * 0.05),
            received_at=at("first", 2 + n * 0.05),
            revision=company.shas["first"],
            resource_id=resource_id("checkout"),
            name="POST /refunds",
            http_route="/refunds",
            is_error=86 <= n < 100,
        )
        for n in range(140)
    ]
    insert(store, spans, [])
    told = {"kind": "flag", "key": "instant-refunds", "received_at": at("first", 8)}
    flips = [
        {**told, "change_id": "1", "value": "on", "occurred_at": at("first", 6.25)},
        {**told, "change_id": "2", "value": "off", "occurred_at": at("first", 6.97)},
    ]
    store.append_rows(tables.SETTING_CHANGES, flips)
    store.append_rows(
        tables.INCIDENT_EVENTS, incident("INC-9", "Refunds fail", at("first", 6.5), at("first", 7.2))
    )
    company.installation.correlate()
    found = queries.attributions(store, "INC-9")
    assert found is not None
    (flag,) = found["settings"]
    assert (flag["candidate"], flag["setting"]) == ("flag", "instant-refunds = on")
    assert flag["weight"] > 0.2
    assert {"flipped_before", "flipped_back_after"} <= {piece["kind"] for piece in flag["evidence"]}
    weights = [c["weight"] for c in found["candidates"]]
    assert fsum([*weights, flag["weight"], found["no_change"], found["unattributed"]]) == pytest.approx(1)
    listed = next(row for row in queries.incidents(store)["items"] if row["external_id"] == "INC-9")
    assert listed["unattributed"] == pytest.approx(found["unattributed"], abs=1e-6)
    assert wording.attribution(found)
    outcome = store.rows(
        "SELECT sum(weight) AS total, count(sha) AS changes FROM change_outcomes WHERE candidate = 'flag'"
    )
    # Of the incident and of the failure group; no change, and so no arm, carries any of it.
    assert (outcome[0]["total"] > 0.4, outcome[0]["changes"]) == (True, 0)
    assert company.installation.rebuilt()["is_same"]
    company.installation.close()

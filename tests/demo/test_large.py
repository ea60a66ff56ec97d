"""What --large tells the product, and what it holds to be true."""

from datetime import datetime
from pathlib import Path

import pytest

from demo import large
from demo.catalogue_history import DAYS, RATIO
from demo.catalogue_traffic import Happened

STARTED_UNIX_S = 1_790_035_200


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> large.Large:
    found = large.Large(Path(tmp_path_factory.mktemp("catalogue")), STARTED_UNIX_S)
    found.write()
    planned = {
        c.number: [c.at_s + 900, c.at_s + 1000, c.at_s + 1100] for c in found.planned if c.trips is not None
    }
    found.happened = Happened(failures=planned, outages=[("catalogue-feed", [1000, 1090, 1180])])
    return found


def test_the_truth_at_equal_size_is_the_planned_ratio(catalogue: large.Large) -> None:
    truth = catalogue.truth()
    assert truth.at_equal_size == pytest.approx(RATIO, abs=0.1)
    # Agents write larger changes, which fail more often: the plain ratio says too much.
    assert truth.crude > truth.at_equal_size
    assert sum(truth.changes.values()) == len(catalogue.planned) - 1


def test_every_deployment_names_a_commit_of_the_repository(catalogue: large.Large) -> None:
    shas = {change.sha for change in catalogue.planned}
    bodies = [catalogue._deployment(number, item) for number, item in enumerate(catalogue.deployments)]
    assert {str(body["revision"]) for body in bodies} <= shas
    assert len({str(body["id"]) for body in bodies}) == len(bodies)
    assert {str(body["service"]) for body in bodies} == set(large.services())


def test_incidents_are_opened_and_resolved_within_the_history(catalogue: large.Large) -> None:
    bodies = catalogue._incidents()
    failing = len(catalogue.happened.failures)
    assert 0.25 * failing < len(bodies) / 2 < 0.45 * failing
    for opened, resolved in zip(bodies[::2], bodies[1::2], strict=True):
        assert opened["id"] == resolved["id"]
        begin, end = (
            datetime.fromisoformat(str(value)) for value in (opened["opened_at"], resolved["resolved_at"])
        )
        assert STARTED_UNIX_S < begin.timestamp() < end.timestamp() < STARTED_UNIX_S + DAYS * 86_400


def test_nothing_that_is_sent_says_who_wrote_it(catalogue: large.Large) -> None:
    sent = str(catalogue._incidents()) + str(catalogue._deployment(0, catalogue.deployments[0]))
    assert not any(word in sent for word in ("human", "claude", "'ai'", "defect"))

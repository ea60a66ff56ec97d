"""Which changes may be behind a failure, and what part of the prior each gets."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from evidence_builders import RULED, failing, frame, interval
from failure_builders import REPOSITORY, change, hours, sha

from correlator import candidates
from correlator.candidates import Listed
from correlator.failure_groups import FailureGroup, ServiceCode
from correlator.mainlines import by_repository
from correlator.revisions import Timeline
from schemas.records import Branch, CommitSha, RepositoryName
from schemas.vocabulary import FailureCategory

OURS, THEIRS, SHARED = "checkout/app.py", "stock/app.py", "libs/money.py"
CODE = {
    "checkout": ServiceCode(RepositoryName(REPOSITORY), "checkout"),
    "stock": ServiceCode(RepositoryName(REPOSITORY), "stock"),
}
DEPLOYED = (interval(1, 0, None), interval(4, 5, 1), interval(6, 9, 4))
"""Changes 2..4 went out five hours after T0, 5 and 6 nine hours after it; the failure begins an hour later."""


def listed(
    failure: FailureGroup | None = None,
    *,
    intervals: Sequence[dict[str, Any]] = DEPLOYED,
    callees: Sequence[str] = (),
    senders: Sequence[str] = (),
    changes: Mapping[int, dict[str, Any]] | None = None,
    touched: Mapping[int, Sequence[str]] | None = None,
    services: Mapping[str, ServiceCode] | None = None,
    is_late: bool = False,
    branches: Mapping[str, Branch] | None = None,
) -> dict[int, Listed]:
    """Candidates by position, on a mainline of twenty changes of checkout."""
    rows = [change(n, **(changes or {}).get(n, {})) for n in range(20)]
    found = candidates.listed(
        failure or failing(),
        callees=callees,
        senders=senders,
        timeline=Timeline(intervals),
        mainlines=by_repository(rows, lambda _, sha: (branches or {}).get(sha)),
        services=CODE if services is None else services,
        paths_of={(REPOSITORY, sha(n)): (touched or {}).get(n, [OURS]) for n in range(20)},
        is_late=is_late,
        weights=RULED,
    )
    assert [c.change["sha"] for c in found] == sorted({c.change["sha"] for c in found})
    return {c.change["position"]: c for c in found}


def test_the_deployed_range_of_the_onset_comes_first_and_older_ranges_count_less() -> None:
    found = listed()
    assert {n: c.steps_back for n, c in found.items()} == {2: 1, 3: 1, 4: 1, 5: 0, 6: 0}
    assert all(c.is_in_range == (n >= 5) for n, c in found.items())
    assert found[4].share == pytest.approx(found[5].share * RULED.prior["older_range_decay"])


def test_each_candidate_knows_the_deployment_that_carried_it() -> None:
    found = listed()
    assert (found[6].deployed_at, found[2].deployed_at) == (hours(9), hours(5))


def test_what_was_deployed_after_the_onset_is_no_candidate() -> None:
    assert set(listed(intervals=(*DEPLOYED, interval(9, 11, 6)))) == {2, 3, 4, 5, 6}


def test_older_ranges_fade_more_slowly_when_the_code_had_served_well_for_long() -> None:
    assert listed(is_late=True)[4].share > listed()[4].share
    assert listed(is_late=True)[5].share == listed()[5].share


def test_only_so_many_deployments_are_looked_back() -> None:
    intervals = [interval(n, n / 2, n - 1 if n else None) for n in range(20)]
    back = int(RULED.prior["older_ranges_max"])
    assert set(listed(failing(failed_at=[hours(9.6)]), intervals=intervals)) == set(range(19 - back, 20))


def test_only_so_many_days_are_looked_back_but_the_onsets_own_range_counts_however_old() -> None:
    after = 24 * RULED.prior["older_days_max"] + 9.5
    assert set(listed(failing(failed_at=[hours(after)]))) == {5, 6}
    assert set(listed(failing(failed_at=[hours(10 * after)]))) == {5, 6}


def test_a_rolled_back_range_is_one_deployment_back() -> None:
    found = listed(intervals=(*DEPLOYED[:2], interval(1, 9, 4)))
    assert {n: c.steps_back for n, c in found.items()} == {2: 1, 3: 1, 4: 1}


def test_changes_of_another_service_are_none_and_shared_code_is_everybodys() -> None:
    assert set(listed(touched={5: [THEIRS], 6: [SHARED], 4: ["README.md"]})) == {2, 3, 6}


def test_ranges_of_the_services_that_were_called_are_candidates_at_a_lower_share() -> None:
    intervals = (
        interval(1, 0, None),
        interval(4, 9, 1),
        interval(1, 0, None, "stock"),
        interval(6, 8, 1, "stock"),
    )
    found = listed(callees=["stock"], intervals=intervals, touched={5: [THEIRS], 6: [THEIRS]})
    assert {n for n, c in found.items() if c.is_callee} == {5, 6}
    assert (found[5].service, found[5].deployed_at) == ("stock", hours(8))
    assert found[5].share == pytest.approx(found[4].share * RULED.prior["callee_share"])


def test_changes_of_the_service_that_refused_the_call_count_in_full() -> None:
    intervals = (
        interval(1, 0, None),
        interval(4, 9, 1),
        interval(1, 0, None, "stock"),
        interval(6, 8, 1, "stock"),
    )
    found = listed(failing(callee="stock"), callees=["stock"], intervals=intervals, touched={6: [THEIRS]})
    assert found[6].is_callee
    assert found[6].share == found[4].share


BESIDE = (
    interval(1, 0, None),
    interval(4, 9, 1),
    interval(1, 0, None, "stock"),
    interval(6, 8, 1, "stock"),
)
"""Changes 5 and 6 ran in stock, which sent what checkout worked on."""


def test_ranges_of_the_services_that_sent_the_message_are_candidates_at_a_lower_share() -> None:
    found = listed(senders=["stock"], intervals=BESIDE, touched={5: [THEIRS], 6: [THEIRS]})
    assert {n for n, c in found.items() if c.is_sender} == {5, 6}
    assert not any(c.is_callee for c in found.values())
    assert {n for n, c in found.items() if c.is_own} == {2, 3, 4}
    assert (found[6].service, found[6].deployed_at) == ("stock", hours(8))
    assert found[6].share == pytest.approx(found[4].share * RULED.prior["sender_share"])


def test_a_service_that_sends_and_is_called_is_listed_as_a_callee() -> None:
    found = listed(senders=["stock"], callees=["stock"], intervals=BESIDE, touched={6: [THEIRS]})
    assert found[6].is_callee
    assert not found[6].is_sender


@pytest.mark.parametrize(
    "failure",
    [
        failing(callee="stock"),
        failing(is_dependency_leaf=True),
        failing(category=FailureCategory.RESOURCE_PERFORMANCE),
        failing(detector="operation_slower"),
    ],
    ids=["a peer refused", "a peer is away", "load", "drift"],
)
def test_what_no_message_can_bring_about_lists_no_senders(failure: FailureGroup) -> None:
    found = listed(failure, senders=["stock"], intervals=BESIDE, touched={6: [THEIRS]})
    assert not any(c.is_sender for c in found.values())


@pytest.mark.parametrize(("refused_by", "service"), [(None, "checkout"), ("stock", "stock")])
def test_each_change_is_listed_once_at_its_highest_share(refused_by: str | None, service: str) -> None:
    """Shared code that ran in both: deployed two steps back here, just now there."""
    ours = (interval(1, 0, None), interval(2, 3, 1), interval(3, 5, 2))
    theirs = (interval(1, 0, None, "stock"), interval(2, 9, 1, "stock"))
    found = listed(
        failing(callee=refused_by),
        callees=["stock", "checkout"],
        intervals=(*ours, *theirs),
        touched={2: [SHARED]},
    )
    assert set(found) == {2, 3}
    assert found[2].service == service
    assert found[2].share == found[3].share * (1 if refused_by else RULED.prior["older_range_decay"])


def test_a_change_that_only_blame_names_is_listed_and_weighs_less_than_any_range() -> None:
    found = listed(failing(frame(blamed=0)), changes={0: {"lines_added": 5000}})
    assert (found[0].steps_back, found[0].deployed_at, found[0].is_in_range) == (-1, None, False)
    assert found[0].share < min(c.share for n, c in found.items() if n)
    bound = round(RULED.prior["older_share_max"] ** (1 / RULED.prior["size_exponent"]))
    assert found[0].share == listed(failing(frame(blamed=0)), changes={0: {"lines_added": bound}})[0].share


def test_blame_of_a_change_in_a_range_does_not_list_it_again() -> None:
    assert listed(failing(frame(blamed=5), frame(blamed=4))) == listed()


def test_without_a_known_deployment_only_blame_lists_changes() -> None:
    found = listed(failing(frame(blamed=3)), intervals=())
    assert {n: c.steps_back for n, c in found.items()} == {3: -1}


def test_without_a_known_repository_nothing_is_listed() -> None:
    assert listed(failing(frame(blamed=3), repository=None), services={}) == {}


@pytest.mark.parametrize("kind", ["formatter", "docs"])
def test_what_can_hardly_fail_gets_a_token_share_however_large(kind: str) -> None:
    found = listed(changes={5: {"kind": kind, "lines_added": 5000}, 6: {"lines_added": 1}})
    assert found[5].share == RULED.prior["docs_or_test"] < found[6].share


@pytest.mark.parametrize("kind", ["configuration", "dependency", "lockfile"])
def test_configuration_and_dependencies_count_though_they_have_no_lines_of_code(kind: str) -> None:
    sizeless = {"lines_added": 0, "lines_deleted": 0}
    found = listed(changes={4: sizeless, 5: {"kind": kind, **sizeless}, 6: {"lines_added": 1}})
    assert found[5].share == found[6].share
    assert found[4].share < 0.1 * found[5].share


def test_larger_changes_have_larger_shares_up_to_a_bound() -> None:
    sizes = {2: 10, 3: 40, 4: int(RULED.prior["size_lines_max"]), 5: 50_000}
    intervals = (interval(1, 0, None), interval(6, 9, 1))
    found = listed(intervals=intervals, changes={n: {"lines_added": size} for n, size in sizes.items()})
    assert found[2].share < found[3].share < found[4].share == found[5].share
    assert found[3].share < 4 * found[2].share


def test_added_and_removed_lines_count_alike() -> None:
    found = listed(changes={5: {"lines_added": 30}, 6: {"lines_added": 0, "lines_deleted": 30}})
    assert found[5].share == found[6].share


def test_who_wrote_a_change_does_not_move_its_share() -> None:
    told = {n: {"origin": "ai", "ai_share": 1.0, "tools": ["claude-code"]} for n in range(20)}
    marked, plain = listed(changes=told), listed()
    assert {n: c.share for n, c in marked.items()} == {n: c.share for n, c in plain.items()}


HOTFIX = "f" * 40
"""A commit made on change 4, to which change 9 was picked before it landed."""
BRANCHES = {HOTFIX: Branch(CommitSha(sha(4)), (CommitSha(sha(9)),))}


def test_a_hotfix_that_never_landed_carries_what_was_picked_to_it() -> None:
    hotfixed = (interval(1, 0, None), interval(4, 5, 1), interval(0, 9, 4, sha=HOTFIX))
    assert {n: c.steps_back for n, c in listed(intervals=hotfixed, branches=BRANCHES).items()} == {
        **dict.fromkeys((2, 3, 4), 1),
        9: 0,
    }
    assert set(listed(intervals=hotfixed)) == {2, 3, 4}


def test_behind_a_hotfix_the_mainline_goes_on_from_where_it_was_made() -> None:
    behind = (interval(4, 0, 1), interval(0, 5, 4, sha=HOTFIX), interval(11, 9, 0, previous_sha=HOTFIX))
    found = listed(intervals=behind, branches=BRANCHES)
    assert {n for n, c in found.items() if c.steps_back == 0} == {5, 6, 7, 8, 10, 11}


def test_a_side_commit_that_ran_before_its_merge_carries_its_change_alone() -> None:
    """It landed with change 12, two hours after it ran."""
    side = "e" * 40
    ran = (interval(1, 0, None), interval(4, 5, 1), interval(0, 9, 4, sha=side))
    found = listed(
        intervals=ran,
        changes={12: {"commits": [side], "landed_at": hours(11)}},
        branches={side: Branch(CommitSha(sha(4)))},
    )
    assert {n for n, c in found.items() if c.steps_back == 0} == {12}

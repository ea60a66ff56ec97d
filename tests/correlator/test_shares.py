"""Whether two shares of failing requests differ."""

from math import log

from hypothesis import given
from hypothesis import strategies as st

from correlator.shares import Counted, dispersion, log_bayes_factor

COUNTS = st.integers(0, 400).flatmap(
    lambda total: st.integers(0, total).map(lambda failed: Counted(failed, total))
)


def test_a_share_that_differs_much_outweighs_chance_and_equal_ones_speak_for_one() -> None:
    assert log_bayes_factor(Counted(20, 100), Counted(0, 100)) > log(100)
    assert log_bayes_factor(Counted(20, 100), Counted(22, 100)) < 0


def test_no_requests_say_nothing() -> None:
    assert log_bayes_factor(Counted(5, 10), Counted(0, 0)) == 0


@given(COUNTS, COUNTS)
def test_it_does_not_matter_which_comes_first(one: Counted, other: Counted) -> None:
    assert abs(log_bayes_factor(one, other) - log_bayes_factor(other, one)) < 1e-9


def test_failures_in_bursts_say_less() -> None:
    steady, bursts = [Counted(2, 20)] * 6, [Counted(12, 20), *[Counted(0, 20)] * 5]
    assert dispersion(steady) == 1
    assert dispersion(bursts) > 5
    told = (Counted(12, 120), Counted(0, 120))
    assert log_bayes_factor(*told, dispersion=dispersion(bursts)) < log_bayes_factor(*told)

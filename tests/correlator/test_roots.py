import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from correlator.roots import root


@given(st.floats(-20, 20), st.floats(0.01, 30), st.floats(0.01, 30), st.sampled_from([1.0, -1.0]))
def test_the_zero_is_that_of_brents_method(zero: float, below: float, above: float, sign: float) -> None:
    def cubic(x: float) -> float:
        return sign * ((x - zero) ** 3 + (x - zero))

    found = root(cubic, zero - below, zero + above)
    assert found == pytest.approx(optimize.brentq(cubic, zero - below, zero + above), abs=1e-9)


def test_an_end_may_be_the_zero() -> None:
    assert root(math.sin, 0.0, 1.0) == 0.0
    assert root(lambda x: x - 1, 0.0, 1.0) == 1.0


def test_without_a_change_of_sign_there_is_none() -> None:
    with pytest.raises(ValueError, match="no change of sign"):
        root(math.cosh, -1.0, 1.0)

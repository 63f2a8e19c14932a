"""The softmax of 8-bit networks at scales where a step of the input decides everything."""

import numpy as np
import pytest

from orris.runtime.fixed_softmax import softmax_8_bits


@pytest.mark.parametrize("scale", [15.9, 16.0, 31.0, 64.0, 1e6, 1e30])
@pytest.mark.parametrize("winners", [1, 2, 4])
def test_only_the_largest_count_at_huge_scales(scale: float, winners: int) -> None:
    """exp(-scale) is nothing beside 1: the largest values share it evenly, in units of 1/256."""
    values = np.array([[7] * winners + [6, 0, -128, -1]], np.int8)
    shares = softmax_8_bits(values, scale, 1.0)[0]
    assert list(shares[winners:]) == [-128] * 4
    assert list(shares[:winners]) == [min(127, 256 // winners - 128)] * winners

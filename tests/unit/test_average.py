"""Division by multiplication: exact for every sum that matters, over all legal counts."""

import random

import pytest

from orris.compiler.average import average_scale


def by_hardware(total, count):
    """Single rounding, as the requantiser has it."""
    multiplier, shift = average_scale(count)
    assert 0 <= multiplier < 1 << 32 and -31 <= shift <= 30
    return (total * multiplier + (1 << (30 - shift))) >> (31 - shift)


def rounded(total, count):
    return (2 * abs(total) + count) // (2 * count) * (1 if total >= 0 else -1)


def test_small_counts_and_all_sums():
    for count in range(1, 50):
        for total in range(-256 * count, 256 * count + 1):
            assert by_hardware(total, count) == rounded(total, count), (total, count)


def test_where_it_is_closest(seed):
    """A wrong multiplier shows first beside ties at the largest sums: those of all counts up to 2^24."""
    rng = random.Random(seed)
    counts = {1 << n for n in range(25)} | {(1 << n) - 1 for n in range(1, 25)}
    counts |= {rng.randint(1, 1 << 24) for _ in range(3000)}
    for count in counts:
        largest = (1 << 31) // count  # the quotient of the largest sum
        for quotient in {0, 1, largest // 2, largest - 1, largest}:
            tie = quotient * count + count // 2
            for beside in (-2, -1, 0, 1, 2):
                for total in (tie + beside, -tie - beside):
                    if -(1 << 31) <= total < 1 << 31:
                        assert by_hardware(total, count) == rounded(total, count), (total, count)


@pytest.mark.parametrize("count", [0, -1, (1 << 24) + 1])
def test_other_counts(count):
    with pytest.raises(ValueError, match=rf"average of {count} values, expected 1 to 16777216"):
        average_scale(count)

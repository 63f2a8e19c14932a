"""Requantisation against its definition in Python integers; exact errors of the parameters."""

from fractions import Fraction

import numpy as np
import pytest

from orris.golden import Requant, TensorError, post_process, quantise_multiplier, requantise


def double_rounding(acc: int, multiplier: int, shift: int, width: int) -> int:
    """Two roundings as the reference kernels make them, one Python integer at a time."""
    left, right = max(shift, 0), max(-shift, 0)
    kept = (acc << left) % (1 << width)
    product = (kept - (1 << width) if kept >> (width - 1) else kept) * multiplier
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    high = abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)
    mask = (1 << right) - 1
    return (high >> right) + int((high & mask) > (mask >> 1) + int(high < 0))


def single_rounding(acc: int, multiplier: int, shift: int, width: int) -> int:
    return (acc * multiplier + (1 << (30 - shift))) >> (31 - shift)


DEFINITIONS = {"double": double_rounding, "single": single_rounding}


@pytest.mark.parametrize("seed", range(4))
def test_multiplier_is_the_nearest(seed: int):
    rng = np.random.default_rng(seed)
    for real in np.exp2(rng.uniform(-31, 20, 500)):
        multiplier, shift = quantise_multiplier(float(real))
        assert 1 << 30 <= multiplier < 1 << 31
        step = Fraction(2) ** (shift - 31)
        assert abs(multiplier * step - Fraction(float(real))) <= step / 2


def test_multiplier_edges():
    assert quantise_multiplier(1.0) == (1 << 30, 1)
    assert quantise_multiplier(0.5) == (1 << 30, 0)
    assert quantise_multiplier(0.0) == (0, 0)
    assert quantise_multiplier(1 - 2.0**-40) == (1 << 30, 1)  # rounds up to 2^31: halved, one more shift
    assert quantise_multiplier(2.0**-32) == (1 << 30, -31)
    assert quantise_multiplier(2.0**-33) == (0, 0)
    assert quantise_multiplier(2.0**29) == (1 << 30, 30)
    for real in (-0.5, float("inf"), float("nan")):
        with pytest.raises(TensorError, match="expected a finite number, not negative"):
            quantise_multiplier(real)
    with pytest.raises(TensorError) as error:
        quantise_multiplier(2.0**30)
    assert str(error.value) == "requantisation scale is 1073741824.0, the limit is below 2^30"


@pytest.mark.parametrize("rounding", DEFINITIONS)
@pytest.mark.parametrize(("acc_width", "width"), [(8, 32), (16, 32), (32, 32), (33, 48), (48, 48)])
def test_requantise(rounding: str, acc_width: int, width: int):
    """Random values, the rails and both sides of ties, over every shift; 64 bits do not suffice for all."""
    rng = np.random.default_rng(acc_width)
    rail = 1 << (acc_width - 1)
    acc = rng.integers(-rail, rail, 600)
    acc[:8] = -rail, -rail + 1, rail - 1, rail - 2, 0, 1, -1, 3
    shift = rng.integers(-31, 31, 600)
    multiplier = rng.integers(1 << 30, 1 << 31, 600)
    multiplier[::7] = 1 << 30  # powers of two give ties
    multiplier[::11] = (1 << 31) - 1
    multiplier[::13] = 0
    ours = requantise(acc, multiplier, shift, rounding, width)  # type: ignore[arg-type]
    definition = DEFINITIONS[rounding]
    given = zip(*(each.tolist() for each in (acc, multiplier, shift)), strict=True)
    expected = [definition(*values, width) for values in given]
    assert [int(value) for value in ours] == expected


def test_ties():
    """acc / 4: where the two modes part."""
    acc = np.array([1, 2, 3, 5, 6, 7, -1, -2, -3, -5, -6, -7])
    multiplier, shift = quantise_multiplier(0.25)
    assert requantise(acc, multiplier, shift, "single").tolist() == [0, 1, 1, 1, 2, 2, 0, 0, -1, -1, -1, -2]
    # First to halves, up on ties; then to whole numbers, away from zero on ties.
    assert requantise(acc, multiplier, shift, "double").tolist() == [1, 1, 1, 2, 2, 2, 0, -1, -1, -1, -2, -2]
    assert requantise(acc, multiplier, shift, "none").tolist() == acc.tolist()


def test_first_step_of_double_rounding_is_a_shift():
    """The identity the hardware may use: nudge by sign and divide towards zero = add 2^30 and shift down."""
    rng = np.random.default_rng(0)
    multiplier = 1 << 30
    acc = np.concatenate([np.arange(-9, 10), rng.integers(-(1 << 31), 1 << 31, 1000)])
    np.testing.assert_array_equal(
        requantise(acc, multiplier, 0, "double"), (acc * multiplier + (1 << 30)) >> 31
    )


def parameters(**change) -> dict:
    return {
        "bias": np.array([0, 10]),
        "multiplier": np.array([1 << 30, 1 << 30]),
        "shift": np.array([0, 1]),
        "zp_in": 0,
        "zp_out": -5,
        "act_min": -100,
        "act_max": 90,
        "rounding": "double",
    } | change


def test_post_process():
    psums = np.array([[40, -400, 401], [40, 85, -400]]).reshape(1, 2, 1, 3)
    ofmap = post_process(psums, Requant(**parameters()), np.int8)
    assert ofmap.dtype == np.int8
    # channel 0: acc / 2 - 5; channel 1: (acc + 10) - 5; both clamped to -100..90
    assert ofmap.reshape(2, 3).tolist() == [[15, -100, 90], [45, 90, -100]]


def test_bias_wraps_at_the_width_of_the_sum():
    psums = np.array([(1 << 31) - 1]).reshape(1, 1, 1, 1)
    requant = Requant.plain(np.array([3]), np.int16)
    assert post_process(psums, requant, np.int16).item() == -32768
    assert post_process(psums, requant, np.int16, width=48).item() == 32767


def test_plain():
    requant = Requant.plain(np.array([100, -100]), np.int8)
    psums = np.array([[20, 30], [-20, -30]]).reshape(1, 2, 1, 2)
    assert post_process(psums, requant, np.int8).reshape(2, 2).tolist() == [[120, 127], [-120, -128]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rounding": "half"}, "rounding is 'half', expected one of none, single, double"),
        ({"act_min": 91}, "act_min = 91 is above act_max = 90"),
        ({"bias": np.array([1 << 47, 0])}, f"bias holds {1 << 47}, expected {-(1 << 47)} to {(1 << 47) - 1}"),
        ({"multiplier": np.array([-1, 0])}, "multiplier holds -1, expected 0 to 2147483647"),
        ({"shift": np.array([0, 31])}, "shift holds 31, expected -31 to 30"),
        ({"shift": np.array([0])}, "shift has 1 entries, bias has 2: one per channel"),
        ({"shift": np.array([0.5, 1])}, "shift is float64 (2,), expected a list of integers"),
    ],
)
def test_wrong_parameters(change: dict, sentence: str):
    with pytest.raises(TensorError) as error:
        Requant(**parameters(**change))
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("change", "channels", "dtype", "sentence"),
    [
        ({}, 3, np.int8, "parameters are for 2 channels, the layer has M = 3"),
        ({}, 2, np.int32, "values are of type int32, expected int8 or int16"),
        ({"act_max": 128}, 2, np.int8, "act_max = 128 does not fit int8"),
        ({"zp_in": -129}, 2, np.int8, "zp_in = -129 does not fit int8"),
        ({}, 2, np.int16, "zp_out = -5, but int16 values have zero point 0"),
    ],
)
def test_parameters_that_do_not_fit(change: dict, channels: int, dtype: type, sentence: str):
    with pytest.raises(TensorError) as error:
        post_process(np.zeros((1, channels, 1, 1), np.int64), Requant(**parameters(**change)), dtype)
    assert str(error.value) == sentence

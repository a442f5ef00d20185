"""Rescaling rounds as LiteRT's reference kernels do."""

import math
from fractions import Fraction

import numpy as np
import pytest

from convert.integer_layers.rescaling import Rescaling, convolution_rescaling, dense_rescaling, fixed_point, mean_rescaling
from edge_runtime.errors import ModelFileError


def _high_multiply(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul as gemmlowp writes it; its division cuts towards 0."""
    nudge = 2**30 if a * b >= 0 else 1 - 2**30
    return math.trunc(Fraction(a * b + nudge, 2**31))


def _divide_by_power(x: int, exponent: int) -> int:
    """RoundingDivideByPOT as gemmlowp writes it."""
    mask = (1 << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def test_convolutions_round_twice_as_gemmlowp() -> None:
    """For sums of both signs, those near halves too, and for scales above and below 1."""
    random = np.random.default_rng(0)
    for scale in [*np.exp(random.uniform(-14, 1, 60)), 0.5, 0.25, 1.0, 2.0**-9]:
        rescaling = convolution_rescaling(np.float32(scale), np.float32(1), np.float32(1), 2**24)
        multiplier, exponent = fixed_point(float(np.float32(scale)))
        halves = [round((step + 0.5) / scale) + shift for step in range(-40, 40) for shift in (-1, 0, 1)]
        for total in [*map(int, random.integers(-(2**24), 2**24, 60)), *halves, 0, 1, -1]:
            if abs(total) <= 2**24:
                left = total << max(exponent, 0)
                assert rescaling.steps(total) == _divide_by_power(_high_multiply(left, multiplier), max(-exponent, 0))


def test_dense_layers_round_once() -> None:
    """As round(sum * scale), halves away from 0."""
    random = np.random.default_rng(0)
    for scale in np.exp(random.uniform(-12, -1, 60)):
        input_scale, weight_scale, output_scale = np.float32(scale), np.float32(0.37), np.float32(0.21)
        exact = float(input_scale) * float(weight_scale) / float(output_scale)
        if exact >= 0.5:
            continue
        rescaling = dense_rescaling(input_scale, weight_scale, output_scale, 2**22)
        for total in map(int, random.integers(-int(256 / exact), int(256 / exact) + 1, 200)):
            value = abs(total) * exact
            rounded = math.floor(value) + (value - math.floor(value) >= 0.5)
            assert rescaling.steps(total) == (rounded if total >= 0 else -rounded)


def test_halves_of_a_power_of_two_are_rounded_alike() -> None:
    """Exact halves are where one and two roundings differ."""
    rescaling = dense_rescaling(np.float32(2**-5), np.float32(1), np.float32(1), 10_000)
    assert [rescaling.steps(total) for total in (15, 16, 17, -15, -16, -17)] == [0, 1, 1, 0, -1, -1]


def test_means_divide_the_multiplier() -> None:
    """Which loses bits, and then round twice: the mean of 67 / 9 becomes 8, as LiteRT gives it."""
    assert mean_rescaling(np.float32(1), np.float32(1), 64, 255 * 64).steps(64 * 7) == 7
    assert mean_rescaling(np.float32(1), np.float32(1), 9, 255 * 9).steps(67) == 8
    multiplier = (2**30 << 3) // 9  # of 1, which is 2^30 * 2^(1 - 31), divided
    for total in range(-300, 300):
        expected = _divide_by_power(_high_multiply(total, multiplier), 2)
        assert mean_rescaling(np.float32(1), np.float32(1), 9, 255 * 9).steps(total) == expected


@pytest.mark.parametrize(("scale", "largest"), [(1.5, 2**30), (0.1, 2**31)])
def test_sums_of_more_than_31_bits_are_refused(scale: float, largest: int) -> None:
    """Before the C code could overflow."""
    with pytest.raises(ModelFileError, match="32 bits"):
        convolution_rescaling(np.float32(scale), np.float32(1), np.float32(1), largest)


def test_dense_layers_whose_outputs_are_finer_than_sums_are_refused() -> None:
    """Their rounding has no counterpart in the C code."""
    with pytest.raises(ModelFileError, match="dense layer"):
        dense_rescaling(np.float32(3), np.float32(1), np.float32(1), 1000)


def test_steps_stay_integers() -> None:
    """A zero scale gives zero."""
    assert Rescaling(0, 0, twice=True).steps(-1000) == 0

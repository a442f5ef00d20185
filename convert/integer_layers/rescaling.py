"""Integer rescaling of sums to output steps, with the roundings of LiteRT's reference kernels.

A sum becomes `(high(|sum| << left) * multiplier) + half) >> right` steps, with the sign of the sum, where `high` is the upper half of a
64-bit product, after `nudge` is added to it. Two kernels round differently:

- convolutions and means round twice, by a fixed-point multiplier (gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT);
- dense layers round `sum * scale` in float64 once. Rounding is monotonic, so that the integers do the same for every sum if they do so
  on both sides of each of the output's steps; that is checked here.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge_runtime.errors import ModelFileError

_STEPS = 256  # more than an 8-bit output moves from its zero point
_MAX_SUM = 2**31


@dataclass(frozen=True)
class Rescaling:
    """multiplier: uint32, twice the usual 31-bit one. shift: to the right; to the left if negative. twice: rounded twice."""

    multiplier: int
    shift: int
    twice: bool

    def steps(self, total: int) -> int:
        """Output steps of a sum, before the output's zero point is added: what the C code computes."""
        magnitude = abs(total) << max(-self.shift, 0)
        nudge = (2**31 - 2 * (total < 0)) if self.twice else 0
        high = (magnitude * self.multiplier + nudge) >> 32
        right = max(self.shift, 0)
        steps = (high + ((1 << right) >> 1)) >> right
        return -steps if total < 0 else steps


def fixed_point(scale: float) -> tuple[int, int]:
    """A scale as a multiplier of 31 bits and a shift to the left, as TFLite's QuantizeMultiplier."""
    fraction, exponent = math.frexp(scale)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, exponent = multiplier // 2, exponent + 1
    return (0, 0) if exponent < -31 else (multiplier, exponent)


def convolution_rescaling(input_scale: np.float32, weight_scale: np.float32, output_scale: np.float32, largest: int) -> Rescaling:
    """Of a convolution's channel, whose sums are at most `largest` in magnitude.

    Raises:
        ModelFileError: a sum would overflow 32 bits.
    """
    multiplier, exponent = fixed_point(float(input_scale) * float(weight_scale) / float(output_scale))
    return _twice(multiplier, exponent, largest)


def mean_rescaling(input_scale: np.float32, output_scale: np.float32, count: int, largest: int) -> Rescaling:
    """Of a mean of `count` values.

    Raises:
        ModelFileError: a sum would overflow 32 bits.
    """
    multiplier, exponent = fixed_point(float(input_scale) / float(output_scale))
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    return _twice((multiplier << shift) // count, exponent - shift, largest)


def dense_rescaling(input_scale: np.float32, weight_scale: np.float32, output_scale: np.float32, largest: int) -> Rescaling:
    """Of a dense layer's channel.

    Raises:
        ModelFileError: no multiplier of 32 bits rounds every sum as float64 does, or the output's steps are as fine as the sum's.
    """
    scale = float(input_scale) * float(weight_scale) / float(output_scale)
    multiplier, exponent = fixed_point(scale)
    if exponent <= -1 and largest < _MAX_SUM:
        for candidate in (0, 1, -1):
            rescaling = Rescaling(2 * multiplier + candidate, -exponent, twice=False)
            if _rounds_alike(rescaling, scale, largest):
                return rescaling
    raise ModelFileError(f"has a dense layer whose scale, {scale:g} output steps a unit of its sums, C integers do not round alike")


def _rounds_alike(rescaling: Rescaling, scale: float, largest: int) -> bool:
    """Whether a rescaling equals round(sum * scale), halves away from zero, for every sum up to `largest` in magnitude."""
    for step in range(_STEPS + 1):
        near = int((step + 0.5) / scale)
        for total in range(max(near - 2, 0), min(near + 3, largest) + 1):
            exact = total * scale
            rounded = math.floor(exact) + (exact - math.floor(exact) >= 0.5)
            if min(rescaling.steps(total), _STEPS) != min(rounded, _STEPS):
                return False
    return True


def _twice(multiplier: int, exponent: int, largest: int) -> Rescaling:
    if largest << max(exponent, 0) >= _MAX_SUM or exponent < -31:
        raise ModelFileError(f"has a layer whose sums of up to {largest:,} do not fit 32 bits, or whose scale is 2^{exponent}")
    return Rescaling(2 * multiplier, -exponent, twice=True)

"""Student's t distribution and Welch's test with the standard library alone: a board has no scipy."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log
from statistics import mean, variance

_STEPS = 10_000  # of the continued fraction, which takes a few dozen
_TINY, _EPSILON = 1e-300, 1e-16


def t_above(value: float, freedom: float) -> float:
    """The probability of a value above `value`, with `freedom` degrees of freedom; precise in the tail."""
    square = value * value
    tail = 0.5 * _incomplete_beta(freedom / (freedom + square), square / (freedom + square), freedom / 2, 0.5)
    return tail if value >= 0 else 1 - tail


def t_quantile(probability: float, freedom: float) -> float:
    """The value below which Student's t lies with this probability, of 0.5 to 1 (both excluded)."""
    low, high = 0.0, 1.0
    while t_above(high, freedom) > 1 - probability:
        low, high = high, 2 * high
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_above(middle, freedom) > 1 - probability else (low, middle)
    return high


@dataclass(frozen=True)
class Welch:
    """Welch's test of two means. greater, less: the one-sided p-values of the difference. interval: of the difference, at 95 %."""

    greater: float
    less: float
    interval: tuple[float, float]


def welch(values: Sequence[float], others: Sequence[float]) -> Welch:
    """Compare the mean of `values` with that of `others`; at least one of them varies, and each has two or more.

    Source: B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
    Biometrika 34 (1947).
    """
    errors = [variance(found) / len(found) for found in (values, others)]
    error, difference = sum(errors) ** 0.5, mean(values) - mean(others)
    freedom = sum(errors) ** 2 / sum(one**2 / (len(found) - 1) for one, found in zip(errors, (values, others), strict=True))
    half = t_quantile(0.975, freedom) * error
    ratio = difference / error
    return Welch(t_above(ratio, freedom), t_above(-ratio, freedom), (difference - half, difference + half))


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (https://dlmf.nist.gov/8.17.E22); y is 1 - x, unrounded."""
    if x <= 0 or y <= 0:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):  # where it converges slowly
        return 1 - _incomplete_beta(y, x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y)) / a
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < _EPSILON:
            break
    return front * fraction


def _away(value: float) -> float:
    """The value, or a tiny one in place of 0 (Lentz's method)."""
    return value if abs(value) > _TINY else _TINY

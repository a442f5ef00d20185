"""Affine quantisation as TFLite specifies it: real = (quantised - zero_point) * scale."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def quantize(values: ArrayLike, scale: float, zero_point: int, dtype: DTypeLike) -> NDArray[Any]:
    """Quantise real values: divide, add, round half to even, clip, then cast.

    Args:
        values: real numbers of any shape.
        scale: real size of one step; positive.
        zero_point: the integer that represents 0.
        dtype: an integer type; values are clipped to its range.
    """
    limits = np.iinfo(np.dtype(dtype))
    steps = np.asarray(values, np.float64) / scale + zero_point
    return np.clip(np.rint(steps), limits.min, limits.max).astype(dtype)


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Real numbers (float32) of quantised integers, which are widened before the zero point is subtracted."""
    return ((values.astype(np.int32) - zero_point) * np.float64(scale)).astype(np.float32)


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Probabilities over the last axis, float64. The largest logit is subtracted first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))

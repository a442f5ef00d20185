"""Quantisation against the definition, value by value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.quantization import dequantize, quantize, softmax

SCALES = st.floats(1e-6, 1e3)


@given(st.floats(-1e6, 1e6), SCALES, st.integers(-128, 127))
def test_quantising_is_rounding_to_even_and_clipping(value: float, scale: float, zero_point: int) -> None:
    """Python's own round, which rounds half to even, agrees."""
    expected = min(127, max(-128, round(value / scale + zero_point)))
    assert quantize([value], scale, zero_point, np.int8).tolist() == [expected]


@given(st.integers(-128, 127), SCALES, st.integers(-128, 127))
def test_what_was_dequantised_quantises_to_itself(value: int, scale: float, zero_point: int) -> None:
    """No step is lost on the way back."""
    real = dequantize(np.array([value], np.int8), scale, zero_point)
    assert quantize(real, scale, zero_point, np.int8).tolist() == [value]


def test_integers_are_widened_before_the_zero_point_is_taken_off() -> None:
    """127 - (-128) does not wrap around in int8."""
    assert dequantize(np.array([127], np.int8), 0.5, -128).tolist() == [127.5]
    assert dequantize(np.array([32767], np.int16), 1.0, -1).tolist() == [32768.0]


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=12))
def test_softmax_gives_probabilities(logits: list[float]) -> None:
    """They add up to 1, keep the order, and do not overflow."""
    scores = softmax(np.array(logits, np.float32))
    assert scores.sum() == pytest.approx(1)
    assert scores[int(np.argmax(logits))] == scores.max()

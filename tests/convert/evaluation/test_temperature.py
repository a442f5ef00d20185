"""The temperature: found again where it is known, and probabilities of the converted model that hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convert.evaluation.temperature import fit_temperature
from edge_runtime.common.quantization import softmax
from edge_runtime.model.manifest import TEMPERATURES


@given(st.floats(0.2, 5), st.integers(0, 1000))
def test_the_temperature_of_invented_logits_is_found(temperature: float, seed: int) -> None:
    """Labels are drawn with the probabilities that softmax gives of the logits over it."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(0, 2, (4_000, 10)).astype(np.float32)
    chances = np.cumsum(softmax(logits), axis=1)
    labels = (dice.random((4_000, 1)) > chances[:, :-1]).sum(axis=1).astype(np.uint8)
    assert fit_temperature(logits * np.float32(temperature), labels) == pytest.approx(temperature, rel=0.12)


def test_a_model_without_error_or_without_knowledge_is_bounded() -> None:
    """Without an error any temperature would be too high; where logits say nothing, the highest is best."""
    logits = np.eye(10, dtype=np.float32)[np.arange(100) % 10]
    assert fit_temperature(logits, (np.arange(100) % 10).astype(np.uint8)) == TEMPERATURES[0]
    assert fit_temperature(10 * logits, ((np.arange(100) + 1) % 10).astype(np.uint8)) == TEMPERATURES[1]

"""Cross-entropy after temperature scaling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.studies.training.calibrated import calibrated_loss


def _sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [200, 4] and labels that are drawn from their own softmax."""
    generator = np.random.RandomState(seed)
    logits = generator.normal(0, 2, (200, 4))
    odds = np.exp(logits)
    labels = np.array([generator.choice(4, p=row / row.sum()) for row in odds])
    return logits, labels


def _plain(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, labels, strict=True)]))


@given(st.integers(0, 1_000), st.floats(0.1, 10))
def test_being_more_or_less_sure_changes_nothing(seed: int, scale: float) -> None:
    """Logits times a number give the same, whatever it does to the plain cross-entropy."""
    logits, labels = _sample(seed)
    assert calibrated_loss(logits * scale, labels) == pytest.approx(calibrated_loss(logits, labels), abs=1e-4)


def test_it_is_the_least_over_temperatures() -> None:
    """No temperature of a grid gives less, and one near the minimum gives as much."""
    logits, labels = _sample(1)
    losses = [_plain(logits / temperature, labels) for temperature in np.linspace(0.2, 5, 500)]
    assert calibrated_loss(logits, labels) == pytest.approx(min(losses), abs=1e-4)
    assert calibrated_loss(logits, labels) <= min(losses) + 1e-9


def test_knowing_nothing_is_the_logarithm_of_the_classes() -> None:
    """Equal logits."""
    assert calibrated_loss(np.zeros((7, 10), np.float32), np.arange(7)) == pytest.approx(np.log(10))

"""Losses, compared with their formulas in numpy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from train.backend import tf
from train.config.training_config import Distillation, TrainingConfig
from train.model.losses import accuracy, cross_entropy, labels_of, make_loss

GENERATOR = np.random.RandomState(5)
LABELS = GENERATOR.randint(0, 10, 30)
LOGITS = GENERATOR.normal(0, 3, (30, 10)).astype(np.float32)
TEACHERS = GENERATOR.normal(0, 3, (30, 10)).astype(np.float32)
TARGETS = np.column_stack([LABELS, TEACHERS]).astype(np.float32)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _from_labels(logits: NDArray[Any], labels: NDArray[Any], smoothing: float = 0.0) -> NDArray[np.float64]:
    classes = logits.shape[1]
    return -np.sum((np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes) * _log_softmax(logits), axis=1)


def _from_teachers(logits: NDArray[Any], teachers: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    soft = np.exp(_log_softmax(teachers / temperature))
    return -np.sum(soft * _log_softmax(logits / temperature), axis=1) * temperature**2


def _mean_loss(config: TrainingConfig, targets: NDArray[Any], logits: NDArray[Any]) -> float:
    return float(np.mean(make_loss(config)(tf.constant(targets), tf.constant(logits))))


def _taught(temperature: float, weight: float, smoothing: float = 0.0) -> TrainingConfig:
    return TrainingConfig("linear", label_smoothing=smoothing, distillation=Distillation(("f00",), 1, temperature, weight))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_are_smoothed_over_all_classes(smoothing: float, shape: tuple[int, ...]) -> None:
    """Cross-entropy with a target whose smoothed part is spread over all classes; none by default."""
    config = TrainingConfig("linear", label_smoothing=smoothing)
    found = _mean_loss(config, LABELS.astype(np.int32).reshape(shape), LOGITS)
    assert found == pytest.approx(np.mean(_from_labels(LOGITS, LABELS, smoothing)), rel=1e-5)


LOGIT = st.floats(-30, 30, width=32)


@settings(max_examples=50)
@given(
    logits=arrays(np.float32, (4, 3), elements=LOGIT),
    teachers=arrays(np.float32, (4, 3), elements=LOGIT),
    temperature=st.floats(0.5, 50),
    weight=st.floats(0, 1),
    smoothing=st.floats(0, 0.9),
)
def test_teachers_and_labels_share_the_loss(
    logits: NDArray[Any], teachers: NDArray[Any], temperature: float, weight: float, smoothing: float
) -> None:
    """The weighted mean of cross-entropy with smoothed labels and with the teachers at a temperature, times its square."""
    labels = np.array([0, 1, 2, 1])
    targets = np.column_stack([labels, teachers]).astype(np.float32)
    found = make_loss(_taught(temperature, weight, smoothing))(tf.constant(targets), tf.constant(logits))
    expected = (1 - weight) * _from_labels(logits, labels, smoothing) + weight * _from_teachers(logits, teachers, temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_temperature_does_not_change_the_size_of_the_gradients() -> None:
    """At high temperature they approach the difference of the centred logits divided by classes, independent of the temperature."""
    said, taught = LOGITS / 10, TEACHERS / 10
    expected = (said - said.mean(axis=1, keepdims=True) - (taught - taught.mean(axis=1, keepdims=True))) / 10
    for temperature in (50, 100):
        with tf.GradientTape() as tape:
            tape.watch(logits := tf.constant(said))
            loss = make_loss(_taught(temperature, 1))(tf.constant(np.column_stack([LABELS, taught]), tf.float32), logits)
        np.testing.assert_allclose(tape.gradient(loss, logits), expected, atol=0.001)
    assert np.abs(expected).max() > 0.05


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn() -> None:
    """There the gradient of the distillation term is zero, elsewhere it is not."""
    for said, largest in ((TEACHERS, 1e-5), (TEACHERS + np.eye(10)[LABELS], 10)):
        with tf.GradientTape() as tape:
            tape.watch(logits := tf.constant(said, tf.float32))
            loss = make_loss(_taught(4, 1))(tf.constant(TARGETS), logits)
        gradient = np.abs(tape.gradient(loss, logits)).max()
        assert gradient < largest
        assert (gradient > 0.1) == (largest == 10)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_validation_has_no_teachers(shape: tuple[int, ...]) -> None:
    """Targets without teachers' logits use the labels, smoothed as in training."""
    found = _mean_loss(_taught(4, 0.9, 0.1), LABELS.astype(np.int32).reshape(shape), LOGITS)
    assert found == pytest.approx(np.mean(_from_labels(LOGITS, LABELS, 0.1)), rel=1e-5)


@pytest.mark.parametrize(
    "targets", [LABELS.astype(np.int32), LABELS.astype(np.float32)[:, None], TARGETS], ids=["1d", "2d", "taught"]
)
def test_metrics_look_at_the_labels_alone(targets: NDArray[Any]) -> None:
    """Whatever follows the label."""
    given_targets, logits = tf.constant(targets), tf.constant(LOGITS)
    np.testing.assert_array_equal(labels_of(given_targets), LABELS)
    np.testing.assert_array_equal(accuracy(given_targets, logits), LOGITS.argmax(axis=1) == LABELS)
    np.testing.assert_allclose(cross_entropy(given_targets, logits), _from_labels(LOGITS, LABELS), rtol=1e-4, atol=1e-5)

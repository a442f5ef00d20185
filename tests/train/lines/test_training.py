"""The line network learns lines, goes on where it was stopped, and its loss and paths are those of CTC."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from train.backend import keras
from train.data import Dataset
from train.lines.dataset import CLASSES, best_paths, held_out_lines
from train.lines.network import build_line_network, ctc_loss
from train.lines.training import LineConfig, predict_lines, train_lines

TINY = LineConfig(
    lines=256, drawn=20, validation_lines=20, channels=(4, 4, 4, 4, 8, 8, 8), epochs=2, batch_size=32, learning_rate=1e-3
)


def test_the_loss_is_that_of_all_paths() -> None:
    """The negative logarithm of the probability of every path that spells the digits, added up by hand."""
    logits = np.random.default_rng(0).normal(0, 1, (1, 4, CLASSES)).astype(np.float32)
    probabilities = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    spelled = 0.0
    for path in product((3, 7, CLASSES - 1), repeat=4):
        scores = np.full((1, 4, CLASSES), -1.0)
        scores[0, range(4), path] = 1
        if best_paths(scores) == ["37"]:
            spelled += float(np.prod(probabilities[range(4), path]))
    labels = np.array([[3, 7, -1, -1]], np.int32)
    assert float(ctc_loss(labels, logits)[0]) == pytest.approx(-np.log(spelled), rel=1e-4)


def test_paths_are_read_as_ctc_reads_them() -> None:
    """Repeated classes are one digit, unless a blank parts them."""
    for path, text in (((10, 1, 1, 10), "1"), ((1, 10, 1, 2), "112"), ((10, 10, 10, 10), ""), ((5, 5, 6, 5), "565")):
        scores = np.zeros((1, 4, CLASSES))
        scores[0, range(4), path] = 1
        assert best_paths(scores) == [text]


def test_an_output_column_depends_on_41_input_columns() -> None:
    """So that windows that overlap by more give the same outputs as the whole line."""
    network = build_line_network(TINY.channels, seed=1)
    line = np.random.default_rng(2).integers(0, 256, (1, 32, 120, 1)).astype(np.float32)
    before = network.predict_on_batch(line)
    line[:, :, 60] = 255 - line[:, :, 60]
    changed = np.flatnonzero(np.abs(network.predict_on_batch(line) - before).max(axis=(0, 2)) > 1e-6)
    assert changed.min() >= (60 - 20) // 2
    assert changed.max() <= (60 + 20) // 2


@pytest.mark.slow
def test_a_stopped_training_goes_on(mnist: Dataset, tmp_path: Path) -> None:
    """After its last epoch, to the same weights as without the stop."""
    told: list[str] = []
    whole = train_lines(TINY, mnist, tmp_path / "whole", told.append)
    assert [text.partition(":")[0] for text in told] == ["epoch 1 of 2", "epoch 2 of 2"]
    train_lines(replace(TINY, epochs=1), mnist, tmp_path / "stopped", told.append)
    resumed = train_lines(TINY, mnist, tmp_path / "stopped", told.append)
    assert len(told) == 4
    lines = held_out_lines(mnist.validation, 10)
    assert np.abs(predict_lines(whole, lines.images) - predict_lines(resumed, lines.images)).max() < 1.0
    assert isinstance(resumed, keras.Model)

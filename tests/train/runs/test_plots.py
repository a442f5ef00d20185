"""Plots: the grid shows the samples, the curves show the history, and the bytes are reproducible."""

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import Dataset, Split
from train.runs.plots import sample_grid, training_curves
from train.runs.store import Epoch

HISTORY = [Epoch(number, 1 / number, 0.5 + number / 20, 1.2 / number, 0.5 + number / 25) for number in range(1, 6)]


def decode(png: bytes) -> NDArray[np.uint8]:
    """A PNG as grey pixels."""
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("L"))


def grid_pixels(png: bytes, rows: int, columns: int) -> NDArray[np.uint8]:
    """The sample grid read back from a plot: the dark rectangle on the white page, sampled at pixel centres."""
    page = decode(png)
    dark = page < 128
    vertical = np.flatnonzero(dark.mean(axis=1) > 0.5)
    horizontal = np.flatnonzero(dark[vertical].mean(axis=0) > 0.5)
    height, width = rows * 29 - 1, columns * 29 - 1
    top, left = vertical[0] + 1, horizontal[0] + 1
    down = (top + (np.arange(height) + 0.5) * (vertical[-1] - top) / height).astype(int)
    right = (left + (np.arange(width) + 0.5) * (horizontal[-1] - left) / width).astype(int)
    return page[np.ix_(down, right)]


def test_the_grid_shows_the_first_samples_of_each_class(mnist: Dataset) -> None:
    """One row per class, in order: each cell has the pixels of its image only."""
    split = mnist.train.head(500)
    found = grid_pixels(sample_grid(split, each=6), rows=10, columns=6)
    for label in range(10):
        for column, index in enumerate(np.flatnonzero(split.labels == label)[:6]):
            cell = found[label * 29 : label * 29 + 28, column * 29 : column * 29 + 28].astype(int)
            differences = np.abs(split.images[:200].astype(int) - cell).mean(axis=(1, 2))
            assert differences[index] < 12
            assert differences.argmin() == index


def test_a_class_with_few_images_leaves_its_cells_empty(invented: Dataset) -> None:
    """Grey, not an image of another class."""
    images, labels = invented.x_test[:2], np.array([1, 0], np.uint8)
    found = grid_pixels(sample_grid(Split("few", images, labels), each=4), rows=2, columns=4)
    assert np.abs(found[:28, :28].astype(int) - images[1]).mean() < 6
    assert np.abs(found[29:, :28].astype(int) - images[0]).mean() < 6
    assert set(found[:28, 58:].ravel().tolist()) == {64}


def test_the_curves_depend_on_every_figure() -> None:
    """A change of one value changes the plot; the same history gives the same bytes."""
    first = training_curves(HISTORY, "run")
    assert training_curves(HISTORY, "run") == first
    pictures = {first, training_curves(HISTORY, "other run")}
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        pictures.add(training_curves([*HISTORY[:-1], replace(HISTORY[-1], **{name: 0.01})], "run"))
    assert len(pictures) == 6


def test_the_curves_have_content() -> None:
    """Two plots side by side, each with lines on white."""
    page = decode(training_curves(HISTORY, "run"))
    half = page.shape[1] // 2
    for side in (page[:, :half], page[:, half:]):
        assert 0.01 < np.mean(side < 200) < 0.3


def test_one_epoch_is_a_curve_too() -> None:
    """A run of a single epoch is drawn without a warning."""
    assert np.mean(decode(training_curves(HISTORY[:1], "run")) < 200) > 0.01

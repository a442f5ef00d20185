"""Plots of data and of training curves, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from train.data import Split
from train.runs.store import Epoch


def sample_grid(split: Split, each: int = 10) -> bytes:
    """The first `each` images of every class, one row per class."""
    classes = np.unique(split.labels)
    grid = np.full((len(classes) * 29 - 1, each * 29 - 1), 64, np.uint8)
    for row, label in enumerate(classes):
        for column, index in enumerate(np.flatnonzero(split.labels == label)[:each]):
            grid[row * 29 : row * 29 + 28, column * 29 : column * 29 + 28] = split.images[index]
    figure = Figure(figsize=(each * 0.6 + 0.6, len(classes) * 0.6 + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_yticks([row * 29 + 14 for row in range(len(classes))], [str(label) for label in classes])
    axes.set_xticks([])
    axes.set_title(f"The first images of each class ({split.name}, {len(split):,} images)", fontsize=10)
    return png(figure)


def training_curves(history: Sequence[Epoch], title: str) -> bytes:
    """Loss and accuracy by epoch, on training and validation images."""
    epochs = [epoch.epoch for epoch in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [epoch.loss for epoch in history], "o-", label="training", markersize=3)
    loss.plot(epochs, [epoch.val_loss for epoch in history], "o-", label="validation", markersize=3)
    accuracy.plot(epochs, [100 * epoch.accuracy for epoch in history], "o-", label="training", markersize=3)
    accuracy.plot(epochs, [100 * epoch.val_accuracy for epoch in history], "o-", label="validation", markersize=3)
    for axes, name, corner in ((loss, "cross-entropy", "upper right"), (accuracy, "accuracy in %", "lower right")):
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc=corner)  # loc="best" can take seconds
    figure.suptitle(title, fontsize=11)
    return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()

"""Plots of a conversion as PNG: images whose label changed, and the error of each operator."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convert.conversion import Conversion
from convert.evaluation.layer_errors import LayerError
from edge_runtime.common.quantization import softmax
from train.data import Split
from train.runs.plots import png

MAX_IMAGES = 24
_COLUMNS = 4


def changed_labels_gallery(
    split: Split, reference: NDArray[np.float32], candidate: NDArray[np.float32], labels: Sequence[str]
) -> bytes:
    """Draw the images to which two models give different labels, at most 24, with the scores of both models.

    Args:
        split: the images.
        reference: logits of the float model, float32 [N, classes].
        candidate: logits of the converted model, float32 [N, classes].
        labels: of the classes.
    """
    before, after = reference.argmax(axis=1), candidate.argmax(axis=1)
    changed = np.flatnonzero(before != after)
    shown = changed[:MAX_IMAGES]
    rows = max(1, -(-len(shown) // _COLUMNS))
    figure = Figure(figsize=(_COLUMNS * 3.2, rows * 1.7 + 0.7), layout="constrained")
    grid = figure.subplots(rows, 2 * _COLUMNS, squeeze=False, width_ratios=[1, 1.4] * _COLUMNS).ravel()
    for axes in grid:
        axes.set_axis_off()
    for place, index in enumerate(shown):
        picture, bars = grid[2 * place], grid[2 * place + 1]
        picture.imshow(split.images[index], cmap="gray", vmin=0, vmax=255)
        label = int(split.labels[index])
        picture.set_title(
            f"no. {index}, label {labels[label]}\nfloat {labels[before[index]]}, now {labels[after[index]]}",
            fontsize=7,
            loc="left",
        )
        bars.set_axis_on()
        classes = np.arange(len(labels))
        bars.bar(classes - 0.2, softmax(reference[index]), 0.4, color="C0", label="float")
        bars.bar(classes + 0.2, softmax(candidate[index]), 0.4, color="C1", label="converted")
        bars.set_ylim(0, 1)
        bars.set_xticks(classes, labels, fontsize=6)
        bars.tick_params(axis="y", labelsize=6)
        if place == 0:
            bars.legend(fontsize=6, loc="best")  # named, or a slow machine gets a warning
    rest = f", the first {len(shown)} shown" if len(shown) < len(changed) else ""
    figure.suptitle(f"{len(changed)} of {len(split):,} {split.name} images changed label{rest}", fontsize=10)
    return png(figure)


def layer_plot(errors: Mapping[str, Sequence[LayerError]]) -> bytes:
    """Plot the signal-to-noise ratio after each operator, one line a recipe."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    operators = {error.output: error.operator for layers in errors.values() for error in layers}
    places = {output: place for place, output in enumerate(operators)}
    for recipe, layers in errors.items():
        axes.plot(
            [places[error.output] for error in layers],
            [error.signal_to_noise for error in layers],
            "o-",
            label=recipe,
            markersize=4,
        )
    names = [f"{place} {operator}" for place, operator in enumerate(operators.values(), 1)]
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=7)
    axes.set_ylabel("signal-to-noise ratio, dB")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize=8)
    axes.set_title("Error of each operator's output against the float file", fontsize=10)
    return png(figure)


def cost_plot(conversions: Sequence[Conversion]) -> bytes:
    """Plot accuracy on test images against file size, and against latency where it was measured; a hollow point failed the gate."""
    timed = [conversion for conversion in conversions if conversion.cost]
    figure = Figure(figsize=(10 if timed else 5, 3.6), layout="constrained")
    panels = figure.subplots(1, 2 if timed else 1, sharey=True, squeeze=False)[0]
    for number, conversion in enumerate(conversions):
        accuracy = conversion.manifest.accuracy[-1].candidate
        low, high = accuracy.interval
        places = [conversion.model.file_bytes / 1_000, *([conversion.cost.nanoseconds / 1_000] if conversion.cost else [])]
        for axes, place in zip(panels, places, strict=False):
            axes.errorbar(
                place,
                accuracy.percent,
                yerr=[[accuracy.percent - low], [high - accuracy.percent]],
                fmt="o",
                color=f"C{number}",
                markerfacecolor=None if conversion.manifest.verdict.passed else "none",
                capsize=3,
                label=conversion.recipe.short,
            )
    for axes, name in zip(panels, ("file size, KB", "median latency of one image, us"), strict=False):
        axes.set_xlabel(name)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy on test images, %")
    panels[0].legend(fontsize=8, loc="best")
    return png(figure)

"""How many calibration images are enough: the same file made with few and with many, by each method, with several seeds.

`python -m tools.studies.conversion.calibration MODEL.keras` prints a table, from validation images.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.build import quantized
from convert.evaluation.evaluate import predict_split
from convert.quantization.activation_ranges import METHODS, ranges_on
from convert.quantization.recipes import RECIPES, Recipe
from convert.source.source import Source, load_source
from edge_runtime.common.text_table import text_table
from train.data import Dataset, calibration_indices, load_dataset

PER_CLASS = (1, 3, 10, 50, 200)
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class CalibrationRun:
    """One file, on validation images.

    images: how many it was calibrated with, as many of each class. correct, agreeing: of `total`; mean_square: of its logits' difference
    from the float file's.
    """

    recipe: str
    method: str
    images: int
    seed: int
    correct: int
    agreeing: int
    total: int
    mean_square: float


def study_calibration(
    path: Path,
    data: Dataset,
    recipes: list[Recipe],
    *,
    input_scale: str = "0..255",
    code: Path | None = None,
    step: Callable[[str], object] = lambda _: None,
) -> list[CalibrationRun]:
    """Quantise a Keras model with different calibration images, and judge each file on validation images.

    Args:
        path: the .keras file.
        data: what it was trained on.
        recipes: those with 8-bit activations.
        input_scale: of the pixels that the model wants.
        code: a Python file with layers of its own; it is executed.
        step: called with what is done next.

    Raises:
        DigitsError: the model cannot be used or converted.
    """
    source = load_source(path, data, "study", input_scale=input_scale, code=code)
    trials = []
    for recipe in recipes:
        for per_class in PER_CLASS:
            step(f"{recipe.short}: calibration with {per_class} of each class")
            trials += [_try(source, recipe, method, per_class, seed) for method in METHODS for seed in SEEDS]
    return trials


def _try(source: Source, recipe: Recipe, method: str, per_class: int, seed: int) -> CalibrationRun:
    train, validation = source.data.train, source.data.validation
    images = train.images[calibration_indices(train.labels, per_class, seed)]
    found = predict_split(quantized(source.floats, ranges_on(source.floats, images, method), recipe), source, validation)
    return CalibrationRun(
        recipe.short,
        method,
        len(images),
        seed,
        int(np.sum(found.indices == validation.labels)),
        int(np.sum(found.indices == source.validation_logits.argmax(axis=1))),
        len(validation),
        float(np.mean((found.logits - source.validation_logits) ** 2)),
    )


def study_table(trials: list[CalibrationRun]) -> str:
    """A row for each number of images and method: least and most over the seeds."""
    rows = []
    for key in dict.fromkeys((trial.recipe, trial.method, trial.images) for trial in trials):
        found = [trial for trial in trials if (trial.recipe, trial.method, trial.images) == key]
        rows.append((key[0], key[1], f"{key[2]:,}", *(_spread(found, name) for name in ("correct", "agreeing", "mean_square"))))
    total = f"of {trials[0].total:,}" if trials else ""
    return text_table(("recipe", "method", "images", f"right {total}", f"as float {total}", "mean square error"), rows)


def _spread(trials: list[CalibrationRun], name: str) -> str:
    values = [getattr(trial, name) for trial in trials]
    shape = ",d" if isinstance(values[0], int) else ".3g"
    return f"{min(values):{shape}} to {max(values):{shape}}"


if __name__ == "__main__":
    study = study_calibration(Path(sys.argv[1]), load_dataset(), [RECIPES["int8"], RECIPES["int4"]], step=print)
    print(study_table(study))

"""How well small pictures and corrupted images are read: `python -m tools.studies.device.robustness`; of `--split test` for the verdict.

Small pictures are those of `tests/photos.py`, corruptions the fifteen of MNIST-C; both are read as `digits classify` reads them. Beside
them the accuracy of the model on the corrupted images as they are.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.common.pixels import Batch
from edge_runtime.common.text_table import text_table
from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import Picture, to_picture
from tests.corruptions import CORRUPTIONS, corrupt
from tests.photos import CROPS, crop_picture
from tools.release.layout import run
from tools.support.split_study import study_split
from train.data import Split, load_dataset

MODELS = ("nano", "small", "base")
CHUNK = 500
"""Images that a process reads at a time."""


@dataclass(frozen=True)
class Robustness:
    """The accuracy of each model by kind: crops and corruptions as they are read, and corrupted images as they are."""

    split: str
    images: int
    crops: dict[str, dict[str, Accuracy]]
    corruptions: dict[str, dict[str, Accuracy]]
    unchanged: dict[str, dict[str, Accuracy]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Corrupt, read, report."""
    study_split(
        arguments, "device.robustness", "How well are small and corrupted pictures read?", "robustness.json", measure, as_text
    )


def measure(split_name: str, count: int | None, processes: int) -> Robustness:
    """Read crops and corruptions of the first `count` images of a split."""
    split: Split = getattr(load_dataset(), split_name).head(count)
    starts = range(0, len(split), CHUNK)
    found: dict[str, dict[str, dict[str, list[NDArray[np.int64]]]]] = {}
    with ProcessPoolExecutor(processes) as pool:
        parts = [split.images[start : start + CHUNK] for start in starts]
        for kind in (*CROPS, *CORRUPTIONS):
            for answers in pool.map(partial(_answers, kind), parts, starts):
                for way, models in answers.items():
                    for model, indices in models.items():
                        found.setdefault(way, {}).setdefault(model, {}).setdefault(kind, []).append(indices)
    judged = {
        way: {
            model: {kind: accuracy_of(np.concatenate(indices), split.labels) for kind, indices in kinds.items()}
            for model, kinds in models.items()
        }
        for way, models in found.items()
    }
    return Robustness(split_name, len(split), judged["crops"], judged["corruptions"], judged["unchanged"])


def _answers(kind: str, images: Batch, first: int) -> dict[str, dict[str, NDArray[np.int64]]]:
    """The classes that each model answers, -1 for no digit: by way and model, int64 [N]."""
    numbered = list(enumerate(images, first))
    if kind in CROPS:
        pictures = [to_picture(crop_picture(image, kind, seed)) for seed, image in numbered]
        return {"crops": {model: _indices(model, pictures) for model in MODELS}}
    corrupted = np.stack([corrupt(image, kind, seed) for seed, image in numbered])
    pictures = [to_picture(image) for image in corrupted]
    return {
        "corruptions": {model: _indices(model, pictures) for model in MODELS},
        "unchanged": {model: Classifier.load(model).classify_batch(corrupted).indices for model in MODELS},
    }


def _indices(model: str, pictures: list[Picture]) -> NDArray[np.int64]:
    found = Classifier.load(model).classify_pictures(pictures)
    return np.array([-1 if prediction.index is None else prediction.index for prediction in found], np.int64)


def mean_percent(accuracies: dict[str, Accuracy]) -> float:
    """The mean accuracy over the kinds, in percent."""
    return float(np.mean([accuracy.percent for accuracy in accuracies.values()]))


def as_text(report: Robustness) -> str:
    """The report as a table: a row a kind, a column a model."""
    rows = []
    for title, found in (("", report.crops), ("", report.corruptions), (" as it is", report.unchanged)):
        for kind in found[MODELS[0]]:
            rows.append((f"{kind}{title}", *(f"{found[model][kind].percent:.2f} %" for model in MODELS)))
        rows.append((f"mean{title}", *(f"{mean_percent(found[model]):.2f} %" for model in MODELS)))
    return text_table((f"{report.images:,} {report.split} images", *MODELS), rows)


if __name__ == "__main__":
    run(main)

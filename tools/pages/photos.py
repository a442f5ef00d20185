"""Writes the tables of docs/photos.md from committed results, and its picture; `--check` only compares tables."""

import io
import sys
from pathlib import Path

import numpy as np
import PIL.Image

from benchmarks.reporting.tables import accuracy_text, as_markdown
from edge_runtime.classify.output import explanation_row
from edge_runtime.common.json_codec import read_json
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.out_of_distribution import read_calibrations
from edge_runtime.preprocessing.image_files import read_picture
from tests.photos import invent_scene, jpeg_bytes, photograph
from tools.pages.marked import write_parts
from tools.release.layout import Layout, run
from tools.studies.device.photo_accuracy import PhotoReport
from train.data import load_dataset

PAGE = Path(__file__).parents[2] / "docs" / "photos.md"
PICTURE = PAGE.with_suffix(".png")
SHOWN = (50, 13, 22)
"""Seeds of the photos that are shown, of validation images."""


def main() -> None:
    """Write the picture, unless it is only to be checked, and the tables."""
    if "--check" not in sys.argv[1:]:
        PICTURE.write_bytes(picture())
    report = read_json(PhotoReport, Layout().results / "photos.json")
    write_parts(PAGE, {"likeness": likeness_part(), "accuracy": accuracy_part(report)}, "make readme")


def likeness_part() -> str:
    """False alarms and what is told, by model."""
    found = read_calibrations()
    kinds = list(next(iter(found.detection_rates.values())))
    rows = [
        (
            name,
            *(
                f"{value:.1f} %"
                for value in (of.false_alarms, of.photo_alarms, *(found.detection_rates[name][kind] for kind in kinds))
            ),
        )
        for name, of in found.models.items()
    ]
    return as_markdown(("model", "validation images", "photos of them", *kinds), rows)


def accuracy_part(report: PhotoReport) -> str:
    """Accuracy of photos by condition, a column a model."""
    models = report.models
    rows: list[tuple[str, ...]] = [
        ("originals", *(accuracy_text(model.originals) for model in models)),
        ("photos", *(accuracy_text(model.photos) for model in models)),
        ("**kept**", *(f"**{model.kept:.2f} %**" for model in models)),
        *((name, *(f"{model.groups[name].percent:.2f} %" for model in models)) for name in models[0].groups),
    ]
    if models[0].fonts:
        fonts = len(models[0].fonts) - 1
        rows.append((f"{fonts} handwriting fonts", *(accuracy_text(model.fonts["all"]) for model in models)))
        rows += (
            (f"font {name}", *(f"{model.fonts[name].percent:.1f} %" for model in models))
            for name in models[0].fonts
            if name != "all"
        )
    return as_markdown((f"{report.images:,} {report.split} images", *(model.model for model in models)), rows)


def picture() -> bytes:
    """Three explained photos, as a PNG file of few colours."""
    classifier, images = Classifier.load(), load_dataset().validation.images
    rows = []
    for seed in SHOWN:
        photo = jpeg_bytes(photograph(images[seed], invent_scene(seed)))
        rows.append(explanation_row(classifier.classify_picture(read_picture("photo.jpg", io.BytesIO(photo)), "photo.jpg")))
    stream = io.BytesIO()
    PIL.Image.fromarray(np.concatenate(rows)).quantize(32, dither=PIL.Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    run(main)

"""Tables of docs/results/photos.md, and the picture of docs/classify.md."""

import io

import numpy as np
import PIL.Image

from benchmarks.reporting.tables import accuracy_text, as_markdown
from edge_runtime.classify.output import explanation_row
from edge_runtime.common.json_codec import read_json
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.out_of_distribution import read_calibrations
from edge_runtime.preprocessing.image_files import read_picture
from edge_runtime.reading.line_record import read_record
from tests.photos import invent_scene, jpeg_bytes, photograph
from tools.release.layout import Layout
from tools.studies.device.photo_accuracy import PhotoReport
from tools.studies.device.reading import ReadingReport
from tools.studies.device.robustness import MODELS, Robustness, mean_percent
from train.data import load_dataset

SHOWN = (50, 13, 22)
"""Seeds of the photos that are shown, of validation images."""


def accuracy(layout: Layout) -> str:
    """Accuracy on photos, by condition."""
    return accuracy_part(read_json(PhotoReport, layout.results / "photos.json"))


def crops(layout: Layout) -> str:
    """Accuracy on small and tightly cropped pictures, by kind."""
    report = read_json(Robustness, layout.results / "robustness.json")
    rows = [(kind, *(f"{report.crops[model][kind].percent:.2f} %" for model in MODELS)) for kind in report.crops[MODELS[0]]]
    return as_markdown((f"{report.images:,} {report.split} images", *MODELS), rows)


def corruptions(layout: Layout) -> str:
    """Accuracy on the corruptions of MNIST-C, of each model alone and as `digits classify` reads them."""
    report = read_json(Robustness, layout.results / "robustness.json")
    ways = [
        (way, found[model])
        for model in MODELS
        for way, found in ((f"{model} alone", report.unchanged), (model, report.corruptions))
    ]
    rows = [(kind, *(f"{found[kind].percent:.2f} %" for _, found in ways)) for kind in report.unchanged[MODELS[0]]]
    rows.append(("**mean**", *(f"**{mean_percent(found):.2f} %**" for _, found in ways)))
    return as_markdown((f"{report.images:,} {report.split} images", *(way for way, _ in ways)), rows)


def out_of_distribution(_layout: Layout) -> str:
    """Warnings `unlike any digit` by model: false alarms, and pictures that are no digits."""
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


def confidence(_layout: Layout) -> str:
    """How well the confidence of pictures is calibrated, by model."""
    rows = [(name, f"{of.confidence_error:.2f} %") for name, of in read_calibrations().models.items()]
    return as_markdown(("model", "expected calibration error on photos"), rows)


def lines(layout: Layout) -> str:
    """Lines of digits on photos, by the gaps between digits."""
    report = read_json(ReadingReport, layout.results / "reading.json")
    rows = [
        (kind, *(f"{100 * value / of.lines:.1f} %" for value in (of.right, of.warned, of.silent)))
        for kind, of in report.kinds.items()
    ]
    head = f"photos of {report.lines:,} lines of {report.split} digits"
    return as_markdown((head, "wholly right", "right, with a warning", "wrong, without a warning"), rows)


def line_model(_layout: Layout) -> str:
    """The line model's file and the float network, on invented lines."""
    record = read_record()
    rows = [
        (f"{found.candidate.total:,} lines of {found.split} digits", accuracy_text(found.reference), accuracy_text(found.candidate))
        for found in (record.validation, record.test)
    ]
    return as_markdown(("wholly right", "float network", f"int8, {record.bytes:,} bytes"), rows)


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

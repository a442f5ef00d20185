"""How well photos of digits are read: `python -m tools.studies.device.photo_accuracy`, on validation images unless `--split test` is given.

Each image becomes one photo by the generator of the tests, compressed, and is read as `digits classify` reads it. Beside them digits of
Debian's handwriting fonts, where they are installed: nobody's writing that anything was trained or tuned on.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.common.pixels import Batch, Image
from edge_runtime.common.text_table import text_table
from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import read_picture
from tests.photos import JPEG_QUALITY, SIZES, Scene, draw_text, invent_scene, jpeg_bytes, photograph
from tools.release.layout import run
from tools.support.split_study import study_split
from train.data import load_dataset

MODELS = ("nano", "small", "base")
FONTS = (
    "bwht/BecauseWeBuild-Regular.otf",
    "bwht/BecauseWeConnect-Regular.otf",
    "bwht/BecauseWeCreate-Regular.otf",
    "bwht/BecauseWeLearn-Regular.otf",
    "bwht/BecauseWeMentor-Regular.otf",
    "bwht/BecauseWeOrganize-Regular.otf",
    "breip/Breip.ttf",
    "dancingscript/DancingScript-Regular.otf",
    "femkeklaver/femkeklaver.ttf",
    "fifthhorseman/dkg.ttf",
    "humor-sans/Humor-Sans.ttf",
    "klee/KleeOne-Regular.ttf",
    "kristi/Kristi.ttf",
    "rufscript/Rufscript010.ttf",
    "setofont.ttf",
    "sjfonts/Delphine.ttf",
    "sjfonts/SteveHand.ttf",
    "yusei-magic/YuseiMagic-Regular.ttf",
)
"""Handwriting fonts of Debian 12, below /usr/share/fonts; those that are not installed are passed over."""
FONT_PHOTOS = 24
"""Photos of each digit of each font: each paper, ink and size once."""
_FONT_SEEDS = 1_000_000
_GROUPS: dict[str, Callable[[Scene], str]] = {
    "paper": lambda scene: scene.paper,
    "ink": lambda scene: scene.ink,
    "light": lambda scene: scene.light,
    "size": lambda scene: next(f"{low:.0%} to {high:.0%}" for low, high in SIZES if scene.size <= high),
}


@dataclass(frozen=True)
class PhotoAccuracy:
    """Of one model. kept: the photos' accuracy in percent of the originals'. groups: photos by condition. fonts: photos of fonts."""

    model: str
    originals: Accuracy
    photos: Accuracy
    kept: float
    groups: dict[str, Accuracy]
    fonts: dict[str, Accuracy]


@dataclass(frozen=True)
class PhotoReport:
    """Of all models, on the images of a split."""

    split: str
    images: int
    jpeg_quality: int
    models: tuple[PhotoAccuracy, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Photograph, read, report."""
    study_split(arguments, "device.photo_accuracy", "How well are photos of digits read?", "photos.json", measure, as_text)


def measure(split_name: str, count: int | None, processes: int) -> PhotoReport:
    """Photograph and read the first `count` images of a split, and digits of the fonts that are installed."""
    split = getattr(load_dataset(), split_name).head(count)
    scenes = [invent_scene(seed) for seed in range(len(split))]
    glyphs = {path.stem: path for path in map(_find_font, FONTS) if path}
    with ProcessPoolExecutor(processes) as pool:
        photos = _read_all(pool, split.images, scenes)
        fonts = {name: _read_all(pool, *_font_scenes(str(path), number)) for number, (name, path) in enumerate(glyphs.items())}
    models = tuple(_judge(name, split.images, photos, split.labels, scenes, fonts) for name in MODELS)
    return PhotoReport(split_name, len(split), JPEG_QUALITY, models)


def _find_font(name: str) -> Path | None:
    return next(Path("/usr/share/fonts").glob(f"*/{name}"), None) or next(Path("/usr/share/fonts").glob(f"*/*/{name}"), None)


def _font_scenes(font: str, number: int) -> tuple[list[NDArray[np.uint8]], list[Scene]]:
    """Each digit of a font, 24 times, in scenes of its own."""
    glyphs = [draw_text(str(label), font) for label in range(10) for _ in range(FONT_PHOTOS)]
    return glyphs, [invent_scene(_FONT_SEEDS + number * len(glyphs) + seed) for seed in range(len(glyphs))]


def _read_all(pool: Executor, digits: Sequence[NDArray[np.uint8]] | Batch, scenes: Sequence[Scene]) -> Batch:
    return np.stack(list(pool.map(_read, digits, scenes, chunksize=20)))


def _read(digit: NDArray[np.uint8], scene: Scene) -> Image:
    return read_picture("photo", io.BytesIO(jpeg_bytes(photograph(digit, scene)))).image


def _judge(
    name: str, originals: Batch, photos: Batch, labels: NDArray[np.uint8], scenes: Sequence[Scene], fonts: dict[str, Batch]
) -> PhotoAccuracy:
    classifier = Classifier.load(name)
    answers = classifier.classify_batch(photos).indices
    before, after = accuracy_of(classifier.classify_batch(originals).indices, labels), accuracy_of(answers, labels)
    groups = {}
    for kind, values in _values(scenes):
        for value in sorted(set(values.tolist())):
            groups[f"{kind}: {value}"] = accuracy_of(answers[values == value], labels[values == value])
    truth = np.repeat(np.arange(10), FONT_PHOTOS)
    written = {font: accuracy_of(classifier.classify_batch(images).indices, truth) for font, images in fonts.items()}
    if fonts:
        total = accuracy_of(classifier.classify_batch(np.concatenate(list(fonts.values()))).indices, np.tile(truth, len(fonts)))
        written["all"] = total
    return PhotoAccuracy(name, before, after, 100 * after.correct / before.correct, groups, written)


def _values(scenes: Sequence[Scene]) -> Iterator[tuple[str, NDArray[np.str_]]]:
    return ((kind, np.array([group(scene) for scene in scenes])) for kind, group in _GROUPS.items())


def as_text(report: PhotoReport) -> str:
    """The report as a table: a column a model."""
    header = (f"{report.images:,} {report.split} images", *(model.model for model in report.models))
    rows: list[tuple[str, ...]] = [
        ("originals", *(f"{model.originals.percent:.2f} %" for model in report.models)),
        ("photos", *(f"{model.photos.percent:.2f} %" for model in report.models)),
        ("kept", *(f"{model.kept:.2f} %" for model in report.models)),
    ]
    for part in ("groups", "fonts"):
        for name in getattr(report.models[0], part):
            rows.append((name, *(f"{getattr(model, part)[name].percent:.2f} %" for model in report.models)))
    return text_table(header, rows)


if __name__ == "__main__":
    run(main)

"""One conversion: a Keras model to one recipe's self-describing file, proven against the float model on real images."""

import dataclasses
import hashlib
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.activations import METHODS, ranges_on
from convert.adapt import adapt, check_contract, load_keras
from convert.converter import to_flatbuffer
from convert.float_file import FloatFile
from convert.gate import Limits, class_drop_intervals, compare, judge
from convert.layers import LayerError, layer_errors
from convert.packaging import choose_golden, make_manifest, package
from convert.precision import spare_layers
from convert.recipes import RECIPES, Recipe
from convert.targets import parse_targets
from convert.trials import Fit
from edge_runtime.classifier import Classifications, Classifier
from edge_runtime.errors import BadArgument, InputError
from edge_runtime.manifest import Comparison, Manifest, Origin
from edge_runtime.model_file import ModelFile, is_model_text, parse_model_file
from edge_runtime.version import __version__
from train.backend import keras
from train.data import Dataset, Split, calibration_indices
from train.models import predict_logits
from train.runs import RECORD, TrainingRecord, read_record

LAYER_IMAGES = 500  # of validation, for errors of layers
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "litert-quantizer")
_THREADS = 2


@dataclass(frozen=True)
class ConversionSettings:
    """How to convert.

    limits: what the gate demands.
    qat: epochs of quantisation-aware training, for the recipes in `qat_recipes`; others are converted without.
    keep_passing: leave layers in higher precision where such a recipe would fail the gate on validation images.
    calibration: how ranges are found, one of `convert.activations.METHODS`.
    simplify: convert a simpler model that computes the same. Without it, a file is what TensorFlow's converter makes: to compare with.
    runs_on: where files have to run, as `convert.targets.parse_targets` takes it.
    try_runtimes: try files there, in environments that are made for it.

    Raises:
        BadArgument: no such method of calibration, or nothing known to run on.
    """

    limits: Limits = field(default_factory=Limits)
    qat: int = 0
    qat_recipes: tuple[str, ...] = ("int8", "int4")
    keep_passing: bool = False
    calibration: str = "min-max"
    simplify: bool = True
    runs_on: tuple[str, ...] = ()
    try_runtimes: bool = False

    def for_recipe(self, recipe: Recipe) -> "ConversionSettings":
        """The settings without what does nothing for a recipe, so that its manifest doesn't say that it did."""
        if recipe.activation_bits != 8:
            return dataclasses.replace(self, qat=0, keep_passing=False, calibration="min-max", runs_on=())
        settings = self if recipe.weight_bits == 4 else dataclasses.replace(self, runs_on=())
        return settings if recipe.short in self.qat_recipes else dataclasses.replace(settings, qat=0)

    def __post_init__(self) -> None:
        if self.calibration not in METHODS:
            raise BadArgument(f"unknown calibration method {self.calibration!r}; known are {', '.join(METHODS)}")
        parse_targets(self.runs_on)


DEFAULT_SETTINGS = ConversionSettings()


@dataclass(frozen=True)
class Source:
    """A Keras model to convert, what is known of it, and what it answers: float32 [N, classes] logits.

    floats: its float32 FlatBuffer, from which quantised ones are made and against which they are held.
    """

    name: str
    file_name: str
    sha256: str
    model: keras.Model
    record: TrainingRecord | None
    data: Dataset
    labels: tuple[str, ...]
    words: str
    validation_logits: NDArray[np.float32]
    test_logits: NDArray[np.float32]

    @property
    def calibration(self) -> tuple[int, ...]:
        """The calibration images: those that training recorded, else the data set's."""
        if self.record:
            return self.record.calibration_indices
        return tuple(calibration_indices(self.data.train.labels).tolist())

    @cached_property
    def floats(self) -> bytes:
        """The model as a float32 FlatBuffer."""
        return to_flatbuffer(self.model, RECIPES["fp32"], self.calibration_images)

    @property
    def calibration_images(self) -> NDArray[np.uint8]:
        """uint8 [N, 28, 28]."""
        return self.data.train.images[list(self.calibration)]


@dataclass(frozen=True)
class Conversion:
    """A converted model.

    content: of its file. manifest: with all figures and the verdict. layers: what each operator's output lost, on validation images.
    test_logits: float32 [N, classes], its answers to the test images. largest_logit_error: of those, beside the float model's.
    class_drop_intervals: of the drop of each class on test, in percentage points; all hold at once with 95 %.
    seconds: that it took, training and search for layers included. fit: whether it runs where it was asked to; None if nobody asked.
    """

    recipe: Recipe
    content: bytes
    manifest: Manifest
    model: ModelFile
    layers: tuple[LayerError, ...]
    test_logits: NDArray[np.float32]
    largest_logit_error: float
    class_drop_intervals: tuple[tuple[float, float], ...]
    seconds: float
    fit: Fit | None = None

    @property
    def runs_there(self) -> bool:
        """Whether nothing speaks against that it runs where it was asked to."""
        return self.fit is None or self.fit.runs

    @property
    def file_name(self) -> str:
        """Such as cnn-int8.tflite."""
        return self.recipe.file_name(self.manifest.name)


def load_source(
    path: Path,
    data: Dataset,
    name: str | None = None,
    *,
    labels: Sequence[str] | None = None,
    input_scale: str = "0..255",
    code: Path | None = None,
) -> Source:
    """Load a Keras model and ask it about the validation and test images.

    Beside it, training.json is read if it is there; it says which images to calibrate with, and on which data the model was trained.

    Args:
        path: the .keras file.
        data: what it was trained on.
        name: of the model; that of its run's folder if None.
        labels: of the classes; their numbers if None.
        input_scale: of the pixels that the model wants, one of `convert.adapt.SCALES`.
        code: a Python file with layers of its own; it is executed.

    Raises:
        ModelFileError: no Keras model that takes 784 pixel values and gives one number for each class of the data.
        DataError: training.json is damaged.
        InputError: the model was trained on other data, or with pixels of another scale.
        BadArgument: the file's name cannot be a model's, or the labels are not one for each class.
    """
    record_path = path.with_name(RECORD)
    record = read_record(record_path) if record_path.exists() else None
    name = name or (path.resolve().parent.name if record else path.stem)
    if not is_model_text(name):
        raise BadArgument(f"{path}: its name {name!a} is not 1 to 64 printable characters; give another with --name")
    labels = tuple(labels or map(str, range(data.classes)))
    if len(labels) != data.classes or len(set(labels)) != len(labels) or not all(map(is_model_text, labels)):
        raise BadArgument(
            f"{len(labels)} labels ({', '.join(labels)[:80]!a}), expected {data.classes} different ones of 1 to 64 printable characters"
        )
    content, model = load_keras(path, code)
    check_contract(path, model, data.classes)
    if record and record.data_sha256 != data.sha256:
        raise InputError(
            f"{path}: was trained on {record.data_source} (sha256 {record.data_sha256[:12]}), not on {data.source} "
            f"(sha256 {data.sha256[:12]}); give that one with --data"
        )
    model = adapt(path, model, input_scale, data.validation)
    return Source(
        name=name,
        file_name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        model=model,
        record=record,
        data=data,
        labels=labels,
        words=_source_words(path, labels, input_scale, code),
        validation_logits=predict_logits(model, data.validation.images),
        test_logits=predict_logits(model, data.test.images),
    )


def convert(source: Source, recipe: Recipe, settings: ConversionSettings = DEFAULT_SETTINGS) -> Conversion:
    """Convert to one recipe and judge the result: on validation images to choose by, on test images for the verdict.

    Raises:
        DigitsError: TensorFlow's converter or the quantiser failed.
        InputError: the model needs operators that a light runtime does not have, or that cannot be trained.
    """
    started = time.perf_counter()
    settings, data = settings.for_recipe(recipe), source.data
    flatbuffer, spared = _flatbuffer(source, recipe, settings)
    classifier = _classifier(flatbuffer, source.name)
    validation, test = (classifier.classify_batch(split.images) for split in (data.validation, data.test))
    accuracy = (
        _compared(data.validation, source.validation_logits, validation),
        _compared(data.test, source.test_logits, test),
    )
    manifest = make_manifest(
        name=source.name,
        recipe=recipe,
        labels=source.labels,
        flatbuffer=flatbuffer,
        accuracy=accuracy,
        verdict=judge(accuracy[1], settings.limits),
        origin=_origin(source, recipe, settings, spared),
        attribution=data.attribution,
    )
    content = package(flatbuffer, manifest, choose_golden(data.test, source.test_logits, test.outputs))
    return Conversion(
        recipe,
        content,
        manifest,
        parse_model_file(content),
        tuple(layer_errors(source.floats, flatbuffer, data.validation.images[:LAYER_IMAGES])),
        test.logits,
        float(np.abs(test.logits - source.test_logits).max()),
        class_drop_intervals(data.test.labels, source.test_logits.argmax(axis=1), test.indices),
        time.perf_counter() - started,
    )


def untrained(source: Source, recipe: Recipe, settings: ConversionSettings) -> bytes:
    """A FlatBuffer with the operators that `convert` would give, before any training or search for layers to spare.

    Raises:
        DigitsError: as `convert`.
    """
    return _flatbuffer(source, recipe, dataclasses.replace(settings.for_recipe(recipe), keep_passing=False), train=False)[0]


def _flatbuffer(
    source: Source, recipe: Recipe, settings: ConversionSettings, *, train: bool = True
) -> tuple[bytes, tuple[str, ...]]:
    """The FlatBuffer, and the layers that were left in higher precision."""
    if recipe.name == "float32" and settings.simplify:
        return source.floats, ()
    images = source.calibration_images
    by_quantizer = recipe.weight_bits == 4 or settings.qat or settings.calibration != "min-max"
    if recipe.activation_bits != 8 or not by_quantizer:
        flatbuffer = to_flatbuffer(source.model, recipe, images, simplify=settings.simplify)
        if not settings.keep_passing or _passes(source, settings, flatbuffer):
            return flatbuffer, ()

    from convert.quantizer import quantize, sparing, weight_bits, weighted
    from convert.runtime_bits import bits_that_run

    floats, ranges = source.floats, ranges_on(source.floats, images, settings.calibration)
    bits = weight_bits(floats, recipe.weight_bits)
    raised: tuple[str, ...] = ()
    if settings.runs_on:
        bits, raised = bits_that_run(floats, ranges, bits, settings.runs_on)
    if settings.qat and train:
        from convert.qat import train_for_integers

        config = source.record.config if source.record else None
        floats, ranges = train_for_integers(floats, source.data, ranges, bits, settings.qat, config)
    if not settings.keep_passing:
        return quantize(floats, ranges, bits), raised
    found = spare_layers(
        lambda layers: quantize(floats, ranges, sparing(bits, layers)),
        weighted(floats, bits),
        lambda content: _mean_square_error(source, content),
        lambda content: _passes(source, settings, content),
    )
    file = FloatFile(floats)
    return found.content, tuple(dict.fromkeys([*raised, *map(file.describe, found.layers)]))


def _classifier(flatbuffer: bytes, name: str) -> Classifier:
    return Classifier(parse_model_file(flatbuffer, name), threads=_THREADS, trusted=True)


def _passes(source: Source, settings: ConversionSettings, flatbuffer: bytes) -> bool:
    """Whether a file would pass the gate if the validation images were the test images."""
    validation = source.data.validation
    found = _classifier(flatbuffer, source.name).classify_batch(validation.images)
    return judge(_compared(validation, source.validation_logits, found), settings.limits).passed


def _mean_square_error(source: Source, flatbuffer: bytes) -> float:
    """Of the logits on validation images: finer than a count of images."""
    logits = _classifier(flatbuffer, source.name).classify_batch(source.data.validation.images).logits
    return float(np.mean((logits - source.validation_logits) ** 2))


def _compared(split: Split, logits: NDArray[np.float32], found: Classifications) -> Comparison:
    return compare(split.name, split.labels, logits.argmax(axis=1), found.indices)


def _origin(source: Source, recipe: Recipe, settings: ConversionSettings, spared: tuple[str, ...]) -> Origin:
    calibration = source.calibration if recipe.static else ()
    indices = hashlib.sha256(np.array(calibration, "<i8").tobytes()).hexdigest()
    return Origin(
        training=_training_essentials(source.record) if source.record else {},
        keras_sha256=source.sha256,
        data_sha256=source.data.sha256,
        calibration={**_calibration(settings, spared), "images": len(calibration), "indices_sha256": indices}
        if calibration
        else {},
        versions={"edge-digits": __version__, **{name: version(name) for name in _PACKAGES}},
        command=f"digits convert {source.words} --recipe {recipe.short} {_words(settings)}",
    )


def _calibration(settings: ConversionSettings, spared: tuple[str, ...]) -> dict[str, Any]:
    """How ranges were found, epochs that they were learned for on top, and the layers that were left in higher precision."""
    learned = {"qat_epochs": settings.qat} if settings.qat else {}
    return {"method": settings.calibration, **learned, **({"spared": list(spared)} if spared else {})}


def _words(settings: ConversionSettings) -> str:
    """The options of a command that has these settings."""
    limits = settings.limits
    options = {
        "max-drop": limits.max_drop,
        "min-accuracy": limits.min_accuracy,
        "min-agreement": limits.min_agreement,
        "qat": settings.qat or None,
        "calibration": None if settings.calibration == "min-max" else settings.calibration,
    }
    words = [
        f"--{name} {value if isinstance(value, str) else f'{value:g}'}" for name, value in options.items() if value is not None
    ]
    runs_on = [f"--runs-on {shlex.quote(text)}" for text in settings.runs_on]
    return " ".join([*words, *runs_on, *["--keep-passing"] * settings.keep_passing])


def _source_words(path: Path, labels: tuple[str, ...], input_scale: str, code: Path | None) -> str:
    """What a command says of the model, without folders."""
    named = f" --labels {shlex.quote(','.join(labels))}" if labels != tuple(map(str, range(len(labels)))) else ""
    return (
        path.name + named + f" --input-scale {input_scale}" * (input_scale != "0..255") + (f" --code {code.name}" if code else "")
    )


def _training_essentials(record: TrainingRecord) -> dict[str, Any]:
    return {
        "config": {**asdict(record.config), "hidden": list(record.config.hidden)},
        "parameters": record.parameters,
        "seconds": record.seconds,
        "validation_correct": record.validation.correct,
        "validation_total": record.validation.total,
        "versions": record.versions,
    }

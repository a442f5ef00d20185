"""One conversion: a Keras model to one recipe's self-describing file, proven against the float model on real images."""

import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.build import BuildResult, build_flatbuffer, classify_with, postprocess
from convert.compatibility.runtime_environments import CompatibilityReport
from convert.evaluation.gate import class_drop_intervals, compare, judge
from convert.evaluation.latency import Cost
from convert.evaluation.layer_errors import LayerError, layer_errors
from convert.flatbuffer.strip import strip
from convert.packaging import choose_golden, make_manifest, package, with_exact_floats
from convert.quantization.calibration import Calibration, calibration_warnings, choose_calibration
from convert.quantization.recipes import Recipe
from convert.settings import DEFAULT_SETTINGS, ConversionSettings
from convert.source.source import Source
from edge_runtime.inference.classifier import Classifications
from edge_runtime.model.manifest import Comparison, Manifest, Origin
from edge_runtime.model.model_file import ModelFile, parse_model_file
from edge_runtime.version import __version__
from train.data import Split
from train.runs.store import TrainingRecord

LAYER_IMAGES = 500  # of validation, for errors of layers
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "litert-quantizer")


@dataclass(frozen=True)
class Conversion:
    """A converted model.

    content: of its file. manifest: with all figures and the verdict. layers: what each operator's output lost, on validation images.
    test_logits: float32 [N, classes], its answers to the test images. largest_logit_error: of those, beside the float model's.
    class_drop_intervals: of the drop of each class on test, in percentage points; all hold at once with 95 %.
    seconds: that it took, training and search for layers included. made: how it came about.
    calibration_indices: of training images; empty if there are none. warnings: what its maker should know.
    cost: what an image costs here; None if that was not measured.
    fit: whether it runs where it was asked to; None if nobody asked.
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
    made: BuildResult
    calibration_indices: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    cost: Cost | None = None
    fit: CompatibilityReport | None = None

    @property
    def runs_there(self) -> bool:
        """Whether nothing speaks against that it runs where it was asked to."""
        return self.fit is None or self.fit.runs

    @property
    def file_name(self) -> str:
        """Such as cnn-int8.tflite."""
        return self.recipe.file_name(self.manifest.name)


def convert(source: Source, recipe: Recipe, settings: ConversionSettings = DEFAULT_SETTINGS) -> Conversion:
    """Convert to one recipe and judge the result: on validation images to choose by, on test images for the verdict.

    Raises:
        DigitsError: TensorFlow's converter or the quantiser failed.
        InputError: the model needs operators that a light runtime does not have, or that cannot be trained.
        DataError: the calibration images cannot be used.
    """
    started = time.perf_counter()
    settings, data = settings.for_recipe(recipe), source.data
    calibration = choose_calibration(settings.calibration, data.train, source.record) if recipe.static else None
    made = build_flatbuffer(source, recipe, settings, calibration)
    layers = layer_errors(strip(source.floats), strip(made.flatbuffer), data.validation.images[:LAYER_IMAGES])
    flatbuffer = postprocess(made.flatbuffer, settings)
    validation, test = (classify_with(flatbuffer, source, split) for split in ("validation", "test"))
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
        origin=_origin(source, recipe, settings, calibration, made),
        attribution=data.attribution,
    )
    golden = choose_golden(data.test, source.test_logits, test.outputs)
    content = package(flatbuffer, manifest, with_exact_floats(golden, source.floats, flatbuffer, recipe))
    return Conversion(
        recipe,
        content,
        manifest,
        parse_model_file(content),
        tuple(layers),
        test.logits,
        float(np.abs(test.logits - source.test_logits).max()),
        class_drop_intervals(data.test.labels, source.test_logits.argmax(axis=1), test.indices),
        time.perf_counter() - started,
        made,
        calibration.indices if calibration else (),
        tuple(calibration_warnings(calibration.images, data.train.images)) if calibration else (),
    )


def _compared(split: Split, logits: NDArray[np.float32], found: Classifications) -> Comparison:
    return compare(split.name, split.labels, logits.argmax(axis=1), found.indices)


def _origin(
    source: Source, recipe: Recipe, settings: ConversionSettings, calibration: Calibration | None, made: BuildResult
) -> Origin:
    return Origin(
        training=_training_essentials(source.record) if source.record else {},
        keras_sha256=source.sha256,
        data_sha256=source.data.sha256,
        calibration={**_how(settings, made), **calibration.facts} if calibration else {},
        versions={"edge-digits": __version__, **{name: version(name) for name in _PACKAGES}},
        command=f"digits convert {source.words} --recipe {recipe.short} {settings.words}",
    )


def _how(settings: ConversionSettings, made: BuildResult) -> dict[str, Any]:
    """How ranges were found, epochs that they were learned for on top, and the layers that were left in higher precision."""
    learned = {"qat_epochs": settings.qat} if settings.qat else {}
    higher = (*made.raised, *made.spared)
    return {"method": settings.calibration.method, **learned, **({"spared": list(dict.fromkeys(higher))} if higher else {})}


def _training_essentials(record: TrainingRecord) -> dict[str, Any]:
    return {
        "config": {**asdict(record.config), "hidden": list(record.config.hidden)},
        "parameters": record.parameters,
        "seconds": record.seconds,
        "validation_correct": record.validation.correct,
        "validation_total": record.validation.total,
        "versions": record.versions,
    }

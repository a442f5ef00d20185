"""Convert a Keras model by one recipe: build the FlatBuffer, judge it on real images, package it as a self-describing file."""

import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from convert.build import LITERT, BuildResult, build_flatbuffer
from convert.compatibility.check import CompatibilityReport, check_compatibility
from convert.compatibility.targets import parse_targets
from convert.evaluation.evaluate import Evaluation, evaluate
from convert.evaluation.latency import Cost
from convert.packaging import choose_golden, make_manifest, package, with_exact_floats
from convert.quantization.calibration import calibration_warnings
from convert.quantization.recipes import Recipe
from convert.settings import DEFAULT_SETTINGS, ConversionSettings
from convert.source.source import Source
from edge_runtime.model.manifest import Manifest, Origin
from edge_runtime.model.model_file import ModelFile, parse_model_file
from edge_runtime.version import __version__
from train.config.training_config import TrainingConfig
from train.runs.store import TrainingRecord

_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "litert-quantizer")


@dataclass(frozen=True)
class Conversion:
    """A model converted by one recipe.

    content: of the self-describing file.
    manifest: the one in it, with all figures and the verdict.
    model: the file as a device reads it.
    evaluation: what the model lost.
    build: how its FlatBuffer was built.
    seconds: time that took, with training, search and evaluation.
    warnings: differences of the calibration images from training images.
    compatibility: whether it runs on the targets; None without targets.
    cost: time of an image on this machine; None if not measured.
    """

    recipe: Recipe
    content: bytes
    manifest: Manifest
    model: ModelFile
    evaluation: Evaluation
    build: BuildResult
    seconds: float
    warnings: tuple[str, ...] = ()
    compatibility: CompatibilityReport | None = None
    cost: Cost | None = None

    @property
    def runs_on_targets(self) -> bool:
        """Whether the file runs on all targets; true without targets."""
        return self.compatibility is None or self.compatibility.runs

    @property
    def file_name(self) -> str:
        """Such as cnn-int8.tflite."""
        return self.recipe.file_name(self.manifest.name)


def convert(source: Source, recipe: Recipe, settings: ConversionSettings = DEFAULT_SETTINGS) -> Conversion:
    """Convert a model by one recipe.

    Raises:
        DigitsError: TensorFlow's converter or the quantiser failed.
        InputError: the model has operators that are not built in, or that cannot be trained.
        DataError: the calibration images cannot be used.
    """
    started = time.perf_counter()
    own, data = settings.for_recipe(recipe), source.data
    build = build_flatbuffer(source, recipe, own)
    evaluation = evaluate(source, build.flatbuffer, build.unfolded, own.limits)
    manifest = make_manifest(
        name=source.name,
        recipe=recipe,
        labels=source.labels,
        flatbuffer=build.flatbuffer,
        accuracy=evaluation.accuracy,
        verdict=evaluation.verdict,
        temperature=evaluation.temperature,
        origin=_origin(source, recipe, own, build),
        attribution=data.attribution,
    )
    golden = choose_golden(data.test, source.test_logits, evaluation.test.outputs)
    content = package(build.flatbuffer, manifest, with_exact_floats(golden, source.floats, build.flatbuffer, recipe))
    return Conversion(
        recipe,
        content,
        manifest,
        parse_model_file(content),
        evaluation,
        build,
        time.perf_counter() - started,
        tuple(calibration_warnings(build.calibration.images, data.train.images)) if build.calibration else (),
        _compatibility(content, settings),
    )


def _compatibility(content: bytes, settings: ConversionSettings) -> CompatibilityReport | None:
    targets = parse_targets(settings.runs_on)
    return check_compatibility(content, targets, try_runtimes=settings.try_runtimes) if targets else None


def _origin(source: Source, recipe: Recipe, settings: ConversionSettings, build: BuildResult) -> Origin:
    return Origin(
        training=_training_essentials(source.record) if source.record else {},
        keras_sha256=source.sha256,
        data_sha256=source.data.sha256,
        calibration={**_quantization_facts(recipe, settings, build), **build.calibration.facts} if build.calibration else {},
        versions={"edge-digits": __version__, **{name: version(name) for name in _PACKAGES}},
        command=f"digits convert {source.command_arguments} --recipe {recipe.short} {settings.command_options}",
    )


def is_unusual_quantizer(recipe: Recipe, build: BuildResult) -> bool:
    """Whether options made another quantiser than TensorFlow's quantise an 8-bit file."""
    return recipe.weight_bits == 8 and build.quantizer == LITERT


def _quantization_facts(recipe: Recipe, settings: ConversionSettings, build: BuildResult) -> dict[str, Any]:
    """Calibration method, epochs of quantisation-aware training, layers in higher precision, and an unusual quantiser."""
    learned = {"qat_epochs": settings.qat} if settings.qat else {}
    higher = list(dict.fromkeys((*build.promoted, *build.kept_higher)))
    quantizer = {"quantizer": build.quantizer} if is_unusual_quantizer(recipe, build) else {}
    return {"method": settings.calibration.method, **learned, **({"spared": higher} if higher else {}), **quantizer}


def _training_essentials(record: TrainingRecord) -> dict[str, Any]:
    return {
        "config": _settings(record.config),
        "parameters": record.parameters,
        "seconds": record.seconds,
        "validation_correct": record.validation.correct,
        "validation_total": record.validation.total,
        "versions": record.versions,
    }


def _settings(config: TrainingConfig) -> dict[str, Any]:
    """The settings of a training, without those that are off and that the first released models did not know: their manifests stay."""
    found = {**asdict(config), "hidden": list(config.hidden)}
    if not config.strokes:
        del found["strokes"]
    if config.augmentation:
        found["augmentation"] = config.augmentation.settings()
    return found

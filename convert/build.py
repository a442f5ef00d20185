"""From a Keras model to a FlatBuffer of one recipe: converted, or quantised from the float file, trained for it, layers spared."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convert.evaluation.gate import compare, judge
from convert.flatbuffer.float_model import FloatModel
from convert.flatbuffer.space_to_depth import to_space_to_depth
from convert.flatbuffer.strip import strip
from convert.quantization.activation_ranges import Range, ranges_on
from convert.quantization.calibration import Calibration, choose_calibration
from convert.quantization.mixed_precision import find_higher_precision
from convert.quantization.quantizer import quantize, weight_bits, weighted, with_more_bits
from convert.quantization.recipes import Recipe
from convert.quantization.runtime_bits import bits_that_run
from convert.settings import ConversionSettings
from convert.source.source import Source
from convert.source.tf_converter import to_flatbuffer, with_ranges
from edge_runtime.inference.classifier import Classifications, Classifier
from edge_runtime.model.model_file import parse_model_file

_THREADS = 2


@dataclass(frozen=True)
class BuildResult:
    """A FlatBuffer.

    raised: layers that have more bits so as to run where the file has to. spared: layers that have more bits so as to pass the gate;
    unspared: the file with none of these, if there are any; tried: how many files were made and judged to find them.
    """

    flatbuffer: bytes
    raised: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    unspared: bytes | None = None
    tried: int = 0


def build_flatbuffer(
    source: Source, recipe: Recipe, settings: ConversionSettings, calibration: Calibration | None, *, train: bool = True
) -> BuildResult:
    """Make the FlatBuffer of a recipe.

    TensorFlow's quantisers make it where they can; litert-quantizer makes 4-bit weights, ranges that were learned, and layers of higher
    precision.

    Args:
        source: the Keras model.
        recipe: how precise.
        settings: those for this recipe.
        calibration: images for a static recipe.
        train: leave training out if false: the file has the operators that it would have.

    Raises:
        DigitsError: the converter or the quantiser failed.
        InputError: the model needs operators that a light runtime does not have, or that cannot be trained.
    """
    if recipe.name == "float32" and settings.simplify:
        return BuildResult(source.floats)
    if calibration is None or (not settings.simplify and recipe.weight_bits == 8 and not settings.qat):
        images = calibration.images if calibration else None
        return BuildResult(to_flatbuffer(source.model, recipe, images, simplify=settings.simplify))
    ranges = ranges_on(source.floats, calibration.images, settings.calibration.method)
    if recipe.weight_bits == 8 and not settings.qat:
        flatbuffer = quantized(source.floats, ranges, recipe)
        if not settings.keep_passing or _passes(source, settings, flatbuffer):
            return BuildResult(flatbuffer)
    return _quantized(source, recipe, settings, ranges, train)


def quantized(floats: bytes, ranges: Mapping[int, Range], recipe: Recipe) -> bytes:
    """Quantise a float file to a static recipe: all layers alike, nothing trained.

    Raises:
        DigitsError: the quantiser failed.
    """
    if recipe.weight_bits == 8:
        return with_ranges(floats, ranges, recipe)
    return quantize(floats, ranges, weight_bits(floats, recipe.weight_bits))


def postprocess(flatbuffer: bytes, settings: ConversionSettings) -> bytes:
    """What is written: the same answers in less time and fewer bytes."""
    return strip(to_space_to_depth(flatbuffer, settings.fold_columns)) if settings.simplify else flatbuffer


def classify_with(flatbuffer: bytes, source: Source, split: str) -> Classifications:
    """What a FlatBuffer of ours says of the "validation" or "test" images."""
    classifier = Classifier(parse_model_file(flatbuffer, source.name), threads=_THREADS, in_process=True)
    return classifier.classify_batch(getattr(source.data, split).images)


def without_training(source: Source, recipe: Recipe, settings: ConversionSettings) -> bytes:
    """A FlatBuffer with the operators that a conversion would give, before any training or search for layers to spare.

    Raises:
        DigitsError: as `build_flatbuffer`.
    """
    settings = dataclasses.replace(settings.for_recipe(recipe), keep_passing=False)
    calibration = choose_calibration(settings.calibration, source.data.train, source.record) if recipe.static else None
    return postprocess(build_flatbuffer(source, recipe, settings, calibration, train=False).flatbuffer, settings)


def _quantized(
    source: Source, recipe: Recipe, settings: ConversionSettings, ranges: Mapping[int, Range], train: bool
) -> BuildResult:
    floats, bits = source.floats, weight_bits(source.floats, recipe.weight_bits)
    raised: tuple[str, ...] = ()
    if settings.runs_on:
        bits, raised = bits_that_run(floats, ranges, bits, settings.runs_on)
    if settings.qat and train:
        from convert.quantization.qat import train_for_integers

        config = source.record.config if source.record else None
        floats, ranges = train_for_integers(floats, source.data, ranges, bits, settings.qat, config)
    if not settings.keep_passing:
        return BuildResult(quantize(floats, ranges, bits), raised)
    found = find_higher_precision(
        lambda layers: quantize(floats, ranges, with_more_bits(bits, layers)),
        weighted(floats, bits),
        lambda content: _mean_square_error(source, content),
        lambda content: _passes(source, settings, content),
    )
    file, unspared = FloatModel(floats), quantize(floats, ranges, bits) if found.layers else None
    return BuildResult(found.content, raised, tuple(file.describe(number) for number in found.layers), unspared, found.tried)


def _passes(source: Source, settings: ConversionSettings, flatbuffer: bytes) -> bool:
    """Whether a file would pass the gate if the validation images were the test images."""
    validation = source.data.validation
    found = classify_with(flatbuffer, source, validation.name)
    reference = source.validation_logits.argmax(axis=1)
    return judge(compare(validation.name, validation.labels, reference, found.indices), settings.limits).passed


def _mean_square_error(source: Source, flatbuffer: bytes) -> float:
    """Of the logits on validation images: finer than a count of images."""
    logits = classify_with(flatbuffer, source, source.data.validation.name).logits
    return float(np.mean((logits - source.validation_logits) ** 2))

"""Build one recipe's FlatBuffer: convert, optionally fine-tune (QAT), quantise, keep layers in higher precision, fold and strip."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convert.compatibility.promotion import promote_unsupported
from convert.evaluation.evaluate import compare_with_float, predict_split
from convert.evaluation.gate import judge
from convert.flatbuffer.float_model import FloatModel
from convert.flatbuffer.space_to_depth import to_space_to_depth
from convert.flatbuffer.strip import strip
from convert.quantization.activation_ranges import Range, ranges_on
from convert.quantization.calibration import Calibration, choose_calibration
from convert.quantization.mixed_precision import find_higher_precision
from convert.quantization.quantizer import quantize, weight_bits, weighted, with_more_bits
from convert.quantization.recipes import Recipe
from convert.settings import ConversionSettings
from convert.source.source import Source
from convert.source.tf_converter import to_flatbuffer, with_ranges


@dataclass(frozen=True)
class BuildResult:
    """A FlatBuffer and how it was built.

    flatbuffer: the one to deploy, folded and stripped.
    unfolded: the one before folding, whose operators correspond to those of the float model.
    calibration: the images on which ranges were measured; None for a recipe without.
    promoted: layers with 8-bit weights in an int4 file because a target runtime does not run them with 4-bit weights.
    kept_higher: layers in higher precision so that the file passes the gate.
    without_kept_higher: the unfolded FlatBuffer without these; None if there are none.
    candidates: number of FlatBuffers built to find these.
    """

    flatbuffer: bytes
    unfolded: bytes
    calibration: Calibration | None = None
    promoted: tuple[str, ...] = ()
    kept_higher: tuple[str, ...] = ()
    without_kept_higher: bytes | None = None
    candidates: int = 0


def build_flatbuffer(source: Source, recipe: Recipe, settings: ConversionSettings, *, train: bool = True) -> BuildResult:
    """Build the FlatBuffer of a recipe.

    TensorFlow's quantisers are used where they can be; litert-quantizer where weights have 4 bits, ranges are learned or layers are kept in
    higher precision.

    Args:
        source: the Keras model.
        recipe: the precision.
        settings: those of this recipe (`ConversionSettings.for_recipe`).
        train: if false, skip quantisation-aware training; the operators are the same without it.

    Raises:
        DigitsError: the converter or the quantiser failed.
        InputError: the model has operators that are not built in, or that cannot be trained.
        DataError: the calibration images cannot be used.
    """
    calibration = choose_calibration(settings.calibration, source.data.train, source.record) if recipe.static else None
    built = _unfolded(source, recipe, settings, calibration, train)
    return dataclasses.replace(built, flatbuffer=postprocess(built.unfolded, settings), calibration=calibration)


def without_training(source: Source, recipe: Recipe, settings: ConversionSettings) -> bytes:
    """Build a FlatBuffer with the operators of the final one, without training and without a search for layers in higher precision.

    Raises:
        DigitsError: as `build_flatbuffer`.
    """
    settings = dataclasses.replace(settings.for_recipe(recipe), keep_passing=False)
    return build_flatbuffer(source, recipe, settings, train=False).flatbuffer


def quantized(floats: bytes, ranges: Mapping[int, Range], recipe: Recipe) -> bytes:
    """Quantise a float FlatBuffer by a static recipe, all layers alike and without training.

    Raises:
        DigitsError: the quantiser failed.
    """
    if recipe.weight_bits == 8:
        return with_ranges(floats, ranges, recipe)
    return quantize(floats, ranges, weight_bits(floats, recipe.weight_bits))


def postprocess(flatbuffer: bytes, settings: ConversionSettings) -> bytes:
    """Fold the first convolution's columns into channels and strip what interpreters do not need; outputs stay the same."""
    return strip(to_space_to_depth(flatbuffer, settings.fold_columns)) if settings.simplify else flatbuffer


def _unfolded(
    source: Source, recipe: Recipe, settings: ConversionSettings, calibration: Calibration | None, train: bool
) -> BuildResult:
    if recipe.name == "float32" and settings.simplify:
        return _not_folded(source.floats)
    if calibration is None or (not settings.simplify and recipe.weight_bits == 8 and not settings.qat):
        images = calibration.images if calibration else None
        return _not_folded(to_flatbuffer(source.model, recipe, images, simplify=settings.simplify))
    ranges = ranges_on(source.floats, calibration.images, settings.calibration.method)
    if recipe.weight_bits == 8 and not settings.qat:
        flatbuffer = quantized(source.floats, ranges, recipe)
        if not settings.keep_passing or _passes(source, settings, flatbuffer):
            return _not_folded(flatbuffer)
    return _mixed(source, recipe, settings, ranges, train)


def _not_folded(flatbuffer: bytes) -> BuildResult:
    return BuildResult(flatbuffer, flatbuffer)


def _mixed(source: Source, recipe: Recipe, settings: ConversionSettings, ranges: Mapping[int, Range], train: bool) -> BuildResult:
    """Quantise by litert-quantizer, with a number of weight bits for each layer."""
    floats, bits = source.floats, weight_bits(source.floats, recipe.weight_bits)
    promoted: tuple[str, ...] = ()
    if settings.runs_on:
        bits, promoted = promote_unsupported(floats, ranges, bits, settings.runs_on)
    if settings.qat and train:
        from convert.quantization.qat import train_for_integers

        config = source.record.config if source.record else None
        floats, ranges = train_for_integers(floats, source.data, ranges, bits, settings.qat, config)
    uniform = quantize(floats, ranges, bits)
    if not settings.keep_passing:
        return dataclasses.replace(_not_folded(uniform), promoted=promoted)
    chosen = find_higher_precision(
        lambda layers: quantize(floats, ranges, with_more_bits(bits, layers)),
        weighted(floats, bits),
        lambda content: _mean_square_error(source, content),
        lambda content: _passes(source, settings, content),
    )
    model = FloatModel(floats)
    return dataclasses.replace(
        _not_folded(chosen.content),
        promoted=promoted,
        kept_higher=tuple(model.describe(output) for output in chosen.layers),
        without_kept_higher=uniform if chosen.layers else None,
        candidates=chosen.candidates,
    )


def _passes(source: Source, settings: ConversionSettings, flatbuffer: bytes) -> bool:
    """Whether the gate would pass a FlatBuffer if the validation images were the test images."""
    validation = source.data.validation
    comparison = compare_with_float(source, validation, predict_split(flatbuffer, source, validation))
    return judge(comparison, settings.limits).passed


def _mean_square_error(source: Source, flatbuffer: bytes) -> float:
    """Mean square error of the logits on validation images, which differs between files that agree on all labels."""
    logits = predict_split(flatbuffer, source, source.data.validation).logits
    return float(np.mean((logits - source.validation_logits) ** 2))

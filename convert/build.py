"""Build one recipe's FlatBuffer: convert, optionally fine-tune (QAT), quantise, keep layers in higher precision, fold and strip."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convert.compatibility.promotion import promote_unsupported
from convert.evaluation.evaluate import compare_with_float, predict_split
from convert.evaluation.gate import judge
from convert.flatbuffer.float_model import FloatModel
from convert.flatbuffer.space_to_depth import to_space_to_depth
from convert.flatbuffer.strip import strip
from convert.quantization.activation_ranges import Range, ranges_on
from convert.quantization.calibration import Calibration, choose_calibration
from convert.quantization.mixed_precision import Layers, find_higher_precision
from convert.quantization.quantizer import quantize, weight_bits, weighted, with_more_bits
from convert.quantization.recipes import Recipe
from convert.settings import ConversionSettings
from convert.source.source import Source
from convert.source.tf_converter import to_flatbuffer, with_ranges
from edge_runtime.errors import InputError
from edge_runtime.model.graph import read_graph

TENSORFLOW, LITERT = "tensorflow", "litert-quantizer"


@dataclass(frozen=True)
class BuildResult:
    """A FlatBuffer and how it was built.

    flatbuffer: the one to deploy, folded and stripped.
    unfolded: the one before folding, whose operators correspond to those of the float model.
    calibration: the images on which ranges were measured; None for a recipe without.
    promoted: layers with 8-bit weights in an int4 file because a target runtime does not run them with 4-bit weights.
    kept_higher: layers in higher precision so that the file passes the gate on validation images.
    without_kept_higher: the unfolded FlatBuffer without these; None if there are none.
    candidates: number of FlatBuffers built to find these.
    quantizer: package that rounded weights and activations; empty for floats.
    none_passes: whether no choice of layers lets the file pass there, so that none was taken.
    """

    flatbuffer: bytes
    unfolded: bytes
    calibration: Calibration | None = None
    promoted: tuple[str, ...] = ()
    kept_higher: tuple[str, ...] = ()
    without_kept_higher: bytes | None = None
    candidates: int = 0
    quantizer: str = ""
    none_passes: bool = False


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
        InputError: the model has operators that are not built in, or that cannot be trained, or no layer for 4-bit weights.
        DataError: the calibration images cannot be used.
    """
    calibration = choose_calibration(settings.calibration, source.data.train, source.record) if recipe.static else None
    built = _unfolded(source, recipe, settings, calibration, train)
    if recipe.weight_bits == 4 and not any(tensor.dtype == "int4" for tensor in read_graph(built.unfolded).tensors):
        raise InputError("the model has no layer whose weights can have 4 bits, so an int4 file would be int8; use --recipe int8")
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
        floats = recipe.name.startswith("float")
        return _not_folded(
            to_flatbuffer(source.model, recipe, images, simplify=settings.simplify), quantizer="" if floats else TENSORFLOW
        )
    ranges = ranges_on(source.floats, calibration.images, settings.calibration.method)
    if recipe.weight_bits == 8 and not settings.qat:
        flatbuffer = quantized(source.floats, ranges, recipe)
        if not settings.keep_passing or _passes(source, settings, flatbuffer):
            return _not_folded(flatbuffer, quantizer=TENSORFLOW)
    return _mixed(source, recipe, settings, ranges, train)


def _not_folded(flatbuffer: bytes, **facts: Any) -> BuildResult:
    return BuildResult(flatbuffer, flatbuffer, **facts)


def _mixed(source: Source, recipe: Recipe, settings: ConversionSettings, ranges: Mapping[int, Range], train: bool) -> BuildResult:
    """Quantise by litert-quantizer, with a number of weight bits for each layer."""
    floats, bits = source.floats, weight_bits(source.floats, recipe.weight_bits)
    promoted: tuple[str, ...] = ()
    if settings.runs_on:
        bits, promoted = promote_unsupported(floats, ranges, bits, settings.runs_on)

    def untrained(layers: Layers) -> bytes:
        return quantize(floats, ranges, with_more_bits(bits, layers))

    def trained(layers: Layers) -> bytes:
        # Training rounds weights to the steps of their precision, so each choice of precisions is trained anew.
        from convert.quantization.qat import train_for_integers

        config, own_bits = source.record.config if source.record else None, with_more_bits(bits, layers)
        return quantize(*train_for_integers(floats, source.data, ranges, own_bits, settings.qat, config), own_bits)

    build = trained if settings.qat and train else untrained
    if not settings.keep_passing:
        return _not_folded(build(frozenset()), promoted=promoted, quantizer=LITERT)
    layers = weighted(floats, bits)
    chosen = find_higher_precision(
        build,
        layers,
        lambda content: _mean_square_error(source, content),
        lambda content: _passes(source, settings, content),
        draft=untrained,
    )
    if not chosen.passed or len(chosen.layers) == len(
        layers
    ):  # if all layers were in higher precision, the recipe would be another
        return _not_folded(chosen.uniform, promoted=promoted, candidates=chosen.candidates, quantizer=LITERT, none_passes=True)
    model = FloatModel(floats)
    return _not_folded(
        chosen.content,
        promoted=promoted,
        quantizer=LITERT,
        kept_higher=tuple(model.describe(output) for output in chosen.layers),
        without_kept_higher=chosen.uniform if chosen.layers else None,
        candidates=chosen.candidates,
    )


def _passes(source: Source, settings: ConversionSettings, flatbuffer: bytes) -> bool:
    """Whether the gate would pass a FlatBuffer on validation images, with limits that so many images can prove."""
    validation = source.data.validation
    comparison = compare_with_float(source, validation, predict_split(flatbuffer, source, validation))
    return judge(comparison, settings.limits.provable(len(validation))).passed


def _mean_square_error(source: Source, flatbuffer: bytes) -> float:
    """Mean square error of the logits on validation images, which differs between files that agree on all labels."""
    logits = predict_split(flatbuffer, source, source.data.validation).logits
    return float(np.mean((logits - source.validation_logits) ** 2))

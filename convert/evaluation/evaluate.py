"""Evaluate a converted model on validation and test images, paired with the float model that it was made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.evaluation.gate import Limits, class_drop_intervals, compare, judge
from convert.evaluation.layer_errors import LayerError, layer_errors
from convert.evaluation.temperature import fit_temperature
from convert.flatbuffer.strip import strip
from convert.source.source import Source
from edge_runtime.inference.classifier import Classifications, Classifier
from edge_runtime.model.manifest import Comparison, Verdict
from edge_runtime.model.model_file import parse_model_file
from train.data import Split

LAYER_IMAGES = 500  # validation images on which layers are compared
_THREADS = 2


@dataclass(frozen=True)
class Evaluation:
    """What a converted model lost.

    accuracy: comparisons with the float model on validation and on test images.
    verdict: the gate's, on test images.
    layers: the error of each operator's output, on validation images.
    test: predictions for the test images.
    temperature: of the converted model, by validation images.
    largest_logit_error: the largest difference of a logit from the float model's, on test images.
    class_drop_intervals: interval of each class's drop on test images in percentage points, simultaneous at 95 %.
    """

    accuracy: tuple[Comparison, ...]
    verdict: Verdict
    layers: tuple[LayerError, ...]
    test: Classifications
    temperature: float
    largest_logit_error: float
    class_drop_intervals: tuple[tuple[float, float], ...]


def evaluate(source: Source, flatbuffer: bytes, unfolded: bytes, limits: Limits) -> Evaluation:
    """Evaluate a converted model: validation images serve choices, test images the verdict.

    Args:
        source: the float model and the images.
        flatbuffer: the converted model.
        unfolded: the same before its first convolution was folded, to compare operator by operator.
        limits: what the gate demands.
    """
    data = source.data
    validation, test = (predict_split(flatbuffer, source, split) for split in (data.validation, data.test))
    accuracy = (compare_with_float(source, data.validation, validation), compare_with_float(source, data.test, test))
    return Evaluation(
        accuracy,
        judge(accuracy[1], limits),
        tuple(layer_errors(strip(source.floats), strip(unfolded), data.validation.images[:LAYER_IMAGES])),
        test,
        fit_temperature(validation.logits, data.validation.labels),
        float(np.abs(test.logits - source.test_logits).max()),
        class_drop_intervals(data.test.labels, source.test_logits.argmax(axis=1), test.indices),
    )


def predict_split(flatbuffer: bytes, source: Source, split: Split) -> Classifications:
    """Predictions of a FlatBuffer of ours for a split's images."""
    classifier = Classifier(parse_model_file(flatbuffer, source.name), threads=_THREADS, in_process=True)
    return classifier.classify_batch(split.images)


def compare_with_float(source: Source, split: Split, predictions: Classifications) -> Comparison:
    """Compare predictions with the float model's on the "validation" or the "test" split."""
    return compare(split.name, split.labels, _float_logits(source, split).argmax(axis=1), predictions.indices)


def _float_logits(source: Source, split: Split) -> NDArray[np.float32]:
    return {"validation": source.validation_logits, "test": source.test_logits}[split.name]

"""Batch-1 latency of several classifiers in this process, interleaved, as raw nanoseconds."""

import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner.scheduler import TURN_SAMPLES, count_rounds, turn_order
from benchmarks.worker.timer import Call, no_collection, time_calls
from edge_runtime.inference.classifier import Classifier

WARMUP = 100
_TURN_WARMUP = 5


def measure(
    classifiers: Sequence[Classifier],
    images: NDArray[np.uint8],
    samples: int,
    seed: int = 0,
    step: Callable[[], object] | None = None,
) -> list[list[int]]:
    """Time `Classifier.classify`, from a uint8 image to a label, one sample a call.

    Each turn has 50 samples and begins with 5 calls that are not kept: the model before has filled the caches with its own weights.

    Args:
        classifiers: the models, loaded.
        images: uint8 [N, 28, 28], classified in order, again and again.
        samples: calls of each model that are kept.
        seed: of the order of turns.
        step: called after each round.

    Returns:
        For each classifier, `samples` nanoseconds.
    """
    calls, inputs = [_call(classifier) for classifier in classifiers], list(images)
    kept: list[list[int]] = [[] for _ in calls]
    for call in calls:
        time_calls(call, inputs, 0, WARMUP)
    order = random.Random(seed)
    with no_collection():
        for number in range(count_rounds(samples)):
            start = number * TURN_SAMPLES
            for _, index in turn_order(range(len(calls)), 1, order):
                time_calls(calls[index], inputs, start, _TURN_WARMUP)
                kept[index] += time_calls(calls[index], inputs, start, min(TURN_SAMPLES, samples - start))
            if step:
                step()
    return kept


def _call(classifier: Classifier) -> Call:
    classify = classifier.classify
    return lambda image: classify(image).label

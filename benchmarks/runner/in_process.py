"""Steady batch-1 latency of several models, interleaved, as raw nanoseconds."""

import gc
import random
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.inference.classifier import Classifier

WARMUP = 100
_ROUND = 50


def measure(
    classifiers: Sequence[Classifier],
    images: NDArray[np.uint8],
    samples: int,
    seed: int = 0,
    step: Callable[[], object] | None = None,
) -> list[list[int]]:
    """Time `Classifier.classify`, from a uint8 image to a label, one sample a call.

    Models take turns in rounds of 50 calls, in a new random order each round, so that a drift of the machine's speed meets all alike.
    Each turn begins with calls that are not kept: the model before has filled the caches with its own weights.

    Args:
        classifiers: the models, loaded.
        images: uint8 [N, 28, 28], taken in turn.
        samples: how many calls of each model are kept.
        seed: of the order.
        step: called after each round.

    Returns:
        For each classifier, `samples` nanoseconds.
    """
    order = random.Random(seed)
    kept: list[list[int]] = [[] for _ in classifiers]
    for classifier in classifiers:
        _time_calls(classifier, images, 0, WARMUP)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for start in range(0, samples, _ROUND):
            for number in order.sample(range(len(classifiers)), len(classifiers)):
                _time_calls(classifiers[number], images, start, 5)
                kept[number] += _time_calls(classifiers[number], images, start, min(_ROUND, samples - start))
            if step:
                step()
    finally:
        if collecting:
            gc.enable()
    return kept


def rounds(samples: int) -> int:
    """How often `measure` calls its `step`."""
    return -(-samples // _ROUND)


def _time_calls(classifier: Classifier, images: NDArray[np.uint8], start: int, count: int) -> list[int]:
    clock, classify = time.perf_counter_ns, classifier.classify
    times = []
    for number in range(start, start + count):
        image = images[number % len(images)]
        before = clock()
        _ = classify(image).label
        times.append(clock() - before)
    return times

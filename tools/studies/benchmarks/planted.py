"""A planted slowdown for prove_benchmark: our classifier, each call lengthened by a share of its median."""

import time
from typing import Any

from benchmarks.backends import LoadedModel, ours
from benchmarks.worker.timer import settle

DISTRIBUTIONS = ours.DISTRIBUTIONS
prepare = ours.prepare


def load(path: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A classifier that busy-waits after each call for `options["percent"]` of the median of its calls."""
    import numpy as np

    model, images = ours.load(path, threads, options), [np.zeros((28, 28), np.uint8)]
    median, clock = settle(model.one, images).median_ns, time.perf_counter_ns
    wait = 0.0

    def one(image: Any) -> object:
        answer = model.one(image)
        end = clock() + wait
        while clock() < end:
            pass
        return answer

    # The overhead of waiting is part of the slowdown.
    wait = median * (1 + options["percent"] / 100) - settle(one, images).median_ns
    return model._replace(one=one)

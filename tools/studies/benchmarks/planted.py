"""A subject that is slower than it is: our classifier, each call lengthened by a share of its own median. For prove_benchmark."""

import time
from typing import Any

from benchmarks.backends import LoadedModel, ours
from benchmarks.worker.timer import settle

DISTRIBUTIONS = ours.DISTRIBUTIONS
prepare = ours.prepare


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A classifier that waits, busily, for `options["percent"]` of its call's median after each call."""
    import numpy as np

    subject, images = ours.load(model, threads, options), [np.zeros((28, 28), np.uint8)]
    median, clock = settle(subject.one, images).median_ns, time.perf_counter_ns
    wait = 0.0

    def one(image: Any) -> object:
        answer = subject.one(image)
        end = clock() + wait
        while clock() < end:
            pass
        return answer

    # What waiting itself costs is part of what is planted.
    wait = median * (1 + options["percent"] / 100) - settle(one, images).median_ns
    return LoadedModel(one, subject.many)

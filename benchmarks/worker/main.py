"""A child process that holds subjects and times the one whose turn it is: `python -m benchmarks.worker.main`.

One JSON object a line. The first on standard input is the task; the child answers that it is ready. Each further one is a request for a
turn, answered by its samples. The parent decides whose turn it is, so that subjects of several environments can take turns.

This runs in the environments of the alternatives too: standard library, numpy, and the subject's own package.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.backends import LoadedModel
from benchmarks.worker import loadgen_sut
from benchmarks.worker.peaks import measure_peaks
from benchmarks.worker.timer import (
    MOST_GROUP,
    Settled,
    clock_cost,
    clock_step,
    empty_calls,
    group_size,
    no_collection,
    settle,
    time_calls,
    typical_ns,
)

# A turn begins while another's weights lie in the caches: it settles again, quickly.
_TURN = {"window": 8, "agreeing": 2, "agreement": 0.05, "limit_ns": 20_000_000}
_WINDOW_SAMPLES = 200


class Bench:
    """The subjects of this process, warm, and their turns."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.images: NDArray[np.uint8] = np.load(task["images"])
        self.step_ns = clock_step()
        self.subjects: list[LoadedModel] = []
        self.load_ns = []
        for subject in task["subjects"]:
            before = time.perf_counter_ns()
            module = importlib.import_module(subject["module"])
            module.prepare(subject["options"])
            self.subjects.append(module.load(subject["model"], subject["threads"], subject["options"]))
            self.load_ns.append(time.perf_counter_ns() - before)
        self.inputs = {1: list(self.images)}
        with no_collection():
            self.settled: list[Settled] = [settle(subject.one, self.inputs[1]) for subject in self.subjects]
            self.call_ns = [
                typical_ns(subject.one, self.inputs[1], settled.median_ns, self.step_ns)
                for subject, settled in zip(self.subjects, self.settled, strict=True)
            ]

    def ready(self) -> dict[str, Any]:
        """What the parent should know before it asks."""
        return {
            "clock_step_ns": self.step_ns,
            "clock_cost_ns": clock_cost(self.step_ns),
            "empty_ns": empty_calls(),
            "warmups": [(found.calls, found.agreed) for found in self.settled],
            "groups": [group_size(taken, self.step_ns) for taken in self.call_ns],
            "limits": measure_peaks(),
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked for: a turn, the classes of the images in a file, a run of LoadGen, or work without rest."""
        if "scenario" in request:
            return self._loadgen(**request)
        subject = self.subjects[request["subject"]]
        if "seconds" in request:
            return self._sustain(subject, self.call_ns[request["subject"]], request["seconds"])
        if "classify" in request:
            return {"classes": np.asarray(subject.many(np.load(request["classify"]))).tolist()}
        return self._turn(subject, **{name: request[name] for name in ("batch", "group", "start", "samples")})

    def _turn(self, subject: LoadedModel, batch: int, group: int, start: int, samples: int) -> dict[str, Any]:
        call, inputs = (subject.one if batch == 1 else subject.many), self._inputs(batch)
        with no_collection():
            dropped = settle(call, inputs, **(_TURN if batch == 1 else {**_TURN, "window": 2})).calls  # type: ignore[arg-type]
            before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
            times = time_calls(call, inputs, start, samples, group)
            preempted = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before
        return {"dropped": dropped, "preempted": preempted, "samples_ns": times}

    def _sustain(self, subject: LoadedModel, call_ns: float, seconds: float) -> dict[str, Any]:
        """Call for so many seconds without rest: samples of so many calls that there are about two hundred."""
        group = min(MOST_GROUP, max(1, round(seconds * 1e9 / _WINDOW_SAMPLES / call_ns)))
        samples: list[int] = []
        end = time.perf_counter_ns() + seconds * 1e9
        with no_collection():
            while time.perf_counter_ns() < end:
                samples += time_calls(subject.one, self.inputs[1], len(samples) * group, 1, group)
        return {"group": group, "samples_ns": samples}

    def _loadgen(self, subject: int | None, scenario: str, queries: int, images: str | None) -> dict[str, Any]:
        asked = None if subject is None else self.subjects[subject]
        answer_ns = 1.0 if subject is None else self.call_ns[subject]
        held = self.images if images is None else np.load(images)
        with no_collection():
            found: dict[str, Any] = loadgen_sut.ask(asked, held, scenario, queries, answer_ns, accuracy=images is not None)
        return found

    def _inputs(self, batch: int) -> Sequence[NDArray[np.uint8]]:
        if batch not in self.inputs:
            count = max(1, min(16, len(self.images) // batch))
            self.inputs[batch] = [np.resize(np.roll(self.images, -n * batch, 0), (batch, 28, 28)) for n in range(count)]
        return self.inputs[batch]


def main() -> None:
    """Answer until standard input ends."""
    # What a package prints on standard output must not get between our lines.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    bench = Bench(json.loads(sys.stdin.readline()))
    print(json.dumps(bench.ready()), file=answers)
    for line in sys.stdin:
        print(json.dumps(bench.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main()

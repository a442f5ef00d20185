"""A worker process: loads backends and times the one that a request names. `python -m benchmarks.worker.main`.

Requests come on standard input and replies go to standard output (`benchmarks.worker.protocol`); the first request is `Load`. The run
decides whose turn it is (`benchmarks.runner.scheduler`), so that backends of several environments can take turns.

It runs in the environments of other packages too: standard library, numpy, and the backend's own package.
"""

import importlib
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.backends import LoadedModel
from benchmarks.worker import loadgen_sut, protocol
from benchmarks.worker.peaks import measure_peaks
from benchmarks.worker.timer import (
    MAX_GROUP,
    clock_cost,
    clock_step,
    empty_calls,
    group_size,
    no_collection,
    settle,
    time_calls,
    typical_ns,
)

# A turn begins with the weights of another model in the caches: it settles again, quickly.
_TURN = {"window": 8, "agreeing": 2, "agreement": 0.05, "limit_ns": 20_000_000}
_SUSTAINED_SAMPLES = 200


class Backends:
    """The backends of this process, loaded and warm."""

    def __init__(self, request: protocol.Load) -> None:
        self.images: NDArray[np.uint8] = np.load(request.images)
        self.inputs = {1: list(self.images)}
        self.step_ns = clock_step()
        self.models = [_load(spec) for spec in request.backends]
        with no_collection():
            self.settled = [settle(model.one, self.inputs[1]) for model in self.models]
            self.call_ns = [
                typical_ns(model.one, self.inputs[1], settled.median_ns, self.step_ns)
                for model, settled in zip(self.models, self.settled, strict=True)
            ]

    def ready(self) -> protocol.Ready:
        """The reply to `Load`."""
        warmups = [
            protocol.Warmup(settled.calls, settled.agreed, group_size(call_ns, self.step_ns))
            for settled, call_ns in zip(self.settled, self.call_ns, strict=True)
        ]
        return protocol.Ready(self.step_ns, clock_cost(self.step_ns), empty_calls(), *measure_peaks(), warmups)

    def reply(self, request: protocol.Request) -> protocol.Reply:
        """Do what a request asks for."""
        match request:
            case protocol.TimeCalls():
                return self._time_calls(self.models[request.backend], request)
            case protocol.Classify():
                return protocol.Classes(np.asarray(self.models[request.backend].many(np.load(request.images))).tolist())
            case protocol.TimePhotos():
                return self._time_photos(self.models[request.backend], request)
            case protocol.RunGolden():
                golden = self.models[request.backend].golden
                assert golden
                return protocol.GoldenOutcome(*golden())
            case protocol.Sustain():
                return self._sustain(self.models[request.backend], self.call_ns[request.backend], request.seconds)
            case protocol.RunLoadGen():
                return self._run_loadgen(request)

    def _time_calls(self, model: LoadedModel, request: protocol.TimeCalls) -> protocol.Samples:
        single = request.batch == 1
        call, inputs = (model.one if single else model.many), self._inputs(request.batch)
        with no_collection():
            dropped = settle(call, inputs, **(_TURN if single else {**_TURN, "window": 2})).calls  # type: ignore[arg-type]
            before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
            times = time_calls(call, inputs, request.first_image, request.samples, request.group)
            preempted = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before
        return protocol.Samples(request.group, times, dropped, preempted)

    def _time_photos(self, model: LoadedModel, request: protocol.TimePhotos) -> protocol.Samples:
        """The first call is not kept: it imports what reads photos."""
        assert model.photo
        photos = [Path(request.photo).read_bytes()]
        with no_collection():
            time_calls(model.photo, photos, 0, 1)
            return protocol.Samples(1, time_calls(model.photo, photos, 0, request.samples), dropped=1)

    def _sustain(self, model: LoadedModel, call_ns: float, seconds: float) -> protocol.Samples:
        group = min(MAX_GROUP, max(1, round(seconds * 1e9 / _SUSTAINED_SAMPLES / call_ns)))
        samples: list[int] = []
        end = time.perf_counter_ns() + seconds * 1e9
        with no_collection():
            while time.perf_counter_ns() < end:
                samples += time_calls(model.one, self.inputs[1], len(samples) * group, 1, group)
        return protocol.Samples(group, samples)

    def _run_loadgen(self, request: protocol.RunLoadGen) -> protocol.LoadGenOutput:
        model = None if request.backend is None else self.models[request.backend]
        call_ns = 1.0 if request.backend is None else self.call_ns[request.backend]
        images = self.images if request.images is None else np.load(request.images)
        accuracy = request.images is not None
        with no_collection():
            return loadgen_sut.run_loadgen(model, images, request.scenario, request.queries, call_ns, accuracy=accuracy)

    def _inputs(self, batch: int) -> Sequence[NDArray[np.uint8]]:
        if batch not in self.inputs:
            count = max(1, min(16, len(self.images) // batch))
            self.inputs[batch] = [np.resize(np.roll(self.images, -n * batch, 0), (batch, 28, 28)) for n in range(count)]
        return self.inputs[batch]


def _load(spec: protocol.BackendSpec) -> LoadedModel:
    module, options = importlib.import_module(spec.module), dict(spec.options)
    module.prepare(options)
    loaded: LoadedModel = module.load(spec.model, spec.threads, options)
    return loaded


def main() -> None:
    """Reply to requests until standard input ends."""
    # Replies get a file of their own: packages may print to standard output.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    backends = Backends(protocol.decode(sys.stdin.readline()))
    print(protocol.encode(backends.ready()), file=replies)
    for line in sys.stdin:
        print(protocol.encode(backends.reply(protocol.decode(line))), file=replies)


if __name__ == "__main__":
    main()

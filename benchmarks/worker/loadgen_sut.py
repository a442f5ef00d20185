"""MLPerf LoadGen's system under test, in a worker process: LoadGen sends queries to a model and times them by its own clock.

https://github.com/mlcommons/inference/tree/master/loadgen; the package is mlcommons-loadgen. Standard library, numpy, and that package.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.backends import LoadedModel
from benchmarks.worker.protocol import LoadGenOutput

_STREAMS = 8  # samples of a MultiStream query, by MLPerf's rules
_MULTI_STREAM_QUERIES = 700  # LoadGen needs 662 for its p99
_OFFLINE_MS = 500
_CHUNK = 1_000  # images of an Offline query that are classified as one batch


def run_loadgen(
    model: LoadedModel | None, images: NDArray[np.uint8], scenario: str, queries: int, call_ns: float, *, accuracy: bool
) -> LoadGenOutput:
    """Run a scenario.

    Args:
        model: answers the queries; None completes them at once, which measures LoadGen's own overhead.
        images: uint8 [N, 28, 28].
        scenario: SingleStream, MultiStream or Offline.
        queries: of SingleStream.
        call_ns: approximate duration of a call, which decides the size of an Offline query: at least half a second.
        accuracy: whether to run in accuracy mode, which asks for each image once and keeps the answers.
    """
    import mlperf_loadgen as loadgen

    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = loadgen.TestMode.AccuracyOnly if accuracy else loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = _OFFLINE_MS if scenario == "Offline" else 0
    settings.min_query_count = {"SingleStream": queries, "MultiStream": _MULTI_STREAM_QUERIES, "Offline": 1}[scenario]
    if scenario == "SingleStream":
        settings.max_query_count = queries
    settings.multi_stream_samples_per_query = _STREAMS
    settings.offline_expected_qps = (
        3e9 / call_ns
    )  # three times as many as one by one: a batch is faster, and must fill the half second
    with tempfile.TemporaryDirectory() as place:
        output = loadgen.LogOutputSettings()
        output.outdir, output.copy_summary_to_stdout = place, False
        log = loadgen.LogSettings()
        log.log_output, log.enable_trace = output, False
        library = loadgen.ConstructQSL(len(images), len(images), _nothing, _nothing)
        system = loadgen.ConstructSUT(_issue(model, images, scenario, accuracy=accuracy), lambda: None)
        try:
            loadgen.StartTestWithLogSettings(system, library, settings, log, "")
        finally:
            loadgen.DestroySUT(system)
            loadgen.DestroyQSL(library)
        summary = Path(place, "mlperf_log_summary.txt").read_text().splitlines()
        answers = _answers(Path(place, "mlperf_log_accuracy.json"), len(images)) if accuracy else []
    return LoadGenOutput([line for line in summary if line.strip()], answers)


def _nothing(_: Any) -> None:
    """All images are in memory already."""


def _issue(
    model: LoadedModel | None, images: NDArray[np.uint8], scenario: str, *, accuracy: bool
) -> Callable[[Sequence[Any]], None]:
    """The function that LoadGen calls with queries."""
    if scenario == "SingleStream" and not accuracy:
        return _single(model.one if model else None, list(images))
    assert model
    call, many = model.one, model.many

    def single(samples: Sequence[Any]) -> None:
        _complete(samples, [call(images[samples[0].index])], kept=accuracy)

    def several(samples: Sequence[Any]) -> None:
        for start in range(0, len(samples), _CHUNK):
            chunk = samples[start : start + _CHUNK]
            _complete(chunk, many(images[[sample.index for sample in chunk]]), kept=accuracy)

    return single if scenario == "SingleStream" else several


def _single(call: Callable[[Any], object] | None, images: Sequence[Any]) -> Callable[[Sequence[Any]], None]:
    """SingleStream in performance mode, with as little overhead as possible. No call: complete queries at once."""
    import mlperf_loadgen as loadgen

    done, response = loadgen.QuerySamplesComplete, loadgen.QuerySampleResponse(0, 0, 0)
    responses = [response]  # reused by every query: creating one would be timed

    def nothing(samples: Sequence[Any]) -> None:
        response.id = samples[0].id
        done(responses)

    if call is None:
        return nothing

    def single(samples: Sequence[Any]) -> None:
        sample = samples[0]
        call(images[sample.index])
        response.id = sample.id
        done(responses)

    return single


def _complete(samples: Sequence[Any], answers: Any, *, kept: bool) -> None:
    """Complete these queries; only accuracy mode reads the answers."""
    import mlperf_loadgen as loadgen

    if not kept:
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])
        return
    texts = [np.frombuffer(str(answer).encode(), np.uint8) for answer in answers]
    pairs = zip(samples, texts, strict=True)
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, text.ctypes.data, text.size) for sample, text in pairs])


def _answers(path: Path, count: int) -> list[str]:
    """The text of the answer to each image, in the order of the images; empty where there is none."""
    found = [""] * count
    for entry in json.loads(path.read_text()):
        found[entry["qsl_idx"]] = bytes.fromhex(entry["data"]).decode()
    return found

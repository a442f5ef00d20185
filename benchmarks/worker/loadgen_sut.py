"""MLPerf LoadGen in a child process: it asks a subject in its own way, and keeps its own time.

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

_STREAMS = 8  # samples of a MultiStream query, as MLPerf's rules have it
_LEAST_MULTI_STREAM = 700  # queries: LoadGen's own test of its p99 needs 662
_OFFLINE_MS = 500
_CHUNK = 1_000  # images of an Offline query that are answered at once


def ask(
    subject: LoadedModel | None, images: NDArray[np.uint8], scenario: str, queries: int, answer_ns: float, *, accuracy: bool
) -> Any:
    """Let LoadGen ask.

    Args:
        subject: what answers; None answers nothing at once, which shows what LoadGen itself takes.
        images: uint8 [N, 28, 28].
        scenario: SingleStream, MultiStream or Offline.
        queries: of SingleStream.
        answer_ns: what an answer takes about; of Offline, as many are asked for as surely take half a second.
        accuracy: whether each image is asked for once, and the answers are kept.

    Returns:
        {"summary": lines of LoadGen's own summary, "answers": with `accuracy` the text of the answer to each image, else nothing}.
    """
    import mlperf_loadgen as loadgen

    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = loadgen.TestMode.AccuracyOnly if accuracy else loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = _OFFLINE_MS if scenario == "Offline" else 0
    settings.min_query_count = {"SingleStream": queries, "MultiStream": _LEAST_MULTI_STREAM, "Offline": 1}[scenario]
    if scenario == "SingleStream":
        settings.max_query_count = queries
    settings.multi_stream_samples_per_query = _STREAMS
    settings.offline_expected_qps = 3e9 / answer_ns  # a batch is faster than one by one, and the half second has to be filled
    with tempfile.TemporaryDirectory() as place:
        output = loadgen.LogOutputSettings()
        output.outdir, output.copy_summary_to_stdout = place, False
        log = loadgen.LogSettings()
        log.log_output, log.enable_trace = output, False
        library = loadgen.ConstructQSL(len(images), len(images), _nothing, _nothing)
        system = loadgen.ConstructSUT(_issue(subject, images, scenario, accuracy=accuracy), lambda: None)
        try:
            loadgen.StartTestWithLogSettings(system, library, settings, log, "")
        finally:
            loadgen.DestroySUT(system)
            loadgen.DestroyQSL(library)
        summary = Path(place, "mlperf_log_summary.txt").read_text().splitlines()
        answers = _answers(Path(place, "mlperf_log_accuracy.json"), len(images)) if accuracy else []
    return {"summary": [line for line in summary if line.strip()], "answers": answers}


def _nothing(_: Any) -> None:
    """All images are in memory already."""


def _issue(
    subject: LoadedModel | None, images: NDArray[np.uint8], scenario: str, *, accuracy: bool
) -> Callable[[Sequence[Any]], None]:
    """What LoadGen calls with its queries."""
    if scenario == "SingleStream" and not accuracy:
        return _single(subject.one if subject else None, list(images))
    assert subject
    call, many = subject.one, subject.many

    def single(samples: Sequence[Any]) -> None:
        _complete(samples, [call(images[samples[0].index])], kept=accuracy)

    def several(samples: Sequence[Any]) -> None:
        for start in range(0, len(samples), _CHUNK):
            chunk = samples[start : start + _CHUNK]
            _complete(chunk, many(images[[sample.index for sample in chunk]]), kept=accuracy)

    return single if scenario == "SingleStream" else several


def _single(call: Callable[[Any], object] | None, images: Sequence[Any]) -> Callable[[Sequence[Any]], None]:
    """Single images that are timed: as little as can be beside the call itself. No call: an answer at once."""
    import mlperf_loadgen as loadgen

    done, response = loadgen.QuerySamplesComplete, loadgen.QuerySampleResponse(0, 0, 0)
    responses = [response]  # of every query, so that making one is not timed

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
    """Tell LoadGen that these are answered; only its accuracy mode looks at the answers."""
    import mlperf_loadgen as loadgen

    if not kept:
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])
        return
    texts = [np.frombuffer(str(answer).encode(), np.uint8) for answer in answers]
    pairs = zip(samples, texts, strict=True)
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, text.ctypes.data, text.size) for sample, text in pairs])


def _answers(path: Path, count: int) -> list[str]:
    """The text of each image's answer, in the order of the images; empty where none came."""
    found = [""] * count
    for entry in json.loads(path.read_text()):
        found[entry["qsl_idx"]] = bytes.fromhex(entry["data"]).decode()
    return found

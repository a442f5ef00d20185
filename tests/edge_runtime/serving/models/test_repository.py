"""The model repository: loading, verification, reloading, health."""

import asyncio
import io
import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.device.tuning import Tuning, device, save_tuning
from edge_runtime.errors import BadArgument, ModelFileError, VerificationFailed
from edge_runtime.inference.classifier import BATCH, Classifier
from edge_runtime.inference.interpreter import backend_version, find_backend
from edge_runtime.model.model_file import read_model_file
from edge_runtime.serving.http.errors import ModelUnavailable, NotFound
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.models import pool as pool_module
from edge_runtime.serving.models.pool import INLINE_NS, InterpreterPool, WorkerThreads, time_one
from edge_runtime.serving.models.repository import ModelRepository
from tests.edge_runtime.serving.conftest import ask, label_of
from tests.edge_runtime.serving.model_files import NANO, SMALL, replace, with_wrong_golden
from tools.studies.serving.load import closed_loop, http_request, served
from tools.support.waiting import until
from train.data import Dataset


def _models(path: Path, log: io.StringIO | None = None) -> ModelRepository:
    return ModelRepository({"mine": path}, WorkerThreads(1), JsonLog(log or io.StringIO()))


def _events(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the default model, to be replaced."""
    path = tmp_path / "mine.tflite"
    path.write_bytes(SMALL.read_bytes())
    return path


def test_a_changed_file_is_loaded(path: Path) -> None:
    """The new model answers under the same name; log and counter record it."""
    log = io.StringIO()
    models = _models(path, log)
    before = models.default
    asyncio.run(models.refresh())
    assert models.default is before
    replace(path, NANO.read_bytes())
    asyncio.run(models.refresh())
    assert models.default.model.sha256 == read_model_file(NANO).sha256
    assert models.reloads == {("mine", "loaded"): 1}
    assert [(event["event"], event["result"]) for event in _events(log)] == [("reload", "loaded")]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (SMALL.read_bytes()[:-100], "damaged archive"),
        (SMALL.read_bytes()[:20_000], "damaged|truncated|not a multiple"),
        (read_model_file(SMALL).flatbuffer, "plain .tflite without golden images"),
        (with_wrong_golden(), "golden outputs are not reproduced"),
    ],
)
def test_a_file_that_cannot_be_proven_is_refused(content: bytes, cause: str, path: Path) -> None:
    """The old model stays; the reason is logged once; a valid file is loaded again."""
    log = io.StringIO()
    models = _models(path, log)
    before = models.default
    replace(path, content)
    for _ in range(3):
        asyncio.run(models.refresh())
    assert models.default is before
    (event,) = _events(log)
    assert event["result"] == "refused"
    assert any(part in str(event["reason"]) for part in cause.split("|"))
    replace(path, NANO.read_bytes())
    asyncio.run(models.refresh())
    assert models.default.model.sha256 == read_model_file(NANO).sha256


def test_a_vanished_file_is_refused_and_the_old_model_goes_on(path: Path) -> None:
    """Another file may be about to replace it."""
    models = _models(path)
    path.unlink()
    asyncio.run(models.refresh())
    assert models.reloads == {("mine", "refused"): 1}
    assert models.ready


def test_at_the_start_a_model_must_be_proven(path: Path) -> None:
    """No model, no server."""
    path.write_bytes(with_wrong_golden())
    with pytest.raises(VerificationFailed, match=r"not served.*0 of 16 labels equal"):
        _models(path)
    path.write_bytes(read_model_file(SMALL).flatbuffer)
    with pytest.raises(ModelFileError, match="without golden images"):
        _models(path)


def test_what_tune_remembered_is_used(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads for one image and for many, and the batch; --threads takes precedence, and other models have the defaults."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model, backend = read_model_file(path), find_backend()
    runtime = f"{backend.package} {backend_version(backend)}"
    save_tuning(Tuning(1, model.sha256, runtime, device(), threads=2, batch_threads=3, batch=7, timings=()))

    def used(**options: int) -> list[tuple[int, int]]:
        models = ModelRepository({"mine": path, "nano": NANO}, WorkerThreads(1), JsonLog(io.StringIO()), **options)
        pools = [served.pool for served in models]
        classifiers = [classifier for pool in pools for classifier in (pool._first, pool._load(pool.model))]
        return [(classifier.threads, classifier.batch) for classifier in classifiers]

    assert used() == [(2, 7), (3, 7), (1, BATCH), (1, BATCH)]
    assert used(threads=4) == [(4, 7), (4, 7), (4, BATCH), (4, BATCH)]


def test_one_bad_file_stops_no_other_model(path: Path) -> None:
    """It is listed and unavailable, the others are served; once its file is sound it is loaded."""
    log = io.StringIO()
    path.write_bytes(with_wrong_golden())
    missing = path.with_name("missing.tflite")
    models = ModelRepository({"bad": path, "good": NANO, "none": missing}, WorkerThreads(1), JsonLog(log))
    assert [served.name for served in models] == ["good"]
    assert {name for name, reason in models.states().items() if reason} == models.refusals().keys() == {"bad", "none"}
    assert "golden outputs are not reproduced" in models.refusals()["bad"]
    assert (models.ready, models.alive) == (False, True)
    for name in ("bad", "none", ""):  # the first is the default, and no other one answers in its place
        with pytest.raises(ModelUnavailable, match="is not available"):
            models.get({"model": name})
    asyncio.run(models.refresh())
    assert _events(log) == []
    replace(path, SMALL.read_bytes())
    replace(missing, NANO.read_bytes())
    asyncio.run(models.refresh())
    assert [served.name for served in models] == ["bad", "good", "none"]
    assert (models.ready, models.refusals()) == (True, {})


def test_a_refused_reload_is_no_outage_at_the_next_start(path: Path) -> None:
    """A file that a running server refuses stops no other model of the next one."""
    models = ModelRepository({"mine": path, "nano": NANO}, WorkerThreads(1), JsonLog(io.StringIO()))
    replace(path, with_wrong_golden())
    asyncio.run(models.refresh())
    assert models.ready
    models = ModelRepository({"mine": path, "nano": NANO}, WorkerThreads(1), JsonLog(io.StringIO()))
    assert models.get({"model": "nano"}).healthy


def test_the_watchdog_is_fed_while_a_model_is_healthy(path: Path) -> None:
    """A restart would take sound models away for the sake of one; it is for when none is left."""
    models = ModelRepository({"mine": path, "nano": NANO}, WorkerThreads(1), JsonLog(io.StringIO()))
    models.get({"model": "mine"}).healthy = False
    assert (models.ready, models.alive) == (False, True)
    models.get({"model": "nano"}).healthy = False
    assert (models.ready, models.alive) == (False, False)


def test_without_an_interpreter_nothing_is_served(path: Path) -> None:
    """What is wrong for all models is no model's fault."""
    with pytest.raises(BadArgument, match="known are"):
        ModelRepository({"mine": path, "nano": NANO}, WorkerThreads(1), JsonLog(io.StringIO()), backend="onnx")


def test_a_model_that_does_other_than_it_did_is_unhealthy(path: Path) -> None:
    """The model and the server are not ready, and it answers with 503, until a check passes again."""
    log = io.StringIO()
    models = _models(path, log)
    sound = models.default.golden
    models.default.golden = type(sound)(sound.images, sound.labels, sound.float_logits, np.roll(sound.outputs, 1, axis=1))
    asyncio.run(models.check())
    assert (models.default.healthy, models.ready) == (False, False)
    with pytest.raises(ModelUnavailable, match="not ready"):
        asyncio.run(models.default.classify(sound.images))
    models.default.golden = sound
    asyncio.run(models.check())
    assert (models.default.healthy, models.ready) == (True, True)
    assert [event["healthy"] for event in _events(log)] == [False, True]


def test_each_interpreter_is_checked(path: Path) -> None:
    """Interpreters of worker threads are checked too."""
    models = _models(path)
    pool = models.default.pool
    pool.each_ns = INLINE_NS // 200

    async def batch() -> None:
        await models.default.classify(np.zeros((200, 28, 28), np.uint8))  # a millisecond: on a thread

    asyncio.run(batch())
    assert len(pool._idle) == 1
    wrong = Classifier(pool.model)
    wrong.classify_batch = lambda images: Classifier.classify_batch(wrong, 255 - images)  # type: ignore[method-assign]
    pool._idle.appendleft(wrong)
    asyncio.run(models.check())
    assert not models.ready
    pool._idle.remove(wrong)
    asyncio.run(models.check())
    assert models.ready


def test_an_interpreter_that_fails_is_unhealthy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when memory is exhausted."""
    models = _models(path)

    def fail(self: Classifier, images: np.ndarray) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Classifier, "classify_batch", fail)
    asyncio.run(models.check())
    assert not models.ready


def test_names_and_versions(path: Path) -> None:
    """No name means the default model; unknown names and versions are not found."""
    models = _models(path)
    assert models.get({}) is models.get({"model": "mine", "version": "1"}) is models.default
    for parameters in ({"model": "yours"}, {"model": "mine", "version": "01"}, {"model": "../mine"}):
        with pytest.raises(NotFound, match="Request for unknown model"):
            models.get(parameters)


def test_a_stopping_server_is_not_ready(path: Path) -> None:
    """So that load balancers send no more requests."""
    models = _models(path)
    models.stopping = True
    assert not models.ready


def _pool(workers: WorkerThreads) -> InterpreterPool:
    return InterpreterPool(Classifier.load(), workers, Classifier)


def test_quick_requests_are_answered_inline_and_slow_ones_on_threads(mnist: Dataset) -> None:
    """A request of less than a millisecond uses no thread; results are the same."""
    workers = WorkerThreads(2)
    pool = _pool(workers)
    expected = Classifier.load().classify_batch(mnist.x_test[:200])
    pool.each_ns = INLINE_NS // 200
    assert pool.is_inline(1)
    assert pool.is_inline(199)
    assert not pool.is_inline(200)
    inline, _ = asyncio.run(pool.classify(mnist.x_test[:100]))

    async def at_once() -> list[list[str]]:
        found = await asyncio.gather(*[pool.classify(mnist.x_test[:200]) for _ in range(6)])
        return [answers.labels for answers, _ in found]

    assert inline.labels == expected.labels[:100]
    assert asyncio.run(at_once()) == [expected.labels] * 6
    assert workers.pending == 0
    workers.close()


def test_the_first_interpreter_of_a_slow_model_works_on_the_threads(monkeypatch: pytest.MonkeyPatch, mnist: Dataset) -> None:
    """It does not lie idle while a thread loads another one."""
    monkeypatch.setattr(pool_module, "time_one", lambda _: INLINE_NS)
    workers, loaded = WorkerThreads(1), []
    pool = InterpreterPool(Classifier.load(), workers, lambda model: loaded.append(model) or Classifier(model))
    found, _ = asyncio.run(pool.classify(mnist.x_test[:1]))
    assert found.labels == ["7"]
    assert loaded == []
    workers.close()


def test_a_long_body_is_parsed_on_a_thread() -> None:
    """A megabyte of JSON holds up no other request; a short body is parsed at once."""
    workers = WorkerThreads(1)

    def where(body: bytes, *words: object) -> tuple[bool, tuple[object, ...]]:
        return threading.current_thread() is threading.main_thread(), words

    assert asyncio.run(workers.parse(where, b"{}", 1, 2)) == (True, (1, 2))
    assert asyncio.run(workers.parse(where, bytes(2**20), 1, 2)) == (False, (1, 2))
    workers.close()


def test_what_an_image_takes_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 99th percentile of 100 trials: one slow trial does not count, a second one does and ends the measurement."""
    classifier, asked, calls = Classifier.load(), [], iter(range(10**6))
    slow: set[int] = set()
    monkeypatch.setattr(classifier, "classify", lambda image: asked.append(1))
    elapsed: list[int] = [0]

    def clock() -> int:
        number = next(calls)
        elapsed[0] += (5_000_000 if number // 2 in slow else 30_000) if number % 2 else 7
        return elapsed[0]

    monkeypatch.setattr(time, "thread_time_ns", clock)
    slow = {3}
    assert (time_one(classifier), len(asked)) == (30_000, 100)
    calls, slow = iter(range(10**6)), {3, 8}
    asked.clear()
    assert (time_one(classifier), len(asked)) == (5_000_000, 9)


def test_a_reload_under_load_loses_no_request(path: Path, mnist: Dataset) -> None:
    """Model files change and become invalid during requests: all answers are correct. SIGHUP reloads at once."""
    digits = mnist.x_test[:100]
    small, nano = (Classifier.load(file).classify_batch(digits).labels for file in (SMALL, NANO))
    sure = [number for number in range(100) if small[number] == nano[number]]
    requests = [_request(digits[number]) for number in sure]
    labels = [small[number].encode() for number in sure]
    hashes = {name: read_model_file(file).sha256 for name, file in (("small", SMALL), ("nano", NANO))}
    with served(path, "--reload-seconds", "0", "--no-access-log") as server:

        def served_hash() -> str:
            return str(ask(server, "GET", "/v2/models/mine").json["parameters"]["sha256"])

        def reloads(result: str) -> str:
            found = re.search(rf'digits_model_reloads_total{{model="mine",result="{result}"}} (.*)', metrics())
            return found[1] if found else "0.0"

        def metrics() -> str:
            return ask(server, "GET", "/metrics").body.decode()

        steps = (
            (NANO.read_bytes(), "nano", ("1.0", "0.0")),
            (b"broken", "nano", ("1.0", "1.0")),
            (SMALL.read_bytes(), "small", ("2.0", "1.0")),
        )
        for content, expected, counts in steps:
            replace(path, content)
            os.kill(server.process.pid, signal.SIGHUP)
            outcome = closed_loop(
                server, requests, count=300, connections=4, check=lambda n, status, body: _says(labels[n], status, body)
            )
            assert (outcome.failed, len(outcome.times)) == (0, 300)
            until(lambda counts=counts: (reloads("loaded"), reloads("refused")) == counts)
            assert served_hash() == hashes[expected]
            assert label_of(server, mnist.x_test[0], "mine") == "7"


def _request(image: np.ndarray) -> bytes:
    return http_request("POST", "/v2/models/mine/infer", image.tobytes(), Inference_Header_Content_Length="0")


def _says(label: bytes, status: int, body: bytes) -> bool:
    """Whether the response's label, a digit with its length between two tensors of 40 bytes, is this one."""
    return status == 200 and body[-45:-40] == b"\x01\0\0\0" + label

"""One trial on a worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.errors import DigitsError
from edge_runtime.model.model_file import read_model_file
from tests.train.search.conftest import ELSEWHERE, HERE
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.search import trial
from train.search.settings import one_kind
from train.search.trial import ForeignMachine, Latency, Tools, run_trial


def _never(*_arguments: object) -> Any:
    raise AssertionError("was called")


def test_a_machine_of_another_kind_is_refused_before_it_trains(invented: Dataset) -> None:
    """Its latency would not be comparable; the message names both kinds."""
    with pytest.raises(ForeignMachine, match=r"^a worker runs on Another CPU .+, the study on Test CPU .+are not comparable$"):
        run_trial(TrainingConfig("linear", epochs=1), invented, Tools(_never, _never, lambda: ELSEWHERE), HERE)


def test_a_trial_takes_its_turns(monkeypatch: pytest.MonkeyPatch, invented: Dataset) -> None:
    """Trains on one thread with the training lock, yields after each batch, and then measures with the measurement lock."""
    events: list[object] = []
    shipped = read_model_file()

    @contextmanager
    def turn(name: str) -> Iterator[Callable[[], None]]:
        events.append(f"{name} begins")
        yield lambda: events.append("gives way")
        events.append(f"{name} ends")

    def int8(_model: object, images: NDArray[np.uint8]) -> bytes:
        events.append(("int8", len(images)))
        return shipped.flatbuffer

    def latency(_flatbuffer: bytes, images: NDArray[np.uint8]) -> Latency:
        events.append(("latency", np.array_equal(images, invented.validation.images)))
        return Latency((7, 6), 0)

    monkeypatch.setattr(trial, "limit_threads", lambda count: events.append(f"threads {count}"))
    monkeypatch.setattr(trial, "training_lock", lambda: turn("training"))
    monkeypatch.setattr(trial, "measurement_lock", lambda: turn("measuring"))
    config = TrainingConfig("linear", epochs=1, batch_size=200)
    found = run_trial(config, invented, Tools(int8, latency, lambda: HERE), HERE)
    trained = ["training begins", "threads 1", *["gives way"] * 3, ("int8", 500), "training ends"]
    assert events == [*trained, "measuring begins", ("latency", True), "measuring ends"]
    assert (found.parameters, found.validation.total) == (7_850, 50)
    assert found.objectives == (found.validation.percent, shipped.graph.payload_bytes, 6)


def test_all_workers_must_be_of_one_kind() -> None:
    """Two kinds, or a worker that failed to determine its kind, are errors."""
    assert one_kind({"a": HERE, "b": HERE}) == HERE
    with pytest.raises(
        ForeignMachine, match=r"the workers are of 2 kinds, whose latencies are not comparable: Another CPU .+; Test CPU"
    ):
        one_kind({"a": HERE, "b": ELSEWHERE})
    with pytest.raises(DigitsError, match=r"worker b cannot measure latency \(no LiteRT\)"):
        one_kind({"a": HERE, "b": DigitsError("no LiteRT")})


def test_latency_is_the_best_median_and_says_if_it_is_unsteady() -> None:
    """10 % are allowed."""
    assert (Latency((110, 100, 105), 0).best_ns, Latency((110, 100), 0).steady, Latency((111, 100), 0).steady) == (100, True, False)

"""Workers with a planted clock, and backends that take a known time by it: the same figures on every machine."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.runner import operators, worker_pool
from benchmarks.worker.client import Environment, Worker
from benchmarks.worker.protocol import BackendSpec
from tests.conftest import ROOT

CLOCKS = ROOT / "tests" / "clocks"
NS = {"reference.tflite": 100_000, "nano-int8.tflite": 60_000, "small-int8.tflite": 40_000, "base-int8.tflite": 250_000}
COST = 40  # nanoseconds of a reading, one less or one more


@dataclass(frozen=True)
class PlantedEnvironment(Environment):
    """An environment with a clock of tests/clocks; with the present one if none is given."""

    clock: str | None = None

    def variables(self, threads: int = 1) -> dict[str, str]:
        """Its environment variables."""
        return {**super().variables(threads), **({"EDGE_DIGITS_TEST_CLOCK": self.clock} if self.clock is not None else {})}


def planted(environment: Environment, clock: str | None) -> PlantedEnvironment:
    """The environment with that clock."""
    path = os.pathsep.join([str(CLOCKS), environment.path])
    return PlantedEnvironment(environment.name, environment.python, path, clock)


def planted_spec(spec: BackendSpec, costs: Mapping[str, int]) -> BackendSpec:
    """The backend, taking so many nanoseconds per image, by the name of its model's file."""
    return replace(spec, module="planted_backend", options={**spec.options, "planted": spec.module, "costs": dict(costs)})


@contextmanager
def planting(costs: Mapping[str, int], clock: str | None = f"invented=1,{COST}") -> Iterator[None]:
    """Give every worker that clock, and its backends these costs. Cold starts are real."""

    class Planted(Worker):
        def __init__(
            self, environment: Environment, specs: Sequence[BackendSpec], images: Path, pinned: Sequence[int] = ()
        ) -> None:
            super().__init__(planted(environment, clock), [planted_spec(spec, costs) for spec in specs], images, pinned)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_pool, "Worker", Planted)
        patch.setattr(operators, "Worker", Planted)
        yield

"""A plugin of pytest that gives the clock of EDGE_DIGITS_TEST_CLOCK to the children that are measured: `-p tests.anywhere.clock`.

The process of the tests has it by its own PYTHONPATH; a child's is set by `benchmarks.worker.client`.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.worker.client import Environment

CLOCKS = Path(__file__).parents[1] / "clocks"
Variables = Callable[[Environment, int], dict[str, str]]


def _with_clock(own: Variables) -> Variables:
    def variables(environment: Environment, threads: int = 1) -> dict[str, str]:
        return own(replace(environment, path=os.pathsep.join([str(CLOCKS), environment.path])), threads)

    return variables


def pytest_configure() -> None:
    """Before any test."""
    Environment.variables = _with_clock(Environment.variables)  # type: ignore[method-assign, assignment]

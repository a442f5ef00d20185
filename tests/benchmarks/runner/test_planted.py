"""Real causes of warnings: another program at work, too few calls, a coarse clock."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.reporting.warnings import warnings
from benchmarks.runner import config
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run
from edge_runtime.model.model_file import MODELS
from tests.benchmarks.planting import NS, planting

NANO = MODELS / "nano-int8.tflite"


@pytest.fixture(autouse=True)
def _one_cold_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_COLD_STARTS", 1)


@pytest.fixture
def _busy_machine() -> Iterator[None]:
    """A program on every core that does nothing but work."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for child in children:
        child.kill()
        child.wait()


@pytest.mark.usefixtures("_busy_machine")
def test_work_of_another_program_is_seen() -> None:
    """Before, during every process, and after."""
    found = warnings(run([NANO], Settings("board", samples=200, starts=2), None))
    (busy,) = [text for text in found if text.startswith("other programs kept the machine up to ")]
    assert busy.endswith("% busy: throughout")
    (waited,) = [text for text in found if text.startswith("the measured processes waited for a processor up to ")]
    assert waited.endswith("of the time: process 1, process 2")


def test_too_few_calls_are_a_warning() -> None:
    """For a p99, and for the variation between processes."""
    found = warnings(run([NANO], Settings("board", samples=20, starts=1), None))
    assert "nano int8: 20 samples are too few for a p99, which needs 1,000" in found
    assert "the run had a single process, so the variation between processes is unknown" in found


def test_a_coarse_clock_is_a_warning() -> None:
    """Its step is found, calls are timed in groups that are long enough for it, and single calls have a warning; a fine clock has none."""
    with planting(NS, "invented=100000,40"):
        result = run([NANO], Settings("board", samples=20, starts=1), None)
    assert (result.clock_step_ns, result.clock_cost_ns) == ((100_000,), (40,))
    assert "the clock's step of 100,000 ns is too coarse for single calls, so p90 and p99 are rough" in warnings(result)
    (group,) = {turn.group for turn in result.models[0].median_turns}
    assert group == 334  # calls of 60 us: the fewest that last 200 steps
    assert {sample for turn in result.models[0].median_turns for sample in turn.samples_ns} <= {20_000_000, 20_100_000}
    with planting(NS):
        fine = run([NANO], Settings("board", samples=20, starts=1), None)
    assert not [text for text in warnings(fine) if "clock" in text]

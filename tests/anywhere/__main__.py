"""Runs what depends on the machine under each condition, and says what failed: `python -m tests.anywhere [NAME...]`."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_runtime.model.model_file import MODELS
from tests.anywhere.clock import CLOCKS

_BY_THE_CLOCK = tuple(
    f"tests/benchmarks/{name}.py"
    for name in ("runner/test_session", "runner/test_planted", "scenarios/test_sustained", "worker/test_timer")
)
_MEASURING = (*_BY_THE_CLOCK, "tests/benchmarks/scenarios/test_loadgen.py", "tests/benchmarks/worker/test_client.py")
_ISOLATION = ("tests/edge_runtime/inference/test_isolated_runner.py", "tests/edge_runtime/device/test_tuning.py")
# No such file is shipped. Its bytes depend on no core that is busy.
_SHIPPED_ALONE = ("--deselect", f"{_ISOLATION[0]}::test_outputs_are_those_of_this_process[int16x8]")
_SERVING = tuple(
    f"tests/edge_runtime/serving/{name}.py" for name in ("http/test_connection", "models/test_repository", "test_stop")
)
_INTERPRETER = ("tests/edge_runtime/inference/test_classifier.py", "tests/edge_runtime/device/test_verification.py")
_CONVERSION = (
    "tests/convert/test_conversion.py",
    "tests/convert/quantization/test_calibration.py",
    "tests/convert/flatbuffer/test_strip.py",
    "tests/convert/quantization/test_fake_quant_model.py",
    "tests/tools/studies/training/test_calibrated.py",
    "tests/tools/release/test_same_model.py",
)


@dataclass(frozen=True)
class Condition:
    """A machine unlike this one: which tests it may break, on how many cores, in which environment, beside how many busy processes.

    converts: whether conversion itself may break, so that its tests convert their models themselves; the others are given shipped ones.
    """

    tests: tuple[str, ...]
    options: tuple[str, ...] = ("-n", "2")
    variables: dict[str, str] = field(default_factory=dict)
    one_core: bool = False
    busy: int = 0
    converts: bool = False


def _clock(text: str) -> Condition:
    options = ("-n", "2", "-p", "tests.anywhere.clock")
    return Condition(_BY_THE_CLOCK, options, {"PYTHONPATH": str(CLOCKS), "EDGE_DIGITS_TEST_CLOCK": text})


CONDITIONS = {
    "one core": Condition((*_MEASURING, *_ISOLATION, *_SERVING), ("-n", "2", *_SHIPPED_ALONE), one_core=True),
    "clock that costs 300 ns": _clock("cost=300"),
    "clock with steps of 1 us": _clock("step=1000"),
    "other kernels": Condition(
        (*_CONVERSION, *_INTERPRETER),
        variables={"TF_ENABLE_ONEDNN_OPTS": "0", "OPENBLAS_CORETYPE": "Haswell"},
        converts=True,
    ),
    "two busy processes": Condition((*_MEASURING, *_ISOLATION, *_SERVING), ("-n", "2", *_SHIPPED_ALONE), busy=2),
}


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but work."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


@contextmanager
def _models() -> Iterator[dict[str, str]]:
    """Shipped models in place of the test network's, for conditions that only measure and run them: a variable of their environment."""
    with TemporaryDirectory() as place:
        for recipe in ("fp32", "int8"):
            (Path(place) / f"cnn-{recipe}.tflite").symlink_to(MODELS / f"small-{recipe}.tflite")
        yield {"EDGE_DIGITS_CNN_FILES": place}


def _passes(condition: Condition, models: Mapping[str, str]) -> bool:
    pinned = ("taskset", "-c", str(min(os.sched_getaffinity(0)))) if condition.one_core else ()
    command = [*pinned, sys.executable, "-m", "pytest", *condition.options, *condition.tests]
    given = {} if condition.converts else models
    with _busy(condition.busy):
        return subprocess.run(command, env={**os.environ, **given, **condition.variables}, check=False).returncode == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all conditions, or those that are named; 1 if tests failed under one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.anywhere", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of a condition: {', '.join(map(repr, CONDITIONS))}")
    names = parser.parse_args(arguments).names or list(CONDITIONS)
    if unknown := [name for name in names if name not in CONDITIONS]:
        parser.error(f"no condition {unknown[0]!r}; there are {', '.join(map(repr, CONDITIONS))}")
    verdicts = []
    with _models() as models:
        for name in names:
            print(f"== {name}", flush=True)
            begun = time.monotonic()
            verdicts.append((name, "passed" if _passes(CONDITIONS[name], models) else "FAILED", time.monotonic() - begun))
    print(*(f"{verdict}: {name}, {seconds:.0f} s" for name, verdict, seconds in verdicts), sep="\n")
    return int(any(verdict == "FAILED" for _, verdict, _ in verdicts))


if __name__ == "__main__":
    sys.exit(main())

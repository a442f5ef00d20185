"""Cold starts: run `benchmarks.worker.startup_probe` in a new process, and read what it measured."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.results import ColdStart
from benchmarks.worker.client import Environment, pinned_to
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.common.json_codec import checked
from edge_runtime.errors import DigitsError

_TIMEOUT_S = 300  # TensorFlow took more than 120 on a machine with a load of 20


@dataclass(frozen=True)
class Started:
    """A cold start, and the installed bytes of each package that it needs."""

    cold: ColdStart
    installed: dict[str, int]


def cold_start(environment: Environment, spec: BackendSpec, pinned: Sequence[int] = ()) -> Started:
    """Load a backend in a new process, on the `pinned` processors alone if there are any.

    perf_counter is the system's monotonic clock, the same in both processes.

    Raises:
        DigitsError: the process failed, or took longer than five minutes.
    """
    name = Path(spec.model).name  # without the folder: errors are kept in results
    try:
        with pinned_to(pinned):
            child = subprocess.run(
                [environment.python, "-P", "-c", _code(spec)],
                capture_output=True,
                text=True,
                env=environment.variables(spec.threads),
                check=False,
                timeout=_TIMEOUT_S,
            )
    except OSError as error:
        raise DigitsError(f"{environment.name}: {error}") from error
    except subprocess.TimeoutExpired:
        raise DigitsError(f"{name}: the cold start took longer than {_TIMEOUT_S} s") from None
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [str(child.returncode)])[-1].replace(spec.model, name)
        raise DigitsError(f"{name}: the cold start failed ({last})")
    try:
        found: Started = checked(Started, json.loads(child.stdout.splitlines()[-1]), "")
    except (IndexError, ValueError):
        raise DigitsError(f"{name}: the cold start printed no measurements") from None
    return found


def _code(spec: BackendSpec) -> str:
    """What the new process runs. Arguments are literals in it, so that nothing has to be imported there to read them."""
    arguments = (spec.module, spec.model, spec.threads, dict(spec.options), time.perf_counter_ns())
    literals = ", ".join(map(repr, arguments))
    return (
        f"import time\nbegun = time.perf_counter_ns()\nfrom benchmarks.worker.startup_probe import main\nmain({literals}, begun)\n"
    )

"""Asking for cold starts: the parent's side of `benchmarks.worker.startup_probe`."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.results import ColdStart
from benchmarks.worker.client import BackendSpec, Environment, pinned_to
from edge_runtime.common.json_codec import checked
from edge_runtime.errors import DigitsError

_LONGEST_S = 300  # as for an answer (benchmarks.worker.client): TensorFlow was seen to take over 120 on a machine with a load of 20


@dataclass(frozen=True)
class Started:
    """A cold start, and the bytes that are installed for it, by package."""

    cold: ColdStart
    installed: dict[str, int]


def cold_start(environment: Environment, subject: BackendSpec, pinned: Sequence[int] = ()) -> Started:
    """Start a subject in a process of its own, on the `pinned` processors alone if there are any.

    perf_counter is the system's monotonic clock, the same in parent and child.

    Raises:
        DigitsError: the child failed, or took longer than five minutes.
    """
    words = (subject.module, subject.model, str(subject.threads), json.dumps(dict(subject.options)), str(time.perf_counter_ns()))
    command, name = (
        environment.command("benchmarks.worker.startup_probe", *words),
        Path(subject.model).name,
    )  # results tell no folder of this machine
    try:
        with pinned_to(pinned):
            child = subprocess.run(
                command, capture_output=True, text=True, env=environment.variables(subject.threads), check=False, timeout=_LONGEST_S
            )
    except OSError as error:
        raise DigitsError(f"{environment.name}: {error}") from error
    except subprocess.TimeoutExpired:
        raise DigitsError(f"{name}: the cold start took longer than {_LONGEST_S} s") from None
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [str(child.returncode)])[-1].replace(subject.model, name)
        raise DigitsError(f"{name}: the cold start failed ({last})")
    try:
        found: Started = checked(Started, json.loads(child.stdout.splitlines()[-1]), "")
    except (IndexError, ValueError):
        raise DigitsError(f"{name}: the cold start did not say what it took") from None
    return found

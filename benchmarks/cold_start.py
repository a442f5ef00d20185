"""Asking for cold starts: the parent's side of `benchmarks.cold`."""

import json
import subprocess
import time
from dataclasses import dataclass

from benchmarks.results import ColdStart
from benchmarks.workers import Environment, SubjectSpec
from edge_runtime.errors import DigitsError
from edge_runtime.records import checked

_LONGEST_S = 120


@dataclass(frozen=True)
class Started:
    """A cold start, and the bytes that are installed for it, by package."""

    cold: ColdStart
    installed: dict[str, int]


def cold_start(environment: Environment, subject: SubjectSpec) -> Started:
    """Start a subject in a process of its own; perf_counter is the system's monotonic clock, the same in parent and child.

    Raises:
        DigitsError: the child failed, or took longer than two minutes.
    """
    words = (subject.module, subject.model, str(subject.threads), json.dumps(dict(subject.options)), str(time.perf_counter_ns()))
    command = environment.command("benchmarks.cold", *words)
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, env=environment.variables(subject.threads), check=False, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise DigitsError(f"{subject.model}: the cold start took longer than {_LONGEST_S} s") from None
    if child.returncode:
        lines = child.stderr.strip().splitlines()
        raise DigitsError(f"{subject.model}: the cold start failed ({lines[-1] if lines else child.returncode})")
    found: Started = checked(Started, json.loads(child.stdout.splitlines()[-1]), "")
    return found

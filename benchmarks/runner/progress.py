"""A benchmark run with a progress bar on standard error."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results.results import BenchResult
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run, total_steps
from train.data import Dataset


def run_with_progress(
    models: Sequence[Path], settings: Settings, data: Dataset | None, others: Sequence[Case] = (), absent: Sequence[str] = ()
) -> BenchResult:
    """As `session.run`, with a progress bar."""
    from tqdm import tqdm

    with tqdm(total=total_steps(len(models) + len(others), settings), disable=None, leave=False, dynamic_ncols=True) as bar:
        return run(models, settings, data, lambda what: advance(bar, what), others, absent)


def advance(bar: Any, what: str) -> None:
    """Advance a tqdm bar by one step, named `what`."""
    bar.set_description(what)
    bar.update()


def command_line() -> str:
    """The command line of this process, for results."""
    return shlex.join(["digits", *sys.argv[1:]])

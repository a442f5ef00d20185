"""A progress bar on standard error, and a benchmark run with one."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from benchmarks.results.results import BenchResult
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run, total_steps
from train.data import Dataset


def run_with_progress(
    models: Sequence[Path], settings: Settings, data: Dataset | None, others: Sequence[Case] = (), absent: Sequence[str] = ()
) -> BenchResult:
    """As `session.run`, with a progress bar."""
    with progress(total_steps(len(models) + len(others), settings)) as step:
        return run(models, settings, data, step, others, absent)


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar of so many steps; the function advances it by one, and shows the step's name. Without a terminal nothing is shown."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=steps, file=sys.stderr, item_show_func=lambda what: what) as bar:
        yield lambda what: bar.update(1, what)


def command_line() -> str:
    """The command line of this process, for results."""
    return shlex.join(["digits", *sys.argv[1:]])

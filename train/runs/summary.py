"""The summary of a run on the terminal."""

import os
import shlex
import sys
from pathlib import Path

import click

from train.interrupt import INTERRUPTED
from train.runs.store import MODEL, TrainingRecord


def print_run(record: TrainingRecord, folder: Path, data: Path | None = None, again: str = "--resume") -> None:
    """Print the accuracy of a run, its folder and the next command.

    For a stopped run, also print that `again` continues it, and exit with `INTERRUPTED`.

    Args:
        record: of the run.
        folder: of the run.
        data: the data set that was given; None for MNIST.
        again: what continues a stopped run.
    """
    if not record.complete:
        click.echo(f"stopped after {len(record.history)} of {record.config.epochs} epochs; {again} continues the run", err=True)
    click.echo(f"{record.parameters:,} parameters, {record.seconds:.1f} s, seed {record.config.seed}")
    for split, accuracy in (("validation", record.validation), ("test", record.test)):
        if accuracy:
            low, high = accuracy.interval
            click.echo(
                f"{split} {accuracy.percent:.2f} % ({accuracy.correct:,}/{accuracy.total:,}, 95 % interval {low:.2f} to {high:.2f})"
            )
    given = ["--data", str(data)] if data else []
    click.echo(f"written: {folder}{os.sep}\nnext:    {shlex.join(['digits', 'convert', str(folder / MODEL), *given])}")
    if not record.complete:
        sys.exit(INTERRUPTED)

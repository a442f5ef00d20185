"""The command `digits`, and one of its commands for a device: inspect.

A composition root: it may import any package, and nobody imports it. Other commands live in the `cli.py` of their package; a static table
says where, and a module is loaded only when its command runs. The only module of this package that imports click.
"""

import atexit
import errno
import gc
import importlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from edge_runtime.errors import DigitsError, MissingPackage
from edge_runtime.version import __version__

# Where a command lives, the extra that brings what it needs, and its line in the help.
COMMANDS = {
    "data": ("train.cli", "train", "Look at a data set: shapes, class counts, samples."),
    "train": ("train.cli", "train", "Train one model."),
    "experiment": ("train.experiments.cli", "train,distributed", "Train a grid of models; table, plots, what follows from them."),
    "search": ("train.search.cli", "train,distributed", "Search architectures by accuracy, bytes and measured latency."),
    "convert": ("convert.cli", "train", "Convert a Keras model to checked TFLite files."),
    "compare": ("convert.cli", "train", "Compare two models on real images."),
    "classify": ("edge_runtime.classify.cli", "litert", "Classify image files."),
    "read": ("edge_runtime.reading.cli", "litert", "Read all the digits of a picture."),
    "inspect": ("edge_runtime.cli", "litert", "Show what a model file says about itself."),
    "verify": ("edge_runtime.device.cli", "litert", "Check a model on this device with its golden images."),
    "receipts": ("edge_runtime.device.cli", "litert", "Compare what digits verify found on several boards."),
    "doctor": ("edge_runtime.device.cli", "litert", "Say what runs on this device, what does not, and what mends it."),
    "tune": ("edge_runtime.device.cli", "litert", "Find the threads and batch size that suit this device."),
    "bench": ("benchmarks.cli", "bench", "Measure latency, cold start, memory, size and accuracy."),
    "report": ("benchmarks.comparison.cli", "bench", "Show results of bench on one page; find what became slower."),
    "choose": ("benchmarks.comparison.cli", "bench", "Choose a model from results of bench, by limits."),
    "serve": ("edge_runtime.serving.cli", "litert,serve", "Serve a web page to draw on, and HTTP inference."),
    "pipeline": ("benchmarks.pipeline.cli", "train,bench", "Do all of it, from data to report."),
}

_ALLOCATIONS = 50_000  # more than are made to answer a picture


class Commands(click.Group):
    """Sub-commands of the table above, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the module that holds the command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        ctx.obj = cmd_name
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of ours becomes one line and its exit code."""
        try:
            return super().invoke(ctx)
        except DigitsError as error:
            click.echo(f"digits: {' '.join(str(error).split())}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:  # of a place that no check looked at beforehand
            if error.errno == errno.EPIPE:
                raise
            click.echo(f"digits: {error.filename or 'output'}: {error.strerror or error}", err=True)
            ctx.exit(DigitsError.exit_code)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("train", "convert", "edge_runtime", "benchmarks"):
                raise  # a module of ours is missing: a broken installation, not a missing extra
            extra = COMMANDS[ctx.obj][1]
            click.echo(f"digits: {ctx.obj} needs {error.name}; install it with: pip install '.[{extra}]'", err=True)
            ctx.exit(MissingPackage.exit_code)
        except ImportError as error:  # a package that is there, and broken
            broken = (error.name or "a package").partition(".")[0]
            click.echo(
                f"digits: {broken} is installed but cannot be loaded ({_first_line(error)}); digits doctor says more", err=True
            )
            ctx.exit(MissingPackage.exit_code)


def _first_line(error: Exception) -> str:
    """The first line of a message that says something: numpy's is a page."""
    return next((line.strip() for line in str(error).splitlines() if line.strip(" *!")), type(error).__name__)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="digits")
@click.option("-v", "--verbose", is_flag=True, help="Let through what the interpreters print themselves.")
def main(verbose: bool) -> None:
    """Digit classifiers from Keras training to a Raspberry Pi or any other CPU device.

    \b
    Example: digits classify photo.png
    Start:   digits pipeline
    """
    if verbose:
        os.environ["EDGE_DIGITS_VERBOSE"] = "1"


@click.command("inspect", epilog="Example: digits inspect runs/cnn/cnn-int8.tflite")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="The manifest, with sizes, as one JSON object.")
def inspect_command(model: Path | None, as_json: bool) -> None:
    """Show what a model file says about itself, after checking all of it. Needs no interpreter.

    MODEL is a file, or one that the package ships: nano, small, base (int8), base-fp32. Without it, small.
    """
    from convert.compatibility.operator_support import minimum_runtime, unproven
    from edge_runtime.model.inspection import Runtimes, describe, facts
    from edge_runtime.model.model_file import read_model_file

    checked = read_model_file(model)
    # A file says itself what was known when it was made; of a plain one, what is known now.
    minimum = checked.manifest.minimum_runtime if checked.manifest else minimum_runtime(checked.graph)
    runtimes = Runtimes(minimum, [str(use) for use in unproven(checked.graph)])
    click.echo(json.dumps(facts(checked, runtimes)) if as_json else describe(checked, runtimes))


def start() -> None:
    """Run `digits`, as what pip installs does.

    A short command's time is that of loading what it needs. So none goes into looking through all of it for garbage, again and again while
    it is loaded, nor into taking it apart at the end, which mypy leaves out in this way too. Together that is a tenth of the time.
    """
    gc.set_threshold(_ALLOCATIONS)
    status = 1

    def leave() -> None:
        with suppress(OSError, ValueError):  # what cannot be written is told by Python's own end
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    atexit.register(leave)  # the first that is registered is called last, and threads have ended by then
    try:
        main(prog_name="digits")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


if __name__ == "__main__":
    # Run as a module this file is __main__; the table above must find the same commands under their own name.
    importlib.import_module("edge_runtime.cli").start()

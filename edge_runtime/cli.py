"""The command `digits`, and its sub-command `inspect`.

A composition root: it may import any package, and nobody imports it. Other sub-commands are in the `cli.py` of their package; a static
table says where, and a module is imported only when its command runs.
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

from edge_runtime.cli_options import ModelCommand
from edge_runtime.common.packages import broken_package, pip_install
from edge_runtime.common.stderr_filter import own_stderr
from edge_runtime.errors import DigitsError, MissingPackage
from edge_runtime.version import __version__

# For each command: its module, the extra that installs what it needs, and its line in the help.
COMMANDS = {
    "data": ("train.cli", "train", "Show a data set: shapes, class counts, samples."),
    "train": ("train.cli", "train", "Train one model."),
    "experiment": ("train.experiments.cli", "train,distributed", "Train a grid of models; table, plots, tested conclusions."),
    "search": ("train.search.cli", "train,distributed", "Search architectures by accuracy, bytes and measured latency."),
    "convert": ("convert.cli", "train", "Convert a Keras model to verified TFLite files."),
    "compare": ("convert.cli", "train", "Compare two models on real images."),
    "export": ("convert.c_code.cli", "train", "Export a model as C for microcontrollers, proven and measured."),
    "classify": ("edge_runtime.classify.cli", "litert", "Classify the digit in each image."),
    "read": ("edge_runtime.reading.cli", "litert", "Read all digits of an image, line by line."),
    "inspect": ("edge_runtime.cli", "litert", "Show the manifest, sizes and operators of a model file."),
    "verify": ("edge_runtime.device.cli", "litert", "Check a model's outputs on this device against its golden images."),
    "receipts": ("edge_runtime.device.cli", "litert", "Compare receipts of digits verify from several boards."),
    "doctor": ("edge_runtime.device.cli", "litert", "Diagnose this device: what works, what does not, and how to fix it."),
    "tune": ("edge_runtime.device.cli", "litert", "Find the fastest threads and batch size on this device."),
    "bench": ("benchmarks.cli", "litert", "Measure latency, cold start, memory, size and accuracy."),
    "report": ("benchmarks.comparison.cli", "bench", "Show results of bench on one page; find regressions."),
    "choose": ("benchmarks.comparison.cli", "litert", "Choose a model from results of bench, by limits."),
    "serve": ("edge_runtime.serving.cli", "litert,serve", "Serve a drawing page and HTTP inference."),
    "boards": ("edge_runtime.boards.cli", "boards", "Set up boards over SSH; see what is on them."),
    "deploy": ("edge_runtime.boards.cli", "litert", "Deploy models to boards: proven there, then switched to; roll back."),
    "pipeline": ("benchmarks.pipeline.cli", "train,bench", "Train, convert, verify and benchmark models, and report."),
}

_GC_THRESHOLD = 50_000  # more allocations than classifying an image takes


class Commands(click.Group):
    """Group of the commands in the table above, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        ctx.obj = cmd_name
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a call; a wrong name is told with the one that was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            import difflib  # 5 ms that a right name need not pay

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {close[0]}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an expected error becomes one line and its exit code."""
        try:
            return super().invoke(ctx)
        except DigitsError as error:
            click.echo(f"digits: {' '.join(str(error).split())}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:  # such as a full disk
            if error.errno == errno.EPIPE:
                raise
            click.echo(f"digits: {error.filename or 'output'}: {error.strerror or error}", err=True)
            ctx.exit(DigitsError.exit_code)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("train", "convert", "edge_runtime", "benchmarks"):
                raise  # a broken installation, not a missing extra
            extra = COMMANDS[ctx.obj][1]
            click.echo(f"digits: {ctx.obj} needs {error.name}; install it with: {pip_install()} '.[{extra}]'", err=True)
            ctx.exit(MissingPackage.exit_code)
        except ImportError as error:  # an installed package that is broken
            click.echo(f"digits: {broken_package(error)}", err=True)
            ctx.exit(MissingPackage.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="digits")
@click.option("-v", "--verbose", is_flag=True, help="Show the log messages of TFLite and TensorFlow on stderr.")
def main(verbose: bool) -> None:
    """Digit classifiers from Keras training to a Raspberry Pi or any other CPU device.

    \b
    Example: digits classify photo.png
    Start:   digits pipeline
    """
    if verbose:
        os.environ["EDGE_DIGITS_VERBOSE"] = "1"


@click.command("inspect", cls=ModelCommand, epilog="Example: digits inspect runs/cnn/cnn-int8.tflite")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the manifest, sizes, operators, input and output.")
def inspect_command(model: Path | None, as_json: bool) -> None:
    """Check a model file, and show its manifest, sizes and operators. Needs no interpreter.

    MODEL is a file, or a shipped model: nano, small, base (int8), base-fp32. Default: small.
    """
    from convert.compatibility.operator_support import minimum_runtime, unproven
    from edge_runtime.model.inspection import Runtimes, describe, facts
    from edge_runtime.model.model_file import read_model_file

    checked = read_model_file(model)
    # A manifest lists the runtimes known when the file was made; for a plain file, today's table is used.
    minimum = checked.manifest.minimum_runtime if checked.manifest else minimum_runtime(checked.graph)
    runtimes = Runtimes(minimum, [str(use) for use in unproven(checked.graph)])
    click.echo(json.dumps(facts(checked, runtimes)) if as_json else describe(checked, runtimes))


def start() -> None:
    """Run `digits`: the entry point of the installed command.

    A short command spends its time on imports. Rarer garbage collection, and no teardown of the interpreter at exit (mypy does the same),
    save a tenth of that.
    """
    own_stderr()
    gc.set_threshold(_GC_THRESHOLD)
    status = 1

    def leave() -> None:
        with suppress(OSError, ValueError):  # Python's own shutdown reports what cannot be written
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    if not atexit._ncallbacks():  # else whoever started Python, such as coverage, has something to do at its end
        atexit.register(leave)  # registered first, so called last: threads have ended by then
    try:
        main(prog_name="digits")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


if __name__ == "__main__":
    # As a module this file is __main__; the table above must find its commands under the module's own name.
    importlib.import_module("edge_runtime.cli").start()

"""Options that several commands of this package share."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edge_runtime.explanation import Page
    from edge_runtime.inference.classifier import Classifier


def model_option(command: Any) -> Any:
    """The option --model: a file or a shipped model."""
    return click.option(
        "--model",
        type=click.Path(path_type=Path),
        help="Model file, or a shipped model: nano, small, base (int8), base-fp32. Default: small.",
    )(command)


def remote_command_option(command: Any) -> Any:
    """The option --remote-command: where digits is on a board that has it already."""
    return click.option(
        "--remote-command",
        metavar="PATH",
        default="",
        help="The program digits on the board. Default: what digits boards setup installed.",
    )(command)


class ModelCommand(click.Command):
    """A command whose arguments are models: it takes them by --model too, as commands do whose arguments are pictures."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `--model NAME` and `--model=NAME` for the argument NAME."""
        before, found = args.copy(), []
        while before:
            word = before.pop(0)
            if word == "--":
                found += ["--", *before]
                break
            if word == "--model" and before:
                word = before.pop(0)
            found.append(word.removeprefix("--model="))
        return super().parse_args(ctx, found)


def explanation_page(path: Path | None, force: bool) -> "Page | None":
    """The page for --explain; None without the option."""
    if path is None:
        return None
    from edge_runtime.explanation import Page

    return Page(path, force)


def warn_of_model(classifier: "Classifier") -> None:
    """Print the warnings about a model on stderr."""
    for warning in classifier.warnings:
        click.echo(f"digits: {warning}", err=True)


def interpreter_options(command: Any) -> Any:
    """The options --backend and --threads."""
    for option in (
        click.option(
            "--backend", metavar="NAME", help="Interpreter: litert, tflite or tensorflow. Default: the first installed one."
        ),
        click.option(
            "--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads that the interpreter uses."
        ),
    ):
        command = option(command)
    return command

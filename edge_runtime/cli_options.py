"""Options that several commands of this package share."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.errors import BadArgument

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


def name_models(words: tuple[str, ...]) -> dict[str, Path]:
    """Model files by the name to serve or deploy them under: from NAME=FILE, or a file name without .tflite.

    Raises:
        BadArgument: a name occurs twice, or is not allowed in a URL.
    """
    from edge_runtime.common.atomic_files import check_name

    named: dict[str, Path] = {}
    for word in words:
        before, equals, after = word.partition("=")
        with_name = equals and "/" not in before  # a name has no slash, and the folder of a learning rate an equals sign
        path = Path(after if with_name else word)
        name = check_name(before if with_name else path.name.removesuffix(".tflite"))
        if name in named:
            raise BadArgument(f"two models are named {name!r}; give one another name, such as {name}-2={path}")
        named[name] = path
    return named


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

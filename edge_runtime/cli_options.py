"""Options that several commands for a device share, and what is done about them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edge_runtime.explanation import Page
    from edge_runtime.inference.classifier import Classifier


def shipped_model_option(command: Any) -> Any:
    """The option that says which model, of those that the package ships or another."""
    return click.option(
        "--model",
        type=click.Path(path_type=Path),
        help="A model file, or one that the package ships: nano, small, base (int8), base-fp32. Default: small.",
    )(command)


def explanation_page(path: Path | None, force: bool) -> "Page | None":
    """What --explain draws on."""
    if path is None:
        return None
    from edge_runtime.explanation import Page

    return Page(path, force)


def warn_of_model(classifier: "Classifier") -> None:
    """Say on stderr what a user should know about a model."""
    for warning in classifier.warnings:
        click.echo(f"digits: {warning}", err=True)


def model_option(command: Any) -> Any:
    """The options that say which model runs and how, shared by commands for a device."""
    for option in (
        click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given."),
        click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of the interpreter."),
    ):
        command = option(command)
    return command

"""Options that several commands for a device share."""

from typing import Any

import click


def model_option(command: Any) -> Any:
    """The options that say which model runs and how, shared by commands for a device."""
    for option in (
        click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given."),
        click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of the interpreter."),
    ):
        command = option(command)
    return command

"""Options shared by several commands."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge_runtime.errors import BadArgument
from train.config.training_config import OPTIMIZERS, SCHEDULES, parse_hidden
from train.distillation.teachers import committed_teachers


def _refuse_nan(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):  # passes click's range check
        raise click.BadParameter("nan is not a number of percentage points; give 0 to 100")
    return value


data_option = click.option(
    "--data",
    "data_path",
    type=click.Path(path_type=Path),
    help="Data set: an .npz like Keras' mnist.npz, or a folder of IDX files. Default: the embedded MNIST.",
)

max_drop_option = click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    callback=_refuse_nan,
    help="Largest accepted loss of accuracy in percentage points.  [default: 0.5, or what the test images can prove if they are few]",
)

# What `--augment standard` and `--distill standard` mean.
STANDARD_AUGMENTATION = {"rotation": 10, "shear": 0.1, "zoom": 0.1, "shift": 2, "elastic": 0, "stretch": 0}
STANDARD_DISTILLATION = {"views": 20, "temperature": 1, "weight": 0.9}


def _as_text(pairs: dict[str, float]) -> str:
    return ",".join(f"{name}={value}" for name, value in pairs.items())


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a training recipe; each is None unless given."""
    for option in reversed(
        (
            click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="Optimiser. Default: adam."),
            click.option("--learning-rate", type=float, help="Peak learning rate. Default: 0.003."),
            click.option("--schedule", type=click.Choice(SCHEDULES), help="Learning rate schedule. Default: cosine, down to 0."),
            click.option(
                "--warmup", type=float, metavar="EPOCHS", help="Epochs in which the learning rate rises from 0. Default: 0."
            ),
            click.option("--weight-decay", type=float, help="Weight decay of adamw. Default: 0."),
            click.option(
                "--label-smoothing",
                type=float,
                metavar="FRACTION",
                help="Spread this fraction of each label over all classes. Default: 0.",
            ),
            click.option(
                "--averaging",
                type=float,
                metavar="MOMENTUM",
                help="Use a moving average of the weights, such as 0.999. Default: 0, off.",
            ),
            click.option(
                "--atrous",
                is_flag=True,
                default=None,
                help="Replace strides of the trained cnn by dilation: more accurate, slower.",
            ),
            click.option(
                "--strokes",
                type=click.IntRange(0),
                metavar="COUNT",
                help="Add drawn digits in forms that MNIST hardly has, such as a crossed 7; for data of digits. Default: 0.",
            ),
            click.option(
                "--augment",
                metavar="SETTINGS",
                help=f"Random distortions of training images: standard ({_as_text(STANDARD_AUGMENTATION)}), a list like it, or none.",
            ),
            click.option(
                "--distill",
                metavar="SETTINGS",
                help=f"Distillation from the committed teachers: standard ({_as_text(STANDARD_DISTILLATION)}), a list like it, or none.",
            ),
        )
    ):
        command = option(command)
    return command


def fields_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Fields of a TrainingConfig from the given options.

    Raises:
        BadArgument: hidden layers, augmentation or distillation cannot be parsed.
    """
    fields = {name: value for name, value in settings.items() if value is not None}
    if "hidden" in fields:
        fields["hidden"] = list(parse_hidden(fields["hidden"]))
    for option, field, standard in (
        ("augment", "augmentation", STANDARD_AUGMENTATION),
        ("distill", "distillation", STANDARD_DISTILLATION),
    ):
        if option in fields:
            fields[field] = _parse_pairs(field, fields.pop(option), standard)
    if fields.get("distillation"):
        fields["distillation"] |= {"teachers": list(committed_teachers())}
    return fields


def _parse_pairs(field: str, text: str, standard: dict[str, float]) -> dict[str, Any] | None:
    """Parse numbers by name, such as "rotation=15,shift=2", "standard" or "none"."""
    if text in ("standard", "none"):
        return dict(standard) if text == "standard" else None
    try:
        pairs = {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        pairs = {"": 0.0}
    if not pairs.keys() <= standard.keys():
        raise BadArgument(f"{field} is {text!r}, expected standard, none, or a list such as {_as_text(standard)}")
    return {name: int(value) if name == "views" and value.is_integer() else value for name, value in pairs.items()}

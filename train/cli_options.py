"""Options that several commands have."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge_runtime.errors import BadArgument
from train.config.training_config import OPTIMIZERS, SCHEDULES, parse_hidden
from train.distillation.teachers import committed_teachers


def _refuse_nan(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which click's range lets through
        raise click.BadParameter("nan is no number of points")
    return value


data_option = click.option(
    "--data",
    "data_path",
    type=click.Path(path_type=Path),
    help="An .npz like Keras' mnist.npz, or a folder of IDX files; the embedded MNIST if not given.",
)

max_drop_option = click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=0.5,
    show_default=True,
    callback=_refuse_nan,
    help="Points of accuracy that may be lost.",
)

# What `--augment standard` and `--distill standard` mean.
STANDARD_AUGMENTATION = {"rotation": 10, "shear": 0.1, "zoom": 0.1, "shift": 2, "elastic": 0}
STANDARD_DISTILLATION = {"views": 20, "temperature": 1, "weight": 0.9}


def _as_text(pairs: dict[str, float]) -> str:
    return ",".join(f"{name}={value}" for name, value in pairs.items())


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The switches of a training recipe; each arrives as None unless it was given."""
    for option in reversed(
        (
            click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="Default: adam."),
            click.option("--learning-rate", type=float, help="The largest one. Default: 0.003."),
            click.option("--schedule", type=click.Choice(SCHEDULES), help="Learning rate over time. Default: cosine, down to 0."),
            click.option("--warmup", type=float, metavar="EPOCHS", help="Let the learning rate rise from 0 first."),
            click.option("--weight-decay", type=float, help="Of adamw."),
            click.option(
                "--label-smoothing", type=float, metavar="SHARE", help="Spread this share of each label over all classes."
            ),
            click.option(
                "--averaging", type=float, metavar="MOMENTUM", help="Keep a moving average of the weights, such as 0.999."
            ),
            click.option(
                "--atrous",
                is_flag=True,
                default=None,
                help="Once a cnn is trained, let its strides become dilation: more exact, slower.",
            ),
            click.option(
                "--augment",
                metavar="WHAT",
                help=f"Move and bend images: standard ({_as_text(STANDARD_AUGMENTATION)}), a list like it, or none.",
            ),
            click.option(
                "--distill",
                metavar="WHAT",
                help=f"Learn from the committed teachers: standard ({_as_text(STANDARD_DISTILLATION)}), a list like it, or none.",
            ),
        )
    ):
        command = option(command)
    return command


def fields_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Fields of a TrainingConfig from the options that were given.

    Raises:
        BadArgument: hidden layers or augmentation cannot be understood.
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
    """Numbers by name from text such as "rotation=15,shift=2"; "standard" for the usual ones, "none" for None."""
    if text in ("standard", "none"):
        return dict(standard) if text == "standard" else None
    try:
        pairs = {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        pairs = {"": 0.0}
    if not pairs.keys() <= standard.keys():
        raise BadArgument(f"{field} is {text!r}, expected standard, none, or a list such as {_as_text(standard)}")
    return {name: int(value) if name == "views" and value.is_integer() else value for name, value in pairs.items()}

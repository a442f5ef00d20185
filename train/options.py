"""Options that several commands have."""

import math
from pathlib import Path

import click


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

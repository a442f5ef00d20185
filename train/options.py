"""The option that every command with data has."""

from pathlib import Path

import click

data_option = click.option(
    "--data",
    "data_path",
    type=click.Path(path_type=Path),
    help="An .npz like Keras' mnist.npz, or a folder of IDX files; the embedded MNIST if not given.",
)

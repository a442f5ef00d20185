"""Commands of training: `digits data`, `digits train`.

A composition root: it may import any package, and nobody imports it.
"""

import os
import sys
from pathlib import Path

import click
import numpy as np

from edge_runtime.errors import BadArgument
from edge_runtime.files import check_name, refuse_to_overwrite, write_file
from edge_runtime.pixels import as_text
from train.config import ACTIVATIONS, DEFAULT_EPOCHS, DEFAULT_HIDDEN, MODELS, TrainingConfig, parse_hidden
from train.data import Dataset, Split, load_dataset
from train.options import data_option
from train.runs import refuse_taken_run


@click.command("data", epilog="Example: digits data --samples samples.png")
@data_option
@click.option("--samples", type=click.Path(path_type=Path), help="Write a picture (PNG) of the first images of each class.")
@click.option("--export", type=click.Path(path_type=Path), help="Write a test image of each class (LABEL.png) into this folder.")
@click.option("--text/--no-text", "text", default=None, help="Draw samples as text; done in a terminal if not said.")
@click.option("--force", is_flag=True, help="Replace pictures that exist.")
def data_command(data_path: Path | None, samples: Path | None, export: Path | None, text: bool | None, force: bool) -> None:
    """Look at a data set: shapes, dtypes, class counts of each split, samples."""
    if samples:
        refuse_to_overwrite(samples, force)
    data = load_dataset(data_path)
    click.echo(_describe(data))
    if sys.stdout.isatty() if text is None else text:
        click.echo("\n" + _samples_as_text(data.train))
    if samples:
        from train.plots import sample_grid

        write_file(samples, sample_grid(data.train), force)
        click.echo(f"samples: {samples}")
    if export:
        _export(data.test, export, force)
        click.echo(f"images: {export}{os.sep}")


def _describe(data: Dataset) -> str:
    lines = [f"{data.source}  sha256 {data.sha256[:16]}"]
    for name in ("x_train", "y_train", "x_test", "y_test"):
        array = getattr(data, name)
        lines.append(f"{name:<10} {array.dtype} {list(array.shape)}  values {array.min()} to {array.max()}")
    lines.append("")
    lines.append(f"{'split':<10} {'images':>7}  " + " ".join(f"{label:>6}" for label in range(data.classes)))
    for split in (data.train, data.validation, data.test):
        counts = [int((split.labels == label).sum()) for label in range(data.classes)]
        lines.append(f"{split.name:<10} {len(split):>7,}  " + " ".join(f"{count:>6,}" for count in counts))
    return "\n".join(lines)


def _export(split: Split, folder: Path, force: bool) -> None:
    """Write the first image of each class, as files that `digits classify` takes."""
    from edge_runtime.images import png_bytes

    first = {int(label): int((split.labels == label).argmax()) for label in np.unique(split.labels)}
    for label in first:
        refuse_to_overwrite(folder / f"{label}.png", force)
    for label, index in first.items():
        write_file(folder / f"{label}.png", png_bytes(split.images[index]), force)


def _samples_as_text(split: Split) -> str:
    """Three images side by side, of the first three classes: 90 columns."""
    shown = [int((split.labels == label).argmax()) for label in range(3) if (split.labels == label).any()]
    drawings = [as_text(split.images[index], sys.stdout.encoding).splitlines() for index in shown]
    return "\n".join("  ".join(line) for line in zip(*drawings, strict=True))


@click.command("train", epilog="Example: digits train mlp --hidden 128,64 --activation tanh --epochs 5")
@click.argument("model", type=click.Choice(MODELS))
@click.option("--hidden", help=f"Units of mlp's hidden layers, or none. Default: {','.join(map(str, DEFAULT_HIDDEN))}.")
@click.option("--activation", type=click.Choice(ACTIVATIONS), help="Of mlp's hidden layers. Default: relu.")
@click.option("--epochs", type=int, help=f"Default: {', '.join(f'{name} {count}' for name, count in DEFAULT_EPOCHS.items())}.")
@click.option("--batch-size", type=int, default=64, show_default=True)
@click.option(
    "--learning-rate", type=float, default=0.003, show_default=True, help="Of Adam at the start; falls to 0 along a cosine."
)
@click.option("--seed", type=int, default=0, show_default=True)
@data_option
@click.option("--name", help="Of the run; the model's if not given.")
@click.option("--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Folder of all runs.")
@click.option("--test", is_flag=True, help="Judge the model on the test images too: for a verdict, never for a choice.")
@click.option("--force", is_flag=True, help="Replace a run of that name.")
def train_command(
    model: str,
    hidden: str | None,
    activation: str | None,
    epochs: int | None,
    batch_size: int,
    learning_rate: float,
    seed: int,
    data_path: Path | None,
    name: str | None,
    runs: Path,
    test: bool,
    force: bool,
) -> None:
    """Train one model and write runs/NAME/{model.keras, training.json, curves.png}.

    \b
    linear  784 inputs to 10 outputs, no hidden layer
    mlp     hidden layers of --hidden units with --activation
    cnn     four small convolutions with batch normalisation
    """
    epochs = DEFAULT_EPOCHS[model] if epochs is None else epochs
    if model != "mlp" and (hidden is not None or activation is not None):
        raise BadArgument(f"--hidden and --activation are mlp's, not {model}'s")
    units = DEFAULT_HIDDEN if hidden is None else parse_hidden(hidden)
    config = TrainingConfig(model, units, activation or "relu", epochs, batch_size, learning_rate, seed)
    folder = runs / check_name(model if name is None else name)
    refuse_taken_run(folder, force)
    data = load_dataset(data_path)

    from train.training import train_run  # loads TensorFlow: seconds, so after all that can be wrong without it

    record = train_run(config, data, folder, test=test, force=force)
    click.echo(f"{record.parameters:,} parameters, {record.seconds:.1f} s, seed {seed}")
    for split, accuracy in (("validation", record.validation), ("test", record.test)):
        if accuracy:
            low, high = accuracy.interval
            click.echo(
                f"{split} {accuracy.percent:.2f} % ({accuracy.correct:,}/{accuracy.total:,}, 95 % interval {low:.2f} to {high:.2f})"
            )
    click.echo(f"written: {folder}{os.sep}\nnext:    digits convert {folder / 'model.keras'}")

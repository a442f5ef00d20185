"""The commands `digits data` and `digits train`.

A composition root: it may import any package, and is imported by none.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from edge_runtime.common.atomic_files import check_name, refuse_to_overwrite, write_file
from edge_runtime.common.pixels import as_text
from edge_runtime.errors import BadArgument
from train.cli_options import data_option, fields_of, recipe_options
from train.config.config_file import CONFIGS, RELEASED, config_of, read_config, release_config
from train.config.training_config import ACTIVATIONS, DEFAULT_CONVOLUTIONS, DEFAULT_EPOCHS, DEFAULT_HIDDEN, MODELS, TrainingConfig
from train.data import Dataset, Split, load_dataset
from train.distillation.teachers import find_teachers
from train.interrupt import INTERRUPTED
from train.loop.threads import limit_threads
from train.runs.store import finished_run, refuse_taken_run
from train.runs.summary import print_run


@click.command("data", epilog="Example: digits data --samples samples.png")
@data_option
@click.option("--samples", type=click.Path(path_type=Path), help="Write a PNG with the first images of each class.")
@click.option("--export", type=click.Path(path_type=Path), help="Write one test image of each class (LABEL.png) to this folder.")
@click.option("--text/--no-text", "text", default=None, help="Print samples as text. Default: only in a terminal.")
@click.option("--force", is_flag=True, help="Replace existing files.")
def data_command(data_path: Path | None, samples: Path | None, export: Path | None, text: bool | None, force: bool) -> None:
    """Show a data set: shapes, dtypes, class counts of each split, samples."""
    if samples:
        refuse_to_overwrite(samples, force)
    data = load_dataset(data_path)
    click.echo(_describe(data))
    if sys.stdout.isatty() if text is None else text:
        click.echo("\n" + _samples_as_text(data.train))
    if samples:
        from train.runs.plots import sample_grid

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
    """Write the first image of each class as a PNG file."""
    from edge_runtime.preprocessing.image_files import png_bytes

    first = {int(label): int((split.labels == label).argmax()) for label in np.unique(split.labels)}
    for label in first:
        refuse_to_overwrite(folder / f"{label}.png", force)
    for label, index in first.items():
        write_file(folder / f"{label}.png", png_bytes(split.images[index]), force)


def _samples_as_text(split: Split) -> str:
    """Images of the first three classes side by side, 90 columns wide."""
    shown = [int((split.labels == label).argmax()) for label in range(3) if (split.labels == label).any()]
    drawings = [as_text(split.images[index], sys.stdout.encoding).splitlines() for index in shown]
    return "\n".join("  ".join(line) for line in zip(*drawings, strict=True))


@click.command("train", epilog="Example: digits train mlp --hidden 128,64 --activation tanh --epochs 5")
@click.argument("model", type=click.Choice(MODELS), required=False)
@click.option("--quick", is_flag=True, help="Train cnn to 99 % in the fewest seconds.")
@click.option(
    "--release",
    type=click.Choice(CONFIGS),
    help="Train a released model by its committed config, and evaluate it on the test images.",
)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="TOML file with the config; other options override it."
)
@click.option("--hidden", help=f"Units of each hidden layer of mlp, or none. Default: {','.join(map(str, DEFAULT_HIDDEN))}.")
@click.option("--activation", type=click.Choice(ACTIVATIONS), help="Activation of mlp's hidden layers. Default: relu.")
@click.option("--convolutions", metavar="LIST", help=f"Layers of cnn. Default: {','.join(map(str, DEFAULT_CONVOLUTIONS))}.")
@click.option(
    "--epochs",
    type=int,
    help=f"Passes over the training images. Default: {', '.join(f'{name} {count}' for name, count in DEFAULT_EPOCHS.items())}.",
)
@click.option("--batch-size", type=int, help="Images per training step. Default: 64.")
@recipe_options
@click.option("--seed", type=int, help="Seed of weights, order and augmentation. Default: 0.")
@data_option
@click.option("--name", help="Name of the run. Default: that of the model or config.")
@click.option("--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Folder of all runs.")
@click.option("--test", is_flag=True, help="Also evaluate on the test images; never choose a model by them.")
@click.option("--threads", type=click.IntRange(1, 256), help="CPU threads. Default: one per core.")
@click.option("--tensorboard", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Also write TensorBoard logs.")
@click.option("--resume", is_flag=True, help="Continue a run that was stopped or killed.")
@click.option("--force", is_flag=True, help="Replace an existing run of that name.")
def train_command(
    model: str | None,
    quick: bool,
    release: str | None,
    config_file: Path | None,
    data_path: Path | None,
    name: str | None,
    runs: Path,
    test: bool,
    threads: int | None,
    tensorboard: Path | None,
    resume: bool,
    force: bool,
    **settings: Any,
) -> None:
    """Train one model and write runs/NAME/{model.keras, training.json, curves.png}.

    \b
    linear    784 inputs to 10 outputs, no hidden layer
    mlp       hidden layers of --hidden units with --activation
    cnn       small convolutions with batch normalisation
    tutorial  the network of TensorFlow's quantisation tutorial, for comparison

    Ctrl-C stops training after the current batch and saves the model; --resume continues from the last complete epoch.
    """
    config = _config(model, quick, release, config_file, settings)
    folder = runs / check_name(name or _run_name(config, quick, release, config_file))
    if force and resume:
        raise BadArgument("--resume continues a run, --force replaces it: give only one of them")
    refuse_taken_run(folder, force or resume)
    if tensorboard:
        refuse_to_overwrite(tensorboard / folder.name / "train", force=True)  # fails if the folder cannot be written
    data = load_dataset(data_path)
    if resume and (done := finished_run(folder, config, data.sha256)):
        if test and done.test is None:
            raise BadArgument(f"{folder} is finished and was not evaluated on the test images; use digits compare --split test")
        print_run(done, folder, data_path)
        return
    if threads:
        limit_threads(threads)

    from train.loop.trainer import train_run  # loads TensorFlow, which takes seconds, so after all checks that do not need it

    record = train_run(
        config,
        data,
        folder,
        test=test or release in RELEASED,
        force=force,
        resume=resume,
        teacher_logits=_teacher_logits(config, data, threads),
        tensorboard=tensorboard,
    )
    print_run(record, folder, data_path)


def _config(
    model: str | None, quick: bool, release: str | None, config_file: Path | None, settings: dict[str, Any]
) -> TrainingConfig:
    """The config of a file or the defaults of a model, overridden by the given options."""
    given = fields_of(settings)
    if release and (changed := sorted(name for name, value in settings.items() if value is not None and name != "seed")):
        raise BadArgument(
            f"--{changed[0].replace('_', '-')} cannot be changed for a release; copy its config and give it with --config"
        )
    if file := _config_file(model, quick, release, config_file):
        config = read_config(file, **given)
        if model and config.model != model:
            raise BadArgument(f"{file.name} is a config of {config.model}, not of {model}; leave out the model")
    elif model is None:
        raise BadArgument(f"no model given; give one of {', '.join(MODELS)}, or --release or --config")
    else:
        config = config_of({"model": model, "epochs": DEFAULT_EPOCHS[model]} | given)
    for field, owner in (("hidden", "mlp"), ("activation", "mlp"), ("convolutions", "cnn")):
        if field in given and config.model != owner:
            raise BadArgument(f"--{field} is an option of {owner}, not of {config.model}")
    return config


def _config_file(model: str | None, quick: bool, release: str | None, config_file: Path | None) -> Path | None:
    if quick + bool(release) + bool(config_file) > 1:
        raise BadArgument("--quick, --release and --config each name a config: give only one of them")
    if quick and model not in (None, "cnn"):
        raise BadArgument(f"--quick is a config of cnn, not of {model}; use digits train cnn --quick")
    named = "quick" if quick else release
    return release_config(named) if named else config_file


def _run_name(config: TrainingConfig, quick: bool, release: str | None, config_file: Path | None) -> str:
    if release:
        return f"{release}-seed{config.seed}"
    return config_file.stem if config_file else "quick" if quick else config.model


def _teacher_logits(config: TrainingConfig, data: Dataset, threads: int | None) -> Any:
    """The teachers' logits if the config has distillation, else None."""
    if config.distillation is None:
        return None

    from tqdm import tqdm

    from train.distillation.views import default_cache, teacher_logits, views_needed

    views, teachers = views_needed(config), find_teachers(config.distillation.teachers)
    click.echo(
        f"computing logits of {len(teachers)} teachers for {views} views of each image; cached in {default_cache()}", err=True
    )
    try:
        with tqdm(total=views, unit="view", desc="teachers", file=sys.stderr, disable=None, leave=False) as bar:
            return teacher_logits(config, data, threads=threads or len(os.sched_getaffinity(0)), done=bar.update)
    except KeyboardInterrupt:
        click.echo("stopped while computing teachers' logits; repeat the command to continue", err=True)
        sys.exit(INTERRUPTED)

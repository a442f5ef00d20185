"""The folder of a training run: runs/<name>/{model.keras, training.json, curves.png}."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.errors import BadArgument, WouldOverwrite
from train.config.training_config import TrainingConfig

if TYPE_CHECKING:
    import keras

MODEL, RECORD, CURVES = "model.keras", "training.json", "curves.png"
CHECKPOINT = "checkpoint.npz"  # exists while a run is not finished


@dataclass(frozen=True)
class Epoch:
    """Metrics of an epoch, counted from 1.

    Training metrics are means during the epoch, and `loss` is the minimised one, with smoothing and distillation; `val_loss` is the
    cross-entropy with the labels. Validation metrics are those of the weights after the epoch. With `averaging` the final model has other
    weights, which the record's `validation` is for.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True)
class TrainingRecord:
    """The record of a training run.

    calibration_indices: indices into the `train` split.
    test: accuracy on test images; None if not requested.
    stray_batches: batches of an incomplete last epoch, which have changed the weights.
    """

    config: TrainingConfig
    parameters: int
    classes: int
    data_source: str
    data_sha256: str
    train_images: int
    calibration_indices: tuple[int, ...]
    versions: dict[str, str]
    history: tuple[Epoch, ...]
    seconds: float
    validation: Accuracy
    test: Accuracy | None
    stray_batches: int = 0

    @property
    def complete(self) -> bool:
        """Whether all epochs were trained; false for a stopped run."""
        return len(self.history) == self.config.epochs


def refuse_taken_run(folder: Path, force: bool) -> None:
    """Check before training that a run can be saved in a folder.

    Raises:
        WouldOverwrite: the folder contains a run, finished or not, and `force` is false.
        DigitsError: the folder cannot be written.
    """
    if (folder / CHECKPOINT).exists() and not force:
        raise WouldOverwrite(
            f"{folder} contains a stopped run; give --resume to continue it, --force to start again, or another --name"
        )
    for name in (MODEL, RECORD, CURVES):
        refuse_to_overwrite(folder / name, force)


def is_stopped(folder: Path) -> bool:
    """Whether a folder contains a run that can be resumed.

    Raises:
        DataError: its record cannot be read.
    """
    return (folder / CHECKPOINT).exists() or ((folder / RECORD).exists() and not read_record(folder / RECORD).complete)


def save_run(folder: Path, model: "keras.Model", record: TrainingRecord, curves: bytes, force: bool = False) -> None:
    """Write a run's three files, the record last, so that a folder with a record is complete.

    Raises:
        WouldOverwrite: the folder contains a run and `force` is false.
    """
    for name in (MODEL, RECORD, CURVES):
        refuse_to_overwrite(folder / name, force)
    content = keras_bytes(model)
    (folder / RECORD).unlink(missing_ok=True)
    write_file(folder / MODEL, content, force)
    write_file(folder / CURVES, curves, force)
    write_file(folder / RECORD, to_json(record, indent=2) + "\n", force)


def keras_bytes(model: "keras.Model") -> bytes:
    """A model as a .keras file without optimiser state, which is a third of the size."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        bare.save(path)
        return path.read_bytes()


def read_record(path: Path) -> TrainingRecord:
    """Read a training.json.

    Raises:
        DataError: the file cannot be read, or a field is invalid; the message names it.
    """
    return read_json(TrainingRecord, path)


def finished_run(folder: Path, config: TrainingConfig, data_sha256: str) -> TrainingRecord | None:
    """The record of a finished run in a folder, else None.

    With a checkpoint beside it, a record belongs to a run that is being replaced, or that was killed before the checkpoint was deleted.

    Raises:
        BadArgument: the run has another config or other data, so that resuming must not replace it.
        DataError: the record cannot be read.
    """
    if not (folder / RECORD).exists() or (folder / CHECKPOINT).exists():
        return None
    record = read_record(folder / RECORD)
    if (record.config, record.data_sha256) != (config, data_sha256):
        raise BadArgument(f"{folder} is a run with other settings or data; repeat them, or start again with --force")
    return record if record.complete else None

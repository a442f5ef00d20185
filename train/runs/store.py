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
CHECKPOINT = "checkpoint.npz"  # there while a run is not finished


@dataclass(frozen=True)
class Epoch:
    """Figures of one epoch, counted from 1.

    Those of training are means while the weights still changed, and `loss` is what was minimised, smoothing, teachers and all; `val_loss`
    is cross-entropy with the labels. Those of validation are of the weights as they were after the epoch: with `averaging`, the model that
    is kept has others, and the record's `validation` is of those.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True)
class TrainingRecord:
    """How a model came about.

    calibration_indices: point into the `train` split.
    test: None unless it was asked for.
    stray_batches: of an epoch that was stopped half-way; they changed the weights.
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
        """Whether all epochs were trained; if not, somebody stopped the run."""
        return len(self.history) == self.config.epochs


def refuse_taken_run(folder: Path, force: bool) -> None:
    """Ask before training whether a run may be saved there.

    Raises:
        WouldOverwrite: it holds one already, finished or not, and `force` is false.
        DigitsError: nothing can be written there.
    """
    if (folder / CHECKPOINT).exists() and not force:
        raise WouldOverwrite(
            f"{folder} holds a run that was stopped; give --resume to go on, --force to start anew, or another name"
        )
    for name in (MODEL, RECORD, CURVES):
        refuse_to_overwrite(folder / name, force)


def is_stopped(folder: Path) -> bool:
    """Whether a folder holds a run that can go on: killed or stopped, and be it in its first epoch.

    Raises:
        DataError: its record cannot be read.
    """
    return (folder / CHECKPOINT).exists() or ((folder / RECORD).exists() and not read_record(folder / RECORD).complete)


def save_run(folder: Path, model: "keras.Model", record: TrainingRecord, curves: bytes, force: bool = False) -> None:
    """Write a run's three files, the record last: where it is, the run is whole.

    Raises:
        WouldOverwrite: there is a run already and `force` is false.
    """
    for name in (MODEL, RECORD, CURVES):
        refuse_to_overwrite(folder / name, force)
    content = keras_bytes(model)
    (folder / RECORD).unlink(missing_ok=True)
    write_file(folder / MODEL, content, force)
    write_file(folder / CURVES, curves, force)
    write_file(folder / RECORD, to_json(record, indent=2) + "\n", force)


def keras_bytes(model: "keras.Model") -> bytes:
    """A model as the content of a .keras file, without the state of its optimiser: a third of the size."""
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        bare.save(path)
        return path.read_bytes()


def read_record(path: Path) -> TrainingRecord:
    """Read a training.json.

    Raises:
        DataError: it cannot be read, or a field is wrong; the message names it.
    """
    return read_json(TrainingRecord, path)


def finished_run(folder: Path, config: TrainingConfig, data_sha256: str) -> TrainingRecord | None:
    """The record of the run in a folder, if it is finished.

    Where a checkpoint lies, the record is that of a run which another one was to replace, or was killed before the checkpoint went.

    Raises:
        BadArgument: it is of another config or other data, which going on must not replace.
        DataError: the record cannot be read.
    """
    if not (folder / RECORD).exists() or (folder / CHECKPOINT).exists():
        return None
    record = read_record(folder / RECORD)
    if (record.config, record.data_sha256) != (config, data_sha256):
        raise BadArgument(f"{folder} is a run with other settings or data; repeat those, or start anew with --force")
    return record if record.complete else None

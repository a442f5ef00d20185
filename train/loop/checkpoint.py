"""A run that can go on where it was stopped: weights, state of the optimiser and history, in one file that is written after every epoch."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import BadArgument, DataError
from train.backend import keras
from train.config.training_config import TrainingConfig
from train.runs.store import Epoch
from train.runs.versions import installed_versions

_HEAD = "head"


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint says about its run; its arrays only fit this config, this data and these versions."""

    config: TrainingConfig
    data_sha256: str
    versions: dict[str, str]
    history: tuple[Epoch, ...]
    seconds: float


def save_checkpoint(path: Path, head: CheckpointHeader, model: keras.Model) -> None:
    """Write a checkpoint; a process killed meanwhile leaves the one before."""
    stream = io.BytesIO()
    arrays = {f"v{number}": np.asarray(variable) for number, variable in enumerate(_state(model))}
    np.savez(stream, **{_HEAD: np.frombuffer(to_json(head).encode(), np.uint8)}, **arrays)  # type: ignore[arg-type]
    write_file(path, stream.getvalue(), force=True)


def restore_checkpoint(path: Path, config: TrainingConfig, data_sha256: str, model: keras.Model) -> CheckpointHeader:
    """Put a checkpoint's state into a compiled model and say how far the run was.

    Raises:
        DataError: it is no checkpoint.
        BadArgument: it is of another config, other data or other versions of what trains.
    """
    try:
        stored = _read(path)
        head = from_json(CheckpointHeader, stored.pop(_HEAD).tobytes())
        if (head.config, head.data_sha256) != (config, data_sha256):
            raise BadArgument(f"{path} is of a run with other settings or data; repeat those, or start anew with --force")
        if head.versions != (here := installed_versions()):
            raise BadArgument(f"{path} was written by {_listed(head.versions)}, this is {_listed(here)}; start anew with --force")
        model.optimizer.build(model.trainable_variables)
        for variable, array in zip(_state(model), stored.values(), strict=True):
            variable.assign(array)
    except BadArgument:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds of errors of damaged bytes
        raise DataError(f"{path} is no checkpoint of this program ({error!r}); start anew with --force") from error
    return head


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays in their order. Entries are read whole, since `np.load` stops before zipfile has compared the checksum."""
    with zipfile.ZipFile(path) as archive:
        contents = {name.removesuffix(".npy"): io.BytesIO(archive.read(name)) for name in archive.namelist()}
    return {name: np.lib.format.read_array(content, allow_pickle=False) for name, content in contents.items()}


def _state(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]

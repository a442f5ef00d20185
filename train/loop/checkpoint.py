"""Checkpoints: weights, optimiser state and history in one file, written after every epoch, from which a run can be resumed."""

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
    """The run of a checkpoint; the arrays are valid for this config, data and these versions only."""

    config: TrainingConfig
    data_sha256: str
    versions: dict[str, str]
    history: tuple[Epoch, ...]
    seconds: float


def save_checkpoint(path: Path, head: CheckpointHeader, model: keras.Model) -> None:
    """Write a checkpoint atomically: a killed process leaves the previous one."""
    stream = io.BytesIO()
    arrays = {f"v{number}": np.asarray(variable) for number, variable in enumerate(_state(model))}
    np.savez(stream, **{_HEAD: np.frombuffer(to_json(head).encode(), np.uint8)}, **arrays)  # type: ignore[arg-type]
    write_file(path, stream.getvalue(), force=True)


def restore_checkpoint(path: Path, config: TrainingConfig, data_sha256: str, model: keras.Model) -> CheckpointHeader:
    """Load a checkpoint into a compiled model, and return its header.

    Raises:
        DataError: the file is not a valid checkpoint.
        BadArgument: it has another config, other data or other package versions.
    """
    try:
        stored = _read(path)
        head = from_json(CheckpointHeader, stored.pop(_HEAD).tobytes())
        if (head.config, head.data_sha256) != (config, data_sha256):
            raise BadArgument(f"{path} is of a run with other settings or data; repeat them, or start again with --force")
        if head.versions != (here := installed_versions()):
            raise BadArgument(f"{path} was written by {_listed(head.versions)}, this is {_listed(here)}; start again with --force")
        model.optimizer.build(model.trainable_variables)
        for variable, array in zip(_state(model), stored.values(), strict=True):
            variable.assign(array)
    except BadArgument:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds of errors for damaged files
        raise DataError(f"{path} is not a valid checkpoint ({error!r}); start again with --force") from error
    return head


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays in order. Entries are read completely, since `np.load` stops before zipfile checks the checksum."""
    with zipfile.ZipFile(path) as archive:
        contents = {name.removesuffix(".npy"): io.BytesIO(archive.read(name)) for name in archive.namelist()}
    return {name: np.lib.format.read_array(content, allow_pickle=False) for name, content in contents.items()}


def _state(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]

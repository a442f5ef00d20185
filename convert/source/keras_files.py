"""Which paths name Keras models. Importing this loads no TensorFlow."""

from pathlib import Path

from edge_runtime.errors import ModelFileError
from train.runs.store import CHECKPOINT, MODEL

_ENDINGS = (".keras", ".h5", ".hdf5")


def is_keras(path: Path) -> bool:
    """Whether a file is a Keras model by its name."""
    return path.suffix.lower() in _ENDINGS


def keras_file(path: Path) -> Path:
    """The file of a model: the path itself, or the model in a run's folder.

    Raises:
        ModelFileError: a folder with no model that Keras can load; the message says what to do.
    """
    if not path.is_dir():
        return path
    if (path / MODEL).is_file():
        return path / MODEL
    if (path / "saved_model.pb").exists():
        raise ModelFileError(
            f"{path}: is a SavedModel, which Keras does not load; save the model where it was made, by model.save('NAME.keras')"
        )
    if (path / CHECKPOINT).exists():
        raise ModelFileError(
            f"{path}: has no model yet, its training was stopped; continue it by repeating its digits train command with --resume"
        )
    found = ", ".join(sorted(file.name for file in path.iterdir() if is_keras(file))[:3])
    raise ModelFileError(
        f"{path}: is a folder without {MODEL}; give a run's folder or a .keras file" + (f": {found}" if found else "")
    )

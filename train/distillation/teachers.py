"""The teachers' model files, found by their sha256. Needs no TensorFlow."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.errors import DataError

TEACHERS = Path(__file__).parents[1] / "releases" / "teachers"


def by_hash(folder: Path = TEACHERS) -> dict[str, Path]:
    """Model files of a folder by their sha256, in order of file names."""
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(folder.glob("*.tflite"))}


def committed_teachers(folder: Path = TEACHERS) -> dict[str, Path]:
    """As `by_hash`, for a folder that must not be empty.

    Raises:
        DataError: there is no model file.
    """
    if not (found := by_hash(folder)):
        raise DataError(f"no teachers (*.tflite) in {folder}; they are in the repository, not in the wheel")
    return found


def find_teachers(hashes: Sequence[str], folder: Path = TEACHERS) -> list[Path]:
    """The model files with the given hashes, in the same order.

    Raises:
        DataError: a file is missing.
    """
    known = committed_teachers(folder)
    for wanted in hashes:
        if wanted not in known:
            raise DataError(f"no teacher with sha256 {wanted[:16]}... among {len(known)} model files in {folder}; add its file")
    return [known[wanted] for wanted in hashes]

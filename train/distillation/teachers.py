"""The model files that others learn from, named by their sha256. Needs no TensorFlow."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.errors import DataError

TEACHERS = Path(__file__).parents[1] / "releases" / "teachers"


def by_hash(folder: Path = TEACHERS) -> dict[str, Path]:
    """Model files of a folder by their sha256, in the order of their names."""
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(folder.glob("*.tflite"))}


def committed_teachers(folder: Path = TEACHERS) -> dict[str, Path]:
    """The same of a folder that must have some.

    Raises:
        DataError: there is none.
    """
    if not (found := by_hash(folder)):
        raise DataError(f"no teachers (*.tflite) in {folder}; they come with the repository, not with the wheel")
    return found


def find_teachers(hashes: Sequence[str], folder: Path = TEACHERS) -> list[Path]:
    """The model files of a config's teachers, in its order.

    Raises:
        DataError: the folder lacks one.
    """
    known = committed_teachers(folder)
    for wanted in hashes:
        if wanted not in known:
            raise DataError(f"no teacher with sha256 {wanted[:16]}... among {len(known)} model files in {folder}")
    return [known[wanted] for wanted in hashes]

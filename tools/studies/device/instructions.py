"""How many instructions a picture takes on a Raspberry Pi 4 and 5: `python -m tools.studies.device.instructions`, `make instructions`.

Counted on emulated boards (tests/emulation/instructions.py), so there are no times, and two runs give the same numbers.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.json_codec import read_json
from edge_runtime.errors import DataError, DigitsError
from tests.emulation.boards import PI4, PI5
from tests.emulation.host import EmulationError
from tests.emulation.instructions import MODELS, PHOTO, Counted, count, qemu_version
from tools.release.layout import Layout, run, write_or_print

RESULT = "instructions.json"
BOARDS = (PI4, PI5)
MOST_ADDED = 0.01
"""Share of its instructions that a change may add to a step."""
SYSTEM = {"QEMU", "Python", "glibc"}
"""Versions that are the system's: its updates come on their own, and change little."""


@dataclass(frozen=True)
class ModelCounts:
    """Instructions of one model file. pixels: `Classifier.classify` of 28x28 pixels. label: `Classifier.classify_file` of the photo."""

    pixels: int
    label: int


@dataclass(frozen=True)
class BoardCounts:
    """Instructions on one board. photo: `read_picture`, from the JPEG to 28x28 pixels. models: by file name."""

    photo: int
    models: dict[str, ModelCounts]


@dataclass(frozen=True)
class Instructions:
    """What was counted, and of what: versions of the software, and sha256 of the photo and of each model file.

    boards: by QEMU's name of the processor.
    """

    versions: dict[str, str]
    photo_sha256: str
    models_sha256: dict[str, str]
    boards: dict[str, BoardCounts]


def main() -> None:
    """Count, and write benchmarks/reference/instructions.json.

    Raises:
        DigitsError: this machine cannot emulate.
    """
    try:
        write_or_print(measure(), RESULT)
    except EmulationError as error:
        raise DigitsError(str(error)) from error


def measure() -> Instructions:
    """Count on all boards at once.

    Raises:
        EmulationError: this machine cannot emulate.
    """
    with ThreadPoolExecutor() as pool:
        counted = dict(zip(BOARDS, pool.map(count, BOARDS), strict=True))
    return Instructions(
        counted[BOARDS[0]].versions | {"QEMU": qemu_version()},
        file_sha256(PHOTO),
        shipped_files(MODELS),
        {board.cpu: board_counts(found) for board, found in counted.items()},
    )


def board_counts(counted: Counted) -> BoardCounts:
    """The steps of run_counted.py as a record."""
    names = [step.removesuffix(" pixels") for step in counted.steps if step.endswith(" pixels")]
    models = {name: ModelCounts(counted.steps[f"{name} pixels"], counted.steps[f"{name} label"]) for name in names}
    return BoardCounts(counted.steps["photo"], models)


def shipped_files(folder: Path) -> dict[str, str]:
    """sha256 of each model file in a folder, by its name."""
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.tflite"))}


def read_instructions(layout: Layout) -> Instructions:
    """What is committed.

    Raises:
        DataError: it is missing, damaged, or of other files than those that ship.
    """
    path = layout.results / RESULT
    found = read_json(Instructions, path)
    shipped = shipped_files(layout.models)
    if found.models_sha256 != shipped:
        names = sorted(name for name, _ in found.models_sha256.items() ^ shipped.items())
        raise DataError(f"{path}: has not counted the shipped {names[0]}; run make instructions")
    return found


def added(committed: Instructions, measured: Instructions) -> list[str]:
    """Each step that takes more instructions than `MOST_ADDED` allows, as a line of text.

    Raises:
        DataError: the two are of other software, models or photos, so that they cannot be compared.
    """
    differ = {name for name, _ in committed.versions.items() ^ measured.versions.items()} - SYSTEM
    for name in sorted(differ):
        raise DataError(
            f"counted with {name} {committed.versions.get(name)}, now it is {measured.versions.get(name)}; run make instructions"
        )
    if (committed.models_sha256, committed.photo_sha256) != (measured.models_sha256, measured.photo_sha256):
        raise DataError("other model files or another photo than those that were counted; run make instructions")
    before, after = dict(steps(committed)), dict(steps(measured))
    return [
        f"{step}: {after[step]:,} instructions, {after[step] / before[step] - 1:.1%} more than {before[step]:,}"
        for step in before
        if after[step] > before[step] * (1 + MOST_ADDED)
    ]


def steps(found: Instructions) -> Iterator[tuple[str, int]]:
    """Every count, by board, model and step."""
    for cpu, board in found.boards.items():
        yield f"{cpu}, photo", board.photo
        for name, model in board.models.items():
            yield f"{cpu}, {name}, pixels to label", model.pixels
            yield f"{cpu}, {name}, photo to label", model.label


def file_sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    run(main)

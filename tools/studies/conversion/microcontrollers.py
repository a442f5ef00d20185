"""What the shipped models and their 4-bit counterparts take on microcontrollers: flash, RAM, stack and instructions.

    python -m tools.studies.conversion.microcontrollers

Sizes are those of GCC's cross compilers, instructions those that QEMU counts for the golden images (`tools.support.emulated_boards`): the
same on every machine with the same compilers. `make pages` writes the tables.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.c_code.budget import LEVELS, measure_budgets
from convert.c_code.compilers import call
from convert.c_code.export import CExport, Proof
from convert.c_code.oracle import reference_logits
from convert.c_code.self_test import write_self_test
from convert.c_code.source import write_c
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.model.manifest import Manifest
from edge_runtime.model.model_file import read_model_file
from tools.release.layout import Layout
from tools.support.emulated_boards import BOARDS, Board, run_on_board

RESULT = "microcontrollers.json"
MODELS = ("nano", "small", "base")
FOUR_BITS = ("nano", "small")


@dataclass(frozen=True)
class OnBoard:
    """A model on an emulated board, compiled with a level of optimisation.

    instructions: of each golden image. dense_instructions: of an image of noise, which has the fewest zeros.
    """

    board: str
    processor: str
    level: str
    flash_bytes: int
    static_bytes: int
    stack_bytes: int
    instructions: tuple[int, ...]
    dense_instructions: int


@dataclass(frozen=True)
class ExportedModel:
    """A model as C. correct, total: test images, by its manifest."""

    name: str
    recipe: str
    sha256: str
    correct: int
    total: int
    constant_bytes: int
    multiply_adds: int
    boards: tuple[OnBoard, ...]


@dataclass(frozen=True)
class MicrocontrollerResult:
    """The committed measurements. compilers: versions by name."""

    compilers: dict[str, str]
    models: tuple[ExportedModel, ...]


def main() -> None:
    """Measure, and write benchmarks/reference/microcontrollers.json."""
    layout = Layout()
    models = tuple(measure_model(name, path) for name, path in released_files(layout))
    compilers = {board.compiler: _version(board.compiler) for board in BOARDS}
    write_file(layout.results / RESULT, to_json(MicrocontrollerResult(compilers, models)) + "\n", force=True)


def released_files(layout: Layout) -> list[tuple[str, Path]]:
    """The shipped int8 files and 4-bit files of the same networks, with their names."""
    files = [(name, layout.models / f"{name}-int8.tflite") for name in MODELS]
    return files + [(name, layout.releases / "int4" / f"{name}-seed0-int4.tflite") for name in FOUR_BITS]


def measure_model(name: str, path: Path) -> ExportedModel:
    """Measure a model on each board where it fits."""
    file = read_model_file(path)
    code = write_c(file, name)
    assert file.manifest
    golden, noise = file.golden().images, np.random.default_rng(0).integers(1, 256, (1, 28, 28), np.uint8)
    exports = [
        CExport(code, write_self_test(code, images, reference_logits(file.flatbuffer, images)), Proof(0, None, 0, 0), (), "")
        for images in (golden, noise)
    ]
    sizes = {(budget.target, budget.level): budget for budget in measure_budgets(code)}
    boards = []
    for board in BOARDS:
        for level in LEVELS:
            budget = sizes.get((board.processor, level))
            if budget and budget.ram_bytes < board.ram_bytes:
                print(name, path.stem, board.name, level, file=sys.stderr)
                boards.append(_on_board(board, level, exports, budget.flash_bytes, budget.static_bytes))
    correct, total = _accuracy(file.manifest)
    recipe = "int4" if "wi4" in file.manifest.recipe else "int8"
    return ExportedModel(name, recipe, file.sha256, correct, total, code.constant_bytes, code.multiply_adds, tuple(boards))


def _on_board(board: Board, level: str, exports: list[CExport], flash_bytes: int, static_bytes: int) -> OnBoard:
    usual, dense = (run_on_board(board, export, level) for export in exports)
    assert (usual.golden, dense.golden) == (usual.images, dense.images)
    stack = max(usual.stack_bytes, dense.stack_bytes)
    return OnBoard(board.name, board.processor, level, flash_bytes, static_bytes, stack, usual.instructions, dense.instructions[0])


def _accuracy(manifest: Manifest) -> tuple[int, int]:
    test = manifest.accuracy[1].candidate
    return test.correct, test.total


def _version(compiler: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+", call([compiler, "--version"], ".").decode())
    return found.group() if found else "unknown"


if __name__ == "__main__":
    main()

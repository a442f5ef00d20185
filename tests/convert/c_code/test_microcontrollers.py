"""The C code by other compilers, under sanitizers, and on emulated microcontrollers (make test-mcu installs what these need)."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from convert.c_code.compilers import call
from convert.c_code.export import CExport, export_c
from convert.c_code.oracle import reference_logits
from convert.c_code.source import write_c
from edge_runtime.common.json_codec import read_json
from edge_runtime.errors import DigitsError
from edge_runtime.model.model_file import ModelFile, parse_model_file, read_model_file
from tests.convert.c_code.conftest import SANITIZERS, WARNINGS, run_all, write_files
from tests.convert.c_code.graphs import SAME, GraphBuilder
from tests.convert.c_code.test_same_logits import INT4
from tools.release.layout import Layout
from tools.studies.conversion.microcontrollers import RESULT, MicrocontrollerResult
from tools.support.emulated_boards import BARE_METAL, BOARDS, Board, run_on_board

pytestmark = pytest.mark.mcu
CROSS = {board.processor: (board.compiler, *board.options) for board in BOARDS}


def _all_kernels() -> list[ModelFile]:
    """Models that need every function: a released one, a 4-bit one, and one with depthwise, pools and another zero point."""
    graph = GraphBuilder(1, zero_point=5).convolution(3, padding=SAME).pool("MAX", (2, 2), (2, 2)).convolution(2, depthwise=True)
    other = parse_model_file(graph.pool("AVERAGE", (2, 2), (2, 2)).mean().dense(10).finish(), "other")
    mixed = GraphBuilder(2, bits=4).convolution(3)
    mixed.bits = 8
    files = [read_model_file(Path("small")), read_model_file(INT4 / "nano-seed0-int4.tflite"), other]
    return [*files, parse_model_file(mixed.mean().dense(10).finish(), "mixed")]


@cache
def _export(name: str) -> CExport:
    return export_c(read_model_file(Path(name)), np.zeros((1, 28, 28), np.uint8))


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
def test_host_compilers_have_no_complaint(compiler_name: str, level: str, tmp_path: Path) -> None:
    """All warnings are errors, and every logit is right under address and undefined-behaviour sanitizers, for any image."""
    files = _all_kernels()
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (40, 28, 28)) * (random.random((40, 28, 28)) < random.random((40, 1, 1)))
    models = [write_c(file, f"{number}") for number, file in enumerate(files)]
    options = (*WARNINGS, *SANITIZERS, level)
    for found, file in zip(run_all(models, images.astype(np.uint8), tmp_path, compiler_name, options), files, strict=True):
        assert np.array_equal(found, reference_logits(file.flatbuffer, images.astype(np.uint8)))


@pytest.mark.parametrize("processor", CROSS)
def test_cross_compilers_have_no_complaint(processor: str, tmp_path: Path) -> None:
    """The code of the DSP extension included."""
    sources = write_files([write_c(file, f"{number}") for number, file in enumerate(_all_kernels())], tmp_path)
    for source in sources:
        call([*CROSS[processor], *WARNINGS, "-ffreestanding", "-O2", "-c", source], str(tmp_path))


def test_clang_takes_the_dsp_code_too(tmp_path: Path) -> None:
    """For Cortex-M4."""
    target = ("--target=arm-none-eabi", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding")
    for source in write_files([write_c(file, f"{number}") for number, file in enumerate(_all_kernels())], tmp_path):
        call(["clang", *target, *WARNINGS, "-O2", "-c", source], str(tmp_path))


def test_static_analysis_finds_nothing(tmp_path: Path) -> None:
    """By cppcheck; the structure of a layer has members that some models do not use."""
    sources = write_files([write_c(file, f"{number}") for number, file in enumerate(_all_kernels())], tmp_path)
    checks = ("--std=c99", "--quiet", "--enable=warning,style,performance,portability", "--suppress=unusedStructMember")
    call(["cppcheck", *checks, "--error-exitcode=1", *sources], str(tmp_path))


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
@pytest.mark.parametrize("name", ["nano", "small"])
def test_boards_give_the_golden_logits_at_the_committed_cost(name: str, board: Board, level: str) -> None:
    """Instructions and stack are within 1 % of benchmarks/reference: after a change that is meant, run the study again."""
    run = run_on_board(board, _export(name), level)
    assert run.golden == run.images == 16
    committed = read_json(MicrocontrollerResult, Layout().results / RESULT)
    (model,) = [model for model in committed.models if (model.name, model.recipe) == (name, "int8")]
    for known in model.boards:
        if (known.board, known.level) == (board.name, level):
            assert model.sha256 == read_model_file(Path(name)).sha256
            assert sum(run.instructions) == pytest.approx(sum(known.instructions), rel=0.01)
            assert run.stack_bytes <= known.stack_bytes * 1.01


def test_the_bound_of_the_stack_holds() -> None:
    """No board took more than the export says."""
    export = _export("small")
    bounds = {(budget.target, budget.level): budget.stack_bytes for budget in export.budgets}
    for board in BOARDS:
        if bound := bounds.get((board.processor, "-O2")):
            assert run_on_board(board, export, "-O2").stack_bytes <= bound


def test_wrong_logits_fail_on_the_board() -> None:
    """The self-test is able to fail."""
    export = _export("nano")
    broken = re.sub(r"(golden_logits\[.*?\] = \{\n *\{)", r"\g<1>1", export.self_test, count=1, flags=re.DOTALL)
    assert broken != export.self_test
    with pytest.raises(DigitsError):
        run_on_board(BOARDS[2], CExport(export.model, broken, export.proof, export.budgets, export.report), "-O2")


def test_the_bare_metal_example_is_what_the_boards_run() -> None:
    """Its files are where the runner looks."""
    assert {path.name for path in BARE_METAL.iterdir()} >= {"main.c", "board.h", "link.ld", "start_arm.c", "start_riscv.c"}

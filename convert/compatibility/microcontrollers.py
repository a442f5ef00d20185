"""Whether a file runs on a microcontroller: as C code, by flash and RAM, or in TFLite Micro."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convert.c_code.budget import smallest_budget
from convert.c_code.source import write_c
from convert.compatibility.runtime_environments import RuntimeCheck, golden_message
from convert.tflite_micro.interpreter import PACKAGE, installed_version, run_micro
from convert.tflite_micro.operators import missing_operators, refused_types
from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import ModelFileError
from edge_runtime.model.model_file import ModelFile

_IMAGE_BYTES = SIDE * SIDE
TFLM = "tflm"
"""The target that stands for TFLite Micro on any board."""
TFLM_NOTE = (
    "TFLite Micro, by its operators; the file is run by its reference kernels where the package tflite-micro is installed. Memory is not "
    "checked: digits export --format tflm tells the arena"
)


@dataclass(frozen=True)
class Microcontroller:
    """A board, or a chip. processor: as `convert.c_code.budget.TARGETS` names it. flash_bytes, ram_bytes: all that it has."""

    title: str
    processor: str
    flash_bytes: int
    ram_bytes: int

    @property
    def note(self) -> str:
        """What the target means."""
        return (
            f"{self.title} with {self.flash_bytes // 1024:,} KB of flash and {self.ram_bytes // 1024:,} KB of RAM, as C by digits export: "
            f"the model, its code and an image fit; no other program is counted, and no board was tried"
        )


MICROCONTROLLERS = {
    "rp2040": Microcontroller("Raspberry Pi Pico", "cortex-m0plus", 2048 * 1024, 264 * 1024),
    "rp2350": Microcontroller("Raspberry Pi Pico 2", "cortex-m33", 4096 * 1024, 520 * 1024),
    "stm32f4": Microcontroller("STM32F411xE", "cortex-m4", 512 * 1024, 128 * 1024),
}


def reasons_against(model: ModelFile, device: str) -> tuple[str, ...]:
    """Why a model does not run on a device, `TFLM` or one of `MICROCONTROLLERS`; empty if it does.

    Raises:
        DigitsError: a compiler that is installed does not compile its code.
    """
    return tuple(f"on {device}: {reason}" for reason in (_of_tflm(model) if device == TFLM else _of_c_code(model, device)))


def _of_tflm(model: ModelFile) -> Iterator[str]:
    refused = (*missing_operators(model.graph), *refused_types(model.graph))
    yield from (f"{name} is not run by TFLite Micro" for name in refused)
    if installed_version() and not refused:
        try:
            run_micro(model.flatbuffer, np.zeros((1, SIDE, SIDE), np.uint8))
        except ModelFileError as error:
            yield str(error)


def _of_c_code(model: ModelFile, device: str) -> Iterator[str]:
    chip = MICROCONTROLLERS[device]
    try:
        budget = smallest_budget(write_c(model, "model"), chip.processor)
    except ModelFileError as error:
        yield f"no C code ({error})"
        return
    needed = budget.ram_bytes + _IMAGE_BYTES
    if budget.flash_bytes > chip.flash_bytes:
        yield f"needs {budget.flash_bytes:,} bytes of flash, more than {chip.flash_bytes:,}"
    if needed > chip.ram_bytes:
        yield f"needs {needed:,} bytes of RAM, more than {chip.ram_bytes:,}"


def try_golden(model: ModelFile) -> RuntimeCheck | None:
    """Run the golden images of a self-describing file in TFLite Micro; None if its package is not installed."""
    if (version := installed_version()) is None:
        return None
    assert model.manifest
    golden, tolerance = model.golden(), model.manifest.tolerance
    release = f"{PACKAGE} {version}"
    try:
        outputs = run_micro(model.flatbuffer, golden.images).outputs.astype(np.float64)
    except ModelFileError as error:
        return RuntimeCheck(release, False, str(error))
    equal = int((outputs.argmax(axis=1) == golden.outputs.argmax(axis=1)).sum())
    difference = float(np.abs(outputs - golden.outputs).max())
    passed = equal == len(outputs) and difference <= tolerance.amount
    message = golden_message(equal, len(outputs), difference if np.isfinite(difference) else None, tolerance)
    return RuntimeCheck(release, passed, message)

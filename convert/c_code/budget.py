"""What C code takes on microcontrollers: flash, RAM and stack, by cross compilers where they are installed, else estimated."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from convert.c_code.compilers import call
from convert.c_code.source import CModel

LEVELS = ("-O2", "-Os")
_KERNEL_BYTES = 2_200  # of code and layer descriptions: more than any measured target takes for a model of seven layers
_STACK_BYTES = 400  # of all frames, more than any measured target takes, beside four bytes for each sum
_OPTIONS = ("-std=c99", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-nostdlib")


@dataclass(frozen=True)
class Target:
    """A processor, and how its code is compiled by Debian's compilers."""

    name: str
    compiler: str
    options: tuple[str, ...]


TARGETS = (
    Target("cortex-m0plus", "arm-none-eabi-gcc", ("-mcpu=cortex-m0plus", "-mthumb")),
    Target("cortex-m4", "arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb")),
    Target("cortex-m33", "arm-none-eabi-gcc", ("-mcpu=cortex-m33", "-mthumb")),
    Target("rv32imac", "riscv64-unknown-elf-gcc", ("-march=rv32imac", "-mabi=ilp32")),
)


@dataclass(frozen=True)
class Budget:
    """What a target needs for a model.

    level: of optimisation; "estimate" where no compiler is installed.
    flash_bytes: code, weights and the compiler's own library. static_bytes: RAM for feature maps. stack_bytes: at most.
    """

    target: str
    level: str
    flash_bytes: int
    static_bytes: int
    stack_bytes: int

    @property
    def ram_bytes(self) -> int:
        """Static memory and stack."""
        return self.static_bytes + self.stack_bytes


def measure_budgets(model: CModel) -> tuple[Budget, ...]:
    """The budgets of a model on each target: by each level of optimisation, or one estimate.

    Raises:
        DigitsError: a compiler that is installed does not compile the code.
    """
    return tuple(budget for target in TARGETS for budget in _budgets(model, target))


def smallest_budget(model: CModel, processor: str) -> Budget:
    """The budget of a model on a processor of `TARGETS` that takes the least flash.

    Raises:
        DigitsError: a compiler that is installed does not compile the code.
    """
    (target,) = (target for target in TARGETS if target.name == processor)
    return min(_budgets(model, target), key=lambda budget: budget.flash_bytes)


def _budgets(model: CModel, target: Target) -> Iterator[Budget]:
    if shutil.which(target.compiler):
        yield from (_compiled(model, target, level) for level in LEVELS)
    else:
        descriptions = 64 * max(len(model.layers) - 7, 0)
        flash = model.constant_bytes + _KERNEL_BYTES + descriptions
        sums = max(len(layer.biases) for layer in model.layers)
        yield Budget(target.name, "estimate", flash, model.memory_bytes, _STACK_BYTES + 4 * sums)


def _compiled(model: CModel, target: Target, level: str) -> Budget:
    with TemporaryDirectory(prefix="digits-c-") as folder:
        for name, text in ((f"{model.prefix}.h", model.header), (f"{model.prefix}.c", model.source)):
            (Path(folder) / name).write_text(text)
        entry = f"-Wl,--entry={model.prefix}_classify"
        command = [target.compiler, *target.options, level, *_OPTIONS, "-fstack-usage", entry, "-o", "model.elf"]
        call([*command, f"{model.prefix}.c", "-lgcc"], folder)
        sizes = call([target.compiler.removesuffix("gcc") + "size", "model.elf"], folder).decode().splitlines()[1].split()
        usage = "".join(path.read_text() for path in Path(folder).glob("*.su"))
    text_bytes, data_bytes, bss_bytes = map(int, sizes[:3])
    return Budget(target.name, level, text_bytes + data_bytes, data_bytes + bss_bytes, _stack(model.prefix, usage))


def _stack(prefix: str, usage: str) -> int:
    """The stack of the longest chain of calls, at most: classify, run, then one of the functions of each floor.

    usage: GCC's .su file, with lines such as "file.c:10:5:name<tab>bytes<tab>static".
    """
    frames = {name: int(size) for name, size in re.findall(r":(\w+)\t(\d+)\t", usage)}
    floors = (
        (f"{prefix}_classify",),
        (f"{prefix}_run",),
        ("convolve", "depthwise", "mean", "pool"),
        ("add_terms", "rescale", "within"),
        ("add_bytes", "add_half_bytes", "rescale_any"),
        ("load_word", "add_two", "multiply_high"),
    )
    return sum(max(frames.get(name, 0) for name in floor) for floor in floors)

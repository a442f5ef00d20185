"""Run exported C code on microcontrollers that QEMU emulates, with examples/pico/bare_metal, and count instructions.

With `-icount shift=0` an instruction takes a nanosecond of emulated time, so a board's timer counts instructions: exactly, apart from the
length of its tick. These are counts, no times of a real board.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from convert.c_code.compilers import call
from convert.c_code.export import CExport

BARE_METAL = Path(__file__).parents[2] / "examples" / "pico" / "bare_metal"
_COMPILED = ("-std=c99", "-ffreestanding", "-nostdlib", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")
_RUN = ("-icount", "shift=0", "-nographic", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native")


@dataclass(frozen=True)
class Board:
    """An emulated board.

    processor: as `convert.c_code.budget.TARGETS` names it. options: of the compiler. machine: of QEMU. flash, ram: addresses.
    tick: nanoseconds of its timer.
    """

    name: str
    processor: str
    compiler: str
    options: tuple[str, ...]
    machine: tuple[str, ...]
    flash: int
    ram: int
    ram_bytes: int
    tick: float

    @property
    def start(self) -> str:
        """The file that starts it."""
        return "start_riscv.c" if self.processor.startswith("rv") else "start_arm.c"


BOARDS = (
    Board(
        "microbit",
        "cortex-m0plus",
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m0plus", "-mthumb"),
        ("qemu-system-arm", "-M", "microbit"),
        0,
        0x20000000,
        16 * 1024,
        62.5,
    ),
    Board(
        "mps2-an385",
        "cortex-m3",
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m3", "-mthumb"),
        ("qemu-system-arm", "-M", "mps2-an385"),
        0,
        0x20000000,
        64 * 1024,
        40,
    ),
    Board(
        "mps2-an386",
        "cortex-m4",
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m4", "-mthumb"),
        ("qemu-system-arm", "-M", "mps2-an386"),
        0,
        0x20000000,
        64 * 1024,
        40,
    ),
    Board(
        "mps2-an505",
        "cortex-m33",
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m33", "-mthumb"),
        ("qemu-system-arm", "-M", "mps2-an505"),
        0x10000000,
        0x38000000,
        64 * 1024,
        50,
    ),
    Board(
        "virt",
        "rv32imac",
        "riscv64-unknown-elf-gcc",
        ("-march=rv32imac_zicsr", "-mabi=ilp32", "-mcmodel=medany", "-DBOARD_TICKS=0xFFFFFFFFU"),
        ("qemu-system-riscv32", "-M", "virt", "-bios", "none"),
        0x80000000,
        0x80100000,
        64 * 1024,
        1,
    ),
)


@dataclass(frozen=True)
class BoardRun:
    """What a board did with a model.

    golden: images whose logits were all right, of how many. instructions: of each golden image. stack_bytes: of one image.
    """

    golden: int
    images: int
    instructions: tuple[int, ...]
    stack_bytes: int


def run_on_board(board: Board, export: CExport, level: str) -> BoardRun:
    """Compile an exported model for a board, and run its golden images there.

    Raises:
        DigitsError: it does not compile, or the board reports wrong logits or a fault.
    """
    prefix = export.model.prefix
    with TemporaryDirectory(prefix="digits-board-") as folder:
        for name, text in export.files.items():
            (Path(folder) / name).write_text(text)
        places = {"flash": board.flash, "ram": board.ram, "ram_bytes": board.ram_bytes}
        linked = [f"-Wl,--defsym={name}={value}" for name, value in places.items()]
        sources = [str(BARE_METAL / board.start), str(BARE_METAL / "main.c"), f"{prefix}.c"]
        options = [*board.options, level, *_COMPILED, "-Wl,--no-warn-rwx-segments", "-DDIGITS_SELF_TEST", f"-DMODEL={prefix}"]
        included = ["-I", folder, "-I", str(BARE_METAL), "-T", str(BARE_METAL / "link.ld")]
        call([board.compiler, *options, *included, *linked, "-o", "model.elf", *sources, "-lgcc"], folder)
        return _parsed(board, call([*board.machine, *_RUN, "-kernel", "model.elf"], folder, with_errors=True).decode())


def _parsed(board: Board, text: str) -> BoardRun:
    golden, images, ticks, stack = _matched(text)
    instructions = tuple(round(int(tick) * board.tick) for tick in ticks.split())
    return BoardRun(int(golden), int(images), instructions, int(stack))


def _matched(text: str) -> Iterator[str]:
    found = re.search(r"(\d+) of (\d+)\nticks([ \d]+)\nstack (\d+)", text)
    if found is None:
        raise ValueError(f"the board printed {text[:200]!r}")
    return iter(found.groups())

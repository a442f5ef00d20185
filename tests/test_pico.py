"""examples/pico: the firmware on this machine, with a stand-in for pico-sdk, and the script that asks it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from convert.c_code.compilers import call
from convert.c_code.source import write_c
from edge_runtime.model.model_file import read_model_file
from edge_runtime.preprocessing.image_files import png_bytes
from tests.conftest import ROOT
from train.data import Dataset

PICO = ROOT / "examples" / "pico"
STDLIB = """#include <stdlib.h>
#define PICO_ERROR_TIMEOUT (-1)
static void stdio_init_all(void) { setvbuf(stdout, NULL, _IONBF, 0); }
static int getchar_timeout_us(uint32_t us) { int byte = getchar(); (void)us; if (byte == EOF) exit(0); return byte; }
"""
SERIAL = """import subprocess
class SerialException(OSError):
    pass
class Serial:
    def __init__(self, port, baud, timeout):
        if port != "/dev/ttyTEST":
            raise SerialException(f"could not open port {port}")
        self.child = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.readline = self.child.stdout.readline
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.child.communicate()
    def reset_input_buffer(self):
        pass
    def write(self, content):
        self.child.stdin.write(content)
        self.child.stdin.flush()
"""


def _ask(folder: Path, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(PICO / "ask.py"), *map(str, words)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": ""},
    )


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """A folder with the firmware as a program, and a module `serial` that talks to it."""
    if (compiler := shutil.which("gcc") or shutil.which("cc")) is None:
        pytest.skip("no C compiler")
    model = write_c(read_model_file(Path("small")))
    (tmp_path / "pico").mkdir()
    for name, text in (("pico/stdlib.h", STDLIB), ("digits_small.h", model.header), ("digits_small.c", model.source)):
        (tmp_path / name).write_text(text)
    call([compiler, "-Wall", "-Wextra", "-Werror", "-I.", "-o", "firmware", str(PICO / "main.c"), "digits_small.c"], str(tmp_path))
    (tmp_path / "serial.py").write_text(f"PROGRAM = {str(tmp_path / 'firmware')!r}\n{SERIAL}")
    return tmp_path


def test_the_script_prints_what_the_firmware_answers(firmware: Path, mnist: Dataset) -> None:
    """The label and ten logits."""
    (firmware / "7.png").write_bytes(png_bytes(mnist.x_test[0]))
    found = _ask(firmware, firmware / "7.png", "/dev/ttyTEST")
    assert found.returncode == 0, found.stderr
    label, *logits = found.stdout.split()
    assert label == "7"
    assert len(logits) == 10
    assert max(range(10), key=lambda index: int(logits[index])) == 7


def test_what_is_missing_is_said_in_one_line(firmware: Path, mnist: Dataset) -> None:
    """No Pico, no picture, no words."""
    (firmware / "7.png").write_bytes(png_bytes(mnist.x_test[0]))
    for words, message in (
        ((firmware / "7.png", "/dev/nothing"), "could not open port"),
        ((firmware / "8.png", "/dev/ttyTEST"), "8.png"),
        ((), "usage: python examples/pico/ask.py"),
    ):
        found = _ask(firmware, *words)
        assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1), found.stderr
        assert message in found.stderr


def test_build_files_name_what_is_there() -> None:
    """CMake's sources are exported or lie here, and the sketch includes an exported header."""
    sources = re.search(r"add_executable\(digits (.*)\)", (PICO / "CMakeLists.txt").read_text())
    assert sources
    assert sources.group(1).split() == ["main.c", "digits_small.c"]
    assert '#include "digits_small.h"' in (PICO / "arduino" / "digits" / "digits.ino").read_text()
    assert f"python examples/pico/{(PICO / 'ask.py').name}" in (PICO / "README.md").read_text()

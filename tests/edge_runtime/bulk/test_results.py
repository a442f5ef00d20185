"""`digits classify --out`: answers in a file, which is there whole or not at all."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import array_picture, png_bytes
from tests.commands import digits, one_line
from tests.conftest import ROOT
from tools.support.waiting import PATIENCE, until
from train.data import Dataset


@pytest.fixture
def folder(tmp_path: Path, mnist: Dataset) -> Path:
    """300 test digits as files, more than a piece of work, one of them broken; and 5,000 in an .npy, more than a piece too."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(300):
        (pictures / f"{number:03}.png").write_bytes(png_bytes(mnist.x_test[number]))
    (pictures / "100.png").write_bytes(b"broken")
    np.save(tmp_path / "many.npy", mnist.x_test[:5_000])
    return tmp_path


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_image_is_a_row_in_the_order_of_the_images(folder: Path) -> None:
    """The answers are those that are printed; a broken picture is a row that says why, a line on stderr, and exit 4."""
    answer = digits("classify", folder / "pictures", "--out", folder / "r.csv")
    assert (answer.code, answer.out) == (4, "")
    broken, summary = answer.err.splitlines()
    assert broken == f"digits: {folder}/pictures/100.png: is not a PNG, JPEG, BMP, GIF, WebP or TIFF image"
    assert summary.startswith("300 images, 1 of them unusable, ")
    rows = _rows(folder / "r.csv")
    assert [row["source"] for row in rows] == [str(folder / "pictures" / f"{number:03}.png") for number in range(300)]
    failed = rows.pop(100)
    assert (failed["label"], failed["confidence"], failed["error"]) == ("", "", broken.removeprefix("digits: "))
    printed = list(csv.DictReader(digits("classify", folder / "pictures", "--csv").out.splitlines()))
    assert [{name: row[name] for name in printed[0]} for row in rows] == printed
    assert {row["error"] for row in rows} == {""}


def test_parquet_holds_the_same_with_types(folder: Path) -> None:
    """Numbers are numbers, and what is not there is null. Labels and confidences are those of the library."""
    answer = digits("classify", folder / "pictures", folder / "many.npy", "--out", folder / "r.parquet", "--model", "nano")
    assert answer.code == 4
    table = pyarrow.parquet.ParquetFile(folder / "r.parquet").read()
    rows = table.to_pylist()
    assert {field.name: str(field.type) for field in table.schema} == {
        "source": "string",
        "label": "string",
        "index": "int64",
        "confidence": "double",
        "warnings": "string",
        "error": "string",
    }
    assert [row["index"] for row in rows].count(None) == 1
    assert rows[100]["error"].endswith("is not a PNG, JPEG, BMP, GIF, WebP or TIFF image")
    assert rows[-1]["source"] == f"{folder}/many.npy[4999]"
    found = Classifier.load("nano").classify_pictures([array_picture(image) for image in np.load(folder / "many.npy")])
    assert [row["index"] for row in rows[300:]] == [answer.index for answer in found]
    assert [row["label"] for row in rows[300:]] == [answer.label for answer in found]
    assert np.allclose([row["confidence"] for row in rows[300:]], [answer.confidence for answer in found])


def test_warnings_stand_in_their_rows(tmp_path: Path) -> None:
    """Of an empty sheet, which has no label."""
    (tmp_path / "light.png").write_bytes(png_bytes(np.full((28, 28), 255, np.uint8)))
    assert digits("classify", tmp_path, "--out", tmp_path / "r.csv").code == 0
    (row,) = _rows(tmp_path / "r.csv")
    assert (row["label"], row["warnings"]) == ("", "blank: no ink stands out from the paper")


def test_more_threads_and_standard_input_give_the_same(folder: Path) -> None:
    """A stream of paths, one of them of nothing."""
    digits("classify", folder / "pictures", "--out", folder / "one.csv")
    assert digits("classify", folder / "pictures", "--threads", 3, "--out", folder / "three.csv").code == 4
    assert (folder / "one.csv").read_bytes() == (folder / "three.csv").read_bytes()
    names = "".join(f"{path}\n" for path in sorted((folder / "pictures").iterdir()))
    command = [sys.executable, "-m", "edge_runtime.cli", "classify", "-", "--out", str(folder / "stdin.csv")]
    child = subprocess.run(command, input=names, capture_output=True, text=True, cwd=ROOT)
    assert child.returncode == 4
    assert (folder / "stdin.csv").read_bytes() == (folder / "one.csv").read_bytes()


def test_a_file_name_that_is_no_text_can_be_written(tmp_path: Path, mnist: Dataset) -> None:
    """CSV holds its bytes, Parquet something readable."""
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(png_bytes(mnist.x_test[0]))
    assert digits("classify", tmp_path, "--out", tmp_path / "r.csv").code == 0
    assert b"\xff.png,7,7," in (tmp_path / "r.csv").read_bytes()
    assert digits("classify", tmp_path, "--out", tmp_path / "r.parquet").code == 0
    assert pyarrow.parquet.ParquetFile(tmp_path / "r.parquet").read()["source"][0].as_py() == f"{tmp_path}/\\xff.png"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--out", "r.txt"], 2, "r.txt: expected a name that ends in .csv or .parquet"),
        (["--out", "there.csv"], 1, "there.csv exists already"),
        (["--out", "r.csv", "--json"], 2, "--out cannot be combined with"),
        (["--scheduler", "tcp://127.0.0.1:1"], 2, "--scheduler needs --out"),
        (["--out", "no-folder-here/there.csv/r.csv"], 0, "written: "),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    folder: Path, words: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is begun, no file is left or replaced; a folder that is not there is made."""
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    (folder / "there.csv").write_bytes(b"old")
    before = sorted(folder.iterdir())
    answer = digits("classify", "many.npy", *words)
    assert message in (one_line(answer, code) if code else answer.err)
    assert (folder / "there.csv").read_bytes() == b"old"
    assert code == 0 or sorted(folder.iterdir()) == before


def test_force_replaces_a_file(folder: Path) -> None:
    """With a whole one."""
    (folder / "r.csv").write_bytes(b"old")
    assert digits("classify", folder / "many.npy", "--out", folder / "r.csv", "--force").code == 0
    assert len(_rows(folder / "r.csv")) == 5_000


def test_ctrl_c_leaves_no_half_file(folder: Path) -> None:
    """Neither under its name nor under another."""
    before = sorted(folder.iterdir())
    command = [sys.executable, "-c", INTERRUPTED, "classify", "-", "--out", str(folder / "r.csv")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as child:
        feeding = threading.Thread(target=_feed, args=(child, f"{folder}/pictures/000.png\n".encode()), daemon=True)
        feeding.start()
        until(lambda: child.poll() is not None or any(path.stat().st_size > 20_000 for path in folder.glob(".r.csv*")))
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 1
        feeding.join(PATIENCE)
    assert sorted(folder.iterdir()) == before


INTERRUPTED = """
import signal
from edge_runtime.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
main()
"""


def _feed(child: subprocess.Popen, line: bytes) -> None:
    """Paths without end, until nobody reads them."""
    assert child.stdin
    with contextlib.suppress(OSError):
        while True:
            child.stdin.write(line * 100)
    with contextlib.suppress(OSError):
        child.stdin.close()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path: Path, mnist: Dataset) -> None:
    """Ten times as many need at most 20 MB more, though their pixels are 140 MB more."""
    peaks = [_peak(tmp_path / f"{count}.npy", mnist, count) for count in (20_000, 200_000)]
    assert peaks[1] - peaks[0] < 20


def _peak(path: Path, mnist: Dataset, count: int) -> float:
    """MB that a process has held at most which classifies so many images."""
    many = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 28, 28))
    for start in range(0, count, 10_000):
        many[start : start + 10_000] = mnist.x_test
    del many
    program = (
        "from pathlib import Path; from edge_runtime.cli import main\n"
        "try: main()\n"
        "finally: print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    words = ["classify", str(path), "--out", f"{path}.csv", "--model", "nano"]
    child = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, cwd=ROOT, check=True)
    return int(child.stdout) / 1024


def test_words_that_stand_for_nothing_are_rows_among_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a broken file is: the others are answered, and the exit code is 4. Alone they leave no file."""
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    words = ("empty", "none.npy", "none*.png")
    code, _, error = digits("classify", "empty", "many.npy", *words[1:], "--out", "r.csv")
    assert (code, len(error.splitlines())) == (4, 4)
    rows = _rows(folder / "r.csv")
    assert [row["source"] for row in rows if not row["label"]] == list(words)
    assert rows[0]["source"] == "empty"
    assert digits("classify", *words, "--out", "s.csv")[0] == 4
    assert not (folder / "s.csv").exists()


def test_a_damaged_file_of_many_costs_no_other_image(folder: Path, mnist: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images have rows without a label; what comes before and after is answered."""
    monkeypatch.chdir(folder)
    np.savez_compressed(folder / "hurt.npz", x=mnist.x_test[:50])
    content = bytearray((folder / "hurt.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (folder / "hurt.npz").write_bytes(content)
    code, _, error = digits("classify", "many.npy", "hurt.npz", "many.npy", "--out", "r.csv")
    assert (code, "hurt.npz" in error) == (4, True)
    labels = [row["label"] for row in _rows(folder / "r.csv")]
    assert (len(labels), labels.count("")) == (10_050, 50)
    assert labels[-1] == Classifier.load().classify(mnist.x_test[4_999]).label


def test_an_array_of_less_than_no_images_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape of negative lengths, or of true and false, is in no header that numpy writes."""
    monkeypatch.chdir(folder)
    for shape in ("(-5, 28, 28)", "(True, 28, 28)"):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
        (folder / "odd.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(784))
        assert "odd.npy: is not a numpy array file" in one_line(digits("classify", "odd.npy"), 4)


def test_a_pipe_is_no_array(folder: Path) -> None:
    """It is refused before it is opened, which would wait for whoever writes."""
    os.mkfifo(folder / "pipe.npy")
    assert "is not a file" in one_line(digits("classify", folder / "pipe.npy"), 4)

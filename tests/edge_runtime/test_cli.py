"""The command line: help, wrong calls, exit codes, and `digits classify` and `digits inspect` on real digits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edge_runtime.cli import COMMANDS
from edge_runtime.common.packages import pip_install
from edge_runtime.explanation import PANEL
from edge_runtime.preprocessing.image_files import png_bytes
from edge_runtime.version import __version__
from tests.commands import digits
from tests.conftest import ROOT
from tests.nondigits import invent_scribble
from tests.photos import invent_scene, jpeg_bytes, photograph
from train.data import Dataset


@pytest.fixture
def images(tmp_path: Path, mnist: Dataset) -> Path:
    """A folder with the first three test digits: 7, 2, 1."""
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png_bytes(mnist.x_test[number]))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    """`--help` and `-h` describe it, exit 0, and show a call that one can type."""
    code, text, _ = digits(command, "--help")
    assert (code, text) == digits(command, "-h")[:2]
    assert code == 0
    assert f"Example: digits {command} " in text
    assert text.count("\n") > 6


def test_the_first_help_lists_every_command() -> None:
    """In the order of the work, each with a line."""
    code, text, _ = digits("--help")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.split()[0] in COMMANDS] == list(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_exit_2(command: str) -> None:
    """The option is named."""
    code, text, error = digits(command, "--colour")
    assert (code, text) == (2, "")
    assert "--colour" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "No such command 'fly'"),
        (["classify"], "give files, folders or patterns"),
        (["classify", "x.png", "--watch", "."], "give files, folders or patterns"),
        (["classify", "x.png", "--json", "--csv"], "give one"),
        (["train"], "linear"),
        (["train", "forest"], "'linear', 'mlp', 'cnn'"),
        (["convert"], "Missing argument"),
        (["compare", "one.keras"], "Missing argument"),
        (["classify", "x.png", "--threads", "0"], "0 is not in the range"),
        (["classify", "x.png", "--backend", "onnx"], "known are litert, tflite, tensorflow"),
        (["convert", "x.keras", "--recipe", "int2"], "known are fp32, fp16, dynamic, int8, int16x8"),
        (["convert", "x.keras", "--max-drop", "-1"], "-1"),
        (["compare", "a", "b", "--split", "train"], "validation"),
        pytest.param(["bench", "x.tflite", "--samples", "0"], "expected 1 to 1,000,000", marks=pytest.mark.extras),
        (["pipeline", "--epochs", "0"], "0"),
        (["data", "more"], "more"),
        (["train", "linear", "--name", "../x"], "name is '../x', expected"),
        (["convert", "x.keras", "--name", "a/b"], "name is 'a/b', expected"),
        (["train", "linear", "--learning-rate", "nan"], "'learning_rate' is NaN, expected a number"),
        (["train", "linear", "--seed", "-1"], "seed is -1"),
    ],
)
def test_a_wrong_call_is_exit_2_and_says_what_is_right(words: list[str], message: str) -> None:
    """Before anything is loaded or written."""
    code, text, error = digits(*words)
    assert (code, text) == (2, "")
    assert message in error


def test_version() -> None:
    """The version is the package's."""
    assert digits("--version")[1] == f"digits, version {__version__}\n"


def test_files_are_classified(images: Path) -> None:
    """A line for each, in the order given, with label and confidence."""
    code, text, error = digits("classify", images / "2.png", images / "0.png")
    assert (code, error) == (0, "")
    first, second = text.splitlines()
    assert first.startswith(f"{images / '2.png'}: 1  ")
    assert second.startswith(f"{images / '0.png'}: 7  ")
    assert first.endswith(" %")


def test_a_folder_is_classified_as_json_lines(images: Path) -> None:
    """One object a line with exactly the promised keys."""
    code, text, _ = digits("classify", images, "--json")
    answers = [json.loads(line) for line in text.splitlines()]
    assert code == 0
    assert [answer["label"] for answer in answers] == ["7", "2", "1"]
    assert [answer["index"] for answer in answers] == [7, 2, 1]
    for number, answer in enumerate(answers):
        assert sorted(answer) == ["confidence", "index", "label", "scores", "source", "warnings"]
        assert answer["source"] == str(images / f"{number}.png")
        assert answer["confidence"] == max(answer["scores"]) > 0.9
        assert len(answer["scores"]) == 10
        assert answer["warnings"] == []


def test_a_broken_file_does_not_end_the_run(images: Path) -> None:
    """It is a line on stderr; the others are answered; exit 4 at the end."""
    (images / "1.png").write_bytes(b"broken")
    code, text, error = digits("classify", images)
    assert code == 4
    assert len(text.splitlines()) == 2
    assert f"{images / '1.png'}: is not a PNG" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("recipe", ["fp32", "int16x8"])
def test_another_model_and_threads_may_be_chosen(recipe: str, images: Path, cnn_files: dict[str, Path]) -> None:
    """--model and --threads are used."""
    code, text, _ = digits("classify", images / "0.png", "--model", cnn_files[recipe], "--threads", 2)
    assert (code, ": 7 " in text) == (0, True)


def test_inspect_tells_people(cnn_files: dict[str, Path]) -> None:
    """Name, recipe, sizes, quantisation, operators, proofs and origin."""
    code, text, _ = digits("inspect", cnn_files["int8"])
    assert code == 0
    for expected in (
        "cnn, recipe int8",
        "37,616 payload",
        "int8 [1, 28, 28, 1], scale 1, zero point -128",
        "2 RESHAPE (v1), 4 CONV_2D (v3), 1 MEAN (v2), 1 FULLY_CONNECTED (v4)",
        "on validation, float",
        "on test, float",
        "passed: the drop on test is at most",
        "tflite-runtime >= 2.14.0",
        "digits convert cnn.keras --recipe int8 --max-drop 5",
    ):
        assert expected in text


def test_inspect_tells_programs(cnn_files: dict[str, Path]) -> None:
    """One JSON object with manifest, sizes and operators."""
    code, text, _ = digits("inspect", cnn_files["fp16"], "--json")
    found = json.loads(text)
    assert code == 0
    assert found["manifest"]["recipe"] == "float16"
    assert found["file_bytes"] == cnn_files["fp16"].stat().st_size
    assert found["operators"][0] == {"name": "DEQUANTIZE", "version": 3, "count": 10}


def test_a_failure_of_the_whole_process_is_its_exit_code(images: Path) -> None:
    """As a real process: `python -m edge_runtime.cli` ends with the code, one line and no traceback."""
    child = subprocess.run(
        [sys.executable, "-m", "edge_runtime.cli", "classify", str(images / "none.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 4
    assert "Traceback" not in child.stderr
    assert child.stderr.splitlines()[0].startswith(f"digits: {images / 'none.png'}: cannot be read")


def test_nothing_is_printed_by_the_interpreter(images: Path) -> None:
    """Stderr of a good run is empty: the C++ code's chatter is kept off."""
    child = subprocess.run(
        [sys.executable, "-m", "edge_runtime.cli", "classify", str(images / "0.png")], capture_output=True, text=True, check=True
    )
    assert child.stderr == ""


@pytest.mark.extras
@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [("keras", ["train", "linear"], "train"), ("starlette", ["serve"], "litert,serve"), ("jinja2", ["pipeline"], "train,bench")],
)
def test_a_missing_extra_is_one_line_with_what_to_install(module: str, words: list[str], extra: str, tmp_path: Path) -> None:
    """As on a device: without the package the command says which extra brings it."""
    hide = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv = ['digits', *{words!r}]; from edge_runtime.cli import main; main()"
    )
    child = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert child.returncode == 1
    assert child.stderr.splitlines()[-1] == f"digits: {words[0]} needs {module}; install it with: {pip_install()} '.[{extra}]'"


def test_a_broken_package_is_told_by_its_cause(tmp_path: Path) -> None:
    """The message of numpy about a missing library of the system is a page, which does not begin with it."""
    (tmp_path / "numpy.py").write_text("try: 1 / 0\nexcept ZeroDivisionError as e: raise ImportError('\\n\\nREAD THIS\\n') from e")
    command = [sys.executable, "-c", "from edge_runtime.cli import main; main(['verify'])"]
    child = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert child.returncode == 1
    assert child.stderr.endswith("cannot be imported (division by zero); run digits doctor\n")
    assert child.stderr.count("\n") == 1


def test_what_the_program_wanted_to_do_at_its_end_is_done() -> None:
    """Though a command skips the rest of Python's own clearing up."""
    code = (
        "import atexit, sys; atexit.register(print, 'done'); sys.argv = ['digits', '--version']; from edge_runtime.cli import start"
    )
    child = subprocess.run([sys.executable, "-c", f"{code}; start()"], capture_output=True, text=True, cwd=ROOT)
    assert (child.returncode, child.stdout.splitlines()[-1]) == (0, "done")


@pytest.fixture
def photos(tmp_path: Path, mnist: Dataset) -> Path:
    """A folder with a photo of a digit, a blank sheet, and a drawing of none."""
    pixels = photograph(mnist.validation.images[0], invent_scene(2))
    (tmp_path / "a-digit.jpg").write_bytes(jpeg_bytes(pixels))
    (tmp_path / "b-blank.png").write_bytes(png_bytes(np.full((90, 120), 230, np.uint8)))
    (tmp_path / "c-scribble.png").write_bytes(png_bytes(255 - invent_scribble(900_001)))
    return tmp_path


def test_photos_are_classified_with_what_is_doubtful_about_them(photos: Path, mnist: Dataset) -> None:
    """A good photo has no warning; a blank sheet and a scribble are told, in text and in JSON."""
    code, text, error = digits("classify", photos)
    digit, blank, scribble = text.splitlines()
    assert (code, error) == (0, "")
    assert digit.startswith(f"{photos / 'a-digit.jpg'}: {mnist.validation.labels[0]}  ")
    assert digit.endswith(" %")
    assert blank.endswith("  (blank: no ink stands out from the paper)")
    assert "  (unlike any digit seen in training" in scribble
    answers = [json.loads(line) for line in digits("classify", photos, "--json").out.splitlines()]
    assert [[warning.partition(":")[0][:6] for warning in answer["warnings"]] for answer in answers] == [[], ["blank"], ["unlike"]]


def test_a_model_without_calibration_calls_nothing_unlike(photos: Path, cnn_files: dict[str, Path]) -> None:
    """The threshold is of one model; for others there is none."""
    code, text, _ = digits("classify", photos / "c-scribble.png", "--model", cnn_files["int8"])
    assert (code, "unlike" in text) == (0, False)


def test_steps_are_drawn_on_one_page(photos: Path) -> None:
    """A row for each picture that can be read; a broken one is a line on stderr and exit 4, and the page is written all the same."""
    (photos / "d-broken.png").write_bytes(b"broken")
    page = photos / "page" / "how.png"
    code, text, error = digits("classify", photos, "--explain", page)
    assert (code, len(text.splitlines()), error.count("\n")) == (4, 3, 1)
    with PIL.Image.open(page) as opened:
        assert opened.height > 3 * PANEL


def test_a_page_is_not_overwritten_unasked(photos: Path) -> None:
    """Before anything is classified; --force replaces it."""
    page = photos / "how.png"
    page.write_bytes(b"mine")
    code, text, error = digits("classify", photos / "b-blank.png", "--explain", page)
    assert (code, text, page.read_bytes()) == (1, "", b"mine")
    assert "--force" in error
    assert digits("classify", photos / "b-blank.png", "--explain", page, "--force").code == 0
    assert page.read_bytes().startswith(b"\x89PNG")


def test_too_many_pictures_for_a_page_are_wrong_usage(images: Path) -> None:
    """Nothing is classified and nothing is written."""
    for number in range(3, 60):
        (images / f"{number}.png").write_bytes((images / "0.png").read_bytes())
    code, text, error = digits("classify", images, "--explain", images / "how" / "how.png")
    assert (code, text) == (2, "")
    assert "up to 50 images, but more were given" in error
    assert not (images / "how").exists()


@pytest.mark.parametrize("words", [("nano", "--json"), ("--model", "nano", "--json"), ("--json", "--model=nano")])
def test_a_model_may_be_named_in_both_ways(words: tuple[str, ...]) -> None:
    """As the argument and by --model; what follows -- is an argument."""
    found = digits("inspect", *words)
    assert (found.code, json.loads(found.out)["manifest"]["name"]) == (0, "nano")
    assert digits("inspect", "--model").code == 2
    assert "--model" in digits("inspect", "--", "--model").err


@pytest.mark.parametrize(("word", "said"), [("clasify", "Did you mean classify?"), ("xyz", "No such command 'xyz'.")])
def test_a_wrong_command_gets_a_suggestion(word: str, said: str) -> None:
    """Of the command that was probably meant; exit code 2."""
    found = digits(word, "photo.png")
    assert found.code == 2
    assert said in found.err
    assert ("Did you mean" in found.err) == (word != "xyz")

"""The wheel in environments of its own, as on a device: no TensorFlow, one interpreter, Python 3.11 to 3.13 (`make test-venvs`)."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from edge_runtime.cli import COMMANDS
from edge_runtime.model.model_file import read_model_file
from edge_runtime.preprocessing.image_files import png_bytes
from tests.benchmarks.samples import check_closing_lines
from tests.commands import digits
from tests.conftest import ROOT
from tools.support.environments import install, installed
from train.data import Dataset

from .environments import Environment, make_environment

pytestmark = pytest.mark.venvs


# The oldest and the newest LiteRT that is supported, each Python, and tflite-runtime, which wants numpy 1.
ENVIRONMENTS = (
    Environment("3.11", "litert"),
    Environment("3.11", "litert", ("ai-edge-litert==1.4.0",)),
    Environment("3.11", "tflite", ("numpy==1.26.4",)),
    Environment("3.12", "litert"),
    Environment("3.13", "litert"),
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a clean copy of what git tracks."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(folder / "source")]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session", params=[environment.parameter for environment in ENVIRONMENTS])
def device(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and nothing else."""
    environment: Environment = request.param
    folder = tmp_path_factory.mktemp("venv") / "venv"
    return make_environment(folder, environment.python, f"{wheel}[{environment.extra}]", *environment.pinned)


def _run(device: Path, *words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(device / "digits"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd or device, check=False)


def test_the_wheel_is_small_and_holds_what_it_should(wheel: Path) -> None:
    """Under 1.25 MiB: the four packages, the shipped models, the benchmark's reference and template, but no data set, no tests, no docs."""
    assert wheel.stat().st_size < 5 << 18
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"train", "convert", "edge_runtime", "benchmarks"}
    models = {f"edge_runtime/models/{name}.tflite" for name in ("nano-int8", "small-int8", "base-int8", "base-fp32")}
    lines = {f"edge_runtime/models/lines/lines-int8.{suffix}" for suffix in ("tflite", "json", "npz")}
    assert {name for name in names if name.endswith((".tflite", ".npz"))} - lines == models | {"benchmarks/reference.tflite"}
    wanted = {
        "benchmarks/templates/report.html.j2",
        "convert/c_code/kernels/convolve.c",
        "convert/compatibility/proven_operators.json",
        "edge_runtime/py.typed",
        "edge_runtime/serving/page/page.html",
    }
    assert wanted | {f"edge_runtime/models/out_of_distribution.{suffix}" for suffix in ("json", "npy")} <= set(names)
    assert lines <= set(names)
    assert not [name for name in names if name.endswith(".keras")]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_next_to_nothing_is_installed(device: Path) -> None:
    """No TensorFlow, no matplotlib, no scipy; LiteRT itself brings tqdm."""
    names = installed(device / "python")
    assert {"edge-digits", "numpy", "click", "pillow"} <= names
    assert not names & {"tensorflow", "keras", "matplotlib", "scipy", "psutil", "jinja2"}


def test_real_digits_are_classified(device: Path, mnist: Dataset, tmp_path: Path) -> None:
    """The shipped model answers rightly for twenty test digits saved as PNG."""
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(png_bytes(mnist.x_test[number]))
    done = _run(device, "classify", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line)["index"] for line in done.stdout.splitlines()]
    assert sum(answer == label for answer, label in zip(answers, mnist.y_test[:20], strict=True)) >= 19


@pytest.mark.parametrize("model", ["cnn_files", "mlp_files"])
@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8", "int16x8"])
def test_every_recipe_verifies(device: Path, recipe: str, model: str, request: pytest.FixtureRequest) -> None:
    """Golden images come out within the tolerance on this runtime, and the manifest names it, or an older one."""
    path = request.getfixturevalue(model)[recipe]
    done = _run(device, "verify", path, "--json")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["labels_equal"] == receipt["images"] == 16
    manifest = read_model_file(path).manifest
    assert manifest is not None
    package, version = receipt["runtime"].split()
    assert Version(manifest.minimum_runtime[package]) <= Version(version)


def test_a_runtime_built_for_another_numpy_is_told(wheel: Path, tmp_path: Path) -> None:
    """tflite-runtime beside numpy 2, by pip as a user has it: one line with what mends it, exit 1, no traceback."""
    place = make_environment(tmp_path / "venv", "3.11", f"{wheel}[tflite]", by_pip=True)
    install(place / "python", "--no-deps", "numpy>=2", by_pip=True)
    done = _run(place, "verify")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "pip install 'numpy<2'" in done.stderr.splitlines()[-1]
    seen = _run(place, "doctor")
    assert seen.returncode == 1
    assert "it was built for numpy 1" in seen.stdout
    assert "/bin/python -m pip install 'numpy<2'" in seen.stdout


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8", "int16x8"])
def test_the_plain_interpreter_reads_the_whole_file(device: Path, recipe: str, cnn_files: dict[str, Path]) -> None:
    """Archive and all, from its path and from its bytes, without any code of ours: it runs and gives ten numbers."""
    code = (
        "import sys, importlib.util\n"
        "found = importlib.util.find_spec('tflite_runtime')\n"
        "if found: from tflite_runtime.interpreter import Interpreter\n"
        "else: from ai_edge_litert.interpreter import Interpreter\n"
        "for words in ({'model_path': sys.argv[1]}, {'model_content': open(sys.argv[1], 'rb').read()}):\n"
        "    interpreter = Interpreter(**words)\n"
        "    interpreter.allocate_tensors(); interpreter.invoke()\n"
        "    print(interpreter.get_tensor(interpreter.get_output_details()[0]['index']).shape)\n"
    )
    done = subprocess.run([device / "python", "-c", code, cnn_files[recipe]], capture_output=True, text=True, check=False, cwd="/")
    assert done.stdout.splitlines() == ["(1, 10)", "(1, 10)"], done.stderr[-500:]


def test_the_shipped_model_verifies_and_is_inspected(device: Path) -> None:
    """Without naming a model."""
    assert _run(device, "verify").returncode == 0
    assert "recipe int8" in _run(device, "inspect").stdout


def test_importing_loads_neither_pillow_nor_click_nor_an_interpreter(device: Path) -> None:
    """What a program asks of edge_runtime is numpy and ours."""
    code = (
        "import sys; from edge_runtime import Classifier, read_model_file; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([device / "python", "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout.split()
    assert not set(loaded) & {"PIL", "click", "ai_edge_litert", "tflite_runtime", "tensorflow"}
    assert "numpy" in loaded


def test_all_shipped_models_are_measured(device: Path, tmp_path: Path) -> None:
    """`digits bench` with nothing but what is installed; its results make a page where matplotlib is, and here tables and a choice."""
    done = _run(device, "bench", "--samples", 1, "--board", "here", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_closing_lines(done.stdout, "here")
    results = tmp_path / "results" / "here.json"
    assert list(results.parent.iterdir()) == [results]
    assert "next:    plots and a page need matplotlib and jinja2; " in done.stdout
    assert digits("report", results, "--out", tmp_path / "page.html").code == 0
    assert _run(device, "report", results, "--markdown").stdout.startswith("| model | ")
    assert "pick: " in _run(device, "choose", results).stdout


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("train linear --data mnist.npz", "train"),
        ("convert x.keras --data mnist.npz", "train"),
        ("data --samples x.png --data mnist.npz", "train"),
        ("report results.json", "bench"),
        ("serve", "litert,serve"),
        ("pipeline --data mnist.npz", "train,bench"),
    ],
)
def test_commands_that_need_more_say_what_to_install(device: Path, command: str, extra: str, tmp_path: Path) -> None:
    """One line that names the extra, exit 1, no traceback; the data is a file, as on a device that has some."""
    shutil.copy(ROOT / "train" / "data" / "mnist.npz", tmp_path / "mnist.npz")
    shutil.copy(ROOT / "benchmarks" / "reference" / "models-x86_64-zen4.json", tmp_path / "results.json")
    done = _run(device, *command.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith(f"pip install '.[{extra}]'\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_more(device: Path, command: str) -> None:
    """What a command needs is loaded when it runs, not to describe it."""
    done = _run(device, command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Example: digits {command} " in done.stdout


def test_data_is_looked_at_without_more(device: Path, tmp_path: Path) -> None:
    """Shapes and counts need numpy alone; without the embedded MNIST, which the wheel leaves out, the command says to give data."""
    found = _run(device, "data", "--data", ROOT / "train" / "data" / "mnist.npz")
    assert found.returncode == 0
    assert "x_test     uint8 [10000, 28, 28]" in found.stdout
    missing = _run(device, "data")
    assert (missing.returncode, "give --data" in missing.stderr) == (4, True)


def test_a_hostile_plain_model_does_not_end_the_process(device: Path, cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """Sixty damaged plain files: each is answered or refused, tflite-runtime's crashes included, and never by a signal."""
    code = (
        "import random, sys, numpy as np\n"
        "from edge_runtime import Classifier, ModelFileError, read_model_file\n"
        "data = read_model_file(__import__('pathlib').Path(sys.argv[1])).flatbuffer\n"
        "generator, refused = random.Random(4), 0\n"
        "for _ in range(60):\n"
        "    mutated = bytearray(data)\n"
        "    for _ in range(6): mutated[generator.randrange(len(data) - 8000, len(data))] = generator.randrange(256)\n"
        "    open('x.tflite', 'wb').write(mutated)\n"
        "    try: Classifier.load('x.tflite').classify_batch(np.zeros((5, 28, 28), np.uint8))\n"
        "    except ModelFileError: refused += 1\n"
        "print(refused)\n"
    )
    done = subprocess.run(
        [device / "python", "-c", code, cnn_files["int8"]], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) > 10

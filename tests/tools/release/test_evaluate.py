"""Judging a release: what is written, that it is written once, and what is refused."""

import hashlib
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.packaging import package
from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import BadArgument, GateFailed, WouldOverwrite
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import read_model_file
from tests.conftest import ROOT
from tests.tools.conftest import CONFIG
from tools.release.evaluate import evaluate_release, main, plain_answers
from tools.release.evaluation import EVALUATION, SEEDS, read_evaluation, seed_folder
from tools.release.layout import Layout
from train.data import Dataset

pytestmark = pytest.mark.slow


def _copy(layout: Layout, folder: Path) -> Layout:
    shutil.copytree(layout.root, folder, dirs_exist_ok=True)
    return Layout(folder)


def _state(layout: Layout) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in layout.root.rglob("*") if path.is_file()}


def test_every_seed_has_an_evaluation_and_only_seed_0_has_files(evaluated: Layout) -> None:
    """The shipped seed is not chosen by how it did."""
    assert all((seed_folder(evaluated.releases, "nano", seed) / EVALUATION).exists() for seed in SEEDS)
    assert sorted(path.name for path in evaluated.models.iterdir()) == ["nano-fp32.tflite", "nano-int8.tflite"]


@pytest.mark.parametrize(("short", "recipe"), [("fp32", "float32"), ("int8", "static_wi8_ai8")])
def test_the_evaluation_is_of_the_files(evaluated: Layout, many: Dataset, short: str, recipe: str) -> None:
    """Hash, sizes and every answer are those of the shipped file, asked by the runtime in batches."""
    path = evaluated.models / f"nano-{short}.tflite"
    file = read_evaluation(seed_folder(evaluated.releases, "nano", 0) / EVALUATION).file(recipe)
    assert (file.sha256, file.file_bytes) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    for found, split in ((file.validation, many.validation), (file.test, many.test)):
        answers = Classifier.load(path).classify_batch(split.images).indices
        assert [mistake.index for mistake in found.mistakes] == np.flatnonzero(answers != split.labels).tolist()
        assert found.accuracy.total == len(split)


def test_evaluating_again_changes_nothing(evaluated: Layout, many_file: Path, tmp_path: Path) -> None:
    """No file is even touched: the same bytes come out."""
    layout = _copy(evaluated, tmp_path)
    before = _state(layout)
    main(["nano", "0", "--data", str(many_file)], layout)
    assert _state(layout) == before


def _shift_golden(path: Path, by: float) -> None:
    """As if a CPU that adds up in another order had made the file."""
    model = read_model_file(path)
    assert model.manifest is not None
    golden = model.golden()
    path.write_bytes(package(model.flatbuffer, model.manifest, replace(golden, float_logits=golden.float_logits + np.float32(by))))


@pytest.mark.parametrize(("shift", "kept"), [(3e-6, True), (1e-3, False)])
def test_the_float_noise_of_another_cpu_is_no_difference(
    evaluated: Layout, many_file: Path, tmp_path: Path, shift: float, kept: bool
) -> None:
    """The last bits of golden logits may differ, and with them hash and size of the file; more may not."""
    layout = _copy(evaluated, tmp_path)
    shipped = layout.models / "nano-int8.tflite"
    _shift_golden(shipped, shift)
    evaluation = seed_folder(layout.releases, "nano", 0) / EVALUATION
    found = read_evaluation(evaluation)
    files = [
        replace(file, sha256=hashlib.sha256(shipped.read_bytes()).hexdigest(), file_bytes=shipped.stat().st_size)
        if file.recipe == "static_wi8_ai8"
        else file
        for file in found.files
    ]
    evaluation.write_text(to_json(replace(found, files=tuple(files))) + "\n")
    before = _state(layout)
    with nullcontext() if kept else pytest.raises(WouldOverwrite, match=r"nano-int8\.tflite says something else"):
        main(["nano", "0", "--data", str(many_file)], layout)
    assert _state(layout) == before


def test_what_says_something_else_is_replaced_by_force_alone(evaluated: Layout, many_file: Path, tmp_path: Path) -> None:
    """And until then nothing is written at all."""
    layout = _copy(evaluated, tmp_path)
    good = (layout.models / "nano-int8.tflite").read_bytes()
    (layout.models / "nano-int8.tflite").write_bytes(b"other")
    (layout.models / "nano-fp32.tflite").unlink()
    with pytest.raises(WouldOverwrite, match=r"nano-int8\.tflite says something else"):
        main(["nano", "0", "--data", str(many_file)], layout)
    assert not (layout.models / "nano-fp32.tflite").exists()
    main(["nano", "0", "--data", str(many_file), "--force"], layout)
    assert (layout.models / "nano-int8.tflite").read_bytes() == good
    found = read_evaluation(seed_folder(layout.releases, "nano", 0) / EVALUATION)
    shipped = [(layout.models / f"nano-{recipe}.tflite").read_bytes() for recipe in ("fp32", "int8")]
    assert [file.sha256 for file in found.files] == [hashlib.sha256(content).hexdigest() for content in shipped]


def test_a_run_of_another_config_is_refused(trained: Layout, many: Dataset, tmp_path: Path) -> None:
    """What the card will show must be what was trained."""
    layout = _copy(trained, tmp_path)
    (layout.releases / "nano.toml").write_text(CONFIG.replace("0.01", "0.02"))
    with pytest.raises(BadArgument, match=r"was not trained as nano\.toml says with seed 1"):
        evaluate_release("nano", 1, many, layout)


def test_a_file_that_the_gate_refuses_is_evaluated_and_not_shipped(trained: Layout, many: Dataset, tmp_path: Path) -> None:
    """Of 60 test images the gate cannot know enough; the figures are written all the same."""
    from train.config.config_file import read_config
    from train.loop.trainer import train_run

    few = Dataset("few", many.x_train, many.y_train, many.x_test[:60], many.y_test[:60])
    layout = Layout(tmp_path)
    layout.releases.mkdir(parents=True)
    shutil.copy(trained.releases / "nano.toml", layout.releases)
    folder = seed_folder(layout.releases, "nano", 0)
    train_run(read_config(layout.releases / "nano.toml", epochs=1, seed=0), few, folder, quiet=True)
    (layout.releases / "nano.toml").write_text(CONFIG.replace("epochs = 8", "epochs = 1"))
    with pytest.raises(GateFailed, match=r"nano-fp32\.tflite: the drop on test is at most"):
        evaluate_release("nano", 0, few, layout)
    found = read_evaluation(folder / EVALUATION)
    assert [(file.gate_passed, file.test.accuracy.total) for file in found.files] == [(False, 60), (False, 60)]
    assert not layout.models.exists()


def test_plain_answers_are_those_of_the_runtime(cnn_files: dict[str, Path], mnist: Dataset) -> None:
    """On real digits, by every 8-bit and float recipe, through code that shares nothing with the classifier."""
    images = mnist.x_test[:300]
    for recipe in ("fp32", "int8"):
        answers = plain_answers(cnn_files[recipe].read_bytes(), images)
        assert answers.tolist() == Classifier.load(cnn_files[recipe]).classify_batch(images).indices.tolist()


def test_an_evaluation_survives_being_written(evaluated: Layout) -> None:
    """Reading and writing again gives the same text."""
    path = seed_folder(evaluated.releases, "nano", 1) / EVALUATION
    assert to_json(read_evaluation(path)) + "\n" == path.read_text()


@pytest.mark.parametrize("script", ["release.evaluate nano 0", "studies.benchmarks.measure_models"])
def test_an_error_is_one_line_and_an_exit_code(script: str, tmp_path: Path) -> None:
    """Here of a data set that is not there: 4, without a traceback."""
    command = [sys.executable, "-m", *f"tools.{script}".split(), "--data", str(tmp_path / "none.npz")]
    child = subprocess.run(
        [*command, *(["--board", "none"] if "measure" in script else [])], capture_output=True, text=True, cwd=ROOT
    )
    assert (child.returncode, child.stdout) == (4, "")
    assert child.stderr.endswith("none.npz: no such file or folder; give an .npz file or a folder of IDX files\n")
    assert child.stderr.count("\n") == 1

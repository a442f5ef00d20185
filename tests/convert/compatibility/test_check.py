"""Recipes and targets: recipes that run, that are left out, or that are changed to run."""

import json
import re
from pathlib import Path

import pytest

from convert.build import without_training
from convert.compatibility import check, operator_support
from convert.compatibility.check import DoesNotRun, choose_recipes
from convert.compatibility.operator_support import Release, minimum_runtime, obstacles, uses
from convert.compatibility.targets import parse_targets
from convert.evaluation.gate import Limits
from convert.export import export
from convert.quantization.recipes import RECIPES, Recipe
from convert.settings import ConversionSettings
from convert.source.source import Source, load_source
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import read_model_file
from tests.commands import digits
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.loop.trainer import train_run
from train.model.architectures import build

OLD = Release("tflite-runtime", "2.14.0")
ARMV7 = ConversionSettings(Limits(100), runs_on=("armv7",))


@pytest.fixture(scope="module")
def dense(invented: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense network, which tflite-runtime does not run with 4-bit weights."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train_run(TrainingConfig("mlp", hidden=(16,), epochs=2), invented, folder, quiet=True)
    return folder / "model.keras"


@pytest.fixture(scope="module")
def tutorial(invented: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A convolution and a large dense layer, untrained."""
    path = tmp_path_factory.mktemp("tutorial") / "tutorial.keras"
    build(TrainingConfig("tutorial")).save(path)
    return load_source(path, invented)


def test_a_named_recipe_that_does_not_fit_is_refused_with_those_that_do(dense: Path, invented: Dataset, tmp_path: Path) -> None:
    """The error names operator and runtime, then alternatives, the nearest in size first; nothing is written."""
    with pytest.raises(DoesNotRun) as error:
        export(dense, invented, [RECIPES["int4"]], tmp_path / "out", settings=ARMV7)
    assert str(error.value).startswith(
        "int4: FULLY_CONNECTED version 1 (int8, int4, int32 -> int8) is not run by tflite-runtime 2.14.0; these do: int8 ("
    )
    order = re.findall(r"(\w+) \([\d,]+ payload bytes\)", str(error.value))
    assert (len(order), order[-2:]) == (5, ["fp16", "fp32"])
    assert error.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_of_all_recipes_those_that_fit_are_written(dense: Path, invented: Dataset, tmp_path: Path) -> None:
    """The report names the others with the reason, and older files of theirs are removed."""
    (tmp_path / "tiny-int4.tflite").write_bytes(b"older")
    recipes = [RECIPES["int8"], RECIPES["int4"]]
    (conversion,) = export(dense, invented, recipes, tmp_path, settings=ARMV7, leave_out=True, force=True).conversions
    assert (conversion.recipe.short, conversion.runs_on_targets) == ("int8", True)
    assert sorted(path.name for path in tmp_path.glob("*.tflite")) == ["tiny-int8.tflite"]
    report = json.loads((tmp_path / "tiny-conversion.json").read_text())
    (left_out,) = report["left_out"]
    assert left_out["recipe"] == "int4"
    assert "is not run by tflite-runtime 2.14.0" in left_out["reasons"][0]
    (entry,) = report["models"]
    assert entry["runs_on"]["runs"] is True
    assert (entry["runs_on"]["targets"], entry["runs_on"]["releases"]) == (["armv7"], ["tflite-runtime 2.14.0"])


@pytest.mark.slow
def test_what_is_installed_here_is_tried_unasked(dense: Path, invented: Dataset, tmp_path: Path) -> None:
    """The installed LiteRT runs each file's golden images, and the report says so."""
    settings = ConversionSettings(Limits(100), runs_on=("ai-edge-litert>=1.4",))
    (conversion,) = export(dense, invented, [RECIPES["int4"]], tmp_path, settings=settings).conversions
    assert conversion.compatibility is not None
    assert [(trial.release.split()[0], trial.passed) for trial in conversion.compatibility.trials] == [("ai-edge-litert", True)]
    manifest = read_model_file(tmp_path / "tiny-int4.tflite").manifest
    assert manifest is not None
    assert manifest.minimum_runtime == {"ai-edge-litert": "1.4.0"}
    assert manifest.origin.command.endswith("--runs-on 'ai-edge-litert>=1.4'")


def test_int4_is_made_to_fit_by_8_bit_dense_layers(tutorial: Source) -> None:
    """The convolution keeps 4 bits; without a target both layers have 4, and the old runtime refuses the file."""
    free, fitted = (
        read_graph(without_training(tutorial, RECIPES["int4"], settings)) for settings in (ConversionSettings(Limits(100)), ARMV7)
    )
    assert [found.use.operator for found in obstacles(free, [OLD])] == ["FULLY_CONNECTED"]
    assert obstacles(fitted, [OLD]) == ()
    assert minimum_runtime(fitted) == {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}
    assert [use.operator for use in uses(fitted) if "int4" in use.inputs] == ["CONV_2D"]


def test_if_no_recipe_runs_every_reason_is_listed(tutorial: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a table without convolutions, no recipe is left."""
    known = operator_support.proven()
    rows = {use: row for use, row in known.rows.items() if use.operator != "CONV_2D"}
    monkeypatch.setattr(operator_support, "proven", lambda: operator_support.Table(known.releases, rows))
    recipes = [RECIPES["fp32"], RECIPES["int8"]]
    monkeypatch.setattr(
        check, "RECIPES", {recipe.short: recipe for recipe in recipes}
    )  # for the others it is the same, and takes time
    targets = parse_targets(ARMV7.runs_on)

    def build(recipe: Recipe) -> bytes:
        return without_training(tutorial, recipe, ARMV7)

    with pytest.raises(DoesNotRun) as error:
        choose_recipes(recipes, build, targets, try_runtimes=False, leave_out=True)
    unproven = "is unproven on tflite-runtime 2.14.0; --try-runtimes tries it"
    assert f"fp32: CONV_2D version 1 (float32, float32, float32 -> float32) {unproven}" in str(error.value)
    assert f"int8: CONV_2D version 3 (int8, int8, int32 -> int8) {unproven}" in str(error.value)
    assert str(error.value).endswith("no recipe does")
    # Where it may be tried, that is no reason against it yet.
    assert choose_recipes(recipes[:1], build, targets, try_runtimes=True, leave_out=False) == (recipes[:1], ())


@pytest.mark.slow
def test_the_command_says_what_was_left_out(dense: Path, data_file: Path, tmp_path: Path) -> None:
    """int4, named together with all, is left out; exit 0 because others run."""
    words = ["--recipe", "all", "--recipe", "int4", "--runs-on", "armv7", "--max-drop", 100, "--data", data_file, "--out", tmp_path]
    code, text, error = digits("convert", dense, *words)
    assert code == 0, error
    lines = text.splitlines()
    assert (
        "target armv7: tflite-runtime 2.14.0; LiteRT has no wheel for 32 bits; the last one of tflite-runtime needs Python 3.11"
        in lines
    )
    assert "left out: int4: FULLY_CONNECTED version 1 (int8, int4, int32 -> int8) is not run by tflite-runtime 2.14.0" in lines
    assert [line for line in lines if "runs on armv7" in line] == ["runs on armv7: fp32, fp16, dynamic, int8, int16x8"]
    assert len(list(tmp_path.glob("*.tflite"))) == 5


@pytest.mark.slow
def test_the_command_refuses_a_named_recipe_with_exit_4(dense: Path, data_file: Path, tmp_path: Path) -> None:
    """The error is one line after the steps."""
    code, text, error = digits("convert", dense, "--recipe", "int4", "--runs-on", "armv7", "--data", data_file, "--out", tmp_path)
    assert (code, text, list(tmp_path.iterdir())) == (4, "", [])
    assert error.splitlines()[-1].startswith("digits: int4: FULLY_CONNECTED version 1")
    assert "these do: int8" in error.splitlines()[-1]

"""Files and microcontrollers: what fits as C code, and what TFLite Micro runs."""

import dataclasses
from pathlib import Path

import pytest

from convert.build import without_training
from convert.compatibility import microcontrollers
from convert.compatibility.check import DoesNotRun, check_compatibility, choose_recipes
from convert.compatibility.microcontrollers import MICROCONTROLLERS, TFLM, Microcontroller, reasons_against, try_golden
from convert.compatibility.operator_support import uses
from convert.compatibility.targets import parse_targets
from convert.evaluation.gate import Limits
from convert.quantization.recipes import RECIPES, Recipe
from convert.settings import ConversionSettings
from convert.source.source import Source, load_source
from convert.tflite_micro.interpreter import MicroRun
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import find_model, parse_model_file, read_model_file
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.model.architectures import build

SMALL_FILE = find_model(Path("small"))
SMALL = read_model_file(SMALL_FILE)


@pytest.fixture(scope="module")
def tutorial(invented: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A convolution, a pool and a dense layer, untrained."""
    path = tmp_path_factory.mktemp("tutorial") / "tutorial.keras"
    build(TrainingConfig("tutorial")).save(path)
    return load_source(path, invented)


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where tflite-micro is not installed."""
    monkeypatch.setattr(microcontrollers, "installed_version", lambda: None)


@pytest.mark.parametrize("device", MICROCONTROLLERS)
def test_shipped_int8_models_fit_and_float_ones_have_no_c_code(device: str) -> None:
    """The reason names the device and what C code takes."""
    assert reasons_against(SMALL, device) == ()
    (reason,) = reasons_against(read_model_file(Path("base-fp32")), device)
    assert reason.startswith(f"on {device}: no C code (takes float32 pixels")


def test_a_model_that_is_too_large_is_told_by_flash_and_ram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Need and limit, in bytes; the RAM holds an image too."""
    monkeypatch.setitem(MICROCONTROLLERS, "rp2040", Microcontroller("tiny", "cortex-m0plus", 20_000, 3_000))
    flash, ram = reasons_against(SMALL, "rp2040")
    assert flash.endswith("bytes of flash, more than 20,000")
    assert ram.endswith("bytes of RAM, more than 3,000")
    monkeypatch.setitem(MICROCONTROLLERS, "rp2040", Microcontroller("enough", "cortex-m0plus", 30_000, 4_000))
    assert reasons_against(SMALL, "rp2040") == ()


@pytest.mark.usefixtures("tflite_micro")
@pytest.mark.parametrize("short", RECIPES)
def test_what_is_refused_by_operators_and_types_is_what_the_package_refuses(
    short: str, tutorial: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each recipe: fp16, dynamic, and dense layers of 4 bits are refused."""
    model = parse_model_file(without_training(tutorial, RECIPES[short], ConversionSettings(Limits(100))))
    with monkeypatch.context() as patched:
        patched.setattr(microcontrollers, "installed_version", lambda: None)
        by_types = bool(reasons_against(model, TFLM))
    monkeypatch.setattr(microcontrollers, "refused_types", lambda _: [])
    assert by_types == bool(reasons_against(model, TFLM)) == (short in ("fp16", "dynamic", "int4"))


@pytest.mark.usefixtures("no_package")
def test_recipes_are_chosen_for_tflite_micro_without_its_package(tutorial: Source) -> None:
    """int4 is made to fit by dense layers of 8 bits; a named recipe that does not fit is refused with its reason."""
    settings, targets = ConversionSettings(Limits(100), runs_on=(TFLM,)), parse_targets([TFLM])

    def flatbuffer(recipe: Recipe) -> bytes:
        return without_training(tutorial, recipe, settings)

    assert [use.operator for use in uses(read_graph(flatbuffer(RECIPES["int4"]))) if "int4" in use.inputs] == ["CONV_2D"]
    recipes = [RECIPES[short] for short in ("fp16", "int8", "int4")]
    chosen, (excluded,) = choose_recipes(recipes, flatbuffer, targets, try_runtimes=False, leave_out=True)
    assert [recipe.short for recipe in chosen] == ["int8", "int4"]
    assert str(excluded) == "fp16: on tflm: DEQUANTIZE of float16 is not run by TFLite Micro"
    with pytest.raises(DoesNotRun, match=r"these do: .*int8"):
        choose_recipes(recipes[:1], flatbuffer, targets, try_runtimes=False, leave_out=False)


def test_a_written_file_is_checked_too() -> None:
    """Reasons and targets are in the report."""
    targets = parse_targets(["rp2040", "stm32f4"])
    report = check_compatibility(SMALL_FILE.read_bytes(), targets, try_runtimes=False)
    assert (report.targets, report.releases, report.reasons, report.trials) == (("rp2040", "stm32f4"), (), (), ())
    assert report.runs


def test_golden_images_are_tried_in_tflite_micro(tflite_micro: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the manifest's tolerance; wrong outputs are a reason against it."""
    content = SMALL_FILE.read_bytes()
    report = check_compatibility(content, parse_targets([TFLM]), try_runtimes=False)
    (trial,) = report.trials
    assert (report.runs, trial.release, trial.passed) == (True, f"tflite-micro {tflite_micro}", True)
    assert trial.message.startswith("16 of 16 labels equal")
    outputs = SMALL.golden().outputs.copy()
    outputs[0] = outputs[0][::-1]
    monkeypatch.setattr(microcontrollers, "run_micro", lambda *_: MicroRun(outputs, 0))
    broken = check_compatibility(content, parse_targets([TFLM]), try_runtimes=False)
    assert broken.reasons == (f"on {broken.trials[0].release}: {broken.trials[0].message}",)


@pytest.mark.usefixtures("no_package")
def test_without_the_package_nothing_is_tried() -> None:
    """Operators and types alone decide."""
    assert try_golden(SMALL) is None
    odd = dataclasses.replace(SMALL.graph.operators[0], name="RNN")
    model = dataclasses.replace(SMALL, graph=dataclasses.replace(SMALL.graph, operators=(odd,), input_dtypes=((),)))
    assert reasons_against(model, TFLM) == ("on tflm: RNN is not run by TFLite Micro",)

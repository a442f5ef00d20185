"""Where files run, tried there: every row of the table, every recipe of the released models, and `digits convert --try-runtimes`.

The table is proven in every release when its inputs change; released models are run in the releases at which it changes.
"""

import dataclasses
import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from convert.build import without_training
from convert.compatibility import operator_support, runtime_environments
from convert.compatibility.check import DoesNotRun, choose_recipes
from convert.compatibility.operator_support import TABLE, Release, State, known, obstacles, proven, uses
from convert.compatibility.runtime_environments import EnvironmentFailed, check_file, environment
from convert.compatibility.targets import parse_targets
from convert.conversion import convert
from convert.quantization.recipes import RECIPES, Recipe
from convert.reporting.summary import compatibility_lines
from convert.settings import ConversionSettings
from convert.source.source import load_source
from edge_runtime.model.graph import read_graph
from tests.commands import digits
from tests.conftest import ROOT, TRAINED_CNN
from tests.samples import arrays_of, write_npz
from tests.test_released import NAMES
from tools.release.operators import prove
from tools.release.operators.inputs import is_proven
from tools.release.operators.prove import ENVIRONMENTS, Outcome, conclusions, run_everywhere, table_text
from tools.release.operators.samples import Sample, make_samples
from train.data import Dataset, load_dataset

pytestmark = pytest.mark.venvs
OLD = Release("tflite-runtime", "2.14.0")
EVERY = known(proven().releases)


def _turns() -> list[Release]:
    """The oldest and the newest release of each runtime, and those in which an operator's state is not that of the release before."""
    states = {release: [proven().state(use, release) for use in proven().rows] for release in EVERY}
    ends = {EVERY[0], EVERY[-1], *(one for pair in pairwise(EVERY) if pair[0].package != pair[1].package for one in pair)}
    return [EVERY[0], *(after for before, after in pairwise(EVERY) if after in ends or states[before] != states[after])]


TURNS = _turns()


def test_every_row_of_the_table_is_proven() -> None:
    """From the very inputs that are here; where they have changed, the tool finds again, to the last character, what is committed."""
    if is_proven():
        return
    samples = make_samples()
    assert table_text(conclusions(samples, run_everywhere(samples))) == (ROOT / "convert" / "compatibility" / TABLE).read_text()


@cache
def _released() -> tuple[dict[str, Sample], dict[Release, dict[str, Outcome]]]:
    """Every recipe of the released models, int4 also as 2.14 wants it, and what came of it in each release of `TURNS`."""
    samples = {}
    for name in NAMES:
        source = load_source(ROOT / "train" / "releases" / f"{name}-seed0" / "model.keras", load_dataset())
        for way, settings in (("", ConversionSettings()), ("-armv7", ConversionSettings(runs_on=("armv7",)))):
            for recipe in RECIPES.values():
                if recipe.weight_bits == 4 or not way:
                    content = without_training(source, recipe, settings)
                    samples[f"{name}-{recipe.short}{way}"] = Sample(recipe, content, uses(read_graph(content)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            prove, "RELEASES", {package: [r.version for r in TURNS if r.package == package] for package in prove.RELEASES}
        )
        return samples, run_everywhere(samples)


@pytest.mark.parametrize("release", TURNS, ids=str)
def test_released_models_run_where_the_table_says_and_not_where_it_says_not(release: Release) -> None:
    """Loaded and run on real digits there, all recipes: outputs within the tolerance of those of the newest LiteRT, or really not."""
    samples, outcomes = _released()
    for name, sample in samples.items():
        against = obstacles(read_graph(sample.content), [release])
        assert not [found for found in against if found.state is State.UNPROVEN], name
        assert (outcomes[release][name] is None) == (not against), (name, outcomes[release][name])
    assert all(outcomes[release][f"{name}-{recipe}"] is None for name in NAMES for recipe in RECIPES if recipe != "int4")
    assert all(outcomes[release][f"{name}-int4-armv7"] is None for name in NAMES)


@pytest.mark.parametrize("model", ["cnn_files", "mlp_files"])
def test_files_are_tried_in_the_very_release(model: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden images in tflite-runtime 2.14.0: passed by every recipe but the one that the table says it refuses, with its own words."""
    monkeypatch.setattr(runtime_environments, "cache_folder", lambda: ENVIRONMENTS)
    for recipe, path in request.getfixturevalue(model).items():
        found = check_file(path.read_bytes(), OLD)
        refused = (model, recipe) == ("mlp_files", "int4")
        assert found.passed is not refused, (recipe, found)
        assert ("cannot run it" in found.message) is refused


def test_a_file_that_the_table_calls_unproven_can_be_tried(mnist_slice: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its row the recipe is refused; where it may be tried, it is, and what counts is that it ran."""
    source = load_source(TRAINED_CNN, mnist_slice)
    table = proven()
    rows = {use: row for use, row in table.rows.items() if use.operator != "MEAN"}
    monkeypatch.setattr(operator_support, "proven", lambda: dataclasses.replace(table, rows=rows))
    monkeypatch.setattr(runtime_environments, "cache_folder", lambda: ENVIRONMENTS)
    settings = ConversionSettings(runs_on=("armv7",))
    targets = parse_targets(settings.runs_on)

    def build(recipe: Recipe) -> bytes:
        return without_training(source, recipe, settings)

    with pytest.raises(DoesNotRun, match=r"MEAN .* is unproven on tflite-runtime 2.14.0; --try-runtimes tries it"):
        choose_recipes([RECIPES["int8"]], build, targets, try_runtimes=False, leave_out=False)
    settings = dataclasses.replace(settings, try_runtimes=True)
    assert choose_recipes([RECIPES["int8"]], build, targets, try_runtimes=True, leave_out=False) == ([RECIPES["int8"]], ())
    found = convert(source, RECIPES["int8"], settings)
    assert found.compatibility is not None
    assert (found.compatibility.runs, [trial.passed for trial in found.compatibility.trials]) == (True, [True])
    assert compatibility_lines(found)[1].startswith("int8: passed on tflite-runtime 2.14.0: 16 of 16 labels equal")


def test_without_a_network_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installer that finds nothing: no half environment stays behind, and the next try makes a whole one."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EnvironmentFailed, match="cannot be installed without a network") as error:
        environment(OLD, tmp_path)
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    monkeypatch.delenv("PIP_NO_INDEX")
    python = environment(OLD, tmp_path)
    (python.parent / "python").unlink()  # as after an update of the system's Python
    assert environment(OLD, tmp_path) == python
    assert python.exists()


def test_convert_tries_and_reports(
    tmp_path: Path, trained_cnn: Path, mnist_slice: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command with --try-runtimes: results are printed and stand in the report."""
    (tmp_path / "cache" / "edge-digits").mkdir(parents=True)
    (tmp_path / "cache" / "edge-digits" / "runtimes").symlink_to(ENVIRONMENTS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    words = ["--recipe", "int8", "--runs-on", "armv7", "--runs-on", "ai-edge-litert==1.4.0", "--try-runtimes", "--max-drop", 5]
    code, text, error = digits("convert", trained_cnn, "--data", data, "--out", tmp_path / "out", *words)
    assert code == 0, error
    assert "runs on armv7, ai-edge-litert==1.4.0: int8" in text
    (entry,) = json.loads((tmp_path / "out" / "cnn-conversion.json").read_text())["models"]
    tried = {trial["release"]: trial["passed"] for trial in entry["runs_on"]["trials"]}
    assert tried == {"tflite-runtime 2.14.0": True, "ai-edge-litert 1.4.0": True}
    assert all(f"tried on {release}: int8 passed" in text for release in tried)

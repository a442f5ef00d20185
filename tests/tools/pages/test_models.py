"""Model cards: what they say comes from files, and files that do not belong together are refused."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import DataError
from tests.tools.conftest import CONFIG
from tools.pages.catalogue import model_cards
from tools.pages.models.page import models_page
from tools.pages.models.releases import read_released
from tools.pages.outputs import update
from tools.release.evaluation import EVALUATION, SEEDS, read_evaluation, seed_folder
from tools.release.layout import Layout
from train.data import Dataset
from train.runs.store import RECORD

pytestmark = pytest.mark.slow


@pytest.fixture
def copied(described: Layout, tmp_path: Path) -> Layout:
    """A copy of the described checkout, to be spoilt."""
    shutil.copytree(described.root, tmp_path, dirs_exist_ok=True)
    return Layout(tmp_path)


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _results(layout: Layout) -> Path:
    return layout.results / "models-Pi-4.json"


def test_the_page_has_every_seeds_counts(described: Layout) -> None:
    """For both recipes and both sets of images, in the order of the seeds."""
    page = described.page.read_text()
    found = [read_evaluation(seed_folder(described.releases, "nano", seed) / EVALUATION) for seed in SEEDS]
    for short, recipe in (("fp32", "float32"), ("int8", "static_wi8_ai8")):
        for split in ("validation", "test"):
            (row,) = re.findall(rf"^\| {short} \| {split} \|.*$", page, re.MULTILINE)
            counts = [evaluation.file(recipe).of(split).accuracy for evaluation in found]
            assert re.findall(r"\(([\d,]+) of ([\d,]+);", row) == [(f"{one.correct:,}", f"{one.total:,}") for one in counts]


def test_the_page_counts_the_wrong_answers(described: Layout) -> None:
    """Those of the shipped int8 file: as many as its picture shows, the most frequent confusions, and the digits that they are of."""
    page = described.page.read_text()
    found = read_evaluation(seed_folder(described.releases, "nano", 0) / EVALUATION).file("static_wi8_ai8").test
    assert found.mistakes, "this network was to make some"
    assert f"All {len(found.mistakes)} wrong answers: " in page
    most = max(count for label, row in enumerate(found.confusion) for answer, count in enumerate(row) if label != answer)
    assert re.search(rf"Most often confused: \d taken for \d \({f'{most} times' if most > 1 else 'once'}\)", page)
    for label, row in enumerate(found.confusion):
        assert re.search(rf"^\| {label} \| {sum(row)} \| .* \({row[label]} of {sum(row)}; ", page, re.MULTILINE)


def test_the_page_shows_the_config_as_committed(described: Layout) -> None:
    """Comments and all."""
    assert f"```toml\n{CONFIG.strip()}\n```" in described.page.read_text()


def test_the_page_compares_with_the_tutorials_network(described: Layout) -> None:
    """By the same recipe, from the one run: medians of both, their ratio with its interval, and what follows."""
    page = described.page.read_text()
    for recipe in ("fp32", "int8"):
        assert re.search(
            rf"^\| nano {recipe} \| [\d.,]+ us .* \| \d+\.\d{{3}} \(\d+\.\d{{3}} to \d+\.\d{{3}}\) \|$", page, re.MULTILINE
        )
        assert re.search(rf"^\| tutorial {recipe} \| [\d.,]+ us .* \| 1 \|$", page, re.MULTILINE)
    assert re.search(r"as fp32 (it is faster|it is slower|no difference was found), as int8 ", page)


def test_another_measurement_gives_another_page(copied: Layout, many_file: Path) -> None:
    """A model that took ten times as long is called slower, by ten times the ratio."""
    result = json.loads(_results(copied).read_text())
    for model in result["models"]:
        time = 10_000 if model["name"] == "nano" else 1_000
        for turn in model["turns"]:
            turn["samples_ns"] = [time * turn["group"]] * len(turn["samples_ns"])
    _results(copied).write_text(json.dumps(result))
    update(model_cards(["nano"], copied, many_file), check=False)
    page = copied.page.read_text()
    assert "| nano int8 | 10.0 us | 10.0 us | - | 10.000 (10.000 to 10.000) |" in page
    assert "as fp32 it is slower, as int8 it is slower." in page


def test_what_was_just_written_is_up_to_date(described: Layout, many_file: Path) -> None:
    """And comparing writes nothing."""
    before = described.page.stat().st_mtime_ns
    update(model_cards(["nano"], described, many_file), check=True)
    assert described.page.stat().st_mtime_ns == before


def test_an_edited_page_is_an_error(copied: Layout, many_file: Path) -> None:
    """A figure typed by hand is noticed."""
    copied.page.write_text(copied.page.read_text().replace("of 2,000;", "of 2,001;"))
    with pytest.raises(DataError, match=r"models\.md is not what its sources say"):
        update(model_cards(["nano"], copied, many_file), check=True)


@pytest.mark.parametrize("content", [None, b"", b"GIF89a"])
def test_a_missing_or_damaged_picture_is_an_error(copied: Layout, many_file: Path, content: bytes | None) -> None:
    """By its name."""
    picture = copied.pictures / "nano-confusion.png"
    picture.unlink()
    if content is not None:
        picture.write_bytes(content)
    with pytest.raises(DataError, match=r"nano-confusion\.png is not what its sources say"):
        update(model_cards(["nano"], copied, many_file), check=True)


def test_a_picture_of_other_predictions_is_out_of_date(described: Layout, many: Dataset, tmp_path: Path) -> None:
    """A picture knows of which figures it is."""
    _, (picture, *_) = models_page(["nano"], many, described)
    (tmp_path / picture.name).write_bytes((described.pictures / picture.name).read_bytes())
    assert picture.is_drawn_in(tmp_path)
    assert not type(picture)(picture.name, "other", picture.draw).is_drawn_in(tmp_path)


def test_a_file_that_was_not_evaluated_is_refused(copied: Layout, many: Dataset, cnn_files: dict[str, Path]) -> None:
    """Another good model under the released name."""
    shutil.copy(cnn_files["int8"], copied.models / "nano-int8.tflite")
    with pytest.raises(DataError, match="nano static_wi8_ai8 is not the file that was evaluated"):
        read_released("nano", copied, many)


@pytest.mark.parametrize("change", [{"seed": 2}, {"name": "small"}, {"data_sha256": "00"}])
def test_an_evaluation_of_something_else_is_refused(copied: Layout, many: Dataset, change: dict[str, Any]) -> None:
    """Of another seed, model or data set."""
    _edit(seed_folder(copied.releases, "nano", 1) / EVALUATION, **change)
    with pytest.raises(DataError, match="nano-seed1"):
        read_released("nano", copied, many)


def test_a_seed_without_evaluation_is_refused(copied: Layout, many: Dataset) -> None:
    """Three seeds or no card."""
    (seed_folder(copied.releases, "nano", 2) / EVALUATION).unlink()
    with pytest.raises(DataError, match=r"nano-seed2.*cannot be read"):
        read_released("nano", copied, many)


def test_measurements_of_other_files_are_refused(copied: Layout, many: Dataset) -> None:
    """Old times do not pass for those of a new model; nor does no measurement."""
    text = _results(copied).read_text()
    (digest,) = {model["sha256"] for model in json.loads(text)["models"] if model["file"] == "nano-int8.tflite"}
    _results(copied).write_text(text.replace(digest, "00" * 32))
    with pytest.raises(DataError, match=r"has not measured the shipped files of nano"):
        models_page(["nano"], many, copied)
    _results(copied).unlink()
    with pytest.raises(DataError, match=r"holds no models-\*\.json"):
        models_page(["nano"], many, copied)


def test_teachers_are_listed(copied: Layout, many: Dataset, cnn_files: dict[str, Path]) -> None:
    """By file, with what its manifest says of validation images; one that is missing is an error."""
    digest = hashlib.sha256(cnn_files["int8"].read_bytes()).hexdigest()
    record = seed_folder(copied.releases, "nano", 0) / RECORD
    config = json.loads(record.read_text())["config"]
    _edit(record, config=config | {"distillation": {"teachers": [digest], "views": 2}})
    with pytest.raises(DataError, match=f"no teacher with sha256 {digest}"):
        models_page(["nano"], many, copied)
    copied.teachers.mkdir()
    shutil.copy(cnn_files["int8"], copied.teachers / "first.tflite")
    page, _ = models_page(["nano"], many, copied)
    assert re.search(r"^\| `first\.tflite` \| .* of 500; ", page, re.MULTILINE)

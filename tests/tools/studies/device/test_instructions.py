"""Counts of instructions: how they are read from what is printed, and which change is too much."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from edge_runtime.errors import DataError
from tests.emulation.instructions import parse
from tools.release.layout import Layout
from tools.studies.device.instructions import (
    RESULT,
    BoardCounts,
    Instructions,
    ModelCounts,
    added,
    board_counts,
    read_instructions,
)

PRINTED = """{"numpy": "2.0"}
nothing
100
110
200
210
300
315
photo
1000
6011
7000
12010
13000
18010
a-int8.tflite pixels
20000
20310
a-int8.tflite label
30000
37010
"""
COMMITTED = Instructions(
    {"numpy": "2.0", "QEMU": "7.2", "Python": "3.11.2", "glibc": "2.36"},
    "photo",
    {"a-int8.tflite": "a"},
    {"cortex-a72": BoardCounts(5_000, {"a-int8.tflite": ModelCounts(300, 7_000)})},
)


def _measured(pixels: int = 300, label: int = 7_000, photo: int = 5_000) -> Instructions:
    boards = {"cortex-a72": BoardCounts(photo, {"a-int8.tflite": ModelCounts(pixels, label)})}
    return dataclasses.replace(COMMITTED, boards=boards)


def test_a_step_is_the_median_of_its_calls_without_the_marks() -> None:
    """What an empty function takes between two marks is taken off."""
    found = parse(PRINTED)
    assert found.versions == {"numpy": "2.0"}
    assert found.steps == {"photo": 5_000, "a-int8.tflite pixels": 300, "a-int8.tflite label": 7_000}
    assert board_counts(found) == COMMITTED.boards["cortex-a72"]


def test_up_to_one_percent_more_is_kept() -> None:
    """And anything less."""
    assert added(COMMITTED, COMMITTED) == []
    assert added(COMMITTED, _measured(pixels=303, label=7_070, photo=5_050)) == []
    assert added(COMMITTED, _measured(pixels=1, label=1, photo=1)) == []


@pytest.mark.parametrize(
    ("measured", "line"),
    [
        (_measured(pixels=304), "cortex-a72, a-int8.tflite, pixels to label: 304 instructions, 1.3% more than 300"),
        (_measured(label=7_071), "cortex-a72, a-int8.tflite, photo to label: 7,071 instructions, 1.0% more than 7,000"),
        (_measured(photo=5_051), "cortex-a72, photo: 5,051 instructions, 1.0% more than 5,000"),
    ],
)
def test_more_than_that_is_named(measured: Instructions, line: str) -> None:
    """The step, by how much, and from what."""
    assert added(COMMITTED, measured) == [line]


def test_counts_of_other_software_or_files_are_not_compared() -> None:
    """Wheels, models and the photo have to be the same; a system's updates do not."""
    newer = {**COMMITTED.versions, "numpy": "2.1", "QEMU": "7.3", "Python": "3.11.3"}
    with pytest.raises(DataError, match=r"counted with numpy 2\.0, now it is 2\.1; run make instructions"):
        added(COMMITTED, dataclasses.replace(COMMITTED, versions=newer))
    assert added(COMMITTED, dataclasses.replace(COMMITTED, versions=newer | {"numpy": "2.0"})) == []
    with pytest.raises(DataError, match="other model files or another photo"):
        added(COMMITTED, dataclasses.replace(COMMITTED, models_sha256={"a-int8.tflite": "b"}))
    with pytest.raises(DataError, match="other model files or another photo"):
        added(COMMITTED, dataclasses.replace(COMMITTED, photo_sha256="other"))


def test_counts_of_a_replaced_model_are_refused(tmp_path: Path) -> None:
    """A page with the figures of the model before cannot be written; nor with one that is missing."""
    layout = Layout(tmp_path)
    shutil.copytree(Layout().models, layout.models, ignore=shutil.ignore_patterns("lines"))
    layout.results.mkdir(parents=True)
    shutil.copy(Layout().results / RESULT, layout.results)
    assert read_instructions(layout) == read_instructions(Layout())
    with (layout.models / "small-int8.tflite").open("ab") as file:
        file.write(b"1")
    with pytest.raises(DataError, match=r"has not counted the shipped small-int8\.tflite; run make instructions"):
        read_instructions(layout)


def test_the_photo_is_the_one_that_was_counted() -> None:
    """It is committed, since another numpy or another processor might draw another."""
    from tools.studies.device.instructions import PHOTO, file_sha256

    committed = json.loads((Layout().results / RESULT).read_text())
    assert file_sha256(PHOTO) == committed["photo_sha256"]

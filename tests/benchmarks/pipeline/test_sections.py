"""The sections of the pipeline's report, from what its stages wrote."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.pipeline.sections import (
    CONVERSION_HEADER,
    bench_section,
    conversion_section,
    data_section,
    summary_section,
    training_section,
)
from benchmarks.reporting.html import render
from benchmarks.reporting.tables import HEADER, machine_line
from edge_runtime.model.manifest import Verdict
from edge_runtime.model.model_file import ModelFile, read_model_file
from edge_runtime.model.recipe_names import short_recipe
from tests.benchmarks.samples import bench_result, little_png, model_result


@pytest.fixture(scope="module")
def models(cnn_files: dict[str, Path]) -> list[ModelFile]:
    """The converted files, read."""
    return [read_model_file(path) for path in cnn_files.values()]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture that a stage wrote."""
    path = tmp_path / "picture.png"
    path.write_bytes(little_png())
    return path


def test_the_summary_sets_each_models_int8_file_beside_its_float_file() -> None:
    """A row per model, in their order: accuracies with intervals, sizes, medians; other recipes are left out."""
    small = model_result()
    plain = model_result((3_000,) * 20, recipe="float32", file_bytes=150_000)
    other = model_result(recipe="float16")
    section = summary_section(bench_result(small, other, plain), [], "digits pipeline --seed 0")
    accuracy = "99.36 % (99.18 to 99.50)"
    assert section.tables[0].rows == [("cnn", accuracy, "150.0 KB", "3.0 us", accuracy, "49.4 KB", "501.0 us")]
    assert section.paragraphs[0] == "Command: digits pipeline --seed 0. 0 of 0 files passed the accuracy gate."


def test_the_data_section_counts_every_class(picture: Path) -> None:
    """A row per split: its name, its images, the images of each class."""
    section = data_section("own.npz", {"train": [1_000, 500], "test": [20, 10]}, picture)
    assert section.tables[0].header == ("split", "images", "0", "1")
    assert section.tables[0].rows == [("train", "1,500", "1,000", "500"), ("test", "30", "20", "10")]
    assert section.paragraphs[0].startswith("own.npz: ")
    assert section.pictures[0].png == little_png()


def test_the_training_section_states_how_each_model_was_trained(models: list[ModelFile], picture: Path) -> None:
    """From the training record in the manifest, with the float model's validation accuracy."""
    manifest = models[0].manifest
    assert manifest is not None
    config = {"epochs": 6, "batch_size": 64, "learning_rate": 0.003, "seed": 7}
    origin = replace(manifest.origin, training={"config": config, "parameters": 35_994, "seconds": 71.6})
    section = training_section([replace(manifest, origin=origin)], {"cnn": picture})
    reference = manifest.accuracy[0].reference
    interval = f"({reference.interval[0]:.2f} to {reference.interval[1]:.2f})"
    assert section.tables[0].rows == [("cnn", "35,994", "6", "64", "0.003", "7", "72", f"{reference.percent:.2f} % {interval}")]
    assert section.pictures[0].text == "cnn: loss and accuracy by epoch"


def test_the_conversion_section_has_a_row_a_file(models: list[ModelFile]) -> None:
    """Sizes, both accuracies, agreement, drop with interval, p, verdict: the figures of the manifest."""
    section = conversion_section(models)
    table, operators = section.tables
    assert table.header == CONVERSION_HEADER
    assert [row[1] for row in table.rows] == [short_recipe(model.manifest.recipe) for model in models if model.manifest]
    for model, row in zip(models, table.rows, strict=True):
        assert model.manifest is not None
        validation, test = model.manifest.accuracy
        assert row[2] == f"{model.file_bytes / 1_000:,.1f} KB"
        assert row[5:8] == (
            f"{validation.candidate.percent:.2f} %",
            f"{test.candidate.percent:.2f} %",
            f"{test.agreeing:,} of 1,000",
        )
        assert row[-1] == ("passed" if model.manifest.verdict.passed else "FAILED")
    assert all("CONV_2D" in row[2] and "tflite-runtime 2.14.0" in row[3] for row in operators.rows)


def test_a_file_that_the_gate_refused_is_a_warning(models: list[ModelFile]) -> None:
    """By name and recipe, with the reason; in the table it says FAILED."""
    manifest = models[0].manifest
    assert manifest is not None
    failed = replace(models[0], manifest=replace(manifest, verdict=Verdict(0.5, False, "the drop may be 3.00 points")))
    section = conversion_section([failed, *models[1:]])
    assert "the gate refused cnn fp32: the drop may be 3.00 points" in section.warnings
    assert section.tables[0].rows[0][-1] == "FAILED"


def test_the_bench_section_states_where_and_how_it_was_measured(picture: Path) -> None:
    """The machine first, the number of samples, the table, the notes, both plots."""
    result = bench_result(model_result(recipe="static_wi8_ai16"), model_result())
    section = bench_section(result, picture, picture)
    assert section.paragraphs[0] == machine_line(result)
    assert "of 1,000 calls of Classifier.classify for each model" in section.paragraphs[1]
    assert (section.tables[0].header, len(section.tables[0].rows), len(section.pictures)) == (HEADER, 2, 2)
    assert len(section.warnings) == 5  # one process, two noisy models and the reference, one on reference kernels


def test_a_model_that_is_named_like_a_script_is_harmless_in_the_report(picture: Path) -> None:
    """From a results file to the page, its name stays text."""
    result = bench_result(model_result(name="<script>alert(1)</script>"))
    html = render("report", [bench_section(result, picture, picture)])
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html

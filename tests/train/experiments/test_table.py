"""The table and the report of an experiment."""

import csv
import io
import shlex
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import DigitsError
from tests.commands import digits, one_line
from tests.train.experiments.samples import VERSIONS, invent_result, invent_results
from train.config.training_config import TrainingConfig
from train.experiments.findings import evaluate_claims
from train.experiments.grid import Grid, key_of
from train.experiments.store import ExperimentSpec
from train.experiments.table import CSV_COLUMNS, HEADER, as_cells, as_csv, finding_lines, report, rows, training_command

GRID = Grid(hidden_layers=(0, 2), units=(8,), activations=("relu", "tanh"), epochs=(4,), seeds=(0, 1, 5))
RESULTS = invent_results(GRID, lambda config: 90 + 3.0 * len(config.hidden))


def test_a_row_is_a_setting_over_its_seeds() -> None:
    """Mean, standard deviation and range are those of the cells."""
    table = list(csv.DictReader(io.StringIO(as_csv(rows(GRID, RESULTS)))))
    assert list(table[0]) == list(CSV_COLUMNS)
    assert [(row["hidden_layers"], row["activation"]) for row in table] == [("0", ""), ("2", "relu"), ("2", "tanh")]
    percents = [RESULTS[f"tanh-2x8-e4-adam-s{seed}"].validation.percent for seed in (0, 1, 5)]
    last = table[2]
    assert (float(last["validation_mean"]), float(last["validation_sd"])) == pytest.approx(
        (fmean(percents), stdev(percents)), abs=1e-4
    )
    assert (float(last["validation_min"]), float(last["validation_max"])) == pytest.approx((min(percents), max(percents)))
    assert (last["seeds"], last["seeds_missing"], last["seconds_mean"]) == ("3", "", "2.00")
    assert (last["parameters"], last["int8_bytes"]) == ("6442", "6520")


@pytest.mark.parametrize("best", [0, 2])
def test_the_command_trains_the_best_setting(best: int, monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """Typed as it is, it asks for the config of the cell with seed 0."""
    asked: list[TrainingConfig] = []

    def look(config: TrainingConfig, *_: object, **__: object) -> None:
        asked.append(config)
        raise DigitsError("seen")

    monkeypatch.setattr("train.loop.trainer.train_run", look)
    results = invent_results(GRID, lambda config: 90.0 + (len(config.hidden) == best))
    command = training_command(rows(GRID, results), GRID, data_file)
    assert command.startswith("digits train ")
    one_line(digits(*shlex.split(command)[1:], "--runs", tmp_path), 1)
    assert asked == [next(config for config in GRID.cells if len(config.hidden) == best and config.seed == 0)]


def test_without_a_result_there_is_no_command() -> None:
    """All cells failed."""
    assert training_command(rows(GRID, {}), GRID) == ""


@given(st.permutations(list(RESULTS)))
def test_the_order_in_which_cells_came_does_not_matter(keys: list[str]) -> None:
    """Table and report are the same."""
    shuffled = {key: RESULTS[key] for key in keys}
    assert as_csv(rows(GRID, shuffled)) == as_csv(rows(GRID, RESULTS))
    assert evaluate_claims(list(shuffled.values())) == evaluate_claims(list(RESULTS.values()))


def test_seeds_that_are_missing_are_named() -> None:
    """A setting with failed cells shows the others; one without any result has a row without values."""
    found = {key: result for key, result in RESULTS.items() if "tanh" not in key and key != "relu-2x8-e4-adam-s5"}
    table = rows(GRID, found)
    relu, tanh = list(csv.DictReader(io.StringIO(as_csv(table))))[1:]
    assert (relu["seeds"], relu["seeds_missing"], tanh["seeds"], tanh["seeds_missing"]) == ("2", "5", "0", "0 1 5")
    assert tanh["validation_mean"] == tanh["parameters"] == ""
    assert as_cells(table[1])[5:7] == ("2 of 3", "96.00 %")
    assert as_cells(table[2])[5:7] == ("0 of 3", "failed")


def test_one_seed_has_no_spread() -> None:
    """An empty field, not 0."""
    grid = replace(GRID, seeds=(5,))
    (row, *_) = csv.DictReader(io.StringIO(as_csv(rows(grid, RESULTS))))
    assert (row["seeds"], row["validation_sd"]) == ("1", "")


def test_a_row_for_a_terminal_has_a_text_for_each_heading() -> None:
    """Thousands with commas, percent with its sign."""
    assert as_cells(rows(GRID, RESULTS)[0]) == (
        "0",
        "-",
        "-",
        "4",
        "adam",
        "3",
        "89.98 %",
        "0.07",
        "89.94 to 90.06",
        "2.0",
        "7,850",
        "7,880",
    )
    assert len(HEADER) == 12


def test_the_report_has_everything() -> None:
    """Data, settings, findings with evidence and method, table, failures, plots, versions."""
    findings = evaluate_claims(list(RESULTS.values()))
    text = report(
        ExperimentSpec(GRID, "invented.npz", "ab" * 32, VERSIONS),
        rows(GRID, RESULTS),
        findings,
        {"tanh-2x8-e4-adam-s1": "no memory"},
        [("Curves", "a.png")],
    )
    assert "9 trainings on invented.npz (sha256 abababababababab), batches of 128, constant learning rate 0.001" in text
    for finding in findings:
        assert finding.evidence[1:] in text
        assert finding.method in text
    assert "**More hidden layers help: holds.**" in text
    assert "| 2 | 8 | tanh | 4 | adam | 3 |" in text
    assert "- `tanh-2x8-e4-adam-s1`: no memory" in text
    assert "![Curves](a.png)" in text
    assert "tensorflow 2.21.0" in text


def test_a_finding_for_a_terminal_begins_with_the_verdict() -> None:
    """The verdict is in capitals."""
    first = evaluate_claims(list(RESULTS.values()))[0]
    assert finding_lines(first) == ["HOLDS: more hidden layers help", f"  {first.evidence}"]


def test_int8_bytes_are_the_most_that_a_seed_has() -> None:
    """The converter drops a bias that is all zero."""
    config = GRID.cells[0]
    found = {
        key_of(config): replace(invent_result(config, 90), int8_bytes=1),
        **{k: v for k, v in RESULTS.items() if k != key_of(config)},
    }
    assert rows(GRID, found)[0].int8_bytes == 7_880

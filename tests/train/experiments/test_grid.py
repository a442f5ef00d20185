"""Grids: their cells, and invalid values."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadArgument, DataError
from tests.commands import digits, one_line
from train.config.training_config import ACTIVATIONS, OPTIMIZERS
from train.experiments.grid import Grid, key_of, parse_list, read_grid, setting_of


def _lists(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(elements, min_size=1, max_size=3, unique=True).map(tuple)


GRIDS = st.builds(
    Grid,
    hidden_layers=_lists(st.integers(0, 64)),
    units=_lists(st.integers(1, 65_536)),
    activations=_lists(st.sampled_from(ACTIVATIONS)),
    epochs=_lists(st.integers(1, 10_000)),
    optimizers=_lists(st.sampled_from(OPTIMIZERS)),
    seeds=_lists(st.integers(0, 2**31 - 1)),
)


def test_the_default_grid_is_five_depths_four_activations_and_three_seeds() -> None:
    """Without hidden layers the activation makes no difference: one cell per seed."""
    cells = Grid().cells
    assert len(cells) == (4 * 4 + 1) * 3
    assert {len(cell.hidden) for cell in cells} == {0, 1, 2, 3, 4}
    assert {cell.epochs for cell in cells} == {15}
    assert {cell.activation for cell in cells if cell.hidden} == {"relu", "tanh", "sigmoid", "gelu"}
    assert [cell.seed for cell in cells if not cell.hidden] == [0, 1, 2]


def test_all_settings_of_one_seed_come_before_the_next_seed() -> None:
    """So the first third of the cells measures the cost of every setting."""
    seeds = [cell.seed for cell in Grid().cells]
    assert seeds == sorted(seeds)


@given(GRIDS)
def test_no_two_cells_have_the_same_name(grid: Grid) -> None:
    """Keys identify cells in the store, and are parts of file names."""
    keys = [key_of(cell) for cell in grid.cells]
    assert len(set(map(str.lower, keys))) == len(keys)
    assert all(len(key) < 100 and set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for key in keys)


@given(GRIDS)
def test_settings_are_cells_without_their_seed(grid: Grid) -> None:
    """Cells have the same setting if and only if they differ in the seed only."""
    for cell in grid.cells[:20]:
        for other in grid.cells[:20]:
            assert (setting_of(cell) == setting_of(other)) == (replace(cell, seed=0) == replace(other, seed=0))


def test_a_list_of_seeds_may_be_a_count() -> None:
    """3 means the first three; 3, (with a comma) means seed 3."""
    assert parse_list("seeds", "3") == [0, 1, 2]
    assert parse_list("seeds", "3,") == [3]
    assert parse_list("seeds", "5, 7") == [5, 7]
    assert parse_list("units", "3") == [3]


def test_a_toml_file_gives_fields_and_options_go_before_it(tmp_path: Path) -> None:
    """Other fields have the defaults."""
    path = tmp_path / "grid.toml"
    path.write_text('units = [8, 16]\nactivations = ["elu"]\nseeds = 2\nlearning_rate = 0.01\n')
    grid = read_grid(path, {"units": [32]})
    assert grid == Grid(units=(32,), activations=("elu",), seeds=(0, 1), learning_rate=0.01)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--activations", "relu,softplux"), "'softplux'; known are relu, tanh, sigmoid"),
        (("--optimizers", "lion"), "'lion'; known are adam"),
        (("--epochs", "0"), "epochs is 0, expected 1 to 10,000"),
        (("--epochs", "many"), "epochs are 'many', expected numbers separated by commas such as 15"),
        (("--units", "128;64"), "units are '128;64', expected numbers separated by commas such as 64,128"),
        (("--units", ""), "units are '', expected numbers"),
        (("--units", "0"), "units is 0, expected 1 to 65,536"),
        (("--hidden-layers", "65"), "hidden layers is 65, expected 0 to 64"),
        (("--hidden-layers", "1,2,1"), "hidden layers: 1 is listed twice; remove one"),
        (("--activations", ""), "activations: the list is empty, expected a list such as relu,tanh"),
        (("--seeds", "0"), "number of seeds is 0, expected 1 to 1,000"),
        (("--seeds", "-1,2"), "seed is -1, expected 0 to"),
        (("--seeds", "1000", "--epochs", ",".join(map(str, range(1, 200)))), "cells, expected at most 100,000; shorten a list"),
        (("--batch-size", "0"), "batch size is 0"),
        (("--learning-rate", "nan"), "'learning_rate' is NaN"),
        (("--name", "../x"), "name is '../x'"),
        (("--scheduler", "tcp://a:1", "--workers", "2"), "--workers is for this machine; with --scheduler"),
    ],
)
def test_a_bad_option_is_told_in_one_line_with_what_is_valid(options: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    """Exit code 2, and nothing is written."""
    answer = digits("experiment", *options, "--experiments", tmp_path / "experiments")
    assert expected in one_line(answer, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("units = 128", "units are 128, expected a list such as [64, 128]"),
        ('units = "128"', "units are '128', expected a list such as [64, 128]"),
        ("units = [128.0]", "'units[0]' is 128.0, expected a whole number"),
        ("units = [true]", "'units[0]' is true, expected a whole number"),
        ("units = []", "units: the list is empty"),
        ('activations = ["relu", "swush"]', "unknown activation 'swush'; known are relu"),
        ("layers = [1]", "unknown field 'layers'; known are hidden_layers, units"),
        ("epochs = [0]", "epochs is 0, expected 1 to 10,000"),
        ("seeds = -1", "number of seeds is -1"),
        ("learning_rate = nan", "'learning_rate' is NaN"),
        ('batch_size = "large"', "'batch_size' is \"large\", expected a whole number"),
        ("[units]\na = 1", "units are {'a': 1}, expected a list"),
        ("units = [1979-05-27]", "units"),
    ],
)
def test_a_bad_value_of_a_file_is_wrong_usage_too(text: str, expected: str, tmp_path: Path) -> None:
    """The line names the file, the field and the valid values."""
    path = tmp_path / "grid.toml"
    path.write_text(text)
    with pytest.raises(BadArgument) as caught:
        read_grid(path, {})
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize("content", [b"units = [", b"\xff\xfe", b"a = " + b"[" * 5_000, None])
def test_a_file_that_is_no_toml_is_an_input_error(content: bytes | None, tmp_path: Path) -> None:
    """A damaged or missing file gives no traceback."""
    path = tmp_path / "grid.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"grid\.toml"):
        read_grid(path, {})


@given(
    st.dictionaries(
        st.sampled_from([*Grid.__dataclass_fields__, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=5,
        ),
    )
)
def test_whatever_values_are_given_a_grid_or_an_error_of_ours_comes_out(values: dict[str, Any]) -> None:
    """No other exception."""
    try:
        grid = read_grid(None, values)
    except BadArgument:
        return
    assert grid.cells

"""Grids of trainings: all combinations of lists of settings, with every seed. Needs no TensorFlow, so that errors are immediate."""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from edge_runtime.common.json_codec import checked
from edge_runtime.errors import BadArgument, DataError, InputError
from train.config.training_config import ACTIVATIONS, OPTIMIZERS, TrainingConfig

MAX_CELLS = 100_000
_NUMBERS = ("hidden_layers", "units", "epochs", "seeds")
_WORDS = {"activations": ACTIVATIONS, "optimizers": OPTIMIZERS}
_EXAMPLES = {
    "hidden_layers": "0,1,2",
    "units": "64,128",
    "activations": "relu,tanh",
    "epochs": "15",
    "optimizers": "adam",
    "seeds": "0,1,2",
}


@dataclass(frozen=True)
class Grid:
    """All combinations of the listed values. Without hidden layers, units and activation do not matter: one cell per seed.

    units: units of every hidden layer.
    learning_rate: constant, so that a training of 5 epochs equals the first 5 epochs of a longer one.

    Raises:
        BadArgument: a list is empty or has a duplicate, or a value is invalid; the message lists the valid ones.
    """

    hidden_layers: tuple[int, ...] = (0, 1, 2, 3, 4)
    units: tuple[int, ...] = (128,)
    activations: tuple[str, ...] = ("relu", "tanh", "sigmoid", "gelu")
    epochs: tuple[int, ...] = (15,)
    optimizers: tuple[str, ...] = ("adam",)
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 128
    learning_rate: float = 0.001

    def __post_init__(self) -> None:
        for name in (*_NUMBERS, *_WORDS):
            _check_list(name, getattr(self, name))
        for name, known in _WORDS.items():
            for word in getattr(self, name):
                if word not in known:
                    raise BadArgument(f"unknown {name.removesuffix('s')} {word!r}; known are {', '.join(known)}")
        _check_range("hidden layers", self.hidden_layers, 0, 64)
        _check_range("units", self.units, 1, 65_536)
        count = math.prod(len(getattr(self, name)) for name in (*_NUMBERS, *_WORDS))
        if count > MAX_CELLS:
            raise BadArgument(f"the grid has {count:,} cells, expected at most {MAX_CELLS:,}; shorten a list")
        _ = self.cells  # each config validates the rest

    @cached_property
    def cells(self) -> tuple[TrainingConfig, ...]:
        """One config per cell, all settings of the first seed first, so that early results cover every setting."""
        configs = (
            TrainingConfig(
                model="mlp" if layers else "linear",
                hidden=(units,) * layers,
                activation=activation,
                epochs=epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                seed=seed,
                optimizer=optimizer,
                schedule="constant",
            )
            for seed, epochs, optimizer, layers, units, activation in product(
                self.seeds, self.epochs, self.optimizers, self.hidden_layers, self.units, self.activations
            )
        )
        return tuple(dict.fromkeys(configs))

    @cached_property
    def by_key(self) -> dict[str, TrainingConfig]:
        """The cells by key."""
        return {key_of(config): config for config in self.cells}


@dataclass(frozen=True, order=True)
class Setting:
    """A cell without its seed. Without hidden layers, `units` is 0 and `activation` empty."""

    hidden_layers: int
    units: int
    activation: str
    epochs: int
    optimizer: str

    def __str__(self) -> str:
        layers = f"{self.activation}-{self.hidden_layers}x{self.units}" if self.hidden_layers else "linear"
        return f"{layers}-e{self.epochs}-{self.optimizer}"


def setting_of(config: TrainingConfig) -> Setting:
    """The setting of a cell of a grid."""
    layers = len(config.hidden)
    return Setting(layers, config.hidden[0] if layers else 0, config.activation if layers else "", config.epochs, config.optimizer)


def key_of(config: TrainingConfig) -> str:
    """Unique key of a cell within its grid, such as relu-2x128-e15-adam-s0."""
    return f"{setting_of(config)}-s{config.seed}"


def parse_list(name: str, text: str) -> list[Any]:
    """Parse a list of a grid such as "relu,tanh"; seeds may also be a number of seeds.

    Raises:
        BadArgument: the text is not such a list.
    """
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if name in _WORDS:
        return parts
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        raise BadArgument(f"{_words(name)} are {text!r}, expected numbers separated by commas such as {_EXAMPLES[name]}") from None
    return _first_seeds(numbers[0]) if name == "seeds" and "," not in text else numbers


def read_grid(path: Path | None, overrides: Mapping[str, Any]) -> Grid:
    """Read a grid from a TOML file; all fields are optional.

    Args:
        path: the file; None for the default grid.
        overrides: fields that replace the file's.

    Raises:
        DataError: the file cannot be read or is not TOML.
        BadArgument: a field is unknown, or has an invalid type or value.
    """
    found = {} if path is None else _read_toml(path)
    known = [field.name for field in fields(Grid)]
    try:
        if type(found.get("seeds")) is int:
            found["seeds"] = _first_seeds(found["seeds"])
        for name in sorted(found.keys() - set(known)):
            raise BadArgument(f"unknown field {name!r}; known are {', '.join(known)}")
        for name in sorted(found.keys() & _EXAMPLES.keys()):
            if not isinstance(found[name], list):
                example = json.dumps(parse_list(name, _EXAMPLES[name]))
                raise BadArgument(f"{_words(name)} are {found[name]!r}, expected a list such as {example}")
        grid: Grid = checked(Grid, {**found, **overrides}, "")
    except InputError as error:  # an invalid value is wrong usage, also in a file
        raise BadArgument(f"{path}: {error}" if path else str(error)) from error
    except BadArgument as error:
        raise BadArgument(f"{path}: {error}") if path else error from None
    return grid


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(
            json.dumps(tomllib.loads(path.read_text()), default=str)
        )  # TOML has dates, JSON has none
        return found
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of 5,000 digits, deep nesting
        raise DataError(f"{path}: is not TOML ({error})") from error


def _first_seeds(count: int) -> list[int]:
    if not 1 <= count <= 1_000:
        raise BadArgument(f"number of seeds is {count}, expected 1 to 1,000")
    return list(range(count))


def _check_list(name: str, values: tuple[Any, ...]) -> None:
    if not values or "" in values:
        raise BadArgument(f"{_words(name)}: the list is empty, expected a list such as {_EXAMPLES[name]}")
    duplicates = [value for value, count in Counter(values).items() if count > 1]
    if duplicates:
        raise BadArgument(f"{_words(name)}: {duplicates[0]} is listed twice; remove one")


def _check_range(name: str, values: tuple[int, ...], minimum: int, maximum: int) -> None:
    for value in values:
        if not minimum <= value <= maximum:
            raise BadArgument(f"{name} is {value}, expected {minimum} to {maximum:,}")


def _words(name: str) -> str:
    return name.replace("_", " ")

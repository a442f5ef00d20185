"""Training configs as TOML files: the fields of TrainingConfig, with convolutions as text."""

import tomllib
from pathlib import Path
from typing import Any

from edge_runtime.common.json_codec import checked
from edge_runtime.errors import BadArgument, DataError, DigitsError, InputError
from train.config.training_config import TrainingConfig, parse_convolutions

RELEASED = ("nano", "small", "base")
BUDGETS = ("micro", "mini")  # int4 files of at most 8,192 and 11,264 bytes
CONFIGS = (*RELEASED, *BUDGETS, "teacher", "teacher-strong")
_FOLDER = Path(__file__).parents[1] / "releases"


def release_config(name: str) -> Path:
    """Path of a committed config: one of `CONFIGS` or "quick"."""
    return _FOLDER / f"{name}.toml"


def read_config(path: Path, **overrides: Any) -> TrainingConfig:
    """Read a config.

    Args:
        path: the TOML file.
        overrides: fields that replace the file's.

    Raises:
        DataError: the file cannot be read, or a field in it is invalid; the message names it.
        BadArgument: a field of `overrides` is invalid.
    """
    try:
        fields = tomllib.loads(path.read_text())
        config = config_of(fields)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); give a TOML file") from error
    except (DigitsError, ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of 5,000 digits, deep nesting
        raise DataError(f"{path}: {error}") from error
    return config_of(fields | overrides) if overrides else config


def config_of(fields: dict[str, Any]) -> TrainingConfig:
    """Make a config from fields as in a TOML file.

    Raises:
        BadArgument: a field is unknown, or has an invalid type or value.
    """
    if "convolutions" in fields:
        convolutions = fields["convolutions"]
        if not isinstance(convolutions, str):
            raise BadArgument(f"convolutions are {convolutions!r}, expected a text such as '16k5s2v,32k3v'")
        fields = fields | {"convolutions": [vars(layer) for layer in parse_convolutions(convolutions)]}
    try:
        config: TrainingConfig = checked(TrainingConfig, fields, "")
    except InputError as error:
        raise BadArgument(str(error)) from error
    return config

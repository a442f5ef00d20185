"""Training configs as TOML files: the fields of TrainingConfig by their names, convolutions as text."""

import tomllib
from pathlib import Path
from typing import Any

from edge_runtime.common.json_codec import checked
from edge_runtime.errors import BadArgument, DataError, DigitsError, InputError
from train.config.training_config import TrainingConfig, parse_convolutions

RELEASED = ("nano", "small", "base")
BUDGETS = ("micro", "mini")  # as 4-bit files within 8,192 and 11,264 bytes
CONFIGS = (*RELEASED, *BUDGETS, "teacher", "teacher-strong")
_FOLDER = Path(__file__).parents[1] / "releases"


def release_config(name: str) -> Path:
    """The committed config of a released model, of their teachers, or "quick"."""
    return _FOLDER / f"{name}.toml"


def read_config(path: Path, **overrides: Any) -> TrainingConfig:
    """Read a config.

    Args:
        path: the TOML file.
        overrides: fields that count in place of the file's.

    Raises:
        DataError: the file cannot be read, or a field in it is wrong; the message names it.
        BadArgument: a field of `overrides` is wrong.
    """
    try:
        fields = tomllib.loads(path.read_text())
        config = config_of(fields)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (DigitsError, ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of 5,000 digits, endless nesting
        raise DataError(f"{path}: {error}") from error
    return config_of(fields | overrides) if overrides else config


def config_of(fields: dict[str, Any]) -> TrainingConfig:
    """A config of fields as a TOML file has them.

    Raises:
        BadArgument: a field is unknown, of the wrong type, or cannot be trained with.
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

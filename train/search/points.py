"""Points of the Pareto front as training configs, to be trained by name."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.common.atomic_files import write_file
from edge_runtime.errors import BadArgument
from train.config.config_file import read_config
from train.config.training_config import TrainingConfig
from train.search.settings import Plan

if TYPE_CHECKING:
    from train.search.study import Trial

DEFAULT_SEARCHES = "searches"  # folder of all studies
_FOLDER = "points"


def write_points(folder: Path, plan: Plan, front: "Iterable[Trial]") -> None:
    """Write points/<name>.toml for each point of a study's front, and remove those of former points."""
    files = {point_file(folder, trial.name): trial for trial in front}
    for path, trial in files.items():
        head = f"# Trial {trial.name} of the search {folder.name}, with the settings of its short training.\n"
        write_file(path, head + config_text({**trial.network, **plan.recipe}), force=True)
    for path in set((folder / _FOLDER).glob("t[0-9]*.toml")) - files.keys():
        path.unlink()


def read_point(folder: Path, name: str, epochs: int | None = None, seed: int | None = None) -> TrainingConfig:
    """The config of a point, optionally with other epochs or another seed.

    Raises:
        BadArgument: the study has no such point; the message lists its points.
        DataError: the file of the point is invalid.
    """
    known = sorted((path.stem for path in (folder / _FOLDER).glob("t[0-9]*.toml")), key=lambda stem: (len(stem), stem))
    if name not in known:
        raise BadArgument(f"{folder} has no point {name!r} on its front; choose from {', '.join(known) or 'none yet'}")
    given = {"epochs": epochs, "seed": seed}
    return read_config(point_file(folder, name), **{field: value for field, value in given.items() if value is not None})


def point_file(folder: Path, name: str) -> Path:
    """Path of a point's config."""
    return folder / _FOLDER / f"{name}.toml"


def training_command(folder: Path, name: str) -> str:
    """The command that trains a point."""
    where = "" if folder.parent == Path(DEFAULT_SEARCHES) else f" --searches {folder.parent}"
    return f"digits search --name {folder.name}{where} --train {name}"


def config_text(fields: Mapping[str, Any]) -> str:
    """Fields of a TrainingConfig as TOML."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(part)}" for name, part in value.items()) + " }"
    return json.dumps(value)  # JSON and TOML agree on strings, numbers and lists of them

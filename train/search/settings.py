"""The settings of a study, stored at its start: all its trials must share them to be comparable."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.errors import BadArgument, DigitsError
from train.cli_options import STANDARD_AUGMENTATION
from train.config.config_file import config_of
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.search.space import SPACES, Limits, check_limits
from train.search.trial import ForeignMachine, MachineKind

SETTINGS = "study.json"
_VERSION = 1
# How every trial is trained, without weight averaging and label smoothing, which help in long trainings only.
_RECIPE = {
    "batch_size": 128,
    "learning_rate": 0.004,
    "optimizer": "adamw",
    "warmup": 0.2,
    "weight_decay": 0.01,
    "augmentation": STANDARD_AUGMENTATION,
}


@dataclass(frozen=True)
class Plan:
    """The search space and the training of a study.

    space: name of the search space, one of `SPACES`.
    max_bytes: largest int8 payload of a network.
    recipe: the fields of a TrainingConfig that all trials share, with `epochs` and `seed`.
    """

    space: str
    max_bytes: int
    recipe: dict[str, Any]
    data_source: str
    data_sha256: str
    classes: int
    train_images: int

    @property
    def limits(self) -> Limits:
        """Limits on the networks."""
        return Limits(self.max_bytes, self.classes)

    def config(self, network: dict[str, Any]) -> TrainingConfig:
        """The training config of a network."""
        return config_of({**network, **self.recipe})


@dataclass(frozen=True)
class Settings:
    """A study's plan, and the kind of machine of its latencies."""

    plan: Plan
    machine: MachineKind
    version: int = _VERSION


def check_options(space: str, max_bytes: int, epochs: int, seed: int) -> None:
    """Check the options of a plan before any data is read.

    Raises:
        BadArgument: limit, epochs or seed are out of range; the message states the range.
    """
    check_limits(space, Limits(max_bytes))
    TrainingConfig("linear", epochs=epochs, seed=seed)


def make_plan(space: str, max_bytes: int, epochs: int, seed: int, data: Dataset) -> Plan:
    """Make a plan with the standard recipe.

    Raises:
        BadArgument: the limit is too small for any network with the classes of the data.
    """
    assert space in SPACES
    check_limits(space, Limits(max_bytes, data.classes))
    recipe = {"epochs": epochs, "seed": seed, **_RECIPE}
    return Plan(space, max_bytes, recipe, Path(data.source).name, data.sha256, data.classes, len(data.train))


def read_settings(folder: Path) -> Settings | None:
    """The settings of the study in a folder; None if there is none.

    Raises:
        DataError: they cannot be read; the message names the file and the error.
    """
    path = folder / SETTINGS
    return read_json(Settings, path, ("version", _VERSION)) if path.exists() else None


def write_settings(folder: Path, settings: Settings) -> None:
    """Store the settings of a new study."""
    write_file(folder / SETTINGS, to_json(settings, indent=2) + "\n")


def refuse_other_plan(name: str, known: Plan, plan: Plan) -> None:
    """Check that a study has the given plan.

    Raises:
        BadArgument: it has another one; the message states the difference.
    """
    before, now = ({**asdict(one), **one.recipe} for one in (known, plan))
    for part in sorted((before.keys() | now.keys()) - {"recipe", "data_source"}):
        if before.get(part) != now.get(part):
            raise BadArgument(
                f"study {name} was started with {part.replace('_', ' ')} {before.get(part)}, not {now.get(part)};"
                " repeat the original options, or give another --name"
            )


def refuse_other_machine(name: str, known: MachineKind, found: MachineKind) -> None:
    """Check that the workers are of the kind of a study's machine.

    Raises:
        ForeignMachine: they are of another kind.
    """
    if known != found:
        raise ForeignMachine(
            f"study {name} was measured on {known}, the workers here are {found}: latencies are not comparable;"
            " start another study with --name"
        )


def one_kind(found: dict[str, Any]) -> MachineKind:
    """The common kind of all workers, from kinds or errors by address.

    Raises:
        ForeignMachine: there are several kinds.
        DigitsError: a worker failed to determine its kind.
    """
    for address, kind in found.items():
        if not isinstance(kind, MachineKind):
            raise DigitsError(f"worker {address} cannot measure latency ({kind})")
    kinds = sorted(set(map(str, found.values())))
    if len(kinds) != 1:
        raise ForeignMachine(f"the workers are of {len(kinds)} kinds, whose latencies are not comparable: {'; '.join(kinds)}")
    return next(iter(found.values()))  # type: ignore[no-any-return]  # answers of workers have no type

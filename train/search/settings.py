"""What a study is about, written down when it begins: it must not change on the way, or its trials could not be compared."""

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
# How every trial is trained. Averaging of weights and smoothing of labels pay in long trainings only, so they are not here.
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
    """What is searched, and by which trainings.

    space: of networks, one of `SPACES`.
    max_bytes: that the int8 payload of a network may have.
    recipe: the fields of a TrainingConfig that all trials share, `epochs` and `seed` among them.
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
        """Of the networks."""
        return Limits(self.max_bytes, self.classes)

    def config(self, network: dict[str, Any]) -> TrainingConfig:
        """How a network of the space is trained."""
        return config_of({**network, **self.recipe})


@dataclass(frozen=True)
class Settings:
    """A study: its plan, and the kind of machine that its latencies are from."""

    plan: Plan
    machine: MachineKind
    version: int = _VERSION


def check_options(space: str, max_bytes: int, epochs: int, seed: int) -> None:
    """Refuse, before any data is read, what no plan can be made of.

    Raises:
        BadArgument: the limit, the epochs or the seed are out of bounds; the message says the bounds.
    """
    check_limits(space, Limits(max_bytes))
    TrainingConfig("linear", epochs=epochs, seed=seed)


def make_plan(space: str, max_bytes: int, epochs: int, seed: int, data: Dataset) -> Plan:
    """A plan with the recipe of this program.

    Raises:
        BadArgument: the limit is too low for any network with as many classes as the data has.
    """
    assert space in SPACES
    check_limits(space, Limits(max_bytes, data.classes))
    recipe = {"epochs": epochs, "seed": seed, **_RECIPE}
    return Plan(space, max_bytes, recipe, Path(data.source).name, data.sha256, data.classes, len(data.train))


def read_settings(folder: Path) -> Settings | None:
    """Settings of the study in a folder; None if there is none.

    Raises:
        DataError: they cannot be read; the message names the file and what is wrong.
    """
    path = folder / SETTINGS
    return read_json(Settings, path, ("version", _VERSION)) if path.exists() else None


def write_settings(folder: Path, settings: Settings) -> None:
    """Write down what a new study is about."""
    write_file(folder / SETTINGS, to_json(settings, indent=2) + "\n")


def refuse_other_plan(name: str, known: Plan, plan: Plan) -> None:
    """Ask whether a study may go on with a plan.

    Raises:
        BadArgument: it began with another one; the message says what differs.
    """
    before, now = ({**asdict(one), **one.recipe} for one in (known, plan))
    for part in sorted((before.keys() | now.keys()) - {"recipe", "data_source"}):
        if before.get(part) != now.get(part):
            raise BadArgument(
                f"study {name} began with {part.replace('_', ' ')} {before.get(part)}, not {now.get(part)};"
                " repeat the options that it began with, or give another --name"
            )


def refuse_other_machine(name: str, known: MachineKind, found: MachineKind) -> None:
    """Ask whether a study may go on with workers of a kind.

    Raises:
        ForeignMachine: its latencies are from another kind.
    """
    if known != found:
        raise ForeignMachine(
            f"study {name} was measured on {known}, the workers here are {found}: latencies would not compare;"
            " start another study with --name"
        )


def one_kind(found: dict[str, Any]) -> MachineKind:
    """The kind of all workers, from their answers by their addresses.

    Raises:
        ForeignMachine: they are of several kinds.
        DigitsError: a worker could not tell.
    """
    for address, kind in found.items():
        if not isinstance(kind, MachineKind):
            raise DigitsError(f"worker {address} cannot measure latency ({kind})")
    kinds = sorted(set(map(str, found.values())))
    if len(kinds) != 1:
        raise ForeignMachine(f"the workers are of {len(kinds)} kinds, whose latencies do not compare: {'; '.join(kinds)}")
    return next(iter(found.values()))  # type: ignore[no-any-return]  # answers of workers have no type

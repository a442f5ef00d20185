"""Results of a benchmark run: raw samples, how they were measured, and on which machine. All other figures are derived."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.loadgen import LoadGen
from benchmarks.results.records import (
    ColdStart,
    Condition,
    GoldenCheck,
    Machine,
    Peaks,
    Prefix,
    Start,
    Sweep,
    Turn,
    Window,
    in_range,
)
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import InputError
from edge_runtime.model.recipe_names import short_recipe

__all__ = [
    "OTHER_FILES", "OURS", "SCHEMA_VERSION", "BenchResult", "ColdStart", "Condition", "GoldenCheck", "Machine", "ModelResult", "Peaks",
    "Prefix", "Start", "Sweep", "Turn", "Window", "find_models", "read_results", "stored_label", "write_results",
]  # fmt: skip
SCHEMA_VERSION = 2
OURS = "Classifier.classify"
# Ways that run another file made from the same network: the sizes of the .tflite are not theirs.
OTHER_FILES = frozenset({"Keras call", "Keras predict", "ONNX Runtime", "ONNX Runtime's own int8", "plain numpy"})
_SECOND_NS = 1_000_000_000
_COARSE_NS = 1_000  # a call lasts longer than a step of a finer clock


@dataclass(frozen=True)
class ModelResult:
    """One model on one board, run in one way. Sizes are bytes.

    way: how an image becomes an answer; `OURS` is our classifier. runtime: package and release that compute. recipe: its long name. sha256:
    of the FlatBuffer. installed: bytes of the packages that the way needs, by name. turns: with one image a call and the run's threads.
    sweeps: with other batch sizes and threads. accuracy: None if unknown. multiply_adds: of one image; None if not counted. sustained:
    windows of sustained load. layers: the first operators alone, one more each time. made_by: the command that the manifest records; "" if
    unknown. accuracy_stated: whether the accuracy is the manifest's, proven when the file was made, and not measured in this run. golden:
    outcome of the golden images in this run, which confirm it; None if it ran none. photo: calls from a photo file's bytes to a label.
    """

    way: str
    runtime: str
    name: str
    recipe: str
    file: str
    sha256: str
    file_bytes: int
    payload_bytes: int
    scale_bytes: int
    installed: dict[str, int]
    cold: tuple[ColdStart, ...]
    starts: tuple[Start, ...]
    turns: tuple[Turn, ...]
    sweeps: tuple[Sweep, ...]
    accuracy: Accuracy | None
    multiply_adds: int | None = None
    sustained: tuple[Window, ...] = ()
    layers: tuple[Prefix, ...] = ()
    made_by: str = ""
    accuracy_stated: bool = False
    golden: GoldenCheck | None = None
    photo: tuple[Turn, ...] = ()

    def __post_init__(self) -> None:
        in_range(file_bytes=self.file_bytes, payload_bytes=self.payload_bytes, scale_bytes=self.scale_bytes)
        in_range(multiply_adds=self.multiply_adds, **{f"installed {name}": size for name, size in self.installed.items()})
        if self.payload_bytes > self.file_bytes:
            raise ValueError(f"payload_bytes is {self.payload_bytes}, more than the {self.file_bytes} of its file")
        if not any(turn.group == 1 for turn in self.turns) or any(turn.batch != 1 for turn in self.turns):
            raise ValueError(f"{self.file} has no times of single calls with one image, or has times of larger batches among them")
        if any(min(turn.samples_ns) == 0 for turn in self.median_turns):
            raise ValueError(f"{self.file} has times of 0 among those of its median")
        if self.accuracy_stated and not (self.accuracy and self.golden and self.golden.passed):
            raise ValueError(f"{self.file} has an accuracy of its manifest that no golden images confirm")
        if any((turn.batch, turn.group) != (1, 1) for turn in self.photo):
            raise ValueError(f"{self.file} has times of photos in batches or groups")
        processes = [{turn.process for turn in prefix.turns} for prefix in self.layers]
        if any(found != processes[0] or len(found) < 2 for found in processes):
            raise ValueError(f"{self.file} has layers that were not all timed in the same two or more processes")

    @property
    def label(self) -> str:
        """For people: such as "nano int8", with its way if that is not ours."""
        return f"{self.name} {short_recipe(self.recipe)}" + (f" by {self.way}" if self.way != OURS else "")

    @property
    def stored_label(self) -> str:
        """As results of LoadGen name the model."""
        return stored_label(self.name, self.recipe)

    @property
    def loads_file(self) -> bool:
        """Whether this way runs the .tflite file, whose sizes are stated."""
        return self.way not in OTHER_FILES

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies a model within a run, and across runs."""
        return self.way, self.name, self.recipe

    @property
    def steady_ns(self) -> tuple[int, ...]:
        """Nanoseconds of every single call, in order of time."""
        return tuple(sample for turn in self.turns if turn.group == 1 for sample in turn.samples_ns)

    @property
    def median_turns(self) -> tuple[Turn, ...]:
        """The turns that the median is of: those in groups of calls, in processes where single calls are too short for the clock."""
        grouped = {turn.process for turn in self.turns if turn.group > 1}
        return tuple(turn for turn in self.turns if turn.group > 1 or turn.process not in grouped)


@dataclass(frozen=True)
class BenchResult:
    """A run over several models, interleaved.

    edge_digits: our release. command: the command line. pinned: processors that it ran on; empty for all. samples: requested single
    calls of each model. split, data_sha256: the images of the accuracies, measured or stated. clock_step_ns, clock_cost_ns: the clock's
    resolution and the cost of a reading, in each process; older files have the larger of both as the step, and no cost. empty_ns: calls
    that do nothing, timed as all others. All three are empty if not measured. reference: the model that every run of every release
    times, so that runs can be compared. absent: what was requested and could not be measured, and why. limits, loadgen: None if not
    measured. photo_sha256: of the photo file that was classified; "" if none was.
    """

    schema_version: int
    edge_digits: str
    command: str
    machine: Machine
    threads: int
    pinned: tuple[int, ...]
    seed: int
    samples: int
    split: str
    data_sha256: str
    clock_step_ns: tuple[int, ...]
    empty_ns: tuple[int, ...]
    conditions: tuple[Condition, ...]
    reference: ModelResult
    models: tuple[ModelResult, ...]
    absent: tuple[str, ...]
    limits: Peaks | None = None
    loadgen: LoadGen | None = None
    clock_cost_ns: tuple[int, ...] = ()
    photo_sha256: str = ""

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("has no model")
        in_range(1, 4_096, threads=self.threads)
        in_range(1, 1_000_000, samples=self.samples)
        in_range(0, 4_096, **{f"pinned[{number}]": processor for number, processor in enumerate(self.pinned)})
        in_range(1, _SECOND_NS, **{f"clock_step_ns[{number}]": step for number, step in enumerate(self.clock_step_ns)})
        in_range(0, _SECOND_NS, **{f"clock_cost_ns[{number}]": taken for number, taken in enumerate(self.clock_cost_ns)})
        in_range(0, **{f"empty_ns[{number}]": taken for number, taken in enumerate(self.empty_ns)})
        if not self.conditions and (self.clock_step_ns or self.empty_ns):  # results of schema 1 have none of them
            raise ValueError("conditions are missing")
        if max(self.clock_step_ns, default=1) < _COARSE_NS and any(
            min(turn.samples_ns) == 0 for model in self.models for turn in model.turns
        ):
            raise ValueError("times of 0, with a clock that is finer than 1 us")
        keys = [model.key for model in self.models]
        if repeated := [model.label for model in self.models if keys.count(model.key) > 1]:
            raise ValueError(f"has {repeated[0]} twice")
        for model in (self.reference, *self.models):
            if {turn.process for turn in model.turns} != {turn.process for turn in self.reference.turns}:
                raise ValueError(f"{model.file} was not timed in the same processes as the reference")


def stored_label(name: str, recipe: str) -> str:
    """A model in results of LoadGen, such as "nano static_wi8_ai8": the long name of the recipe, as in all stored files."""
    return f"{name} {recipe}"


def read_results(path: Path) -> BenchResult:
    """Read a results file.

    Raises:
        InputError: the file cannot be read, has another schema version, or a field is wrong.
    """
    try:
        return from_json(BenchResult, path.read_text(), ("schema_version", SCHEMA_VERSION))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write_results(path: Path, result: BenchResult, force: bool) -> None:
    """Write a results file; an existing one is replaced with `force` alone."""
    write_file(path, to_json(result) + "\n", force)


def find_models(result: BenchResult, ways: Sequence[str] = (OURS,)) -> list[ModelResult]:
    """The models that were run in one of these ways."""
    return [model for model in result.models if model.way in ways]

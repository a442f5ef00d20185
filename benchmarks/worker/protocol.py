"""Messages between a benchmark run and its worker processes: one JSON object a line, which names its dataclass.

Standard library alone: workers run in the environments of other packages too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_KIND = "message"  # the key that holds the name of the dataclass


@dataclass(frozen=True)
class BackendSpec:
    """A backend to load: its module (see `benchmarks.backends`), the path of its model file, its threads, and options of the module."""

    module: str
    model: str
    threads: int
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """The first request: load backends and warm them up on an .npy file of images, uint8 [N, 28, 28]."""

    backends: Sequence[BackendSpec]
    images: str


@dataclass(frozen=True)
class TimeCalls:
    """Time `samples` groups of `group` calls with `batch` images each, from image number `first_image` on."""

    backend: int
    first_image: int
    samples: int
    batch: int
    group: int


@dataclass(frozen=True)
class Classify:
    """Classify all images of an .npy file."""

    backend: int
    images: str


@dataclass(frozen=True)
class TimePhotos:
    """Time `samples` calls, each from the bytes of that image file to a label; our classifier alone can."""

    backend: int
    photo: str
    samples: int


@dataclass(frozen=True)
class RunGolden:
    """Run the golden images of the model file; our classifier alone can."""

    backend: int


@dataclass(frozen=True)
class Sustain:
    """Classify single images without a pause for `seconds`."""

    backend: int
    seconds: float


@dataclass(frozen=True)
class RunLoadGen:
    """Run an MLPerf LoadGen scenario. backend: None for queries that are completed at once, which measures LoadGen's own overhead.

    queries: of SingleStream. images: an .npy file for LoadGen's accuracy mode; None for its performance mode.
    """

    backend: int | None
    scenario: str
    queries: int
    images: str | None


Request = TimeCalls | Classify | TimePhotos | RunGolden | Sustain | RunLoadGen


@dataclass(frozen=True)
class Warmup:
    """A backend's warm-up: calls, whether their times settled, and how many calls make a sample that is long enough for the clock."""

    calls: int
    agreed: bool
    group: int


@dataclass(frozen=True)
class Ready:
    """The reply to `Load`: the clock, the machine, and a warm-up for each backend.

    clock_step_ns: resolution of the clock. clock_cost_ns: duration of a reading. empty_ns: samples of a call that does nothing.
    multiply_adds, bytes: numpy's float32 multiply-adds and copied bytes per second.
    """

    clock_step_ns: int
    clock_cost_ns: int
    empty_ns: Sequence[int]
    multiply_adds: float
    bytes: float
    warmups: Sequence[Warmup]


@dataclass(frozen=True)
class Samples:
    """The reply to `TimeCalls`, `TimePhotos` and `Sustain`.

    group: calls of a sample. samples_ns: of each group. dropped: calls before them that are not kept. preempted: involuntary context
    switches during the samples; None where they were not counted.
    """

    group: int
    samples_ns: Sequence[int]
    dropped: int = 0
    preempted: int | None = None


@dataclass(frozen=True)
class Classes:
    """The reply to `Classify`: the class of each image."""

    classes: Sequence[int]


@dataclass(frozen=True)
class GoldenOutcome:
    """The reply to `RunGolden`: images with the recorded label, of how many, and whether all outputs are within the tolerance."""

    equal: int
    images: int
    passed: bool


@dataclass(frozen=True)
class LoadGenOutput:
    """The reply to `RunLoadGen`: lines of LoadGen's summary, and in accuracy mode the text of the answer to each image."""

    summary: Sequence[str]
    answers: Sequence[str]


Reply = Samples | Classes | GoldenOutcome | LoadGenOutput

_MESSAGES = {
    kind.__name__: kind
    for kind in (
        *(BackendSpec, Load, TimeCalls, Classify, TimePhotos, RunGolden, Sustain, RunLoadGen),
        *(Warmup, Ready, Samples, Classes, GoldenOutcome, LoadGenOutput),
    )
}


def encode(message: object) -> str:
    """A message as one line of JSON, without the line's end."""
    return json.dumps(message, default=lambda part: {_KIND: type(part).__name__, **vars(part)})


def decode(line: str | bytes) -> Any:
    """The message of such a line."""
    return json.loads(line, object_hook=lambda fields: _MESSAGES[fields.pop(_KIND)](**fields) if _KIND in fields else fields)

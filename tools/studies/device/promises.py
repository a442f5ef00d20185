"""What the device programmer is promised: what `device_figures` measures, and how it is judged."""

import statistics
from dataclasses import dataclass

from benchmarks.results.records import Machine
from tools.support.turns import Pair


@dataclass(frozen=True)
class Streamed:
    """Resident bytes of a process after each 10,000 of `images`."""

    images: int
    resident: tuple[int, ...]

    @property
    def grown(self) -> float:
        """MB beyond those after the first 10,000, at the most."""
        return (max(self.resident) - self.resident[0]) / 1e6


@dataclass(frozen=True)
class DeviceResult:
    """What was measured on a machine.

    Attributes:
        machine: where.
        onnxruntime: its version, and the batch size that was best.
        single: one image, `classify` and the bare interpreter.
        start: a process of `digits classify` of one image, and one that imports numpy and the interpreter.
        keras_start: the same, and one that gives the answer through Keras.
        many: 10,000 images in batches on all cores, and one by one on one.
        float_many: 10,000 images by the float model in batches, and by ONNX Runtime.
        stream: memory.
    """

    machine: Machine
    onnxruntime: str
    single: Pair
    start: Pair
    keras_start: Pair
    many: Pair
    float_many: Pair
    stream: Streamed


@dataclass(frozen=True)
class Figure:
    """A figure beside what it must be: at most (`above` false) or at least."""

    name: str
    value: float
    must: float
    aim: float | None
    above: bool
    measured: str

    @property
    def missed(self) -> bool:
        """Whether it is not what it must be."""
        return self.value < self.must if self.above else self.value > self.must

    @property
    def verdict(self) -> str:
        """Whether it is what it must be, and what is aimed at."""
        if self.missed:
            return "MISSED"
        reached = self.aim is None or (self.value >= self.aim if self.above else self.value <= self.aim)
        return "kept" if reached else "kept; the aim is not reached"

    @property
    def bound(self) -> str:
        """What it must be, in words."""
        aim = "" if self.aim is None else f" (aim: {self.aim:g})"
        return f"{'at least' if self.above else 'at most'} {self.must:g}{aim}"

    @property
    def line(self) -> str:
        """All of it in a line."""
        return f"{self.verdict:<29} {self.name}: {self.value:.3g}, must be {self.bound}; {self.measured}"


def judged(result: DeviceResult) -> list[Figure]:
    """The figures beside what they must be."""
    single, start, keras, many, floats = (
        getattr(result, name) for name in ("single", "start", "keras_start", "many", "float_many")
    )
    stream = result.stream
    return [
        Figure(
            "one image, `classify` over the bare interpreter", single.ratio, 1.05, 1.0, False, _medians(single, 1e3, "us")
        ),
        Figure(
            "the process `digits classify one.png` over the import of numpy and the interpreter",
            start.ratio, 1.30, 1.20, False, _medians(start, 1e6, "ms"),
        ),
        Figure("the same answer through Keras over that process", 1 / keras.ratio, 15, None, True, _medians(keras, 1e6, "ms")),
        Figure(
            "10,000 images one by one on one thread over `classify_batch` on all cores",
            1 / many.ratio, 1.8, None, True, _medians(many, 1e6, "ms"),
        ),
        Figure(
            f"10,000 images by ONNX Runtime over `classify_batch`, float model, all cores ({result.onnxruntime})",
            1 / floats.ratio, 1.05, None, True, _medians(floats, 1e6, "ms"),
        ),
        Figure(
            f"MB that memory grows by in {stream.images:,} images streamed, after the first 10,000",
            stream.grown, 5, None, False, f"{stream.resident[0] / 1e6:.0f} MB, {max(stream.resident) / 1e6:.0f} MB at the most",
        ),
    ]  # fmt: skip


def _medians(pair: Pair, unit: float, name: str) -> str:
    ours, other = (statistics.median(values) / unit for values in (pair.ours, pair.other))
    return f"{ours:,.1f} {name} against {other:,.1f} {name}, medians of {len(pair.ours):,}"

"""Writes the figures of docs/speed.md from committed results of `tools.studies.device.device_figures`; `--check` only compares."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reporting.tables import as_markdown
from benchmarks.results.records import Machine
from edge_runtime.common.json_codec import read_json
from tools.pages.marked import write_parts
from tools.release.layout import Layout, run
from tools.studies.device.photo_speed import COLUMNS, MUST, SMALL, USUAL, PhotoSpeed, rows
from tools.support.turns import Pair

PAGE = Path(__file__).parents[2] / "docs" / "speed.md"


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


def main() -> None:
    """Write the page's figures."""
    device, photos = (sorted(Layout().results.glob(f"{kind}-*.json")) for kind in ("device", "photo-speed"))
    parts = {
        "speed": "\n\n".join(part(read_json(DeviceResult, path)) for path in device),
        "photos": "\n\n".join(photo_part(read_json(PhotoSpeed, path)) for path in photos),
    }
    write_parts(PAGE, parts, "make readme")


def photo_part(speed: PhotoSpeed) -> str:
    """How long a large photo takes on a machine, as Markdown."""
    figure = Figure("a 12-megapixel photo", speed.worst, MUST, None, False, f"medians of {_rounds(speed)} rounds")
    slowest = max(speed.nanoseconds, key=speed.ratio)
    said = (
        f"On the slowest ({slowest}) {speed.worst:.2f} times Pillow's quickest way, must be {figure.bound}: {figure.verdict}; "
        f"{figure.measured}. The digit has {USUAL:.0%} of the photo's height; a small one has {SMALL:.0%}, and its surroundings are looked "
        f"at again, finer."
    )
    return f"{_place(speed.machine)}\n\n{as_markdown(COLUMNS, rows(speed))}\n\n{said}"


def _rounds(speed: PhotoSpeed) -> int:
    return min(len(times) for ways in speed.nanoseconds.values() for times in ways.values())


def _place(machine: Machine) -> str:
    return (
        f"{machine.board}: {machine.cpu}, {machine.cores} cores, {machine.busy_percent:.0f} % busy before, Python {machine.python}, "
        f"{machine.runtime}."
    )


def part(result: DeviceResult) -> str:
    """What was measured on a machine, as Markdown."""
    table = [(figure.name, f"{figure.value:.3g}", figure.bound, figure.verdict, figure.measured) for figure in judged(result)]
    return f"{_place(result.machine)}\n\n{as_markdown(('what', 'measured', 'must be', 'verdict', 'times'), table)}"


if __name__ == "__main__":
    run(main)

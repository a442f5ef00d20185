"""How long a 12-megapixel photo takes to become 28x28 pixels, beside Pillow alone: `python -m tools.studies.device.photo_speed`.

All of them take turns, in random order. A ratio of two medians out of one run is what is stated, never a time for itself.
"""

import argparse
import io
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import PIL.Image

from benchmarks.results.records import Machine
from benchmarks.runner.scheduler import turn_order
from benchmarks.system.info import this_machine
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.preprocessing.image_files import read_picture
from tests.photos import PAPERS, invent_scene, jpeg_bytes, photograph
from tools.release.layout import run
from tools.support.turns import add_board_options, board_and_target
from train.data import load_dataset

SIZE = (4032, 3024)
QUALITY = 90
ROUNDS = 15
SHRUNK = (1008, 756)
OURS = "28x28"
USUAL, SMALL = 0.3, 0.1
"""Digits have 0.3 of a photo's height, or 0.1: those are too small in the coarse picture, so their surroundings are looked at again."""
PHOTOS = {
    **{paper: (paper, USUAL) for paper in PAPERS},
    **{f"{paper}, a small digit": (paper, SMALL) for paper in PAPERS},
}
MUST = 1.5
"""Times Pillow's quickest way that ours may take at most, whatever the paper and the digit."""


@dataclass(frozen=True)
class PhotoSpeed:
    """Nanoseconds of every round: of ours and of Pillow's ways, by paper and digit."""

    machine: Machine
    jpeg_bytes: dict[str, int]
    nanoseconds: dict[str, dict[str, tuple[int, ...]]]

    def ratio(self, paper: str) -> float:
        """The median of ours to that of Pillow's quickest way."""
        medians = {name: statistics.median(found) for name, found in self.nanoseconds[paper].items()}
        return medians[OURS] / min(medians[name] for name in medians if name != OURS)

    @property
    def worst(self) -> float:
        """The largest ratio of all."""
        return max(map(self.ratio, self.nanoseconds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, report, and say what was missed.

    Raises:
        DigitsError: ours took more than `MUST` times Pillow's quickest way.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.studies.device.photo_speed", description="How long does a photo take?")
    add_board_options(parser)
    options = parser.parse_args(arguments)
    board, target = board_and_target(options, "photo-speed")
    machine = this_machine(board, find_backend(None))
    photos = {name: make_photo(paper, size) for name, (paper, size) in PHOTOS.items()}
    times = {paper: take_turns(photo, 3 if options.quick else ROUNDS) for paper, photo in photos.items()}
    speed = PhotoSpeed(machine, {paper: len(photo) for paper, photo in photos.items()}, times)
    if not options.quick:
        write_file(target, to_json(speed) + "\n", options.force)
    print(text_table(COLUMNS, rows(speed)))
    missed = [f"{name} {speed.ratio(name):.2f}" for name in speed.nanoseconds if speed.ratio(name) > MUST]
    if missed:
        raise DigitsError(f"over {MUST} times Pillow's quickest way: {', '.join(missed)}")


def make_photo(paper: str, size: float) -> bytes:
    """A JPEG file of 12 megapixels: a digit of that share of its height on that paper, half lit."""
    scene = replace(invent_scene(0), paper=paper, height=SIZE[1], width=SIZE[0], size=size, blur=2.0)
    return jpeg_bytes(photograph(load_dataset().validation.images[0], scene), QUALITY)


def _ours(photo: bytes) -> None:
    read_picture("photo", io.BytesIO(photo))


def _draft(photo: bytes) -> None:
    """The least that Pillow can do: brightness alone, decoded at a quarter of the size."""
    with PIL.Image.open(io.BytesIO(photo)) as opened:
        opened.draft("L", SHRUNK)
        opened.load()


def _thumbnail(photo: bytes) -> None:
    with PIL.Image.open(io.BytesIO(photo)) as opened:
        opened.thumbnail(SHRUNK)


def _reduce(photo: bytes) -> None:
    """All of it decoded, then reduced."""
    with PIL.Image.open(io.BytesIO(photo)) as opened:
        opened.convert("L").reduce(4)


WAYS: dict[str, Callable[[bytes], None]] = {OURS: _ours, "draft": _draft, "thumbnail": _thumbnail, "reduce": _reduce}


def take_turns(photo: bytes, rounds: int) -> dict[str, tuple[int, ...]]:
    """Nanoseconds of each way, in every round; a first round is not kept."""
    order = random.Random(0)
    kept: dict[str, list[int]] = {name: [] for name in WAYS}
    for _, name in turn_order(list(WAYS), 1 + rounds, order):
        start = time.perf_counter_ns()
        WAYS[name](photo)
        kept[name].append(time.perf_counter_ns() - start)
    return {name: tuple(times[1:]) for name, times in kept.items()}


COLUMNS = ("paper", *WAYS, "ours to the quickest")


def rows(speed: PhotoSpeed) -> list[tuple[str, ...]]:
    """A row of text for each paper, under `COLUMNS`."""
    return [(paper, *_medians(speed, paper), f"{speed.ratio(paper):.2f}") for paper in speed.nanoseconds]


def _medians(speed: PhotoSpeed, paper: str) -> list[str]:
    return [f"{statistics.median(speed.nanoseconds[paper][name]) / 1e6:.1f} ms" for name in WAYS]


if __name__ == "__main__":
    run(main)

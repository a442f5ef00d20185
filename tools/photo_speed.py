"""How long a 12-megapixel photo takes to become 28x28 pixels, beside Pillow alone: `python -m tools.photo_speed`.

All of them take turns, in random order. A ratio of two medians out of one run is what is stated, never a time for itself.
"""

import argparse
import io
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import PIL.Image

from benchmarks.machine import Machine, default_board_name, this_machine
from edge_runtime.files import refuse_to_overwrite, write_file
from edge_runtime.images import read_picture
from edge_runtime.interpreter import find_backend
from edge_runtime.records import to_json
from edge_runtime.text import text_table
from tests.photos import PAPERS, invent_scene, jpeg_bytes, photograph
from tools.layout import run
from train.data import load_dataset

SIZE = (4032, 3024)
QUALITY = 90
ROUNDS = 15
SHRUNK = (1008, 756)


@dataclass(frozen=True)
class PhotoSpeed:
    """Nanoseconds of every round: of ours and of Pillow's ways, by paper. ratios: of the medians, ours to Pillow's quickest way."""

    machine: Machine
    jpeg_bytes: dict[str, int]
    nanoseconds: dict[str, dict[str, tuple[int, ...]]]
    ratios: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m tools.photo_speed", description="How long does a photo take?")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--board", default=default_board_name())
    parser.add_argument("--out", type=Path, help="the record; none is written if not given")
    parser.add_argument("--force", action="store_true", help="replace the record if it exists")
    options = parser.parse_args(arguments)
    if options.out:
        refuse_to_overwrite(options.out, options.force)
    machine = this_machine(options.board, find_backend(None))
    photos = {paper: make_photo(paper) for paper in PAPERS}
    times = {paper: take_turns(photo, options.rounds) for paper, photo in photos.items()}
    ratios = {paper: _ratio(found) for paper, found in times.items()}
    speed = PhotoSpeed(machine, {paper: len(photo) for paper, photo in photos.items()}, times, ratios)
    if options.out:
        write_file(options.out, to_json(speed) + "\n", options.force)
    print(text_table(("paper", *WAYS, "ratio"), [_row(paper, speed) for paper in PAPERS]))


def make_photo(paper: str) -> bytes:
    """A JPEG file of 12 megapixels: a digit on that paper, half lit."""
    scene = replace(invent_scene(0), paper=paper, height=SIZE[1], width=SIZE[0], size=0.3, blur=2.0)
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


WAYS: dict[str, Callable[[bytes], None]] = {"28x28": _ours, "draft": _draft, "thumbnail": _thumbnail, "reduce": _reduce}


def take_turns(photo: bytes, rounds: int) -> dict[str, tuple[int, ...]]:
    """Nanoseconds of each way, in every round; a first round is not kept."""
    order = random.Random(0)
    kept: dict[str, list[int]] = {name: [] for name in WAYS}
    for _ in range(1 + rounds):
        for name in order.sample(list(WAYS), len(WAYS)):
            start = time.perf_counter_ns()
            WAYS[name](photo)
            kept[name].append(time.perf_counter_ns() - start)
    return {name: tuple(times[1:]) for name, times in kept.items()}


def _ratio(times: dict[str, tuple[int, ...]]) -> float:
    medians = {name: statistics.median(found) for name, found in times.items()}
    return medians["28x28"] / min(medians[name] for name in WAYS if name != "28x28")


def _row(paper: str, speed: PhotoSpeed) -> list[str]:
    medians = [f"{statistics.median(speed.nanoseconds[paper][name]) / 1e6:.1f} ms" for name in WAYS]
    return [paper, *medians, f"{speed.ratios[paper]:.2f}"]


if __name__ == "__main__":
    run(main)

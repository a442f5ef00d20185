"""What is measured in turns, and the options of the scripts that do it."""

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.system.info import default_board_name
from edge_runtime.common.atomic_files import check_name, refuse_to_overwrite
from tools.release.layout import Layout


@dataclass(frozen=True)
class Pair:
    """Two ways to do one thing, in turns: nanoseconds of each call or process, or answers a second of each round."""

    name: str
    ours: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of ours over that of the other."""
        return statistics.median(self.ours) / statistics.median(self.other)


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Options of a script that measures on a board: its name, a short trial, and whether older results may be replaced."""
    parser.add_argument("--board", help="name of this board; what the system calls it if not given")
    parser.add_argument("--quick", action="store_true", help="a small part of everything, to try the script; nothing is written")
    parser.add_argument("--force", action="store_true", help="replace results of that board")


def board_and_target(options: argparse.Namespace, kind: str) -> tuple[str, Path]:
    """The board's name, and the results file of that kind.

    Raises:
        DigitsError: the name is none for a file, or there are results already.
    """
    board = check_name((options.board or default_board_name()).replace(" ", "-"))
    target = Layout().results / f"{kind}-{board}.json"
    if not options.quick:
        refuse_to_overwrite(target, options.force)
    return board, target

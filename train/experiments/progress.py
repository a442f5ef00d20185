"""Progress of an experiment on stderr: a line for each finished cell with the time left; in a terminal also a bar."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm

from train.config.training_config import TrainingConfig
from train.experiments.estimate import time_left
from train.experiments.trial import TrialResult


class Progress:
    """Told of every cell that ends; a context manager, so that the bar goes when the experiment ends."""

    def __init__(self, cells: Mapping[str, TrainingConfig], finished: Mapping[str, TrialResult]) -> None:
        """`cells` are all of the grid's by their names, `finished` those that need no training any more."""
        self._rest = {key: config for key, config in cells.items() if key not in finished}
        self._measured = [(result.config, result.total_seconds) for result in finished.values()]
        self._total = len(cells)
        self._started = time.monotonic()
        self._spent = 0.0  # by workers on cells that have ended since
        self._bar = tqdm(
            total=len(cells),
            initial=len(finished),
            file=sys.stderr,
            disable=None,  # no bar where stderr is no terminal
            leave=False,
            dynamic_ncols=True,
            bar_format="{n_fmt}/{total_fmt} cells |{bar}| {elapsed} gone{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def begin(self, workers: int) -> None:
        """Training starts now."""
        self._started = time.monotonic()
        done = self._total - len(self._rest)
        before = f", {done} of them finished before" if done else ""
        one = "one worker" if workers == 1 else f"{workers} workers"
        self._say(f"{self._total} cells{before}; {one}, {self._left(workers)}")

    def finished(self, key: str, result: TrialResult, workers: int) -> None:
        """A cell is in the store."""
        self._measured.append((result.config, result.total_seconds))
        self._spent += result.total_seconds
        self._ended(key, f"{result.validation.percent:.2f} %  {result.seconds:.1f} s", workers)

    def failed(self, key: str, cause: str, workers: int) -> None:
        """A cell has failed."""
        self._ended(key, f"failed: {cause}", workers)

    def stopping(self) -> None:
        """Somebody stops the experiment; workers in the middle of a cell take a moment."""
        self._say("stopping")

    def _ended(self, key: str, what: str, workers: int) -> None:
        del self._rest[key]
        self._bar.update()
        self._say(f"{self._total - len(self._rest):>{len(str(self._total))}}/{self._total}  {key}  {what}  {self._left(workers)}")

    def _left(self, workers: int) -> str:
        underway = max(0.0, workers * (time.monotonic() - self._started) - self._spent)
        ends = time_left(list(self._rest.values()), self._measured, workers, underway)
        return "time left not known yet" if ends is None else f"time left {spoken_range(*ends)}"

    def _say(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)


def spoken_range(least: float, most: float) -> str:
    """A range of seconds in words, such as "9 to 14 min"."""
    for unit, seconds in (("h", 3600), ("min", 60)):
        if most >= 2 * seconds:
            return _between(f"{least / seconds:.{int(unit == 'h')}f}", f"{most / seconds:.{int(unit == 'h')}f}", unit)
    return _between(f"{least:.0f}", f"{most:.0f}", "s")


def _between(least: str, most: str, unit: str) -> str:
    return f"{most} {unit}" if least == most else f"{least} to {most} {unit}"

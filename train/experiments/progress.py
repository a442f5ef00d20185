"""Progress of an experiment on stderr: a line per finished cell with the remaining time, and a bar in a terminal."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm

from train.config.training_config import TrainingConfig
from train.experiments.estimate import time_left
from train.experiments.trial import TrialResult


class Progress:
    """Shows finished cells; a context manager, which removes the bar at the end."""

    def __init__(self, cells: Mapping[str, TrainingConfig], finished: Mapping[str, TrialResult]) -> None:
        """`cells` are all cells of the grid by key, `finished` those that were finished before."""
        self._rest = {key: config for key, config in cells.items() if key not in finished}
        self._measured = [(result.config, result.total_seconds) for result in finished.values()]
        self._total = len(cells)
        self._started = time.monotonic()
        self._spent = 0.0  # seconds of workers on cells finished since then
        self._bar = tqdm(
            total=len(cells),
            initial=len(finished),
            file=sys.stderr,
            disable=None,  # no bar unless stderr is a terminal
            leave=False,
            dynamic_ncols=True,
            bar_format="{n_fmt}/{total_fmt} cells |{bar}| {elapsed} elapsed{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def begin(self, workers: int) -> None:
        """Start the clock, and print the number of cells and workers."""
        self._started = time.monotonic()
        done = self._total - len(self._rest)
        before = f", {done} finished before" if done else ""
        one = "one worker" if workers == 1 else f"{workers} workers"
        self._print(f"{self._total} cells{before}; {one}, {self._left(workers)}")

    def finished(self, key: str, result: TrialResult, workers: int) -> None:
        """Report a finished cell."""
        self._measured.append((result.config, result.total_seconds))
        self._spent += result.total_seconds
        self._ended(key, f"{result.validation.percent:.2f} %  {result.seconds:.1f} s", workers)

    def failed(self, key: str, cause: str, workers: int) -> None:
        """Report a failed cell."""
        self._ended(key, f"failed: {cause}", workers)

    def stopping(self) -> None:
        """Report that the experiment is being stopped, which takes workers a moment."""
        self._print("stopping")

    def _ended(self, key: str, what: str, workers: int) -> None:
        del self._rest[key]
        self._bar.update()
        self._print(f"{self._total - len(self._rest):>{len(str(self._total))}}/{self._total}  {key}  {what}  {self._left(workers)}")

    def _left(self, workers: int) -> str:
        underway = max(0.0, workers * (time.monotonic() - self._started) - self._spent)
        ends = time_left(list(self._rest.values()), self._measured, workers, underway)
        return "time left not known yet" if ends is None else f"time left {format_range(*ends)}"

    def _print(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)


def format_range(minimum: float, maximum: float) -> str:
    """A range of seconds as text, such as "9 to 14 min"."""
    for unit, seconds in (("h", 3600), ("min", 60)):
        if maximum >= 2 * seconds:
            return _join_range(f"{minimum / seconds:.{int(unit == 'h')}f}", f"{maximum / seconds:.{int(unit == 'h')}f}", unit)
    return _join_range(f"{minimum:.0f}", f"{maximum:.0f}", "s")


def _join_range(minimum: str, maximum: str, unit: str) -> str:
    return f"{maximum} {unit}" if minimum == maximum else f"{minimum} to {maximum} {unit}"

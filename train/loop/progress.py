"""Progress of a training run on stderr: a bar in a terminal, and a line per epoch."""

import sys
from types import TracebackType

from train.runs.store import Epoch


class Progress:
    """Shows batches and epochs; a context manager, which removes the bar at the end."""

    def __init__(self, epochs: int, steps: int, quiet: bool = False) -> None:
        """`steps` is the number of batches per epoch; `quiet` shows nothing."""
        from tqdm import tqdm  # imported here, so that --help works without the train extra

        self._epochs = epochs
        self._steps = steps
        self._quiet = quiet
        # disable=None: no bar unless stderr is a terminal.
        self._bar = tqdm(
            total=epochs * steps, unit="batch", file=sys.stderr, disable=True if quiet else None, leave=False, dynamic_ncols=True
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def start_at(self, epochs: int) -> None:
        """Skip epochs that were trained before the run was resumed."""
        self._bar.update(epochs * self._steps)
        self._bar.unpause()

    def step(self, batches: int = 1) -> None:
        """Advance by a number of batches."""
        self._bar.update(batches)

    def epoch(self, metrics: Epoch) -> None:
        """Print the metrics of an epoch."""
        if not self._quiet:
            line = (
                f"epoch {metrics.epoch:>{len(str(self._epochs))}}/{self._epochs}"
                f"  loss {metrics.loss:.4f}  accuracy {100 * metrics.accuracy:.2f} %"
                f"  validation loss {metrics.val_loss:.4f}  accuracy {100 * metrics.val_accuracy:.2f} %"
            )
            self._bar.write(line, file=sys.stderr)

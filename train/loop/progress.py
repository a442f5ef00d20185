"""Progress of a training run on stderr: a bar in a terminal, and a line for each finished epoch."""

import sys
from types import TracebackType

from train.runs.store import Epoch


class Progress:
    """Told of every batch and every epoch; a context manager, so that the bar goes when the run ends."""

    def __init__(self, epochs: int, steps: int, quiet: bool = False) -> None:
        """`steps` is the number of batches of an epoch; `quiet` shows nothing at all."""
        from tqdm import tqdm  # here, since --help of commands that train must work where nothing to train with is installed

        self._epochs = epochs
        self._steps = steps
        self._quiet = quiet
        # disable=None: no bar where stderr is no terminal.
        self._bar = tqdm(
            total=epochs * steps, unit="batch", file=sys.stderr, disable=True if quiet else None, leave=False, dynamic_ncols=True
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def start_at(self, epochs: int) -> None:
        """So many epochs were trained before."""
        self._bar.update(epochs * self._steps)
        self._bar.unpause()

    def step(self, batches: int = 1) -> None:
        """So many batches more are done."""
        self._bar.update(batches)

    def epoch(self, figures: Epoch) -> None:
        """One epoch is done."""
        if not self._quiet:
            line = (
                f"epoch {figures.epoch:>{len(str(self._epochs))}}/{self._epochs}"
                f"  loss {figures.loss:.4f}  accuracy {100 * figures.accuracy:.2f} %"
                f"  validation loss {figures.val_loss:.4f}  accuracy {100 * figures.val_accuracy:.2f} %"
            )
            self._bar.write(line, file=sys.stderr)

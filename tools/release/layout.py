"""Where released models and what is known of them lie in a checkout, and how the scripts here end."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import DigitsError


@dataclass(frozen=True)
class Layout:
    """The files of a checkout, by what they hold."""

    root: Path = Path(__file__).parents[2]

    @property
    def releases(self) -> Path:
        """Configs, runs and evaluations."""
        return self.root / "train" / "releases"

    @property
    def teachers(self) -> Path:
        """Model files that released models learned from."""
        return self.releases / "teachers"

    @property
    def models(self) -> Path:
        """The files that ship."""
        return self.root / "edge_runtime" / "models"

    @property
    def results(self) -> Path:
        """Latency measurements: models-<board>.json."""
        return self.root / "benchmarks" / "reference"

    @property
    def page(self) -> Path:
        """The model cards."""
        return self.root / "docs" / "models.md"

    @property
    def pictures(self) -> Path:
        """Pictures of the model cards."""
        return self.page.with_suffix("")


def run(main: Callable[[], None]) -> None:
    """Run a script; an error of ours becomes one line and its exit code."""
    try:
        main()
    except DigitsError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(error.exit_code)

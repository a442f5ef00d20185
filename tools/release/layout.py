"""Where released models and what is known of them lie in a checkout, and how the scripts here end."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
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


def write_or_print(result: Any, name: str) -> None:
    """Write a result, a dataclass, to benchmarks/reference; with --print on the command line, print it instead."""
    content = to_json(result, indent=1) + "\n"
    if "--print" in sys.argv[1:]:
        print(content)
    else:
        write_file(Layout().results / name, content, force=True)


def run(main: Callable[[], None]) -> None:
    """Run a script; an error of ours becomes one line and its exit code."""
    try:
        main()
    except DigitsError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(error.exit_code)

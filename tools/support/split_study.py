"""The command line that studies of a split of the images share: validation by default, the test images for the verdict."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.common.json_codec import to_json
from tools.release.layout import Layout

Report = TypeVar("Report")


def study_split(
    arguments: Sequence[str] | None,
    module: str,
    question: str,
    file: str,
    measure: Callable[[str, int | None, int], Report],
    as_text: Callable[[Report], str],
) -> None:
    """Measure, write the report, print it.

    Args:
        arguments: of the command; those of the process if None.
        module: that is run, below tools.studies.
        question: that the study answers.
        file: name of the report on the test images, in benchmarks/reference.
        measure: takes the split's name, the number of its images (None for all) and the number of processes.
        as_text: the report as it is printed.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tools.studies.{module}", description=question)
    parser.add_argument("--split", choices=("validation", "test"), default="validation", help="test: for the verdict, once")
    parser.add_argument("--images", type=int, help="so many of the split's images; all if not given")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, help=f"the report; benchmarks/reference/{file} for the test split")
    parser.add_argument("--force", action="store_true", help="replace the report if it exists")
    options = parser.parse_args(arguments)
    out = options.out or (Layout().results / file if options.split == "test" else None)
    if out:
        refuse_to_overwrite(out, options.force)
    report = measure(options.split, options.images, options.processes)
    if out:
        write_file(out, to_json(report, indent=1) + "\n", options.force)
    print(as_text(report))

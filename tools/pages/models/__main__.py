"""Writes docs/models.md and its pictures, or with --check only compares: `python -m tools.pages.models`, `make models`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.common.atomic_files import write_file
from edge_runtime.errors import DataError
from tools.pages.models.cards import INT8
from tools.pages.models.page import page
from tools.pages.models.pictures import Picture, pictures_of
from tools.pages.models.releases import read_measurements, read_released
from tools.release.layout import Layout, run
from train.config.config_file import RELEASED
from train.data import Dataset, load_dataset


def main(arguments: Sequence[str] | None = None, layout: Layout | None = None) -> None:
    """Write or compare.

    Raises:
        DataError: a source is missing, or with --check, the page or a picture is not what would be written.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.pages.models", description="Write the model cards from committed files.")
    parser.add_argument("names", nargs="*", default=RELEASED, help="models; all of them if not given")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 if something would change")
    parser.add_argument("--data", type=Path, help="the data set; the embedded MNIST if not given")
    options = parser.parse_args(arguments)
    layout = layout or Layout()
    text, pictures = models_page(options.names, load_dataset(options.data), layout)
    stale = [picture for picture in pictures if not picture.is_drawn_in(layout.pictures)]
    if options.check:
        if stale or not layout.page.exists() or layout.page.read_text() != text:
            raise DataError(f"{stale[0].name if stale else layout.page.name} is not what its sources say; run 'make models'")
        return
    for picture in pictures:
        write_file(layout.pictures / picture.name, picture.content(), force=True)
    write_file(layout.page, text, force=True)


def models_page(names: Sequence[str], data: Dataset, layout: Layout) -> tuple[str, list[Picture]]:
    """The page and its pictures, from committed files.

    Raises:
        DataError: a source is missing, damaged, or does not belong to the others.
    """
    releases = [read_released(name, layout, data) for name in names]
    text = page(releases, read_measurements(layout, releases), data, layout)
    shown = [pictures_of(release.name, release.shipped(INT8).test, data.test.images) for release in releases]
    return text, [picture for pair in shown for picture in pair]


if __name__ == "__main__":
    run(main)

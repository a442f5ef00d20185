"""`digits read`.

A composition root: it may import any package, and nobody imports it.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli_options import explanation_page, interpreter_options, model_option, warn_of_model
from edge_runtime.errors import BadArgument, InputError

if TYPE_CHECKING:
    from edge_runtime.inputs.files import Item
    from edge_runtime.reading.reader import Reader, Reading


@click.command("read", epilog="Example: digits read note.jpg --explain how.png")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE|FOLDER|PATTERN...")
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per image: text, and digits with boxes.")
@click.option(
    "--explain", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw a box around each digit, for up to 50 images."
)
@click.option("--force", is_flag=True, help="Replace the file of --explain if it exists.")
@interpreter_options
def read_command(
    inputs: tuple[str, ...],
    model: Path | None,
    as_json: bool,
    explain: Path | None,
    force: bool,
    threads: int,
    backend: str | None,
) -> None:
    """Read all digits of each image, line by line from the top: 3141592.

    Lines may be slanted, and digits of different sizes; a wide gap becomes a space. Touching digits are split. Warnings on stderr name
    doubtful splits, marks that are unlike any digit, and images without digits. For several images, each line begins with the file name. A
    file that cannot be read is reported on stderr, the others are read, and the exit code is 4.
    """
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.reading.reader import Reader

    page = explanation_page(explain, force)
    classifier = Classifier.load(model, threads, backend)
    warn_of_model(classifier)
    entries = _entries(inputs)
    several = len(inputs) > 1 or not Path(inputs[0]).is_file()
    failed = False
    for source, reading in _readings(Reader(classifier), page.check_room(entries) if page else entries):
        if isinstance(reading, InputError):
            click.echo(f"digits: {reading}", err=True)
            failed = True
            continue
        _print(source, reading, as_json, several)
        if page:
            page.add(reading.explain(source))
    if page:
        page.save()
    if failed:
        click.get_current_context().exit(InputError.exit_code)


def _entries(inputs: tuple[str, ...]) -> "Iterator[Item | Path]":
    from edge_runtime.inputs.files import expand

    if "-" in inputs:
        raise BadArgument("digits read does not read standard input (-); give files, folders or patterns")
    return expand(inputs, sys.stdin.buffer)


def _readings(reader: "Reader", entries: "Iterable[Item | Path]") -> "Iterator[tuple[str, Reading | InputError]]":
    """Each image's source, and its reading or its error."""
    from edge_runtime.inputs.files import Item
    from edge_runtime.preprocessing.image_files import read_pixels
    from edge_runtime.reading.reader import LONGEST

    for entry in entries:
        try:
            if isinstance(entry, Item):
                picture = entry.picture
                yield entry.source, picture if isinstance(picture, InputError) else reader.read(255 - picture.image)
            else:
                yield str(entry), reader.read(*read_pixels(entry, longest=LONGEST))
        except InputError as error:
            yield str(entry), error


def _print(source: str, reading: "Reading", as_json: bool, several: bool) -> None:
    if as_json:
        click.echo(reading.as_json(source))
        return
    for line in reading.text.splitlines():
        click.echo(f"{source}: {line}" if several else line)
    for text in reading.all_warnings:
        click.echo(f"digits: {source}: {text}", err=True)

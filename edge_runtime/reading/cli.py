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
@click.argument("words", nargs=-1, required=True, metavar="FILE|FOLDER|PATTERN...")
@model_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a picture: the text, and digits with boxes.")
@click.option("--explain", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw what was read, of up to 50 pictures.")
@click.option("--force", is_flag=True, help="Replace the drawing if it exists.")
@interpreter_options
def read_command(
    words: tuple[str, ...], model: Path | None, as_json: bool, explain: Path | None, force: bool, threads: int, backend: str | None
) -> None:
    """Read all the digits of pictures, line by line from the top: 3141592.

    Lines may be slanted, and digits of different sizes; a wide gap is a space. Digits that touch are parted. Where that is doubtful, or
    what stands there is like no digit, or no digit is found at all, a line on stderr says so. Of several pictures each line begins with its
    picture's name. What cannot be read is a line on stderr; the others are answered, and the exit code is 4.
    """
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.reading.reader import Reader

    page = explanation_page(explain, force)
    classifier = Classifier.load(model, threads, backend)
    warn_of_model(classifier)
    paths = _paths(words)
    several = len(words) > 1 or not Path(words[0]).is_file()
    failed = False
    for source, found in _readings(Reader(classifier), page.check_room(paths) if page else paths):
        if isinstance(found, InputError):
            click.echo(f"digits: {found}", err=True)
            failed = True
            continue
        _say(source, found, as_json, several)
        if page:
            page.add(found.explain(source))
    if page:
        page.save()
    if failed:
        click.get_current_context().exit(InputError.exit_code)


def _paths(words: tuple[str, ...]) -> "Iterator[Item | Path]":
    from edge_runtime.inputs.files import expand

    if "-" in words:
        raise BadArgument("digits read takes files, folders and patterns, no standard input")
    return expand(words, sys.stdin.buffer)


def _readings(reader: "Reader", paths: "Iterable[Item | Path]") -> "Iterator[tuple[str, Reading | InputError]]":
    """What is read of each picture, or why it could not be used."""
    from edge_runtime.inputs.files import Item
    from edge_runtime.preprocessing.image_files import read_pixels
    from edge_runtime.reading.reader import LONGEST

    for path in paths:
        try:
            if isinstance(path, Item):
                found = path.picture
                yield path.source, found if isinstance(found, InputError) else reader.read(255 - found.image)
            else:
                yield str(path), reader.read(*read_pixels(path, longest=LONGEST))
        except InputError as error:
            yield str(path), error


def _say(source: str, reading: "Reading", as_json: bool, several: bool) -> None:
    if as_json:
        click.echo(reading.as_json(source))
        return
    for line in reading.text.splitlines():
        click.echo(f"{source}: {line}" if several else line)
    for text in reading.doubts:
        click.echo(f"digits: {source}: {text}", err=True)

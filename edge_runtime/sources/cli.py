"""`digits classify`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.errors import BadArgument, InputError, ModelFileError

if TYPE_CHECKING:
    from edge_runtime.answers import Answer, Answerer
    from edge_runtime.classifier import Classifier
    from edge_runtime.explanation import Page
    from edge_runtime.sources.files import Item


@click.command("classify", epilog="Example: digits classify seven.jpg scans/ --explain how.png")
@click.argument("words", nargs=-1, metavar="[FILE|FOLDER|PATTERN|-]...")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A model file, or one that the package ships: nano, small, base (int8), nano-fp32... Default: small.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="A line of CSV for each, under a header.")
@click.option(
    "--explain", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw every step and the scores, a row a picture."
)
@click.option("--force", is_flag=True, help="Replace the drawing if it exists.")
@click.option("--watch", type=click.Path(path_type=Path), metavar="FOLDER", help="Go on with what comes into a folder.")
@click.option("--camera", metavar="WHAT", help="A camera's number, a URL, a video file (OpenCV), or picamera2.")
@click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given.")
@click.option(
    "--threads", type=click.IntRange(1, 64), help="That read files and classify. Default: what digits tune found, else 1."
)
def classify_command(
    words: tuple[str, ...],
    model: Path | None,
    as_json: bool,
    as_csv: bool,
    explain: Path | None,
    force: bool,
    watch: Path | None,
    camera: str | None,
    backend: str | None,
    threads: int | None,
) -> None:
    """Classify pictures: files, folders, patterns, or standard input (-): an image, or a stream of paths, one a line.

    Photos, scans and screenshots, as PNG, JPEG, BMP, GIF, WebP or TIFF: the digit is found and brought into the form of MNIST's images. A
    picture of 28x28 pixels is taken as it is, light ink on dark ground. What is doubtful is told in brackets: blank, faint, small, several
    digits, touches the edge, inverted, unlike any digit. What cannot be read is a line on stderr; the others are answered, and the exit
    code is 4.

    A camera's answer is said once most of the last frames agree on it. --watch and --camera end with Ctrl-C.
    """
    _check_together(words, watch, camera, as_json and as_csv, explain)
    page = _page(explain, force)
    say = _printer(as_json, as_csv, page)
    answerer, readers = _answerer(model, backend, threads)
    try:
        if camera is not None:
            _follow(answerer, camera, say)
            return
        failed = _answer(answerer, _given(words, watch, page, readers), say)
    except KeyboardInterrupt:
        if words:
            raise
        return  # how a watch ends
    if page:
        page.save()
    if failed:
        click.get_current_context().exit(InputError.exit_code)


def _check_together(words: tuple[str, ...], watch: Path | None, camera: str | None, two_forms: bool, explain: Path | None) -> None:
    if sum([bool(words), watch is not None, camera is not None]) != 1:
        raise click.UsageError("give files, folders or patterns, or --watch FOLDER, or --camera WHAT")
    if two_forms:
        raise BadArgument("--json and --csv are two forms of the answer; give one")
    if explain and not words:
        raise BadArgument("--explain draws pictures that are given; --watch and --camera have no end")


def _page(path: Path | None, force: bool) -> "Page | None":
    """What --explain draws on."""
    if path is None:
        return None
    from edge_runtime.explanation import Page

    return Page(path, force)


def _printer(as_json: bool, as_csv: bool, page: "Page | None") -> "Callable[[Answer], None]":
    if as_csv:
        from edge_runtime.answers import CSV_HEADER, csv_line

        click.echo(csv_line(CSV_HEADER))

    def say(answer: "Answer") -> None:
        click.echo(answer.as_json() if as_json else answer.as_csv() if as_csv else answer.as_text())
        if page:
            page.add(answer)

    return say


def _answerer(model: Path | None, backend: str | None, threads: int | None) -> "tuple[Answerer, int]":
    """What answers, and how many threads read files."""
    from edge_runtime.answers import Answerer

    classifier, readers = _classifier(model, backend, threads)
    for warning in classifier.warnings:
        click.echo(f"digits: {warning}", err=True)
    return Answerer(classifier), readers


def _classifier(model: Path | None, backend: str | None, threads: int | None) -> "tuple[Classifier, int]":
    from edge_runtime.classifier import Classifier
    from edge_runtime.device.tuning import recall
    from edge_runtime.interpreter import find_backend
    from edge_runtime.model_file import read_model_file

    file = read_model_file(model)
    tuned = recall(file, find_backend(backend)) if threads is None else None
    try:
        classifier = Classifier(file, threads or (tuned.threads if tuned else 1), backend)
    except ModelFileError as error:
        raise ModelFileError(f"{model or file.name}: {error}") from error
    return classifier, threads or (tuned.batch_threads if tuned else 1)


def _given(words: tuple[str, ...], watch: Path | None, page: "Page | None", threads: int) -> "Iterator[Item]":
    from edge_runtime.sources.files import expanded, items

    if watch is None:
        entries: Iterable[Item | Path] = expanded(words, sys.stdin.buffer)
        if page:
            entries = page.with_room_for(entries)
        return items(entries, threads if len(words) > 1 or not Path(words[0]).is_file() else 1)

    from edge_runtime.sources.watching import watch as watched

    return items(watched(watch))


def _answer(answerer: "Answerer", found: "Iterable[Item]", say: "Callable[[Answer], None]") -> bool:
    """Say an answer for each picture; whether one of them could not be used."""
    failed = False
    for item in found:
        if isinstance(item.picture, InputError):
            click.echo(f"digits: {item.picture}", err=True)
            failed = True
        else:
            say(answerer.answer(item.source, item.picture))
    return failed


def _follow(answerer: "Answerer", camera: str, say: "Callable[[Answer], None]") -> None:
    from edge_runtime.images import picture_of
    from edge_runtime.sources.camera import StableAnswer, frames

    stable = StableAnswer()
    for frame in frames(camera):
        answer = answerer.answer(camera, picture_of(frame))
        if stable.see(answer.result.label, answer.result.confidence) is not None:
            say(dataclasses.replace(answer, warnings=()))

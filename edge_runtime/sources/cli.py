"""`digits classify`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.errors import BadArgument, InputError, ModelFileError
from edge_runtime.sources.rows import CSV_HEADER, csv_cells

if TYPE_CHECKING:
    from edge_runtime.classifier import Classification, Classifier
    from edge_runtime.device.tuning import Tuning
    from edge_runtime.images import Picture
    from edge_runtime.interpreter import Backend
    from edge_runtime.model_file import ModelFile
    from edge_runtime.sources.files import Item
    from edge_runtime.sources.spread import Tally
    from edge_runtime.sources.work import Job


@click.command("classify", epilog="Example: digits classify seven.png scans/ --json")
@click.argument("words", nargs=-1, metavar="[FILE|FOLDER|PATTERN|-]...")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A model file, or one that the package ships: nano, small, base (int8), nano-fp32... Default: small.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="A line of CSV for each, under a header.")
@click.option("--watch", type=click.Path(path_type=Path), metavar="FOLDER", help="Go on with what comes into a folder.")
@click.option("--camera", metavar="WHAT", help="A camera's number, a URL, a video file (OpenCV), or picamera2.")
@click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a row for each into a .csv or .parquet file.")
@click.option("--force", is_flag=True, help="Replace that file if it exists.")
@click.option("--scheduler", metavar="ADDRESS", help="With --out: by the workers of a dask scheduler, such as tcp://host:8786.")
@click.option(
    "--threads", type=click.IntRange(1, 64), help="That read files and classify. Default: what digits tune found, else 1."
)
def classify_command(
    words: tuple[str, ...],
    model: Path | None,
    as_json: bool,
    as_csv: bool,
    watch: Path | None,
    camera: str | None,
    backend: str | None,
    out: Path | None,
    force: bool,
    scheduler: str | None,
    threads: int | None,
) -> None:
    """Classify pictures: files, folders, patterns, or standard input (-): an image, or a stream of paths, one a line.

    Files of many images too: a .npy or an array of an .npz (FILE:ARRAY where several fit), uint8 [N, 28, 28], 0 = background; a column of a
    .parquet file (FILE:COLUMN), of encoded pictures or of 784 pixels.

    A picture of 28x28 pixels is taken as it is, light ink on dark ground. Others are turned to that and resized. What cannot be read is a
    line on stderr; the others are answered, and the exit code is 4.

    A camera's answer is said once most of the last frames agree on it. --watch and --camera end with Ctrl-C.
    """
    _refuse_mixtures(words, watch, camera, out, scheduler, [as_json, as_csv])
    if out is not None:
        _into_file(words, out, force, scheduler, _job(model, backend, threads or (1 if scheduler else None)))
        return
    say = _printer(as_json, as_csv)
    classifier, readers = _classifier(model, backend, threads)
    for warning in classifier.warnings:
        click.echo(f"digits: {warning}", err=True)
    try:
        if camera is not None:
            _follow(classifier, camera, say)
            return
        failed = _answer(classifier, _given(words, watch, readers), say)
    except KeyboardInterrupt:
        if words:
            raise
        return  # how a watch ends
    if failed:
        click.get_current_context().exit(InputError.exit_code)


def _refuse_mixtures(
    words: tuple[str, ...], watch: Path | None, camera: str | None, out: Path | None, scheduler: str | None, forms: list[bool]
) -> None:
    if sum([bool(words), watch is not None, camera is not None]) != 1:
        raise click.UsageError("give files, folders or patterns, or --watch FOLDER, or --camera WHAT")
    if all(forms):
        raise BadArgument("--json and --csv are two forms of the answer; give one")
    if out is not None and (any(forms) or not words):
        raise BadArgument(
            "--out writes a file in the form that its suffix says; it goes without --json, --csv, --watch and --camera"
        )
    if scheduler is not None and out is None:
        raise BadArgument("--scheduler needs --out FILE, a .csv or .parquet file for the answers")


def _classifier(model: Path | None, backend: str | None, threads: int | None) -> "tuple[Classifier, int]":
    """The classifier, and how many threads read files."""
    from edge_runtime.classifier import Classifier
    from edge_runtime.interpreter import find_backend
    from edge_runtime.model_file import read_model_file

    file = read_model_file(model)
    tuned = _tuned(file, find_backend(backend)) if threads is None else None
    try:
        classifier = Classifier(file, threads or (tuned.threads if tuned else 1), backend)
    except ModelFileError as error:
        raise ModelFileError(f"{model or file.name}: {error}") from error
    return classifier, threads or (tuned.batch_threads if tuned else 1)


def _tuned(model: "ModelFile", backend: "Backend") -> "Tuning | None":
    from edge_runtime.device.memory import remembered

    if not remembered().is_dir():
        return None
    from edge_runtime.device.tuning import recall

    return recall(model, backend)


def _job(model: Path | None, backend: str | None, threads: int | None) -> "Job":
    from edge_runtime.classifier import BATCH
    from edge_runtime.interpreter import find_backend
    from edge_runtime.model_file import read_model_file
    from edge_runtime.sources.work import Job

    file, found = read_model_file(model), find_backend(backend)
    tuned = _tuned(file, found)
    threads = threads or (tuned.batch_threads if tuned else 1)
    return Job(file, file.sha256, found.name, threads, tuned.batch if tuned else BATCH)


def _into_file(words: tuple[str, ...], out: Path, force: bool, scheduler: str | None, job: "Job") -> None:
    from edge_runtime.files import refuse_to_overwrite
    from edge_runtime.sources import spread
    from edge_runtime.sources.chunks import look
    from edge_runtime.sources.results import check_suffix, table

    check_suffix(out)
    refuse_to_overwrite(out, force)
    plan = look(words, sys.stdin.buffer)
    answered = spread.by_workers(job, plan, scheduler) if scheduler else spread.here(job, plan)
    progress = _Progress()
    with table(out, job.model.labels, force) as written, answered as answers:
        tally = spread.write_all(written, answers, _complain, progress)
    click.echo(f"{progress.line(tally)}; written: {out}", err=True)
    if tally.failed:
        click.get_current_context().exit(InputError.exit_code)


class _Progress:
    """How far it is, on a terminal, once a second."""

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()

    def __call__(self, tally: "Tally") -> None:
        if sys.stderr.isatty() and time.monotonic() - self._said > 1:
            self._said = time.monotonic()
            click.echo(f"{self.line(tally)}\r", err=True, nl=False)

    def line(self, tally: "Tally") -> str:
        seconds = time.monotonic() - self._start
        failed = f", {tally.failed:,} of them unusable" if tally.failed else ""
        return f"{tally.images:,} images{failed}, {tally.images / seconds:,.0f} a second"


def _complain(cause: str) -> None:
    click.echo(f"digits: {' '.join(cause.split())}", err=True)


def _given(words: tuple[str, ...], watch: Path | None, threads: int) -> "Iterator[Item]":
    from edge_runtime.sources.files import ahead, items, read_item

    if watch is None:
        return items(words, sys.stdin.buffer, threads if len(words) > 1 or not Path(words[0]).is_file() else 1)

    from edge_runtime.sources.watching import watch as watched

    return ahead(read_item, watched(watch), 1)


def _answer(classifier: "Classifier", found: "Iterable[Item]", say: "Callable[[str, Classification, Picture], None]") -> bool:
    """Print an answer for each picture; whether one of them could not be used."""
    failed = False
    for item in found:
        if isinstance(item.picture, InputError):
            click.echo(f"digits: {item.picture}", err=True)
            failed = True
        else:
            say(item.source, classifier.classify(item.picture.image), item.picture)
    return failed


def _follow(classifier: "Classifier", camera: str, say: "Callable[[str, Classification, Picture], None]") -> None:
    from edge_runtime.images import picture_of
    from edge_runtime.sources.camera import StableAnswer, frames

    stable = StableAnswer()
    for frame in frames(camera):
        picture = picture_of(frame)
        result = classifier.classify(picture.image)
        if stable.see(result.label, result.confidence) is not None:
            say(camera, result, dataclasses.replace(picture, warnings=()))


def _printer(as_json: bool, as_csv: bool) -> "Callable[[str, Classification, Picture], None]":
    form: Callable[[str, Any, tuple[str, ...]], str] = _as_json if as_json else _as_csv if as_csv else _as_text
    if as_csv:
        click.echo(_csv_line(CSV_HEADER))

    def say(source: str, result: "Classification", picture: "Picture") -> None:
        if math.isnan(result.confidence):
            raise ModelFileError("the model answers with values that are no numbers (NaN or infinite)")
        click.echo(form(source, result, picture.warnings))

    return say


def _as_text(source: str, result: "Classification", warnings: tuple[str, ...]) -> str:
    notes = f"  ({'; '.join(warnings)})" if warnings else ""
    return f"{source}: {result.label}  {100 * result.confidence:.1f} %{notes}"


def _as_json(source: str, result: "Classification", warnings: tuple[str, ...]) -> str:
    return json.dumps(
        {
            "source": source,
            "label": result.label,
            "index": result.index,
            "confidence": result.confidence,
            "scores": result.scores.tolist(),
            "warnings": warnings,
        }
    )


def _as_csv(source: str, result: "Classification", warnings: tuple[str, ...]) -> str:
    return _csv_line(csv_cells(source, result.label, result.index, result.confidence, "; ".join(warnings)))


def _csv_line(cells: tuple[str, ...]) -> str:
    import csv

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()

"""`digits classify`.

A composition root: it may import any package, and nobody imports it.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli_options import explanation_page, model_option, warn_of_model
from edge_runtime.cli_remote import runs_on_boards
from edge_runtime.errors import BadArgument, InputError, ModelFileError

if TYPE_CHECKING:
    from edge_runtime.bulk.run_batches import Counts
    from edge_runtime.bulk.worker import Job
    from edge_runtime.explanation import Page
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.inference.results import Prediction
    from edge_runtime.inputs.files import Item


@runs_on_boards(inputs=("inputs", "model"), outputs=("out", "explain"))
@click.command("classify", epilog="Example: digits classify seven.jpg scans/ --explain how.png")
@click.argument("inputs", nargs=-1, metavar="[FILE|FOLDER|PATTERN|-]...")
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per image: label, confidence, scores, warnings.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV header, and one line per image.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a table with a row per image to a .csv or .parquet file."
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Run on the workers of a dask scheduler, such as tcp://host:8786; needs --out."
)
@click.option(
    "--explain",
    type=click.Path(path_type=Path),
    metavar="OUT.png",
    help="Draw each preprocessing step and the scores, a row per image, up to 50 images.",
)
@click.option("--require-digit", is_flag=True, help="Exit with 4 if a picture shows no digit.")
@click.option("--force", is_flag=True, help="Replace the files of --out and --explain if they exist.")
@click.option("--watch", type=click.Path(path_type=Path), metavar="FOLDER", help="Classify images as they are added to a folder.")
@click.option(
    "--camera", metavar="SOURCE", help="Classify a camera (its number, or picamera2), a stream (URL) or a video file, by OpenCV."
)
@click.option("--backend", metavar="NAME", help="Interpreter: litert, tflite or tensorflow. Default: the first installed one.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Threads for reading and classifying. Default: the result of digits tune, else 1.",
)
def classify_command(
    inputs: tuple[str, ...],
    model: Path | None,
    as_json: bool,
    as_csv: bool,
    out: Path | None,
    scheduler: str | None,
    explain: Path | None,
    require_digit: bool,
    force: bool,
    watch: Path | None,
    camera: str | None,
    backend: str | None,
    threads: int | None,
) -> None:
    """Classify the digit in each image: files, folders, patterns, or standard input (-) with one image or a path per line.

    Photos, scans and screenshots are read from PNG, JPEG, BMP, GIF, WebP and TIFF files; the digit is found and normalised to MNIST's form.
    Images of 28x28 pixels with the digit where MNIST has it are used unchanged, or inverted if their border is light. Warnings follow in
    brackets: blank, faint, small, several digits, touches the edge, inverted, unsure, unlike any digit. A picture without a digit gets
    "-". A file that cannot be read is reported on stderr, the others are classified, and the exit code is 4.

    Files with many images: a .npy file or an array of an .npz file (FILE:ARRAY), uint8 [N, 28, 28], 0 = background; a column of a .parquet
    file (FILE:COLUMN) with encoded images or 784 pixels a row.

    A digit before a camera is printed once most of the last frames agree on it. --watch and --camera run until Ctrl-C.
    """
    _check_options(inputs, watch, camera, out, scheduler, explain, [as_json, as_csv])
    if require_digit and camera is not None:
        raise BadArgument("--require-digit cannot be combined with --camera, which reports digits alone")
    if out is not None:
        _write_table(inputs, out, force, scheduler, _job(model, backend, threads or (1 if scheduler else None)), require_digit)
        return
    page = explanation_page(explain, force)
    show = _printer(as_json, as_csv, page)
    classifier, reading_threads = _load_classifier(model, backend, threads)
    warn_of_model(classifier)
    if camera is not None:
        _classify_camera(classifier, camera, show)
        return
    items = _read_items(inputs, watch, page, reading_threads)
    # Whoever feeds a folder or a pipe may wait for each answer.
    group_size = 1 if watch is not None or "-" in inputs else classifier.batch * classifier.threads
    failed, without_digit = _classify_items(classifier, items, group_size, show, endless=watch is not None)
    if page:
        page.save()
    if failed or (require_digit and without_digit):
        click.get_current_context().exit(InputError.exit_code)


def _check_options(
    inputs: tuple[str, ...],
    watch: Path | None,
    camera: str | None,
    out: Path | None,
    scheduler: str | None,
    explain: Path | None,
    forms: list[bool],
) -> None:
    if sum([bool(inputs), watch is not None, camera is not None]) != 1:
        raise click.UsageError("give files, folders or patterns, or --watch FOLDER, or --camera SOURCE")
    if all(forms):
        raise BadArgument("--json and --csv exclude each other; give one")
    if out is not None and (any(forms) or explain or not inputs):
        raise BadArgument("--out cannot be combined with --json, --csv, --explain, --watch or --camera; its suffix sets the format")
    if scheduler is not None and out is None:
        raise BadArgument("--scheduler needs --out FILE, a .csv or .parquet file for the results")
    if explain is not None and not inputs:
        raise BadArgument("--explain needs files; it cannot be combined with --watch or --camera, which do not end")


def _printer(as_json: bool, as_csv: bool, page: "Page | None") -> "Callable[[Prediction], None]":
    from edge_runtime.classify import output

    if as_csv:
        from edge_runtime.bulk.rows import CSV_HEADER

        click.echo(output.join_cells(CSV_HEADER))
    line = output.json_line if as_json else output.csv_line if as_csv else output.text_line

    def show(prediction: "Prediction") -> None:
        click.echo(line(prediction))
        if page:
            page.add(output.explanation_row(prediction))

    return show


def _load_classifier(model: Path | None, backend: str | None, threads: int | None) -> "tuple[Classifier, int]":
    """The classifier, and the number of threads that read files."""
    from edge_runtime.device.tuning_folder import saved_tuning
    from edge_runtime.inference.classifier import BATCH, Classifier
    from edge_runtime.inference.interpreter import find_backend
    from edge_runtime.model.model_file import read_model_file

    file = read_model_file(model)
    tuned = saved_tuning(file, find_backend(backend)) if threads is None else None
    try:
        classifier = Classifier(file, threads or (tuned.threads if tuned else 1), backend, batch=tuned.batch if tuned else BATCH)
    except ModelFileError as error:
        raise ModelFileError(f"{model or file.name}: {error}") from error
    return classifier, threads or (tuned.batch_threads if tuned else 1)


def _job(model: Path | None, backend: str | None, threads: int | None) -> "Job":
    from edge_runtime.bulk.worker import Job
    from edge_runtime.device.tuning_folder import saved_tuning
    from edge_runtime.inference.classifier import BATCH
    from edge_runtime.inference.interpreter import find_backend
    from edge_runtime.model.model_file import read_model_file

    file, found = read_model_file(model), find_backend(backend)
    tuned = saved_tuning(file, found)
    threads = threads or (tuned.batch_threads if tuned else 1)
    return Job(file, file.sha256, found.name, threads, tuned.batch if tuned else BATCH)


def _write_table(inputs: tuple[str, ...], out: Path, force: bool, scheduler: str | None, job: "Job", require_digit: bool) -> None:
    from edge_runtime.bulk import run_batches
    from edge_runtime.bulk.batches import make_plan
    from edge_runtime.bulk.results import check_suffix, open_table
    from edge_runtime.common.atomic_files import refuse_to_overwrite

    check_suffix(out)
    refuse_to_overwrite(out, force)
    plan = make_plan(inputs, sys.stdin.buffer)
    run = run_batches.run_on_workers(job, plan, scheduler) if scheduler else run_batches.run_locally(job, plan)
    progress = _Progress()
    with open_table(out, job.model.labels, force) as table, run as predicted:
        counts = run_batches.write_all(table, predicted, _report_failure, progress)
    click.echo(f"{progress.line(counts)}; written: {out}", err=True)
    if counts.failed or (require_digit and counts.without_digit):
        click.get_current_context().exit(InputError.exit_code)


class _Progress:
    """Shows counts and speed on a terminal, once a second."""

    def __init__(self) -> None:
        self._start = self._last_shown = time.monotonic()

    def __call__(self, counts: "Counts") -> None:
        if sys.stderr.isatty() and time.monotonic() - self._last_shown > 1:
            self._last_shown = time.monotonic()
            click.echo(f"{self.line(counts)}\r", err=True, nl=False)

    def line(self, counts: "Counts") -> str:
        seconds = time.monotonic() - self._start
        failed = f", {counts.failed:,} of them unusable" if counts.failed else ""
        return f"{counts.images:,} images{failed}, {counts.images / seconds:,.0f} a second"


def _report_failure(cause: str) -> None:
    click.echo(f"digits: {' '.join(cause.split())}", err=True)


def _read_items(inputs: tuple[str, ...], watch: Path | None, page: "Page | None", threads: int) -> "Iterator[Item]":
    from edge_runtime.inputs.files import expand, read_items

    if watch is not None:
        from edge_runtime.inputs.watching import watch as watch_folder

        return read_items(watch_folder(watch))

    entries: Iterable[Item | Path] = expand(inputs, sys.stdin.buffer)
    if page:
        entries = page.check_room(entries)
    # Whoever writes paths to standard input may wait for each answer, so none of them is read ahead.
    single_threaded = "-" in inputs or (len(inputs) == 1 and Path(inputs[0]).is_file())
    return read_items(entries, 1 if single_threaded else threads)


def _classify_items(
    classifier: "Classifier", items: "Iterable[Item]", group_size: int, show: "Callable[[Prediction], None]", *, endless: bool
) -> tuple[bool, bool]:
    """Show a prediction for each image; whether one of them failed, and one has no digit. What has no end may be ended with Ctrl-C."""
    from edge_runtime.classify.grouping import group_items, predict_group

    failed = without_digit = False
    try:
        for group in group_items(items, group_size):
            predictions = iter(predict_group(classifier, group))
            for item in group:
                if isinstance(item.picture, InputError):
                    _report_failure(str(item.picture))
                    failed = True
                else:
                    prediction = next(predictions)
                    without_digit |= prediction.label is None
                    show(prediction)
    except KeyboardInterrupt:
        if not endless:
            raise
    return failed, without_digit


def _classify_camera(classifier: "Classifier", camera: str, show: "Callable[[Prediction], None]") -> None:
    from edge_runtime.inputs.camera import MajorityVote, frames, shows_digit
    from edge_runtime.preprocessing.image_files import to_picture

    vote = MajorityVote()
    with suppress(KeyboardInterrupt):  # ends the command
        for frame in frames(camera):
            prediction = classifier.classify_picture(to_picture(frame), camera)
            label = prediction.label if shows_digit(prediction.warnings) else None
            if vote.add(label, prediction.confidence or 0.0) is not None:
                show(prediction)

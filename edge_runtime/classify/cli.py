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

from edge_runtime.cli_options import explanation_page, shipped_model_option, warn_of_model
from edge_runtime.errors import BadArgument, InputError, ModelFileError

if TYPE_CHECKING:
    from edge_runtime.bulk.run_batches import Tally
    from edge_runtime.bulk.worker import Job
    from edge_runtime.classify.predictions import Prediction, Predictor
    from edge_runtime.device.tuning import Tuning
    from edge_runtime.explanation import Page
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.inference.interpreter import Backend
    from edge_runtime.inputs.files import Item
    from edge_runtime.model.model_file import ModelFile


_MOMENT = 0.05  # seconds


@click.command("classify", epilog="Example: digits classify seven.jpg scans/ --explain how.png")
@click.argument("words", nargs=-1, metavar="[FILE|FOLDER|PATTERN|-]...")
@shipped_model_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="A line of CSV for each, under a header.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write a row for each into a .csv or .parquet file.")
@click.option("--scheduler", metavar="ADDRESS", help="With --out: by the workers of a dask scheduler, such as tcp://host:8786.")
@click.option(
    "--explain", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw every step and the scores, a row a picture."
)
@click.option("--force", is_flag=True, help="Replace the file or drawing if it exists.")
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
    out: Path | None,
    scheduler: str | None,
    explain: Path | None,
    force: bool,
    watch: Path | None,
    camera: str | None,
    backend: str | None,
    threads: int | None,
) -> None:
    """Classify pictures: files, folders, patterns, or standard input (-): an image, or a stream of paths, one a line.

    Photos, scans and screenshots, as PNG, JPEG, BMP, GIF, WebP or TIFF: the digit is found and brought into the form of MNIST's images. A
    picture of 28x28 pixels is taken as it is, or inverted if its border is light. What is doubtful is told in brackets: blank, faint,
    small, several digits, touches the edge, inverted, unlike any digit. What cannot be read is a line on stderr; the others are answered,
    and the exit code is 4.

    Files of many images too: a .npy or an array of an .npz (FILE:ARRAY where several fit), uint8 [N, 28, 28], 0 = background; a column of a
    .parquet file (FILE:COLUMN), of encoded pictures or of 784 pixels.

    A camera's answer is said once most of the last frames agree on it. --watch and --camera end with Ctrl-C.
    """
    _refuse_mixtures(words, watch, camera, out, scheduler, explain, [as_json, as_csv])
    if out is not None:
        _into_file(words, out, force, scheduler, _job(model, backend, threads or (1 if scheduler else None)))
        return
    page = explanation_page(explain, force)
    say = _printer(as_json, as_csv, page)
    predictor, readers = _predictor(model, backend, threads)
    if camera is not None:
        _follow(predictor, camera, say)
        return
    at_once = 1 if watch is not None or "-" in words else predictor.at_once
    failed = _answer(predictor, _blocks(_given(words, watch, page, readers), at_once), say, endless=watch is not None)
    if page:
        page.save()
    if failed:
        click.get_current_context().exit(InputError.exit_code)


def _refuse_mixtures(
    words: tuple[str, ...],
    watch: Path | None,
    camera: str | None,
    out: Path | None,
    scheduler: str | None,
    explain: Path | None,
    forms: list[bool],
) -> None:
    if sum([bool(words), watch is not None, camera is not None]) != 1:
        raise click.UsageError("give files, folders or patterns, or --watch FOLDER, or --camera WHAT")
    if all(forms):
        raise BadArgument("--json and --csv are two forms of the answer; give one")
    if out is not None and (any(forms) or explain or not words):
        raise BadArgument(
            "--out writes a file in the form that its suffix says; it goes without --json, --csv, --explain, --watch and --camera"
        )
    if scheduler is not None and out is None:
        raise BadArgument("--scheduler needs --out FILE, a .csv or .parquet file for the answers")
    if explain is not None and not words:
        raise BadArgument("--explain draws pictures that are given; --watch and --camera have no end")


def _printer(as_json: bool, as_csv: bool, page: "Page | None") -> "Callable[[Prediction], None]":
    if as_csv:
        from edge_runtime.bulk.rows import CSV_HEADER
        from edge_runtime.classify.predictions import csv_line

        click.echo(csv_line(CSV_HEADER))

    def say(answer: "Prediction") -> None:
        click.echo(answer.as_json() if as_json else answer.as_csv() if as_csv else answer.as_text())
        if page:
            page.add(answer.explain())

    return say


def _predictor(model: Path | None, backend: str | None, threads: int | None) -> "tuple[Predictor, int]":
    """What answers, and how many threads read files."""
    from edge_runtime.classify.predictions import Predictor

    classifier, readers = _classifier(model, backend, threads)
    warn_of_model(classifier)
    return Predictor(classifier), readers


def _classifier(model: Path | None, backend: str | None, threads: int | None) -> "tuple[Classifier, int]":
    from edge_runtime.inference.classifier import BATCH, Classifier
    from edge_runtime.inference.interpreter import find_backend
    from edge_runtime.model.model_file import read_model_file

    file = read_model_file(model)
    tuned = _tuned(file, find_backend(backend)) if threads is None else None
    try:
        classifier = Classifier(file, threads or (tuned.threads if tuned else 1), backend, batch=tuned.batch if tuned else BATCH)
    except ModelFileError as error:
        raise ModelFileError(f"{model or file.name}: {error}") from error
    return classifier, threads or (tuned.batch_threads if tuned else 1)


def _tuned(model: "ModelFile", backend: "Backend") -> "Tuning | None":
    from edge_runtime.device.memory import tuning_folder

    if not tuning_folder().is_dir():
        return None
    from edge_runtime.device.tuning import recall

    return recall(model, backend)


def _job(model: Path | None, backend: str | None, threads: int | None) -> "Job":
    from edge_runtime.bulk.worker import Job
    from edge_runtime.inference.classifier import BATCH
    from edge_runtime.inference.interpreter import find_backend
    from edge_runtime.model.model_file import read_model_file

    file, found = read_model_file(model), find_backend(backend)
    tuned = _tuned(file, found)
    threads = threads or (tuned.batch_threads if tuned else 1)
    return Job(file, file.sha256, found.name, threads, tuned.batch if tuned else BATCH)


def _into_file(words: tuple[str, ...], out: Path, force: bool, scheduler: str | None, job: "Job") -> None:
    from edge_runtime.bulk import run_batches
    from edge_runtime.bulk.batches import make_plan
    from edge_runtime.bulk.results import check_suffix, open_table
    from edge_runtime.common.atomic_files import refuse_to_overwrite

    check_suffix(out)
    refuse_to_overwrite(out, force)
    plan = make_plan(words, sys.stdin.buffer)
    answered = run_batches.run_on_workers(job, plan, scheduler) if scheduler else run_batches.run_here(job, plan)
    progress = _Progress()
    with open_table(out, job.model.labels, force) as written, answered as answers:
        tally = run_batches.write_all(written, answers, _complain, progress)
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


def _given(words: tuple[str, ...], watch: Path | None, page: "Page | None", threads: int) -> "Iterator[Item]":
    from edge_runtime.inputs.files import expanded, items

    if watch is None:
        entries: Iterable[Item | Path] = expanded(words, sys.stdin.buffer)
        if page:
            entries = page.with_room_for(entries)
        # Whoever writes paths to us may wait for the answer to one before the next, so none of them is read ahead.
        return items(entries, 1 if "-" in words or (len(words) == 1 and Path(words[0]).is_file()) else threads)

    from edge_runtime.inputs.watching import watch as watched

    return items(watched(watch))


def _answer(predictor: "Predictor", blocks: "Iterable[list[Item]]", say: "Callable[[Prediction], None]", *, endless: bool) -> bool:
    """Say an answer for each picture; whether one of them could not be used. What has no end may be ended with Ctrl-C."""
    failed = False
    try:
        for block in blocks:
            usable = [(item.source, item.picture) for item in block if not isinstance(item.picture, InputError)]
            answers = iter(predictor.predict_batch(usable))
            for item in block:
                if isinstance(item.picture, InputError):
                    _complain(str(item.picture))
                    failed = True
                else:
                    say(next(answers))
    except KeyboardInterrupt:
        if not endless:
            raise
    return failed


def _blocks(found: "Iterable[Item]", most: int) -> "Iterator[list[Item]]":
    """Pictures that are answered together: as many as come within a moment, so that nobody waits for a block of slow ones."""
    block: list[Item] = []
    since = time.monotonic()
    for item in found:
        block.append(item)
        if len(block) >= most or time.monotonic() - since > _MOMENT:
            yield block
            block, since = [], time.monotonic()
    if block:
        yield block


def _follow(predictor: "Predictor", camera: str, say: "Callable[[Prediction], None]") -> None:
    from edge_runtime.inputs.camera import StableAnswer, frames, usable
    from edge_runtime.preprocessing.image_files import picture_of

    stable = StableAnswer()
    with suppress(KeyboardInterrupt):  # how it ends
        for frame in frames(camera):
            answer = predictor.predict(camera, picture_of(frame))
            if stable.see(answer.result.label, answer.result.confidence, usable=usable(answer.warnings)) is not None:
                say(answer)

"""`digits verify`, `digits receipts`, `digits doctor`, `digits tune`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import json
from pathlib import Path

import click

from edge_runtime.cli_options import ModelCommand, interpreter_options, model_option
from edge_runtime.cli_remote import runs_on_boards
from edge_runtime.errors import BadArgument, DigitsError, InputError, VerificationFailed

LINES = "lines"
"""The name of the line model."""


@runs_on_boards(inputs=("model", "data"), outputs=("receipt",))
@click.command("verify", cls=ModelCommand, epilog="Example: digits verify cnn-int8.tflite --receipt receipt.json")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as one JSON object.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Also write the receipt to this JSON file.")
@click.option("--force", is_flag=True, help="Replace the receipt file if it exists.")
@click.option("--all-images", is_flag=True, help="Also measure the accuracy on the test images of --data.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Test images for --all-images: an .npz file with x_test (uint8 [N, 28, 28]) and y_test.",
)
@interpreter_options
def verify_command(
    model: Path | None,
    as_json: bool,
    receipt: Path | None,
    force: bool,
    all_images: bool,
    data: Path | None,
    threads: int,
    backend: str | None,
) -> None:
    """Run a model's golden images on this device, and compare the outputs with those recorded when the model was made.

    MODEL is a file, or a shipped model: nano, small, base (int8), base-fp32; or lines, the model that digits read reads whole lines with.
    Default: small.

    The exit code is 1 if a label differs, or an output by more than the manifest's tolerance. digits receipts compares receipts of several
    boards.
    """
    from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
    from edge_runtime.common.json_codec import to_json
    from edge_runtime.common.npz import read_test_images
    from edge_runtime.device.receipt_report import verdict
    from edge_runtime.device.verification import verify, verify_all
    from edge_runtime.inference.classifier import Classifier

    if all_images != (data is not None):
        raise BadArgument("--all-images and --data need each other; give both, such as --all-images --data mnist.npz")
    if model == Path(LINES) and not model.is_file():
        if receipt or all_images:
            raise BadArgument("the line model has no receipts; leave out --receipt and --all-images")
        _verify_lines(as_json, threads, backend)
        return
    if receipt:
        refuse_to_overwrite(receipt, force)
    classifier = Classifier.load(model, threads, backend)
    test_images = read_test_images(data, len(classifier.labels)) if data else None
    found = verify(classifier)
    if test_images:
        found = verify_all(classifier, found, *test_images)
    if receipt:
        write_file(receipt, to_json(found, indent=2) + "\n", force)
    click.echo(to_json(found) if as_json else verdict(found))
    if not found.passed:
        raise VerificationFailed(found.summary)


def _verify_lines(as_json: bool, threads: int, backend: str | None) -> None:
    """Read the golden lines with the line model, and compare the outputs with the recorded ones."""
    from edge_runtime.inference.interpreter import backend_version, find_backend
    from edge_runtime.reading.line_model import LineModel
    from edge_runtime.reading.line_record import equal_lines, read_golden, read_record

    golden, record = read_golden(), read_record()
    equal, count = equal_lines(LineModel.load(backend=backend, threads=threads), golden), len(golden.images)
    used = find_backend(backend)
    facts = {"model": LINES, "sha256": record.sha256, "runtime": f"{used.package} {backend_version(used)}"}
    summary = f"{LINES}: {equal} of {count} golden lines are read as recorded, by {facts['runtime']}"
    click.echo(json.dumps({**facts, "lines": count, "equal": equal, "passed": equal == count}) if as_json else summary)
    if equal < count:
        raise VerificationFailed(summary)


@click.command("receipts", epilog="Example: digits receipts pi4.json pi2.json laptop.json")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all receipts and differences.")
def receipts_command(files: tuple[Path, ...], as_json: bool) -> None:
    """Compare receipts of `digits verify` from several boards.

    For each model: the largest difference between outputs for its golden images, labels that differ, and the accuracy of receipts made with
    --all-images.

    The exit code is 1 if a board failed or labels differ between boards, and 4 if a file is not a receipt, was edited, or no two receipts
    are of the same model.
    """
    from edge_runtime.device.receipt_report import comparison_text
    from edge_runtime.device.receipts import compare, read_receipt

    if len(files) < 2:
        raise BadArgument(f"{len(files)} receipt given, expected 2 or more")
    comparisons = compare([(str(path), read_receipt(path)) for path in files])
    if as_json:
        click.echo(json.dumps({"models": [dataclasses.asdict(comparison) for comparison in comparisons]}))
    else:
        click.echo("\n\n".join(map(comparison_text, comparisons)))
    found = [line for comparison in comparisons for line in comparison.contradictions]
    if found:
        raise VerificationFailed(f"{len(found)} contradiction{'s' * (len(found) > 1)}, such as: {found[0]}")


@runs_on_boards(inputs=("model",))
@click.command("doctor", epilog="Example: digits doctor --json")
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all findings.")
def doctor_command(model: Path | None, as_json: bool) -> None:
    """Diagnose this device: what works, what does not, and the command that fixes it.

    numpy, Pillow, each interpreter and what reads cameras are run in a child process. The exit code is 1 if there is a problem.
    """
    from edge_runtime.device.probes import WORKS, probe_all, probe_libraries
    from edge_runtime.device.rules import PROBLEM, diagnose
    from edge_runtime.device.system import read_system

    libraries = probe_libraries()
    numpy_works = libraries[0].outcome == WORKS
    minimum = _minimum_runtime(model) if numpy_works else {}
    probes = probe_all(str(model) if model else None) if numpy_works else []
    findings = diagnose(read_system(), probes, minimum, libraries)
    if as_json:
        click.echo(json.dumps({"findings": [finding.as_dict() for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{finding.level:<8} {finding.subject:<15} {finding.text}")
            if finding.remedy:
                click.echo(f"{'':<8} {'':<15} -> {finding.remedy}")
    problems = [finding.subject for finding in findings if finding.level == PROBLEM]
    if problems:
        raise DigitsError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}: {', '.join(problems)}")


def _minimum_runtime(model: Path | None) -> dict[str, str]:
    """The oldest runtimes that run a model: from its manifest, or for a plain file from today's table."""
    from convert.compatibility.operator_support import minimum_runtime
    from edge_runtime.model.model_file import read_model_file  # it needs numpy

    file = read_model_file(model)
    return file.manifest.minimum_runtime if file.manifest else minimum_runtime(file.graph)


@runs_on_boards(inputs=("model",), measures=True)
@click.command("tune", epilog="Example: digits tune --model base")
@model_option
@click.option("--backend", metavar="NAME", help="Interpreter: litert, tflite or tensorflow. Default: the first installed one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all timings.")
def tune_command(model: Path | None, backend: str | None, as_json: bool) -> None:
    """Find the fastest number of threads and batch size of a model on this device, and save them as defaults of `digits classify`.

    Takes some seconds. Run it on an idle device.
    """
    from edge_runtime.common.json_codec import to_json
    from edge_runtime.common.text_table import text_table
    from edge_runtime.device.tuning import save_tuning, tune
    from edge_runtime.inference.interpreter import find_backend
    from edge_runtime.model.model_file import read_model_file

    file = read_model_file(model)
    if file.manifest is None:
        raise InputError(f"{model} is a plain .tflite, which cannot be tuned; make the model with digits convert")
    found = tune(file, find_backend(backend))
    path = save_tuning(found)
    if as_json:
        click.echo(to_json(found))
        return
    rows = [(str(timing.threads), str(timing.batch or "single"), f"{timing.nanoseconds / 1_000:.1f}") for timing in found.timings]
    click.echo(text_table(("threads", "batch", "us per image"), rows))
    click.echo(
        f"single images: {found.threads} thread{'s' * (found.threads > 1)}; many: {found.batch_threads} "
        f"thread{'s' * (found.batch_threads > 1)}, batches of {found.batch}; saved in {path}"
    )

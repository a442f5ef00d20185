"""`digits verify`, `digits receipts`, `digits doctor`, `digits tune`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import json
from pathlib import Path

import click

from edge_runtime.cli_options import interpreter_options
from edge_runtime.errors import BadArgument, DigitsError, InputError, VerificationFailed


@click.command("verify", epilog="Example: digits verify cnn-int8.tflite --receipt receipt.json")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="The receipt as one JSON object on stdout.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Write the receipt to this file too.")
@click.option("--force", is_flag=True, help="Replace the receipt file if it exists.")
@click.option("--all-images", is_flag=True, help="Also tell how many test images of --data it gets right here.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="An .npz with x_test (uint8 [N, 28, 28]) and y_test, for --all-images."
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
    """Check that a model does on this device what it did where it was made, with the golden images inside it.

    MODEL is a file, or one that the package ships: nano, small, base (int8), base-fp32. Without it, small.

    Exits 1 if a label or an output differs by more than its recipe allows. Receipts of several boards are compared by digits receipts.
    """
    from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
    from edge_runtime.common.json_codec import to_json
    from edge_runtime.common.npz import read_test_images
    from edge_runtime.device.receipt_report import verdict
    from edge_runtime.device.verification import verify, verify_all
    from edge_runtime.inference.classifier import Classifier

    if all_images != (data is not None):
        raise BadArgument("--all-images and --data belong together: say which images, and that all of them are meant")
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


@click.command("receipts", epilog="Example: digits receipts pi4.json pi2.json laptop.json")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def receipts_command(files: tuple[Path, ...], as_json: bool) -> None:
    """Compare receipts of `digits verify`: did several boards do the same with a model?

    For each model: how far the outputs for its golden images lie apart, which labels differ, and the accuracy where --all-images told it.

    Exits 1 if a board failed, or if boards answered the same image differently; 4 if a file is no receipt or was edited, or if no two
    are of the same model.
    """
    from edge_runtime.device.receipt_report import comparison_text
    from edge_runtime.device.receipts import compare, read_receipt

    if len(files) < 2:
        raise BadArgument(f"{len(files)} receipt given, expected two or more")
    comparisons = compare([(str(path), read_receipt(path)) for path in files])
    if as_json:
        click.echo(json.dumps({"models": [dataclasses.asdict(comparison) for comparison in comparisons]}))
    else:
        click.echo("\n\n".join(map(comparison_text, comparisons)))
    found = [line for comparison in comparisons for line in comparison.contradictions]
    if found:
        raise VerificationFailed(f"{len(found)} contradiction{'s' * (len(found) > 1)}, such as: {found[0]}")


@click.command("doctor", epilog="Example: digits doctor --json")
@click.option("--model", type=click.Path(path_type=Path), help="A model file to try; the one that the package ships if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def doctor_command(model: Path | None, as_json: bool) -> None:
    """Look at this device: what runs here, what does not, and the command that mends it.

    numpy, Pillow and every interpreter are really tried, each in a process of its own. Exits 1 if there is a problem.
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
        click.echo(json.dumps({"findings": [dataclasses.asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{finding.level:<8} {finding.subject:<15} {finding.text}")
            if finding.mend:
                click.echo(f"{'':<8} {'':<15} -> {finding.mend}")
    problems = [finding for finding in findings if finding.level == PROBLEM]
    if problems:
        raise DigitsError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''}: {', '.join(found.subject for found in problems)}"
        )


def _minimum_runtime(model: Path | None) -> dict[str, str]:
    """What a model file says that it needs."""
    from edge_runtime.model.model_file import read_model_file  # it needs numpy

    file = read_model_file(model)
    if file.manifest is None:
        raise InputError(f"{model} is a plain .tflite, which says nothing about itself; convert it with digits convert")
    return file.manifest.minimum_runtime


@click.command("tune", epilog="Example: digits tune --model base")
@click.option("--model", type=click.Path(path_type=Path), help="A model file, or one that the package ships. Default: small.")
@click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def tune_command(model: Path | None, backend: str | None, as_json: bool) -> None:
    """Find the threads and the batch size that suit a model on this device, in some seconds, and remember them.

    `digits classify` takes them where it is told nothing else. Run it on an idle device.
    """
    from edge_runtime.common.json_codec import to_json
    from edge_runtime.common.text_table import text_table
    from edge_runtime.device.tuning import save_tuning, tune
    from edge_runtime.inference.interpreter import find_backend
    from edge_runtime.model.model_file import read_model_file

    file = read_model_file(model)
    if file.manifest is None:
        raise InputError(f"{model} is a plain .tflite, which runs in a process of its own; there is nothing to tune")
    found = tune(file, find_backend(backend))
    path = save_tuning(found)
    if as_json:
        click.echo(to_json(found))
        return
    rows = [(str(timing.threads), str(timing.batch or "single"), f"{timing.nanoseconds / 1_000:.1f}") for timing in found.timings]
    click.echo(text_table(("threads", "batch", "us an image"), rows))
    click.echo(
        f"single images: {found.threads} thread{'s' * (found.threads > 1)}; many: {found.batch_threads} "
        f"thread{'s' * (found.batch_threads > 1)}, batches of {found.batch}; remembered in {path}"
    )

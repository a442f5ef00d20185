"""`digits doctor`, `digits tune`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import json
from pathlib import Path

import click

from edge_runtime.errors import DigitsError, InputError


@click.command("doctor", epilog="Example: digits doctor --json")
@click.option("--model", type=click.Path(path_type=Path), help="A model file to try; the one that the package ships if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def doctor_command(model: Path | None, as_json: bool) -> None:
    """Look at this device: what runs here, what does not, and the command that mends it.

    Every interpreter is really tried, in a process of its own. Exits 1 if there is a problem.
    """
    from edge_runtime.device.probes import probe_all
    from edge_runtime.device.rules import PROBLEM, diagnose
    from edge_runtime.device.system import read_system
    from edge_runtime.model_file import read_model_file

    file = read_model_file(model)
    if file.manifest is None:
        raise InputError(f"{model} is a plain .tflite, which says nothing about itself; convert it with digits convert")
    findings = diagnose(read_system(), probe_all(str(model) if model else None), file.manifest.minimum_runtime)
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


@click.command("tune", epilog="Example: digits tune --model base")
@click.option("--model", type=click.Path(path_type=Path), help="A model file, or one that the package ships. Default: small.")
@click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def tune_command(model: Path | None, backend: str | None, as_json: bool) -> None:
    """Find the threads and the batch size that suit a model on this device, in some seconds, and remember them.

    `digits classify` takes them where it is told nothing else. Run it on an idle device.
    """
    from edge_runtime.device.tuning import remember, tune
    from edge_runtime.interpreter import find_backend
    from edge_runtime.model_file import read_model_file
    from edge_runtime.records import to_json
    from edge_runtime.text import text_table

    file = read_model_file(model)
    if file.manifest is None:
        raise InputError(f"{model} is a plain .tflite, which runs in a process of its own; there is nothing to tune")
    found = tune(file, find_backend(backend))
    path = remember(found)
    if as_json:
        click.echo(to_json(found))
        return
    rows = [(str(timing.threads), str(timing.batch or "single"), f"{timing.nanoseconds / 1_000:.1f}") for timing in found.timings]
    click.echo(text_table(("threads", "batch", "us an image"), rows))
    click.echo(
        f"single images: {found.threads} thread{'s' * (found.threads > 1)}; many: {found.batch_threads} "
        f"thread{'s' * (found.batch_threads > 1)}, batches of {found.batch}; remembered in {path}"
    )

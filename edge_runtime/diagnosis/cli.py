"""`digits doctor`.

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
    from edge_runtime.diagnosis.probes import probe_all
    from edge_runtime.diagnosis.rules import PROBLEM, diagnose
    from edge_runtime.diagnosis.system import read_system
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

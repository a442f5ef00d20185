"""Proves which release of which runtime runs which operators, and writes the table that `digits convert --runs-on` reads.

    python -m tools.release.operators.prove            (or: make operators)

Small models (zoo.py) are converted by every recipe and run on real digits in environments that have one release of a runtime
each. A file runs there if its outputs are, within its recipe's tolerance, those of the newest LiteRT. An operator is proven on a release by
files that run there; it is refused there if a file does not run whose other operators are all proven, be there an error or be its outputs
others. Where all of them are proven, the one that the fewest other files show to run is to blame. Outputs that are off by more than the
tolerance, but by less than ten times that, count for neither: rounding in several operators adds up. With --check nothing is written, and
the exit code is 1 where the committed table says something else. Environments are kept in .cache/runtimes. With the table goes a hash of
what it follows from (tools/release/operators/inputs.py): the gate repeats the proof where that has changed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.compatibility.operator_support import TABLE, Release, Use
from convert.compatibility.runtime_environments import NEEDS, PYTHON, READY, environment, environment_lock
from convert.quantization.recipes import Recipe
from edge_runtime.errors import DigitsError
from tools.release.operators.inputs import HASH, fingerprint
from tools.release.operators.samples import Sample, make_samples
from tools.support.environments import make_environment
from train.data import load_dataset

CHECKOUT = Path(__file__).resolve().parents[3]
ENVIRONMENTS = CHECKOUT / ".cache" / "runtimes"
RELEASES = {  # all that the project supports, the oldest first
    "ai-edge-litert": ["1.4.0", "2.0.2", "2.0.3", "2.1.0", "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.1.5", "2.1.6", "2.2.0", "2.3.0"],
    "tflite-runtime": ["2.14.0"],
}
REFERENCE = Release("ai-edge-litert", RELEASES["ai-edge-litert"][-1])
DIFFER = "outputs differ"
_IMAGES = 8
_RUNNER = Path(__file__).with_name("run.py")
_CLEARLY = 10  # tolerances


@dataclass(frozen=True)
class Failure:
    """Why a file does not run, and whether that may be no more than rounding in several operators."""

    said: str
    by_rounding: bool = False


Samples = Mapping[str, Sample]
Outcome = Failure | None  # None for a file that runs


class Contradiction(DigitsError):
    """A file does not run although all of its operators ran in others, equally often: version and types do not tell what a runtime runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, or check the one that is there."""
    parser = argparse.ArgumentParser(prog="prove_operators", description="Prove which runtime runs which operators.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the committed table differs")
    options = parser.parse_args(arguments)
    samples = make_samples()
    outcomes = run_everywhere(samples, say=lambda what: print(what, file=sys.stderr, flush=True))
    content = conclusions(samples, outcomes)
    texts = {
        CHECKOUT / "convert" / "compatibility" / TABLE: table_text(content),
        CHECKOUT / HASH: f"{fingerprint()}\n",
    }
    for path, text in texts.items():
        if options.check and path.name != Path(HASH).name and path.read_text() != text:
            print(f"{path.relative_to(CHECKOUT)} says something else than was found here")
            return 1
        if not options.check:
            path.write_text(text)
            print(f"written: {path.relative_to(CHECKOUT)}")
    return 0


def run_everywhere(samples: Samples, say: Callable[[str], object] = lambda _: None) -> dict[Release, dict[str, Outcome]]:
    """Why each file does not run in each release, or None where it does.

    Raises:
        CannotTry: a release cannot be installed.
    """
    releases = [Release(package, version) for package, versions in RELEASES.items() for version in versions]
    with tempfile.TemporaryDirectory() as folder:
        for name, sample in samples.items():
            (Path(folder) / name).write_bytes(sample.content)
        np.save(Path(folder) / "images.npy", load_dataset().validation.images[:_IMAGES])
        expected = _answers(REFERENCE, Path(folder), list(samples))
        outcomes = {}
        for release in releases:
            say(f"{release} ...")
            outcomes[release] = _judged(samples, expected, _answers(release, Path(folder), list(samples)))
    return outcomes


def prepared(release: Release) -> Path:
    """The Python of `runtime_environments.environment`, kept in this checkout; one that has to be made is made in a second or two.

    Raises:
        CannotInstall: nothing fits.
    """
    place = ENVIRONMENTS / f"{release.package}-{release.version}"
    with environment_lock(ENVIRONMENTS, place.name):
        if not (place / READY).exists() and "{}.{}".format(*sys.version_info) == PYTHON:
            wanted = (f"{release.package}=={release.version}", *NEEDS.get(release.package, ()))
            make_environment(place, sys.executable, "--only-binary=:all:", *wanted)
            (place / READY).touch()
    return environment(release, ENVIRONMENTS)


def conclusions(samples: Samples, outcomes: Mapping[Release, Mapping[str, Outcome]]) -> dict[str, Any]:
    """The table's content, from whether each file runs in each release.

    Raises:
        Contradiction: a file does not run in a release, and nothing tells which of its operators is to blame.
    """
    proofs: dict[Use, str] = {}
    runs: dict[Use, list[Release]] = {}
    refused: dict[Use, dict[str, str]] = {}
    for release, found in outcomes.items():
        shown = Counter(use for name, outcome in found.items() if outcome is None for use in samples[name].uses)
        failures = {name: outcome.said for name, outcome in found.items() if outcome and not outcome.by_rounding}
        blamed = _blamed(release, failures, samples, shown)
        for use, said in blamed.items():
            refused.setdefault(use, {})[str(release)] = said
        for use in shown.keys() - blamed.keys():
            runs.setdefault(use, []).append(release)
        for name, outcome in found.items():
            if outcome is None:
                for use in samples[name].uses:
                    proofs.setdefault(use, name)
    rows = [
        {
            "operator": use.operator,
            "version": use.version,
            "inputs": use.inputs,
            "outputs": use.outputs,
            "runs": {package: since for package in RELEASES if (since := _since(package, runs.get(use, ())))},
            "refused": refused.get(use, {}),
            "proof": proofs[use],
        }
        for use in sorted(proofs, key=lambda use: (use.operator, use.version, use.inputs, use.outputs))
    ]
    return {"releases": RELEASES, "reference": str(REFERENCE), "python": PYTHON, "rows": rows}


def _blamed(release: Release, failures: Mapping[str, str], samples: Samples, shown: Counter[Use]) -> dict[Use, str]:
    """Operators that a release does not run, with what it said.

    Args:
        release: of which runtime.
        failures: files that do not run there, and why.
        samples: all files.
        shown: in how many files that do run each operator is.
    """
    fewest = {name: min(shown[use] for use in samples[name].uses) for name in failures}
    suspects = {name: [use for use in samples[name].uses if shown[use] == fewest[name]] for name in failures}
    blamed: dict[Use, str] = {}
    for name in sorted(failures, key=lambda name: fewest[name]):
        if len(suspects[name]) == 1 and not blamed.keys() & set(samples[name].uses):
            blamed[suspects[name][0]] = failures[name]
    for name, said in failures.items():
        if fewest[name] and not blamed.keys() & set(samples[name].uses):
            raise Contradiction(f"{name} does not run on {release} ({said}), but all of its operators do in other files")
    return blamed


def table_text(content: Mapping[str, Any]) -> str:
    """The table as JSON, an operator a line."""
    head = json.dumps({name: value for name, value in content.items() if name != "rows"})
    return f'{head[:-1]}, "rows": [\n' + ",\n".join(map(json.dumps, content["rows"])) + "\n]}\n"


def _since(package: str, there: Sequence[Release]) -> str | None:
    """The oldest release from which on all are among those."""
    since = None
    for version in reversed(RELEASES[package]):
        if Release(package, version) not in there:
            break
        since = version
    return since


def _judged(samples: Samples, expected: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Outcome]:
    """Of each file that the reference runs, why it does not run in another release, or None."""
    return {
        name: Failure(found[name]["error"])
        if "error" in found[name]
        else _difference(expected[name]["outputs"], found[name]["outputs"], sample.recipe)
        for name, sample in samples.items()
        if "outputs" in expected[name]
    }


def _difference(expected: Any, found: Any, recipe: Recipe) -> Outcome:
    largest = float(np.abs(np.array(expected, np.float64) - np.array(found, np.float64)).max())
    tolerance = recipe.tolerance
    if largest <= tolerance.amount:
        return None
    clearly = largest > _CLEARLY * tolerance.amount
    by_how_much = (
        f"more than {_CLEARLY} times" if clearly else "more than"
    )  # no figure: what a wrong kernel computes differs between machines
    said = f"{DIFFER} from those of {REFERENCE} by {by_how_much} the tolerance"
    return Failure(said, by_rounding=not clearly)


def _answers(release: Release, folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """What a release says of each file: {"outputs": ...} or {"error": ...}. One that ends the process is given up, the others go on."""
    python = prepared(release)
    answers: dict[str, Any] = {}
    while waiting := [name for name in names if name not in answers]:
        command = [str(python), "-I", str(_RUNNER), str(folder / "images.npy"), *(str(folder / name) for name in waiting)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            name, _, answer = line.partition("\t")
            answers[json.loads(name)] = json.loads(answer) if answer else {"error": f"the process ended with {done.returncode}"}
        if not done.stdout:
            raise DigitsError(f"{release} answers nothing: {done.stderr.strip()[-500:]}")
    return answers


if __name__ == "__main__":
    sys.exit(main())

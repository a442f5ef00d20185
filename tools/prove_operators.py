"""Proves which release of which runtime runs which operators, and writes the table that `digits convert --runs-on` reads.

    python -m tools.prove_operators            (or: make operators)

Small models (tools/operator_zoo.py) are converted by every recipe and run on real digits in environments that have one release of a runtime
each. A file runs there if its outputs are, within its recipe's tolerance, those of the newest LiteRT. An operator is proven on a release by
files that run there; it is refused there if a file does not run whose other operators are all proven, be there an error or be its outputs
others. Where all of them are proven, the one that the fewest other files show to run is to blame. With --check nothing is written, and the
exit code is 1 where the committed table says something else. Environments are kept in .cache/runtimes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.recipes import RECIPES, Recipe
from convert.runtimes import TABLE, Release, Use, uses
from convert.trials import PYTHON, environment
from edge_runtime.errors import DigitsError
from edge_runtime.graph import read_graph
from train.data import load_dataset

CHECKOUT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = CHECKOUT / ".cache" / "runtimes"
RELEASES = {  # all that the project supports, the oldest first
    "ai-edge-litert": ["1.4.0", "2.0.2", "2.0.3", "2.1.0", "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.1.5", "2.1.6", "2.2.0", "2.3.0"],
    "tflite-runtime": ["2.14.0"],
}
REFERENCE = Release("ai-edge-litert", RELEASES["ai-edge-litert"][-1])
_BY_DEFAULT = ("dense", "dense_no_bias", "dense_only")  # also with what TensorFlow's converter does by itself for 8-bit weights
_AS_THEY_ARE = ("conv_dilated", "conv_dilated_norm", "dense", "flatten", "permute", "reshape")  # also without our simplifying
_CALIBRATION, _IMAGES = 100, 8
_RUNNER = Path(__file__).with_name("run_operators.py")


@dataclass(frozen=True)
class Sample:
    """A file to try: its recipe, for the tolerance, and what it needs."""

    recipe: Recipe
    content: bytes
    uses: tuple[Use, ...]


Samples = Mapping[str, Sample]
Outcome = str | None  # why a file does not run; None if it does


class Contradiction(DigitsError):
    """A file does not run although all of its operators ran in others, equally often: version and types do not tell what a runtime runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, or check the one that is there."""
    parser = argparse.ArgumentParser(prog="prove_operators", description="Prove which runtime runs which operators.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the committed table differs")
    options = parser.parse_args(arguments)
    samples = make_samples()
    outcomes = run_everywhere(samples, say=lambda what: print(what, file=sys.stderr, flush=True))
    text = table_text(conclusions(samples, outcomes))
    path = CHECKOUT / "convert" / TABLE
    if options.check:
        same = path.read_text() == text
        print("the table is what was found" if same else f"{path.name} says something else than was found here")
        return 0 if same else 1
    path.write_text(text)
    print(f"written: {path.relative_to(CHECKOUT)}")
    return 0


def make_samples() -> dict[str, Sample]:
    """Every model by every recipe that can be made of it, by the name of the model and the way it was made."""
    from tools.operator_zoo import models

    images = load_dataset().train.images[:_CALIBRATION]
    samples = {}
    for name, model in models():
        for way, recipe, make in _ways(name, model, images):
            try:
                content = make()
            except DigitsError:  # a recipe that has no such operator
                continue
            samples[f"{name}-{way}"] = Sample(recipe, content, uses(read_graph(content)))
    return samples


def _ways(name: str, model: Any, images: NDArray[np.uint8]) -> Iterator[tuple[str, Recipe, Callable[[], bytes]]]:
    from convert.activations import ranges_on
    from convert.converter import to_flatbuffer
    from convert.float_file import FloatFile
    from convert.quantizer import FLOAT, quantize, weight_bits, weighted

    for recipe in RECIPES.values():
        if recipe.weight_bits == 4:
            continue
        yield recipe.short, recipe, partial(to_flatbuffer, model, recipe, images)
        if name in _AS_THEY_ARE:
            yield f"{recipe.short}-as-is", recipe, partial(to_flatbuffer, model, recipe, images, simplify=False)
    if name in _BY_DEFAULT:
        yield "dynamic-by-default", RECIPES["dynamic"], partial(_by_default, model)
    floats = to_flatbuffer(model, RECIPES["fp32"], images)
    ranges, layers = ranges_on(floats, images), weighted(floats, lambda _: 8)
    dense = [operation.output for operation in FloatFile(floats).operations if operation.kind == "FULLY_CONNECTED"]
    bits = {
        "int8-own": lambda _: 8,  # by the quantiser that calibration and training go through
        "int8-last-float": lambda operation: FLOAT if operation.output == layers[-1] else 8,
        "int8-first-float": lambda operation: FLOAT if operation.output == layers[0] else 8,
        "int4": weight_bits(floats, 4),
        "int4-all": lambda operation: 8 if operation.kind == "DEPTHWISE_CONV_2D" else 4,
        "int4-dense8": lambda operation: 8 if operation.output in dense or operation.kind == "DEPTHWISE_CONV_2D" else 4,
    }
    for way, chosen in bits.items():
        yield way, RECIPES[way.partition("-")[0]], partial(quantize, floats, ranges, chosen)


def _by_default(model: Any) -> bytes:
    """8-bit weights with a scale for each unit of a dense layer, as others' files have them."""
    from convert.quiet import quiet
    from train.backend import tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with quiet():
        return bytes(converter.convert())


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
        blamed = dict(_blamed(release, {name: said for name, said in found.items() if said is not None}, samples, shown))
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


def _blamed(release: Release, failures: Mapping[str, str], samples: Samples, shown: Counter[Use]) -> Iterator[tuple[Use, str]]:
    """Operators that a release does not run, with what it said.

    Args:
        release: of which runtime.
        failures: files that do not run there, and why.
        samples: all files.
        shown: in how many files that do run each operator is.
    """
    for name, said in failures.items():
        suspects = [use for use in samples[name].uses if not shown[use]]
        if not suspects:
            fewest = min(shown[use] for use in samples[name].uses)
            suspects = [use for use in samples[name].uses if shown[use] == fewest]
            if len(suspects) > 1:
                raise Contradiction(f"{name} does not run on {release} ({said}), but all of its operators do in other files")
        if len(suspects) == 1:
            yield suspects[0], said


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
        name: found[name].get("error") or _difference(expected[name]["outputs"], found[name]["outputs"], sample.recipe)
        for name, sample in samples.items()
        if "outputs" in expected[name]
    }


def _difference(expected: Any, found: Any, recipe: Recipe) -> Outcome:
    largest = float(np.abs(np.array(expected, np.float64) - np.array(found, np.float64)).max())
    tolerance = recipe.tolerance
    if largest <= tolerance.amount:
        return None
    return f"outputs differ by {largest:g} {tolerance.unit} from those of {REFERENCE}, {tolerance.amount:g} allowed"


def _answers(release: Release, folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """What a release says of each file: {"outputs": ...} or {"error": ...}. One that ends the process is given up, the others go on."""
    python = environment(release, ENVIRONMENTS)
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

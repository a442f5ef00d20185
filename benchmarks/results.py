"""Results of a benchmark run: raw samples and where they are from. Everything else is derived."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Machine
from edge_runtime.errors import InputError
from edge_runtime.records import from_json
from edge_runtime.statistics import Accuracy

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ModelResult:
    """One model on one board. Times are integer nanoseconds, sizes are bytes.

    load_ns and first_ns: loading (reading and checking the file, making the interpreter) and the first answer, in processes of their
    own. steady_ns: `Classifier.classify` from a uint8 image to a label, one sample a call, after `warmup` calls that are not kept.
    """

    name: str
    recipe: str
    file: str
    sha256: str
    file_bytes: int
    payload_bytes: int
    scale_bytes: int
    load_ns: tuple[int, ...]
    first_ns: tuple[int, ...]
    warmup: int
    steady_ns: tuple[int, ...]
    accuracy: Accuracy | None


@dataclass(frozen=True)
class BenchResult:
    """A run over several models, interleaved. `data_sha256` and `split` say which images the accuracies are from."""

    schema_version: int
    machine: Machine
    threads: int
    seed: int
    split: str
    data_sha256: str
    models: tuple[ModelResult, ...]


def read_results(path: Path) -> BenchResult:
    """Read a results file.

    Raises:
        InputError: it cannot be read, is of another schema version, or a field is wrong.
    """
    try:
        result = from_json(BenchResult, path.read_text(), ("schema_version", SCHEMA_VERSION))
        _check_values(result)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return result


def _check_values(result: BenchResult) -> None:
    if not result.models:
        raise InputError("holds no model")
    for model in result.models:
        if not model.steady_ns or min(*model.steady_ns, *model.load_ns, *model.first_ns, 0) < 0:
            raise InputError(f"{model.file}: times are missing or below 0")

"""What a run measures: a model file in one way of running it, with the facts that its results will state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.worker.client import OURS, BackendSpec, Environment
from edge_runtime.inference.interpreter import Backend, backend_version
from edge_runtime.model.model_file import ModelFile, read_model_file

# All runs of all releases time the same file: the first nano that was released, whose first convolution takes one column at a time.
REFERENCE_MODEL = Path(__file__).parents[1] / "reference.tflite"
REFERENCE_SHA256 = "985f0465f6f15cd9563b7acf5c3cc42175b6d40b58490f790c0a15bad8814c44"


@dataclass(frozen=True)
class Case:
    """A model, a way to run it, and how wide its threads are swept.

    way: how an image becomes an answer. runtime: the package and release that computes. model: the file, whose facts are stated. spec:
    what a child is told.
    """

    way: str
    runtime: str
    model: ModelFile
    file: str
    environment: Environment
    spec: BackendSpec

    @property
    def recipe(self) -> str:
        """The recipe that the file was converted by."""
        return self.model.manifest.recipe if self.model.manifest else "unknown"


def our_cases(paths: Sequence[Path], backend: Backend, threads: int) -> list[Case]:
    """Our classifier with each of these files.

    Raises:
        ModelFileError: one cannot be read.
    """
    runtime = f"{backend.package} {backend_version(backend)}"
    options = {"backend": backend.name, "package": backend.package}
    return [Case(OUR_WAY, runtime, read_model_file(path), path.name, OURS, our_backend(path, threads, options)) for path in paths]


def our_backend(path: Path, threads: int, options: Mapping[str, str]) -> BackendSpec:
    """What a child is told to run our classifier."""
    return BackendSpec("benchmarks.backends.ours", str(path.absolute()), threads, options)

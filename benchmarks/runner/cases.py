"""The cases of a run: a model file and a way to run it, with the facts that its results state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.worker.client import OURS, Environment
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.inference.interpreter import Backend, backend_version
from edge_runtime.model.model_file import ModelFile, read_model_file

# Every run of every release times this file, so that runs can be compared: the first nano that was released, whose first convolution takes
# one column at a time.
REFERENCE_MODEL = Path(__file__).parents[1] / "reference.tflite"
REFERENCE_SHA256 = "985f0465f6f15cd9563b7acf5c3cc42175b6d40b58490f790c0a15bad8814c44"


@dataclass(frozen=True, eq=False)
class Case:
    """A model file and a way to run it. A case equals itself alone, so that it can be the key of its results.

    way: how an image becomes an answer, as results name it. runtime: package and release that compute. model, file: the model and the name
    of its file. environment, spec: where and how a worker loads it. threads_of_process: whether its package has one number of threads in a
    process, so that each number needs a worker of its own.
    """

    way: str
    runtime: str
    model: ModelFile
    file: str
    environment: Environment
    spec: BackendSpec
    threads_of_process: bool = False

    @property
    def recipe(self) -> str:
        """The recipe that the file was converted with."""
        return self.model.manifest.recipe if self.model.manifest else "unknown"

    @property
    def key(self) -> tuple[str, str, str]:
        """As `ModelResult.key`."""
        return self.way, self.model.name, self.recipe


def our_cases(paths: Sequence[Path], backend: Backend, threads: int) -> list[Case]:
    """`Classifier.classify` with each of these files.

    Raises:
        ModelFileError: a file cannot be read.
    """
    runtime = f"{backend.package} {backend_version(backend)}"
    options = {"backend": backend.name, "package": backend.package}
    return [Case(OUR_WAY, runtime, read_model_file(path), path.name, OURS, our_backend(path, threads, options)) for path in paths]


def our_backend(path: Path, threads: int, options: Mapping[str, str]) -> BackendSpec:
    """How a worker loads our classifier."""
    return BackendSpec("benchmarks.backends.ours", str(path.absolute()), threads, options)

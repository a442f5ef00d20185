"""Other runtimes by name (`--against`), and the cases that they add to a run."""

import atexit
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.backends.network import write_network
from benchmarks.runner.cases import Case
from benchmarks.worker.client import Environment
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.errors import BadArgument, InputError
from edge_runtime.model.model_file import ModelFile, read_model_file
from train.data import Dataset

_PACKAGE = Path(__file__).parents[1]
_CALIBRATION_IMAGES = 200


@dataclass(frozen=True)
class Alternative:
    """Another way to run a model.

    way: its name in results. module: of benchmarks.backends. package: that it needs. install: arguments of pip install. options: of the
    backend. needs: what it runs instead of the .tflite: "network", "keras" or nothing. floats: whether it runs float32 models only.
    threads_of_process: as in `Case`.
    """

    way: str
    module: str
    package: str
    install: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    floats: bool = False
    threads_of_process: bool = False


# The same backend as ai-edge-litert's, in a package of its own.
_TF_LITE = {"module": "tensorflow.lite.python.interpreter"}
ALTERNATIVES = {
    "interpreter": Alternative(
        "ai-edge-litert Interpreter", "interpreter", "ai-edge-litert", "ai-edge-litert", {"module": "ai_edge_litert.interpreter"}
    ),
    "compiled-model": Alternative("ai-edge-litert CompiledModel", "compiled_model", "ai-edge-litert", "ai-edge-litert"),
    "tflite-runtime": Alternative(
        "tflite-runtime",
        "interpreter",
        "tflite-runtime",
        "tflite-runtime==2.14.0 'numpy<2'",
        {"module": "tflite_runtime.interpreter"},
    ),
    "tf-lite": Alternative("tf.lite", "interpreter", "tensorflow", "tensorflow", _TF_LITE),
    "keras-call": Alternative(
        "Keras call", "keras_model", "keras", "tensorflow", {"call": True}, "keras", floats=True, threads_of_process=True
    ),
    "keras-predict": Alternative(
        "Keras predict", "keras_model", "keras", "tensorflow", {"call": False}, "keras", floats=True, threads_of_process=True
    ),
    "onnxruntime": Alternative(
        "ONNX Runtime", "onnx_runtime", "onnxruntime", "onnx onnxruntime", {"int8": False}, "network", floats=True
    ),
    "onnxruntime-int8": Alternative(
        "ONNX Runtime's own int8", "onnx_runtime", "onnxruntime", "onnx onnxruntime", {"int8": True}, "network", floats=True
    ),
    "openvino": Alternative("OpenVINO", "open_vino", "openvino", "openvino", floats=True),
    "numpy": Alternative("plain numpy", "plain_numpy", "numpy", "numpy", {}, "network", floats=True, threads_of_process=True),
}


def parse_against(text: str) -> list[str]:
    """Distinct names from "a,b" or "all".

    Raises:
        BadArgument: a name is unknown; the message lists the known ones.
    """
    given = [name.strip() for name in text.split(",") if name.strip()]
    names = list(ALTERNATIVES) if "all" in given else list(dict.fromkeys(given))
    if unknown := [name for name in names if name not in ALTERNATIVES]:
        raise BadArgument(f"unknown runtime {unknown[0]!r}; known are {', '.join(ALTERNATIVES)}, or all")
    return names


def parse_environments(texts: Sequence[str]) -> dict[str, Path]:
    """The Python of each alternative, from "NAME=PYTHON".

    Raises:
        BadArgument: a text has another form, or the name is unknown.
    """
    found = {}
    for text in texts:
        name, _, python = text.partition("=")
        if name not in ALTERNATIVES or not python:
            raise BadArgument(f"--environment {text!r}: expected NAME=PYTHON; names are {', '.join(ALTERNATIVES)}")
        found[name] = Path(python)
    return found


@dataclass(frozen=True)
class Found:
    """The cases that were found, and a line for each that cannot be run."""

    cases: tuple[Case, ...]
    absent: tuple[str, ...]


def find_cases(
    names: Sequence[str],
    paths: Sequence[Path],
    threads: int,
    pythons: Mapping[str, Path],
    keras: Path | None,
    data: Dataset | None,
    folder: Path,
) -> Found:
    """A case for every alternative and every model file that it can run.

    Args:
        names: of alternatives.
        paths: model files.
        threads: of each case.
        pythons: the Python of an alternative's environment, by name; this one by default.
        keras: the Keras model of the first float32 file, if available.
        data: its training images are used for calibration; None: noise is.
        folder: for files that other packages read; it must exist until the run ends.
    """
    cases: list[Case] = []
    absent: list[str] = []
    images = folder / "calibration.npy"
    noise = np.random.RandomState(0).randint(0, 256, (_CALIBRATION_IMAGES, 28, 28)).astype(np.uint8)
    np.save(images, data.train.images[:_CALIBRATION_IMAGES] if data else noise)
    models = [(path, read_model_file(path)) for path in paths]
    for name in names:
        alternative = ALTERNATIVES[name]
        environment = _environment(alternative, pythons.get(name))
        version = _version(environment, alternative.package)
        if version is None:
            absent.append(
                f"{alternative.way}: {alternative.package} is not installed in {_where(environment)}; {_advice(name, alternative)}"
            )
        elif alternative.needs == "keras" and keras is None:
            absent.append(f"{alternative.way}: needs the Keras model; give --keras MODEL.keras")
        else:
            runtime = f"{alternative.package} {version}"
            found = list(_of_models(alternative, models, threads, environment, runtime, keras, images, folder, absent))
            cases += found
            if not found and not any(line.startswith(f"{alternative.way}:") for line in absent):
                absent.append(f"{alternative.way}: runs float32 models only, and none was given")
    return Found(tuple(cases), tuple(absent))


def _of_models(
    alternative: Alternative,
    models: Sequence[tuple[Path, ModelFile]],
    threads: int,
    environment: Environment,
    runtime: str,
    keras: Path | None,
    images: Path,
    folder: Path,
    absent: list[str],
) -> Iterator[Case]:
    accepted = [(path, model) for path, model in models if not alternative.floats or model.input.dtype == "float32"]
    for path, model in accepted[:1] if alternative.needs == "keras" else accepted:
        try:
            options = {
                "package": alternative.package,
                **alternative.options,
                **_NEEDS[alternative.needs](model, keras, images, folder),
            }
        except InputError as error:
            absent.append(f"{alternative.way}: {path.name}: {error}")
            continue
        spec = BackendSpec(f"benchmarks.backends.{alternative.module}", str(path.absolute()), threads, options)
        yield Case(alternative.way, runtime, model, path.name, environment, spec, alternative.threads_of_process)


def _network(model: ModelFile, keras: Path | None, images: Path, folder: Path) -> dict[str, str]:
    target = folder / f"{model.sha256[:16]}.npz"
    if not target.exists():
        write_network(model.flatbuffer, target)
    return {"network": str(target), "images": str(images)}


_NEEDS: dict[str, Callable[[ModelFile, Path | None, Path, Path], dict[str, str]]] = {
    "": lambda *_: {},
    "keras": lambda model, keras, images, folder: {"keras": str(keras.absolute())} if keras else {},
    "network": _network,
}


def _environment(alternative: Alternative, python: Path | None) -> Environment:
    # Another environment gets nothing but `benchmarks` on its path, so that our packages do not shadow its own.
    return Environment(alternative.way, str(python) if python else sys.executable, _package_alone())


@lru_cache(maxsize=1)
def _package_alone() -> str:
    """A folder that holds this package and nothing else."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    (Path(folder.name) / "benchmarks").symlink_to(_PACKAGE)
    return folder.name


def _version(environment: Environment, package: str) -> str | None:
    """The release of a package in an environment; None if the package or the environment is missing."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    try:
        child = subprocess.run([environment.python, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return child.stdout.strip() or None if child.returncode == 0 else None


def _where(environment: Environment) -> str:
    return "this environment" if environment.python == sys.executable else environment.python


def _advice(name: str, alternative: Alternative) -> str:
    return f"pip install {alternative.install} in a new environment, and give --environment {name}=ENVIRONMENT/bin/python"

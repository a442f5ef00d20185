"""Find and create a TFLite interpreter: LiteRT, tflite-runtime or TensorFlow. The only module of this package that imports one."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.packages import pip_install
from edge_runtime.common.stderr_filter import filter_stderr, ignore_warnings
from edge_runtime.errors import BadArgument, MissingPackage, ModelFileError


@frozen_dataclass
class Backend:
    """A package with an interpreter; `module` has the class `Interpreter`."""

    name: str
    package: str
    module: str


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend("litert", "ai-edge-litert", "ai_edge_litert.interpreter"),
        Backend("tflite", "tflite-runtime", "tflite_runtime.interpreter"),
        Backend("tensorflow", "tensorflow", "tensorflow.lite.python.interpreter"),
    )
}


def find_backend(name: str | None = None) -> Backend:
    """Return the backend of that name, or the first installed one of `BACKENDS`.

    Raises:
        BadArgument: no such backend exists.
        MissingPackage: it is not installed, or none is; the message says how to install one.
    """
    if name is not None and name not in BACKENDS:
        raise BadArgument(f"unknown backend {name!r}; known are {', '.join(BACKENDS)}")
    wanted = [BACKENDS[name]] if name else list(BACKENDS.values())
    for backend in wanted:
        if importlib.util.find_spec(backend.module.partition(".")[0]):
            return backend
    missing = f"{wanted[0].package} is not installed" if name else "no TFLite interpreter is installed"
    raise MissingPackage(f"{missing}; {_install_lines()}")


def backend_version(backend: Backend) -> str:
    """The installed version of a backend's package."""
    spec = importlib.util.find_spec(backend.module.partition(".")[0])
    places = Path(spec.origin).parents[1].glob(f"{backend.package.replace('-', '_')}-*.dist-info") if spec and spec.origin else ()
    found = [place.name.removesuffix(".dist-info").rpartition("-")[2] for place in places]
    if len(found) == 1:  # as importlib.metadata would find it, but that takes 25 ms to import
        return found[0]
    return _stated_version(backend)


def _stated_version(backend: Backend) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(backend.package)
    except PackageNotFoundError:  # tensorflow-cpu, say, has the same module under another name
        return str(getattr(importlib.import_module(backend.module.partition(".")[0]), "__version__", "unknown"))


def make_interpreter(
    flatbuffer: bytes, backend: Backend, threads: int = 1, batch: int = 1, *, preserve: bool = False, reference: bool = False
) -> Any:
    """Create an interpreter of the model for `batch` images per call, and allocate its tensors.

    With `preserve`, every tensor can be read after a run, and delegates such as XNNPACK are off. With `reference`, LiteRT's reference
    kernels are used.

    Raises:
        BadArgument: `threads` is below 1.
        MissingPackage: the backend is installed but cannot be imported here.
        ModelFileError: the interpreter refuses the model.
    """
    if threads < 1:
        raise BadArgument(f"threads is {threads}, expected 1 or more")
    interpreter_class = _import_interpreter(backend)
    options: dict[str, Any] = {"experimental_preserve_all_tensors": True} if preserve else {}
    if reference:
        options["experimental_op_resolver_type"] = importlib.import_module(backend.module).OpResolverType.BUILTIN_REF
    with filter_stderr():
        try:
            interpreter = interpreter_class(model_content=flatbuffer, num_threads=threads, **options)
            if batch != 1:
                details = interpreter.get_input_details()[0]
                interpreter.resize_tensor_input(details["index"], [batch, *details["shape"][1:]])
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"{backend.package} {backend_version(backend)} cannot run it ({one_line(error)})") from error
        except (SystemError, ImportError, AttributeError) as error:  # its C++ extension was built for another numpy
            raise MissingPackage(_does_not_work(backend, error)) from error
    return interpreter


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


def _import_interpreter(backend: Backend) -> Callable[..., Any]:
    ignore_warnings()
    try:
        with filter_stderr():  # TensorFlow logs a page
            return importlib.import_module(backend.module).Interpreter  # type: ignore[no-any-return]
    except Exception as error:  # a runtime built for another numpy fails in several ways: ImportError, AttributeError, SystemError
        raise MissingPackage(_does_not_work(backend, error)) from error


def _install_lines() -> str:
    """How to install an interpreter."""
    pip = pip_install()
    return f"install one: {pip} '.[litert]' on a 64-bit system, or {pip} '.[tflite]' (Python 3.11) where LiteRT has no wheel"


def _does_not_work(backend: Backend, error: BaseException) -> str:
    from edge_runtime.common.packages import shared_library_remedy  # only errors need it

    advice = f"tflite-runtime needs {pip_install()} 'numpy<2'" if backend.name == "tflite" else _install_lines()
    library = shared_library_remedy(one_line(error))
    return f"{backend.package} is installed but does not work here ({one_line(error)}); {library or advice}"

"""A cold start in a new process, split into its parts. `benchmarks.scenarios.startup` runs `main` there.

It runs in the environments of other packages too: standard library, numpy, and the backend's own package. Until the last time is taken,
nothing is imported here but what a Python interpreter has built in: the backend would find it loaded, and its imports would seem shorter.
"""

import sys
import time

TYPE_CHECKING = False  # as typing has it, which takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_CALLS = 50  # after which memory is steady


def main(name: str, path: str, threads: int, options: "dict[str, Any]", started: int, begun: int) -> None:
    """Load a backend, classify, and print the times as JSON.

    Args:
        name: of the backend's module.
        path: of the model file.
        threads: of the backend.
        options: of the backend.
        started: nanoseconds of the monotonic clock when this process was asked for.
        begun: nanoseconds when its first line of Python ran.
    """
    clock = time.perf_counter_ns
    ready = clock()  # the import of this module is nobody's
    __import__(name)
    module: Any = sys.modules[name]
    module.prepare(options)
    import numpy as np

    imported = clock()
    model = module.load(path, threads, options)
    loaded = clock()
    image = np.zeros((28, 28), np.uint8)
    model.one(image)
    answered = clock()
    for _ in range(_CALLS):
        model.one(image)
    found = {
        "process_ns": begun - started,
        "imports_ns": imported - ready,
        "load_ns": loaded - imported,
        "first_ns": answered - loaded,
        "steady_bytes": _kilobytes("/proc/self/smaps_rollup", "Pss:"),
        "peak_bytes": _kilobytes("/proc/self/status", "VmHWM:"),
    }
    import json

    distributions = (*module.DISTRIBUTIONS, *filter(None, [options.get("package")]))
    installed = installed_bytes(distributions) | {
        own: _folder_bytes(folder) for own, folder in getattr(module, "FOLDERS", {}).items()
    }
    print("\n" + json.dumps({"cold": found, "installed": installed}))


def _kilobytes(path: str, name: str) -> int | None:
    """Bytes of a line in kB of a file of /proc; None where the system does not report it."""
    try:
        with open(path) as lines:  # noqa: PTH123 - pathlib is not loaded yet, and this memory is measured
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    except (OSError, StopIteration):
        return None


def installed_bytes(distributions: "Sequence[str]") -> dict[str, int]:
    """Installed bytes of packages and of their requirements, by name; without those that are not installed."""
    import importlib.metadata
    import re

    found: dict[str, int] = {}
    waiting = list(distributions)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = sum(file.size or 0 for file in package.files or ())
        needed = [text for text in package.requires or () if "extra ==" not in text]
        waiting += [match[0] for text in needed if (match := re.match(r"[\w.-]+", text))]
    return found


def _folder_bytes(folder: str) -> int:
    """Bytes of all files in a folder, without what Python compiled."""
    from pathlib import Path

    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)

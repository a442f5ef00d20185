"""Cold starts in a process of their own, split into their parts."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.runner.cases import our_backend, our_cases
from benchmarks.scenarios.startup import cold_start
from benchmarks.worker.client import OURS
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import BACKENDS


def test_a_cold_start_has_its_parts_and_its_memory(
    cnn_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever folder one is in, whatever is on the path; memory is that of a process with an interpreter in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    found = cold_start(OURS, our_backend(cnn_files["int8"], 2, {"backend": "litert"}))
    cold = found.cold
    assert min(cold.process_ns, cold.imports_ns, cold.load_ns, cold.first_ns) > 0
    assert cold.total_ns == cold.process_ns + cold.imports_ns + cold.load_ns + cold.first_ns
    assert cold.steady_bytes is not None
    assert cold.peak_bytes is not None
    assert 5_000_000 < cold.steady_bytes <= cold.peak_bytes < 500_000_000
    assert {"ai-edge-litert", "numpy"} <= found.installed.keys()
    assert min(found.installed.values()) > 1_000


@pytest.mark.slow
def test_what_is_installed_is_of_the_backend_that_runs(cnn_files: dict[str, Path]) -> None:
    """TensorFlow's interpreter needs all of TensorFlow, and nothing of ai-edge-litert."""
    for name, package, other in (("tensorflow", "tensorflow", "ai-edge-litert"), ("litert", "ai-edge-litert", "tensorflow")):
        (case,) = our_cases([cnn_files["int8"]], BACKENDS[name], 1)
        installed = cold_start(case.environment, case.spec).installed
        assert package in installed
        assert other not in installed


def test_a_cold_start_is_bound_to_its_processors(tmp_path: Path) -> None:
    """From its first instruction on; this process is not."""
    (tmp_path / "bound.py").write_text(
        "import os\nfrom benchmarks.backends import LoadedModel\nDISTRIBUTIONS = ()\n"
        "def prepare(options): assert sorted(os.sched_getaffinity(0)) == options['expected'], os.sched_getaffinity(0)\n"
        "def load(model, threads, options): return LoadedModel(len, len)\n"
    )
    environment, before = replace(OURS, path=os.pathsep.join([OURS.path, str(tmp_path)])), os.sched_getaffinity(0)
    for pinned in ([min(before)], [max(before)], []):
        cold_start(environment, BackendSpec("bound", "", 1, {"expected": pinned or sorted(before)}), pinned)
        assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("model", "backend", "cause"), [("gone.tflite", "litert", "cannot be read"), (None, "magic", "unknown backend 'magic'")]
)
def test_a_process_that_fails_reports_why(cnn_files: dict[str, Path], model: str | None, backend: str, cause: str) -> None:
    """The model, and the last line of the process's errors, without folders, since results keep it."""
    path = Path(model).absolute() if model else cnn_files["int8"]
    with pytest.raises(DigitsError, match=f"^{path.name}: the cold start failed .*{cause}") as found:
        cold_start(OURS, our_backend(path, 1, {"backend": backend}))
    assert str(path.parent) not in str(found.value)

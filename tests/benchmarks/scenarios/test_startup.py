"""Cold starts in a process of their own, split into their parts."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.runner.cases import our_backend, our_cases
from benchmarks.scenarios.startup import cold_start
from benchmarks.worker.client import OURS
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import BACKENDS
from tests.conftest import ROOT


def test_a_cold_start_has_its_parts_and_its_memory(
    cnn_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever folder one is in, whatever is on the path; memory is that of a process with an interpreter in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    found = cold_start(OURS, our_backend(cnn_files["int8"], 2, {"backend": "litert", "package": "ai-edge-litert"}))
    cold = found.cold
    assert min(cold.process_ns, cold.imports_ns, cold.load_ns, cold.first_ns) > 0
    assert cold.total_ns == cold.process_ns + cold.imports_ns + cold.load_ns + cold.first_ns
    assert cold.steady_bytes is not None
    assert cold.peak_bytes is not None
    assert 5_000_000 < cold.steady_bytes <= cold.peak_bytes < 500_000_000
    assert {"ai-edge-litert", "numpy"} <= found.installed.keys()
    assert min(found.installed.values()) > 1_000


def test_nothing_of_the_harness_is_charged_to_a_cold_start(tmp_path: Path) -> None:
    """A backend finds no more modules loaded than Python starts with, and this package's; options keep their types."""
    options = {"seen": str(tmp_path / "seen"), "on": True, "several": [1, "two"], "text": 'it\'s "quoted"\n'}
    (tmp_path / "seeing.py").write_text(
        "import sys\nfound = set(sys.modules)\n"
        "from benchmarks.backends import LoadedModel\nDISTRIBUTIONS = ()\n"
        f"def prepare(options): assert options == {options!r}; open(options['seen'], 'w').write(' '.join(found))\n"
        "def load(model, threads, options): return LoadedModel(len, len)\n"
    )
    environment = replace(OURS, path=os.pathsep.join([OURS.path, str(tmp_path)]))
    bare = [environment.python, "-P", "-c", "import sys; print(*sys.modules)"]
    started_with = subprocess.run(bare, capture_output=True, text=True, check=True, env=environment.variables()).stdout.split()
    cold_start(environment, BackendSpec("seeing", "", 1, options))
    found = set((tmp_path / "seen").read_text().split()) - {*started_with}
    assert found == {"seeing", "benchmarks", "benchmarks.worker", "benchmarks.worker.startup_probe"}


def test_what_is_installed_for_our_classifier_is_all_that_it_needs(cnn_files: dict[str, Path]) -> None:
    """Its interpreter, numpy, click and Pillow by their distributions, and our own package by its folder."""
    installed = cold_start(OURS, our_backend(cnn_files["int8"], 1, {"backend": "litert", "package": "ai-edge-litert"})).installed
    assert {"edge-digits", "ai-edge-litert", "numpy", "click", "pillow"} <= installed.keys()
    own = [path for path in (ROOT / "edge_runtime").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert installed["edge-digits"] == sum(path.stat().st_size for path in own)
    assert "tensorflow" not in installed


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

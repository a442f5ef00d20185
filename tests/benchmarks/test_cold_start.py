"""Cold starts in a process of their own, split into their parts."""

from pathlib import Path

import pytest

from benchmarks.candidates import our_subject
from benchmarks.cold_start import cold_start
from benchmarks.workers import OURS
from edge_runtime.errors import DigitsError


def test_a_cold_start_has_its_parts_and_its_memory(
    cnn_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever folder one is in, whatever is on the path; memory is that of a process with an interpreter in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    found = cold_start(OURS, our_subject(cnn_files["int8"], 2, {"backend": "litert"}))
    cold = found.cold
    assert min(cold.process_ns, cold.imports_ns, cold.load_ns, cold.first_ns) > 0
    assert cold.total_ns == cold.process_ns + cold.imports_ns + cold.load_ns + cold.first_ns
    assert cold.steady_bytes is not None
    assert cold.peak_bytes is not None
    assert 5_000_000 < cold.steady_bytes <= cold.peak_bytes < 500_000_000
    assert {"ai-edge-litert", "numpy"} <= found.installed.keys()
    assert min(found.installed.values()) > 1_000


@pytest.mark.parametrize(
    ("model", "backend", "cause"), [("gone.tflite", "litert", "cannot be read"), (None, "magic", "unknown backend 'magic'")]
)
def test_a_child_that_fails_says_why(cnn_files: dict[str, Path], model: str | None, backend: str, cause: str) -> None:
    """The model, and the last line of what the child said."""
    path = Path(model).absolute() if model else cnn_files["int8"]
    with pytest.raises(DigitsError, match=f"^{path}: the cold start failed .*{cause}"):
        cold_start(OURS, our_subject(path, 1, {"backend": backend}))

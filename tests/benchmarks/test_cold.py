"""Cold starts in a process of their own."""

from pathlib import Path

import pytest

from benchmarks.cold import cold_start
from edge_runtime.errors import DigitsError


def test_a_cold_start_is_two_times_from_another_process(
    cnn_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integer nanoseconds of loading and of the first answer, whichever folder one is in, whatever is on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    times = cold_start(cnn_files["int8"], "litert", threads=2)
    assert [type(time) for time in times] == [int, int]
    assert min(times) > 0


@pytest.mark.parametrize(
    ("model", "backend", "cause"), [("gone.tflite", "litert", "cannot be read"), (None, "magic", "unknown backend 'magic'")]
)
def test_a_child_that_fails_says_why(cnn_files: dict[str, Path], model: str | None, backend: str, cause: str) -> None:
    """The model, and the last line of what the child said."""
    path = Path(model) if model else cnn_files["int8"]
    with pytest.raises(DigitsError, match=f"^{path}: the cold start failed .*{cause}"):
        cold_start(path, backend, threads=1)

"""Number of threads for training."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.errors import DigitsError
from tests.commands import digits, one_line
from train.loop import trainer
from train.loop.threads import THREAD_VARIABLES, limit_threads

_COUNTING = """
from pathlib import Path
from train.loop.threads import limit_threads

limit_threads(5)
from train.backend import tf

tf.random.normal((500, 500)) @ tf.random.normal((500, 500))
print([path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")].count("tf_Compute"))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux lists them")
def test_tensorflow_makes_as_many_threads_as_it_may() -> None:
    """On any machine; this one hardly has five cores."""
    root = Path(__file__).parents[3]
    child = subprocess.run([sys.executable, "-c", _COUNTING], capture_output=True, text=True, cwd=root, check=True)
    assert child.stdout == "5\n"


def test_the_command_says_it_before_tensorflow_is_loaded(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """The variables are set before the trainer is imported, and only with the option."""
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    seen: list[dict[str, str]] = []

    def look(*_: object, **__: object) -> None:
        seen.append(dict(environment))
        raise DigitsError("seen")

    monkeypatch.setattr(trainer, "train_run", look)
    for words in ((), ("--threads", 3)):
        one_line(digits("train", "linear", "--data", data_file, "--runs", tmp_path, *words), 1)
    seen_variables = [{name: found.get(name) for name in THREAD_VARIABLES} for found in seen]
    assert seen_variables == [dict.fromkeys(THREAD_VARIABLES), dict.fromkeys(THREAD_VARIABLES, "3")]


def test_limits_are_for_children_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the environment, which child processes inherit."""
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    limit_threads(2)
    assert set(environment.values()) == {"2"}

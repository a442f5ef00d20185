"""`digits experiment` with trainings on invented digits: stopped, killed, resumed, with dying workers."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from dask.distributed import Client

from tests.clusters import hold_cells, running
from tests.commands import Answer, digits, one_line
from tests.train.conftest import commands_once
from tools.support.local_cluster import ROOT, local_cluster
from tools.support.waiting import PATIENCE, until
from train.experiments import run

pytestmark = pytest.mark.slow

SMALL = (
    "--hidden-layers",
    "0,1",
    "--units",
    "8",
    "--activations",
    "relu,tanh",
    "--epochs",
    "3",
    "--seeds",
    "2",
    "--batch-size",
    "32",
    "--learning-rate",
    "0.01",
)
KEYS = {f"{setting}-e3-adam-s{seed}" for setting in ("linear", "relu-1x8", "tanh-1x8") for seed in (0, 1)}


@dataclass(frozen=True)
class Experiment:
    """A finished experiment, and the output of the command."""

    folder: Path
    answer: Answer
    words: tuple[object, ...]

    def copy(self, experiments: Path) -> "Experiment":
        """A copy in another folder, for a test that changes it."""
        folder = shutil.copytree(self.folder, experiments / self.folder.name)
        words = tuple(experiments if word == self.folder.parent else word for word in self.words)
        return Experiment(folder, self.answer, words)


@pytest.fixture(scope="module")
def finished(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The small grid, trained by two workers without interruption; once for all processes of pytest-xdist."""

    def words(experiments: Path) -> tuple[object, ...]:
        return ("experiment", *SMALL, "--data", data_file, "--workers", 2, "--experiments", experiments, "--name", "small")

    experiments, answers = commands_once(tmp_path_factory, "experiments", lambda folder: {"": digits(*words(folder))})
    return Experiment(experiments / "small", answers[""], words(experiments))


def _table(folder: Path) -> list[dict[str, str]]:
    """The table without seconds, which differ between runs."""
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    return [{name: value for name, value in row.items() if name != "seconds_mean"} for row in rows]


def _cells(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (folder / "cells").glob("*.json")}


def test_an_experiment_is_a_table_findings_pictures_and_a_file_for_each_cell(finished: Experiment) -> None:
    """On disk and, except for the plots, on the terminal."""
    assert finished.answer.code == 0
    assert set(_cells(finished.folder)) == KEYS
    assert [(row["hidden_layers"], row["activation"], row["seeds"], row["seeds_missing"]) for row in _table(finished.folder)] == [
        ("0", "", "2", ""),
        ("1", "relu", "2", ""),
        ("1", "tanh", "2", ""),
    ]
    report = (finished.folder / "report.md").read_text()
    pictures = {path.name for path in finished.folder.glob("*.png")}
    assert pictures == set(re.findall(r"\]\((.*\.png)\)", report))
    assert len(pictures) == 3
    assert finished.answer.out.splitlines()[-1].startswith("next:    digits train ")
    for text in (finished.answer.out, report):
        assert "ore hidden layers help" in text
        assert "6,370" in text


def test_progress_is_a_line_for_each_cell_on_stderr(finished: Experiment) -> None:
    """And a line before them."""
    first, *lines = finished.answer.err.splitlines()
    assert first == "6 cells; 2 workers, time left not known yet"
    assert {line.split()[1] for line in lines} == KEYS
    assert all("time left" in line for line in lines)


def test_a_finished_experiment_asked_again_trains_nothing(
    finished: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is written again from the cells."""
    monkeypatch.setattr(run, "connect", lambda *_: pytest.fail("asked for workers"))
    before = {path.name: path.read_bytes() for path in finished.folder.iterdir() if path.is_file()}
    copy = finished.copy(tmp_path)
    for name in before.keys() - {"experiment.json"}:
        (copy.folder / name).unlink()
    answer = digits(*copy.words)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == finished.answer.out.replace(str(finished.folder), str(copy.folder))
    assert {path.name: path.read_bytes() for path in copy.folder.iterdir() if path.is_file()} == before


def test_another_grid_of_that_name_is_refused(finished: Experiment) -> None:
    """One line, and nothing changes."""
    before = _cells(finished.folder)
    assert "contains another experiment (learning rate 0.01, not 0.02)" in one_line(
        digits(*finished.words, "--learning-rate", 0.02), 2
    )
    assert _cells(finished.folder) == before


# SIGINT may be ignored where tests run, in the background of a shell.
_INTERRUPTIBLE = """
import signal, sys
from edge_runtime.cli import main

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(sys.argv[1:], prog_name="digits")
"""
# With the outcome of one cell it has enough, and waits to be stopped.
_WAITING = f"""
import time
from contextlib import closing
from train.experiments import run

outcomes = run.outcomes

def one(*words):
    with closing(outcomes(*words)) as found:
        yield next(found)
        time.sleep({PATIENCE})

run.outcomes = one
{_INTERRUPTIBLE}"""


def _start(code: str, *words: object) -> "subprocess.Popen[str]":
    """The command as a process that leads its group, as in a terminal."""
    command = [sys.executable, "-c", code, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def _nobody_left(session: int) -> bool:
    """Whether all processes of a session have ended."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if fields[3] == str(session) and fields[0] != "Z":
                return False
    return True


def test_stopped_then_killed_then_resumed_it_ends_with_the_same_table(finished: Experiment, tmp_path: Path) -> None:
    """Ctrl-C stops cleanly, kill -9 loses unfinished cells only; no finished cell is trained again."""
    words = (*finished.words[: finished.words.index("--experiments")], "--experiments", tmp_path, "--name", "again")
    folder = tmp_path / "again"

    stopped = _start(_WAITING, *words)
    until(lambda: _cells(folder))
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal sends it: to the workers too
    _, errors = stopped.communicate(timeout=PATIENCE)
    first = _cells(folder)
    assert stopped.returncode == 130
    assert errors.splitlines()[-1] == f"digits: stopped with {len(first)} of 6 cells finished; repeat the command to continue"
    assert "Traceback" not in errors
    until(lambda: _nobody_left(stopped.pid))

    killed = _start(_WAITING, *words)
    until(lambda: len(_cells(folder)) > len(first))
    killed.kill()
    killed.communicate(timeout=PATIENCE)
    until(lambda: _nobody_left(killed.pid))
    second = _cells(folder)
    assert first.items() <= second.items()
    assert set(second) < KEYS
    assert not (folder / "table.csv").exists()

    answer = digits(*words)
    assert answer.code == 0
    assert answer.err.startswith(f"6 cells, {len(second)} finished before; 2 workers, time left ")
    assert second.items() <= _cells(folder).items()
    assert _table(folder) == _table(finished.folder)


def test_a_damaged_cell_is_told_and_trained_again(finished: Experiment, tmp_path: Path) -> None:
    """Only that one, with the same result; in a copy, since the seconds of that cell change."""
    copy = finished.copy(tmp_path)
    key = "relu-1x8-e3-adam-s1"
    path = copy.folder / "cells" / f"{key}.json"
    path.write_bytes(path.read_bytes()[:-100])
    answer = digits(*copy.words, "--workers", 1)
    assert answer.code == 0
    assert answer.err.startswith(f"digits: cell {key} is not valid JSON")
    assert "training it again\n6 cells, 5 finished before" in answer.err
    before = _cells(finished.folder)
    after = _cells(copy.folder)
    assert {name for name in before if after[name] != before[name]} <= {key}
    assert after.keys() == before.keys()
    assert _table(copy.folder) == _table(finished.folder)


def test_cells_that_fail_are_named_and_the_others_done(data_file: Path, tmp_path: Path) -> None:
    """With a learning rate at which deep networks diverge; exit code 1, and repeating the command tries those cells again."""
    grid = (
        "--hidden-layers",
        "0,3",
        "--units",
        "32",
        "--activations",
        "linear",
        "--optimizers",
        "sgd",
        "--learning-rate",
        "10",
        "--epochs",
        "1",
        "--seeds",
        "2",
    )
    words = ("experiment", *grid, "--data", data_file, "--workers", 1, "--experiments", tmp_path, "--name", "wild")
    answer = digits(*words)
    assert answer.code == 1
    last = answer.err.splitlines()[-1]
    assert last == (
        "digits: 2 of 4 cells failed: linear-3x32-e1-sgd-s0, linear-3x32-e1-sgd-s1; repeat the command to try them again"
    )
    assert set(_cells(tmp_path / "wild")) == {"linear-e1-sgd-s0", "linear-e1-sgd-s1"}
    good, bad = _table(tmp_path / "wild")
    assert (good["seeds"], bad["seeds"], bad["seeds_missing"], bad["validation_mean"]) == ("2", "0", "0 1", "")
    assert "failed" in answer.out
    assert "- `linear-3x32-e1-sgd-s1`: the loss became" in (tmp_path / "wild" / "report.md").read_text()


def test_a_worker_that_is_killed_leaves_no_cell_empty(data_file: Path, finished: Experiment, tmp_path: Path) -> None:
    """A real scheduler with two workers, one of which is killed while it trains; the table is that of two live workers."""
    words = ("experiment", *SMALL, "--data", data_file, "--experiments", tmp_path, "--name", "cluster")
    folder = tmp_path / "cluster"
    with local_cluster(tmp_path, workers=2) as real, Client(real.address) as client:
        client.run(hold_cells, str(tmp_path / "go on"))
        command = _start(_INTERRUPTIBLE, *words, "--scheduler", real.address)
        until(lambda: len(running(client)) == 2)
        real.workers["worker1"].kill()
        assert real.workers["worker1"].wait(PATIENCE) == -signal.SIGKILL
        (tmp_path / "go on").touch()
        out, errors = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0, errors
    assert set(_cells(folder)) == KEYS
    assert _table(folder) == _table(finished.folder)
    assert "HOLDS" in out or "UNDECIDED" in out
    assert "; 2 workers, " in errors.splitlines()[0]


def test_the_command_itself_needs_no_tensorflow(finished: Experiment, tmp_path: Path) -> None:
    """It is needed on workers only, so errors of options are immediate, and the client can be a small machine."""
    code = (
        "import sys; from edge_runtime.cli import main\n"
        f"try: main({[str(word) for word in finished.copy(tmp_path).words]!r})\n"
        "finally: print('loaded', 'tensorflow' in sys.modules)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert child.stdout.endswith("loaded False\n")

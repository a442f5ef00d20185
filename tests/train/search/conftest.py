"""A study that was killed and continued, shared by several tests; made-up plans and outcomes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from edge_runtime.common.intervals import Accuracy, wilson_interval
from tests.commands import Answer
from tests.train.conftest import commands_once
from tools.support.waiting import PATIENCE, until
from train.data import Dataset
from train.search.settings import Plan, Settings, make_plan
from train.search.study import _DIRECTIONS, Study, Trial
from train.search.trial import Latency, MachineKind, Outcome

HERE = MachineKind("riscv64", "Test CPU", "ai-edge-litert 9.9")
ELSEWHERE = MachineKind("riscv64", "Another CPU", "ai-edge-litert 9.9")


def outcome(correct: int = 40, payload_bytes: int = 1_000, *medians_ns: int, busy: float = 0.0) -> Outcome:
    """A possible result of a trial, on 50 images."""
    accuracy = Accuracy(correct, 50, wilson_interval(correct, 50))
    return Outcome(accuracy, payload_bytes, Latency(medians_ns or (5_000, 5_100), busy), payload_bytes - 40, 1.25)


def ended(number: int, *figures: Any, **named: Any) -> Trial:
    """A successful trial of a made-up mlp."""
    return Trial(number, {"model": "mlp", "hidden": [number + 1]}, outcome(*figures, **named))


def front_of(trials: list[Trial]) -> list[Trial]:
    """The Pareto front of a study with these trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=_DIRECTIONS)
    for trial in trials:
        attributes = {"network": trial.network}
        if trial.outcome:
            attributes["outcome"] = json.loads(json.dumps(asdict(trial.outcome)))  # as the journal has it
            study.add_trial(create_trial(values=trial.outcome.objectives, user_attrs=attributes))
        else:
            study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**attributes, "error": trial.error}))
    return Study(Plan("mlp", 20_000, {}, "", "", 10, 0), study).front()


@pytest.fixture
def plan(invented: Dataset) -> Plan:
    """A plan of small mlps."""
    return make_plan("mlp", 20_000, epochs=1, seed=3, data=invented)


@pytest.fixture
def settings(plan: Plan) -> Settings:
    """The settings of a study with that plan."""
    return Settings(plan, HERE)


# The outcome of the second trial is not looked at: the process waits to be killed.
_WAITING = f"""
import sys, time
from edge_runtime.cli import main
from train.search import run

outcomes_in_turn = run.outcomes_in_turn

def one(*words):
    for number, outcome in enumerate(outcomes_in_turn(*words)):
        if number:
            time.sleep({PATIENCE})
        yield outcome

if __name__ == "__main__":
    run.outcomes_in_turn = one
    main(sys.argv[1:], prog_name="digits")
"""


@dataclass(frozen=True)
class KilledStudy:
    """A study whose process was killed with SIGKILL in the middle, and that a second process finished.

    words: of the command. before: the journal at the time of the kill. printed: by the second process.
    """

    folder: Path
    words: tuple[str, ...]
    before: str
    printed: str


@pytest.fixture(scope="session")
def killed_study(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> KilledStudy:
    """Three trials of one epoch on the invented digits, by one worker process; killed after the first one.

    Once for all processes of pytest-xdist.
    """

    def words(searches: Path) -> tuple[str, ...]:
        options = {
            "--name": "small",
            "--searches": searches,
            "--trials": 3,
            "--epochs": 1,
            "--max-bytes": 1_500,
            "--data": data_file,
        }
        return ("search", *(str(part) for pair in options.items() for part in pair))

    def make(searches: Path) -> dict[str, Answer]:
        return _killed_and_finished(searches / "small", (*words(searches), "--workers", "1"))

    searches, answers = commands_once(tmp_path_factory, "searches", make)
    whole = answers["whole"]
    return KilledStudy(searches / "small", words(searches), (searches / "before.log").read_text(), whole.out + whole.err)


def _killed_and_finished(folder: Path, words_here: tuple[str, ...]) -> dict[str, Answer]:
    """Run the command twice; the journal at the time of the kill is kept beside the study's folder."""
    first = subprocess.Popen(
        (sys.executable, "-c", _WAITING, *words_here), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    journal = folder / "journal.log"
    # When the second is proposed, the first has ended.
    until(lambda: first.poll() is not None or (journal.exists() and journal.read_text().count('"network"') == 2))
    assert first.poll() is None
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (folder.parent / "before.log").write_text(journal.read_text())
    command = (sys.executable, "-m", "edge_runtime.cli", *words_here)
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    return {"whole": Answer(second.returncode, second.stdout, second.stderr)}

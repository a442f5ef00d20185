"""A study's trials, in a journal from which a killed study is continued.

Every proposal, outcome and failure is written to the journal before it is used. One process at a time works on a study.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from edge_runtime.common.json_codec import checked
from edge_runtime.errors import DataError
from train.config.training_config import TrainingConfig
from train.runs.lock import lock_folder
from train.search.settings import Plan
from train.search.space import SPACES, architecture
from train.search.trial import Outcome

JOURNAL = "journal.log"
_DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE, StudyDirection.MINIMIZE)  # of Outcome.objectives
_MAX_REPEATS = 50  # repeated proposals in a row, after which the space counts as exhausted
_NETWORK, _OUTCOME, _ERROR, _SAME_AS = "network", "outcome", "error", "same_as"


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    network: the fields of its TrainingConfig that the search chose.
    outcome: the result; None if it failed.
    error: the error in one line; empty if it succeeded.
    """

    number: int
    network: dict[str, Any]
    outcome: Outcome | None
    error: str = ""

    @property
    def name(self) -> str:
        """Such as t17."""
        return f"t{self.number}"


@dataclass
class Study:
    """Proposals by ask and tell; made by `open_study`.

    Networks are proposed by Optuna's multi-objective tree-structured Parzen estimator, the first ten at random. It counts running trials as
    bad ones (constant liar), so that workers do not all try the same.
    """

    plan: Plan
    _study: optuna.Study
    _running: dict[str, optuna.Trial] = field(default_factory=dict)

    def trials(self) -> list[Trial]:
        """Finished trials in order of their numbers, without interrupted ones and repeated proposals."""
        return [_read_trial(trial) for trial in self._all() if trial.state.is_finished() and _has_ended(trial)]

    def front(self) -> list[Trial]:
        """The Pareto front of accuracy, bytes and latency: trials that no other dominates; the fewest bytes first."""
        return [_read_trial(best) for best in sorted(self._study.best_trials, key=lambda best: (best.values[1], best.number))]

    def proposals(self, total: int) -> Iterator[tuple[str, TrainingConfig]]:
        """Yield names and configs of trials to run, until `total` trials are finished or running."""
        while len(self.trials()) + len(self._running) < total and (trial := self._ask()):
            self._running[name := f"t{trial.number}"] = trial
            yield name, self.plan.config(trial.user_attrs[_NETWORK])

    def tell(self, name: str, result: Outcome | BaseException) -> Trial:
        """Record the result of a trial."""
        trial = self._running.pop(name)
        network = trial.user_attrs[_NETWORK]
        if isinstance(result, BaseException):
            error = f"{type(result).__name__}: {' '.join(str(result).split())[:300]}"
            trial.set_user_attr(_ERROR, error)
            self._study.tell(trial, state=TrialState.FAIL)
            return Trial(trial.number, network, None, error)
        trial.set_user_attr(_OUTCOME, asdict(result))
        self._study.tell(trial, result.objectives)
        return Trial(trial.number, network, result)

    def requeue(self, name: str) -> None:
        """Propose a trial's network again later, after an error that was not the network's."""
        self._propose_again(self._running.pop(name).number)

    def recover(self) -> None:
        """Recover from a killed process: its running trials are proposed again, with new numbers."""
        for trial in self._all():
            if trial.state is not TrialState.RUNNING:
                continue
            if _OUTCOME in trial.user_attrs:  # killed between the two writes of `tell`
                self._study.tell(trial.number, checked(Outcome, trial.user_attrs[_OUTCOME], "").objectives)
            elif _ERROR in trial.user_attrs or _SAME_AS in trial.user_attrs:
                self._study.tell(trial.number, state=TrialState.FAIL)
            else:
                self._propose_again(trial.number)

    def _all(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _ask(self) -> optuna.Trial | None:
        """A trial with a new network; None if the space is exhausted."""
        for _ in range(_MAX_REPEATS):
            known = self._known_networks()
            trial = self._study.ask()
            network = SPACES[self.plan.space](trial.suggest_int, self.plan.limits)
            trial.set_user_attr(_NETWORK, network)
            if (same := known.get(architecture(network))) is None:
                return trial
            trial.set_user_attr(_SAME_AS, same)
            self._study.tell(trial, state=TrialState.PRUNED)
        return None

    def _known_networks(self) -> dict[str, int]:
        """Networks of finished and running trials, with the trial's number."""
        running = {trial.number for trial in self._running.values()}
        taken = (trial for trial in self._all() if _has_ended(trial) or trial.number in running)
        return {architecture(trial.user_attrs[_NETWORK]): trial.number for trial in taken}

    def _propose_again(self, number: int) -> None:
        params = self._all()[number].params
        self._study.tell(number, state=TrialState.FAIL)
        if params:
            self._study.enqueue_trial(params)


def _has_ended(trial: FrozenTrial) -> bool:
    return _OUTCOME in trial.user_attrs or _ERROR in trial.user_attrs


def _read_trial(trial: FrozenTrial) -> Trial:
    attributes = trial.user_attrs
    outcome = checked(Outcome, attributes[_OUTCOME], "outcome") if _OUTCOME in attributes else None
    return Trial(trial.number, attributes[_NETWORK], outcome, attributes.get(_ERROR, ""))


@contextmanager
def open_study(folder: Path, plan: Plan) -> Iterator[Study]:
    """Open or create the study in a folder, and lock it. Proposals depend on the plan's seed and on the finished trials.

    Raises:
        DataError: the journal is damaged.
        DigitsError: another process has the study open.
    """
    with lock_folder(folder, "search"):
        path = folder / JOURNAL
        try:
            study = Study(plan, _replay(path, plan.recipe["seed"]))
            study.recover()
            for trial in study.trials():
                plan.config(trial.network)
        except OSError:
            raise
        except Exception as error:  # Optuna raises many kinds of errors for damaged lines
            raise DataError(
                f"{path}: is damaged ({type(error).__name__}: {error}); give another --name, or remove the file"
            ) from error
        yield study


def _replay(path: Path, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Leftovers of a process that was killed while writing. The folder is locked, so both can be removed.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    _cut_torn_line(path)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="search", load_if_exists=True, directions=_DIRECTIONS)
    # Another random stream each time, so that a continued study does not repeat its first proposals.
    stream = np.random.SeedSequence([seed, len(study.get_trials(deepcopy=False))])
    study.sampler = optuna.samplers.TPESampler(seed=int(stream.generate_state(1)[0]), constant_liar=True)
    return study


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)

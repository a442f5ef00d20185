"""A study from its folder to its report: proposals to the workers, what comes back into the journal, and then onto a page."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.common.atomic_files import write_file
from edge_runtime.distributed.cluster import connect, outcomes_in_turn, share
from edge_runtime.errors import DigitsError
from train.data import Dataset
from train.runs.versions import WORKER_REQUIREMENTS
from train.search.plots import pareto_plot
from train.search.points import write_points
from train.search.report import Report, trial_line, trials_csv
from train.search.settings import (
    Plan,
    Settings,
    one_kind,
    read_settings,
    refuse_other_machine,
    refuse_other_plan,
    write_settings,
)
from train.search.study import Study, Trial, open_study
from train.search.trial import ForeignMachine, Tools, run_trial

REPORT = "report.md"
_FIRST_FAILURES = 3  # so many before any success: it is not the networks that are wrong


@dataclass(frozen=True)
class Workers:
    """Where trials run: at a dask scheduler's address, or in so many processes here (None: one for each core)."""

    scheduler: str | None = None
    count: int | None = None


def search(
    folder: Path, plan: Plan, data: Dataset, total: int, tools: Tools, workers: Workers, say: Callable[[str], object]
) -> Report | None:
    """Go on with the study in `folder`, or begin it, until it has `total` trials, and write its report.

    Whatever ends it early, trials that have ended are kept and the report is of those.

    Args:
        folder: of the study; its name is the study's.
        plan: the one that it began with, if it is there.
        data: the images.
        total: how many trials it shall have in all.
        tools: what trials need of other packages.
        workers: where they run.
        say: told a line for each trial.

    Returns:
        What was written; None if no trial has succeeded.

    Raises:
        BadArgument: the study began with another plan.
        DataError: a file of the study is damaged.
        DigitsError: no workers, of another kind than the study's, or all of the first trials failed.
    """
    if known := read_settings(folder):
        refuse_other_plan(folder.name, known.plan, plan)
    with open_study(folder, plan) as study:
        if not known and study.trials():
            raise DigitsError(f"{folder} has trials, but nothing that says what they are of; give another --name")
        report = None
        try:
            if len(study.trials()) < total:
                _run(study, folder, data, total, tools, workers, say)
        finally:
            if settings := read_settings(folder):
                report = publish(folder, settings, study.trials(), study.front())
        return report


def _run(
    study: Study, folder: Path, data: Dataset, total: int, tools: Tools, workers: Workers, say: Callable[[str], object]
) -> None:
    with connect(WORKER_REQUIREMENTS, workers.scheduler, workers.count) as client:
        kind = one_kind(client.run(tools.machine, on_error="return"))
        if known := read_settings(folder):
            refuse_other_machine(folder.name, known.machine, kind)
        else:
            write_settings(folder, Settings(study.plan, kind))
        sent = share(client, data)
        calls = ((name, (config, sent, tools, kind)) for name, config in study.proposals(total))
        pace = _Pace(len(study.trials()), total)
        for name, result in outcomes_in_turn(client, run_trial, calls):
            if isinstance(result, ForeignMachine):
                study.requeue(name)
                raise ForeignMachine(f"{result}; stop that worker and repeat the command to go on")
            trial = study.tell(name, result)
            say(f"{pace.after_one()}  {trial_line(trial)}")
            _refuse_failing(study.trials())
    if (found := len(study.trials())) < total:
        say(f"no new network comes up any more: the study ends with {found} trials")


def _refuse_failing(trials: list[Trial]) -> None:
    """Stop a study whose workers cannot run any trial before it has used up all of them."""
    if len(trials) >= _FIRST_FAILURES and not any(trial.outcome for trial in trials):
        raise DigitsError(f"the first {len(trials)} trials all failed, the last one by: {trials[-1].error}")


@dataclass
class _Pace:
    """How many trials have ended, and an estimate of the time that is left, by those of this process."""

    before: int
    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def after_one(self) -> str:
        """Such as `12/40, about 9 min left`."""
        self.done += 1
        ended = self.before + self.done
        minutes = (time.monotonic() - self.started) / self.done * (self.total - ended) / 60
        return f"{ended}/{self.total}" + (f", about {max(1, round(minutes))} min left" if ended < self.total else "")


def publish(folder: Path, settings: Settings, trials: list[Trial], front: list[Trial]) -> Report | None:
    """Write a study's table, and if any trial has succeeded, its report, plot and points."""
    write_file(folder / "trials.csv", trials_csv(trials, front), force=True)
    if not front:
        return None
    report = Report(folder, settings, trials, front)
    title = f"{folder.name}: {len(trials)} trials, accuracy after short trainings (epochs: {settings.plan.recipe['epochs']})"
    write_file(folder / "pareto.png", pareto_plot(trials, front, title), force=True)
    write_points(folder, settings.plan, front)
    write_file(folder / REPORT, report.markdown(), force=True)
    return report

"""Run a study: send proposed networks to workers, record their results, write the report."""

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
_MAX_FIRST_FAILURES = 3  # without any success, the cause is not the network


@dataclass(frozen=True)
class Workers:
    """Where trials run: on a dask scheduler's workers, or in `count` processes on this machine (None: one per core)."""

    scheduler: str | None = None
    count: int | None = None


def search(
    folder: Path, plan: Plan, data: Dataset, total: int, tools: Tools, workers: Workers, report_line: Callable[[str], object]
) -> Report | None:
    """Start or continue the study in `folder` until it has `total` trials, and write its report.

    If it is interrupted, finished trials are kept, and reported.

    Args:
        folder: folder of the study; its name is that of the study.
        plan: plan of the study; an existing study must have the same.
        data: the data set.
        total: total number of trials.
        tools: functions of other packages.
        workers: where trials run.
        report_line: called with a line for each trial.

    Returns:
        The report; None if no trial has succeeded.

    Raises:
        BadArgument: the study has another plan.
        DataError: a file of the study is damaged.
        DigitsError: there are no workers, they are of another kind than the study's machine, or the first trials all failed.
    """
    if known := read_settings(folder):
        refuse_other_plan(folder.name, known.plan, plan)
    with open_study(folder, plan) as study:
        if not known and study.trials():
            raise DigitsError(f"{folder} has trials, but no study.json; give another --name")
        report = None
        try:
            if len(study.trials()) < total:
                _run(study, folder, data, total, tools, workers, report_line)
        finally:
            if settings := read_settings(folder):
                report = publish(folder, settings, study.trials(), study.front())
        return report


def _run(
    study: Study, folder: Path, data: Dataset, total: int, tools: Tools, workers: Workers, report_line: Callable[[str], object]
) -> None:
    with connect(WORKER_REQUIREMENTS, workers.scheduler, workers.count) as client:
        kind = one_kind(client.run(tools.machine, on_error="return"))
        if known := read_settings(folder):
            refuse_other_machine(folder.name, known.machine, kind)
        else:
            write_settings(folder, Settings(study.plan, kind))
        sent = share(client, data)
        calls = ((name, (config, sent, tools, kind)) for name, config in study.proposals(total))
        progress = _Progress(len(study.trials()), total)
        for name, result in outcomes_in_turn(client, run_trial, calls):
            if isinstance(result, ForeignMachine):
                study.requeue(name)
                raise ForeignMachine(f"{result}; stop that worker and repeat the command")
            trial = study.tell(name, result)
            report_line(f"{progress.advance()}  {trial_line(trial)}")
            _check_failures(study.trials())
    if (found := len(study.trials())) < total:
        report_line(f"all networks of the space have been tried: the study ends with {found} trials")


def _check_failures(trials: list[Trial]) -> None:
    """Stop a study whose first trials all failed, for then the workers cannot run trials."""
    if len(trials) >= _MAX_FIRST_FAILURES and not any(trial.outcome for trial in trials):
        raise DigitsError(f"the first {len(trials)} trials all failed, the last one by: {trials[-1].error}")


@dataclass
class _Progress:
    """Counts finished trials and estimates the remaining time from those of this process."""

    before: int
    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self) -> str:
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

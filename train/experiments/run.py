"""Run an experiment: send unfinished cells to workers, store their results, write table, report and plots."""

from collections.abc import Mapping

from edge_runtime.distributed.cluster import connect, outcomes, share, worker_count
from edge_runtime.errors import DataError, DigitsError
from train.data import Dataset
from train.experiments.findings import Finding, evaluate_claims
from train.experiments.plots import accuracy_by_epochs, accuracy_by_parameters, seed_spread
from train.experiments.progress import Progress
from train.experiments.store import Store
from train.experiments.table import Row, as_csv, report, rows
from train.experiments.trial import ToInt8, TrialResult, run_trial
from train.runs.versions import WORKER_REQUIREMENTS

TABLE, REPORT = "table.csv", "report.md"
_PLOTS = (
    ("Validation accuracy against epochs for each depth", "accuracy-by-epochs.png", accuracy_by_epochs),
    ("Validation accuracy against parameters", "accuracy-by-parameters.png", accuracy_by_parameters),
    ("Spread of the seeds", "seed-spread.png", seed_spread),
)


def run_grid(
    store: Store, data: Dataset | str, to_int8: ToInt8, scheduler: str | None = None, workers: int | None = None
) -> tuple[dict[str, TrialResult], dict[str, str]]:
    """Train all unfinished cells of an experiment.

    Args:
        store: store of the experiment.
        data: data set to send to the workers, or the hash of the MNIST that each worker has.
        to_int8: converts a model to int8; workers import it by name.
        scheduler: address of a dask scheduler; None for worker processes on this machine.
        workers: number of those processes; None for one per core.

    Returns:
        Finished cells by key in the order of the grid, and the causes of failed ones.

    Raises:
        DigitsError: there are no workers, the scheduler is gone, or a result cannot be written.
    """
    cells = store.spec.grid.by_key
    finished, _ = store.read()
    failures: dict[str, str] = {}
    unfinished = {key: config for key, config in cells.items() if key not in finished}
    if not unfinished:
        return finished, failures
    with connect(WORKER_REQUIREMENTS, scheduler, workers) as client, Progress(cells, finished) as progress:
        progress.begin(worker_count(client))
        sent = data if isinstance(data, str) else share(client, data)
        calls = {key: (config, sent, to_int8) for key, config in unfinished.items()}
        try:
            for key, outcome in outcomes(client, run_trial, calls):
                if cause := _store_outcome(store, key, outcome):
                    failures[key] = cause
                    progress.failed(key, cause, worker_count(client))
                else:
                    finished[key] = outcome
                    progress.finished(key, outcome, worker_count(client))
        except KeyboardInterrupt:
            progress.stopping()
            raise
    return {key: finished[key] for key in cells if key in finished}, {key: failures[key] for key in cells if key in failures}


def write_outputs(
    store: Store, finished: Mapping[str, TrialResult], failures: Mapping[str, str]
) -> tuple[list[Row], tuple[Finding, ...]]:
    """Write table, report and plots; the same cells give the same files."""
    table = rows(store.spec.grid, finished)
    findings = evaluate_claims(list(finished.values()))
    trained = [row for row in table if row.results]
    pictures = {name: draw(trained) for _, name, draw in _PLOTS} if trained else {}
    captions = [(caption, name) for caption, name, _ in _PLOTS if name in pictures]
    store.write({**pictures, TABLE: as_csv(table), REPORT: report(store.spec, table, findings, failures, captions)})
    return table, findings


def _store_outcome(store: Store, key: str, outcome: TrialResult | Exception) -> str:
    """Store a result; return an empty text, or the error in one line."""
    try:
        if isinstance(outcome, TrialResult):
            store.add(key, outcome)
            return ""
    except DataError as error:
        outcome = error
    name = "" if isinstance(outcome, DigitsError) else f"{type(outcome).__name__}: "
    return f"{name}{' '.join(str(outcome).split())}"[:300]

"""Running an experiment: cells that are not finished go to the workers, what comes back goes into the store."""

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
_PICTURES = (
    ("Validation accuracy against epochs for each depth", "accuracy-by-epochs.png", accuracy_by_epochs),
    ("Validation accuracy against parameters", "accuracy-by-parameters.png", accuracy_by_parameters),
    ("Spread of the seeds", "seed-spread.png", seed_spread),
)


def run_grid(
    store: Store, data: Dataset | str, to_int8: ToInt8, scheduler: str | None = None, workers: int | None = None
) -> tuple[dict[str, TrialResult], dict[str, str]]:
    """Train all cells of an experiment that are not finished.

    Args:
        store: the experiment's.
        data: to be sent to the workers, or the hash of the MNIST that each worker has itself.
        to_int8: convert's part, importable on workers by its name.
        scheduler: address of a dask scheduler; None for a pool of this machine's cores.
        workers: processes of that pool; None for one a core.

    Returns:
        Finished cells by key in the order of the grid, and the causes of those that failed.

    Raises:
        DigitsError: no workers, the scheduler has gone, or a result cannot be written.
    """
    cells = store.spec.grid.by_key
    finished, _ = store.read()
    failures: dict[str, str] = {}
    todo = {key: config for key, config in cells.items() if key not in finished}
    if not todo:
        return finished, failures
    with connect(WORKER_REQUIREMENTS, scheduler, workers) as client, Progress(cells, finished) as progress:
        progress.begin(worker_count(client))
        given = data if isinstance(data, str) else share(client, data)
        calls = {key: (config, given, to_int8) for key, config in todo.items()}
        try:
            for key, outcome in outcomes(client, run_trial, calls):
                if cause := _keep(store, key, outcome):
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
    """Write table, report and pictures; the same cells give the same files."""
    table = rows(store.spec.grid, finished)
    findings = evaluate_claims(list(finished.values()))
    trained = [row for row in table if row.results]
    pictures = {name: draw(trained) for _, name, draw in _PICTURES} if trained else {}
    captions = [(caption, name) for caption, name, _ in _PICTURES if name in pictures]
    store.write({**pictures, TABLE: as_csv(table), REPORT: report(store.spec, table, findings, failures, captions)})
    return table, findings


def _keep(store: Store, key: str, outcome: TrialResult | Exception) -> str:
    """Put a result into the store; if there is none, or it does not belong there, why, in a line."""
    try:
        if isinstance(outcome, TrialResult):
            store.add(key, outcome)
            return ""
    except DataError as error:
        outcome = error
    name = "" if isinstance(outcome, DigitsError) else f"{type(outcome).__name__}: "
    return f"{name}{' '.join(str(outcome).split())}"[:300]

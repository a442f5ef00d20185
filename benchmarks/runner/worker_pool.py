"""Worker processes, one for each environment and number of threads that a process can have, restarted without a case that fails."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.results.results import OURS, Start
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.worker.client import Environment, RunningBackend, Worker
from benchmarks.worker.protocol import BackendSpec, Ready
from edge_runtime.errors import DigitsError

Key = tuple[Case, int]  # a case, and the number of threads that it runs with
Place = tuple[
    Environment, int
]  # what one worker runs: an environment, and the threads of the process; 0 where each case has its own
_START_TRIES = 3  # of an environment whose worker fails now and then


class WorkerPool:
    """Runs cases in workers. A context manager: all workers end with it.

    Attributes:
        process_ids: of all workers, restarted ones too.
        ready: what each worker, restarted ones too, reported when it was ready; own_ready: those of the workers that run our classifier.
    """

    def __init__(self, cases: Mapping[Case, Sequence[int]], settings: Settings, images: Path, process: int) -> None:
        """Prepare a pool that runs each case with each of its numbers of threads; `process` is its number in the run."""
        self._threads, self._settings, self._images, self._process = dict(cases), settings, images, process
        self._workers: dict[Place, Worker] = {}
        self._backends: dict[Key, RunningBackend] = {}
        self.process_ids: list[int] = []
        self.ready: list[Ready] = []
        self.own_ready: list[Ready] = []

    def start(self) -> dict[Case, DigitsError]:
        """Start a worker for each place.

        Returns:
            The cases that cannot be run, and why; they are left out.

        Raises:
            DigitsError: a case of our own classifier cannot be run.
        """
        failed: dict[Case, DigitsError] = {}
        for place in dict.fromkeys(
            _place(case, threads) for case, counts in self._threads.items() for threads in sorted({*counts})
        ):
            failed |= self._start(place)
        return failed

    def backend(self, case: Case, threads: int | None = None) -> RunningBackend:
        """The running backend of a case, with its own number of threads if none is given.

        Raises:
            DigitsError: its worker failed and could not be restarted.
        """
        found = self._backends.get((case, threads or case.spec.threads))
        if not found:
            raise DigitsError("the worker process could not be restarted")
        return found

    def starts(self) -> dict[Case, Start]:
        """The warm-up of each case, in the worker that runs it now."""
        return {
            case: Start(self._process, backend.warmup.calls, backend.warmup.agreed)
            for (case, threads), backend in self._backends.items()
            if threads == case.spec.threads
        }

    def restart(self, case: Case, *, without: bool) -> dict[Case, DigitsError]:
        """Restart the worker of a case after it failed, with or `without` that case. Returns and raises as `start` does."""
        if case not in self._threads:
            return {}
        places = list(dict.fromkeys(_place(case, threads) for threads in self._threads[case]))
        for place in places:
            if failed := self._workers.pop(place, None):
                failed.close()
            for key in self._keys(place):
                self._backends.pop(key, None)
        if without:
            del self._threads[case]
        return {left_out: error for place in places for left_out, error in self._start(place).items()}

    def _start(self, place: Place, tries: int = _START_TRIES) -> dict[Case, DigitsError]:
        keys = self._keys(place)
        if not keys:
            return {}
        try:
            self._start_worker(place, keys)
        except DigitsError as error:
            return self._start_without_faulty(place, keys, error, tries - 1)
        return {}

    def _start_without_faulty(self, place: Place, keys: Sequence[Key], error: DigitsError, tries: int) -> dict[Case, DigitsError]:
        """Leave out cases that fail to load, alone or with others; start a worker with the rest.

        A case fails with others if a worker with it fails to start twice, and one without it starts.
        """
        cases = list(dict.fromkeys(case for case, _ in keys))
        if any(case.way == OURS for case in cases):
            raise error
        failed = {case: reason for case in cases if (reason := self._fault(place, [case]))}
        if not failed:
            together = cases[:1]
            for case in cases[1:]:
                again = self._fault(place, [*together, case]) and self._fault(place, [*together, case])
                if again and not self._fault(place, together):
                    failed[case] = again
                else:
                    together.append(case)
        if not failed and tries < 1:  # all of them together fail now and then, for no case's fault
            failed = dict.fromkeys(cases, error)
        for case in failed:
            del self._threads[case]
        return {**failed, **self._start(place, tries)}

    def _fault(self, place: Place, cases: Sequence[Case]) -> DigitsError | None:
        """Why a worker with these cases alone does not start; None if it does."""
        try:
            with self._worker(place, [key for key in self._keys(place) if key[0] in cases]):
                return None
        except DigitsError as reason:
            return reason

    def _keys(self, place: Place) -> list[Key]:
        return [
            (case, threads)
            for case, counts in self._threads.items()
            for threads in sorted({*counts})
            if _place(case, threads) == place
        ]

    def _worker(self, place: Place, keys: Sequence[Key]) -> Worker:
        specs = [BackendSpec(case.spec.module, case.spec.model, threads, case.spec.options) for case, threads in keys]
        return Worker(place[0], specs, self._images, self._settings.pinned)

    def _start_worker(self, place: Place, keys: Sequence[Key]) -> None:
        worker = self._workers[place] = self._worker(place, keys)
        self.process_ids.append(worker.process_id)
        self.ready.append(worker.ready)
        if any(case.way == OURS for case, _ in keys):
            self.own_ready.append(worker.ready)
        self._backends |= dict(zip(keys, worker.backends, strict=True))

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.close()


def _place(case: Case, threads: int) -> Place:
    return case.environment, threads if case.threads_of_process else 0

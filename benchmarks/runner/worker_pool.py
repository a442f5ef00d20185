"""The children of one process of a run: one for each environment, started again without what made one of them die."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.results.results import OURS, Start
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.worker.client import BackendSpec, Environment, Worker
from edge_runtime.errors import DigitsError

Key = tuple[int, int]  # the number of a candidate, and with how many threads it runs
_TRIES = 3  # to start a child in which something fails that does not fail when it is looked for


class WorkerPool:
    """Who runs which candidate. A context manager: all children end with it.

    Attributes:
        process_ids: of all children, those that were started again too.
        starts: by candidate, how its warm-up went; of the last child, where one was started again.
        groups: calls that make a sample that is long enough for the clock.
        clock_steps, clock_costs, empty, limits: what the children said about the clock, the harness, and the most that this machine can do.
    """

    def __init__(self, candidates: Mapping[int, Case], settings: Settings, images: Path, process: int) -> None:
        self._candidates, self._settings, self._images, self._process = dict(candidates), settings, images, process
        self._workers: dict[Environment, Worker] = {}
        self._place_of: dict[Key, tuple[Worker, int]] = {}
        self.process_ids: list[int] = []
        self.starts: dict[int, Start] = {}
        self.groups: dict[Key, int] = {}
        self.clock_steps: list[int] = []
        self.clock_costs: list[int] = []
        self.empty: list[int] = []
        self.limits: list[tuple[float, float]] = []

    def start(self) -> dict[int, DigitsError]:
        """Start a child for each environment.

        Returns:
            The candidates that cannot be run, and why; they are left out.

        Raises:
            DigitsError: it is one of our own classifier.
        """
        failed: dict[int, DigitsError] = {}
        for environment in dict.fromkeys(candidate.environment for candidate in self._candidates.values()):
            failed |= self._start(environment)
        return failed

    def worker_of(self, number: int, threads: int | None = None) -> tuple[Worker, int]:
        """The child that runs a candidate, with its usual threads if none are given, and as which of its subjects.

        Raises:
            DigitsError: it died, and another could not be started.
        """
        candidate = self._candidates.get(number)
        found = candidate and self._place_of.get((number, threads or candidate.spec.threads))
        if not found:
            raise DigitsError("the process that was measured could not be started again")
        return found

    def start_again(self, number: int, *, without: bool) -> dict[int, DigitsError]:
        """After the child that runs a candidate has died: another one, with or `without` that candidate; gives what `start` does.

        Raises:
            DigitsError: it is one of our own classifier, and cannot be started.
        """
        environment = self._candidates[number].environment
        if dead := self._workers.pop(environment, None):
            dead.close()
        for key in self._keys(environment):
            self._place_of.pop(key, None)
        if without:
            del self._candidates[number]
        return self._start(environment)

    def _start(self, environment: Environment, tries: int = _TRIES) -> dict[int, DigitsError]:
        keys = self._keys(environment)
        if not keys:
            return {}
        try:
            self._start_worker(environment, keys)
        except DigitsError as error:
            return self._without_culprits(environment, keys, error, tries - 1)
        return {}

    def _without_culprits(
        self, environment: Environment, keys: Sequence[Key], error: DigitsError, tries: int
    ) -> dict[int, DigitsError]:
        """Candidates that cannot be loaded, by themselves or beside the others, are left out; the others get a child together.

        Beside the others, one is to blame if the child fails twice with it, and not without it.
        """
        numbers = list(dict.fromkeys(number for number, _ in keys))
        if any(self._candidates[number].way == OURS for number in numbers):
            raise error
        failed = {number: reason for number in numbers if (reason := self._fault(environment, [number]))}
        if not failed:
            together = numbers[:1]
            for number in numbers[1:]:
                again = self._fault(environment, [*together, number]) and self._fault(environment, [*together, number])
                if again and not self._fault(environment, together):
                    failed[number] = again
                else:
                    together.append(number)
        if not failed and tries < 1:  # what fails now and then, together alone
            failed = dict.fromkeys(numbers, error)
        for number in failed:
            del self._candidates[number]
        return {**failed, **self._start(environment, tries)}

    def _fault(self, environment: Environment, numbers: Sequence[int]) -> DigitsError | None:
        """Why a child with these candidates alone does not start; None if it does."""
        try:
            with self._worker(environment, [key for key in self._keys(environment) if key[0] in numbers]):
                return None
        except DigitsError as reason:
            return reason

    def _keys(self, environment: Environment) -> list[Key]:
        found = []
        for number, candidate in self._candidates.items():
            if candidate.environment == environment:
                counts = {candidate.spec.threads, *(self._settings.thread_counts if number else ())}
                found += [(number, threads) for threads in sorted(counts)]
        return found

    def _worker(self, environment: Environment, keys: Sequence[Key]) -> Worker:
        specs = [self._spec(*key) for key in keys]
        return Worker(environment, specs, self._images, self._settings.pinned)

    def _spec(self, number: int, threads: int) -> BackendSpec:
        spec = self._candidates[number].spec
        return BackendSpec(spec.module, spec.model, threads, spec.options)

    def _start_worker(self, environment: Environment, keys: Sequence[Key]) -> None:
        worker = self._workers[environment] = self._worker(environment, keys)
        self.process_ids.append(worker.process_id)
        self.clock_steps.append(worker.ready["clock_step_ns"])
        self.clock_costs.append(worker.ready["clock_cost_ns"])
        self.limits.append(tuple(worker.ready["limits"]))
        self.empty += worker.ready["empty_ns"][: 1_000 // self._settings.starts + 1]
        for subject, (number, threads) in enumerate(keys):
            self._place_of[number, threads] = worker, subject
            self.groups[number, threads] = worker.ready["groups"][subject]
            if threads == self._candidates[number].spec.threads:
                self.starts[number] = Start(self._process, *worker.ready["warmups"][subject])

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.close()

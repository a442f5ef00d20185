"""Whose turn it is: the processes of a run, the rounds of each process, and the order of the turns in a round."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.results.results import Condition, Start, Sweep, Turn
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.optional_measurements import OptionalMeasurements
from benchmarks.runner.worker_pool import WorkerPool
from benchmarks.system.monitor import Watch
from benchmarks.worker.protocol import Ready
from edge_runtime.errors import DigitsError

TURN_SAMPLES = 50  # a turn of a small model takes milliseconds, in which the state of a machine hardly changes
_MIN_GROUPS = 10  # of a turn whose samples are groups of calls
_SWEEP_ROUNDS, _SWEEP_SAMPLES = 2, 5  # of each process: batch sizes and thread counts are swept in the first rounds alone

Step = Callable[[str], None]
Item = TypeVar("Item")


def turn_order(items: Sequence[Item], rounds: int, order: random.Random) -> Iterator[tuple[int, Item]]:
    """Yield (round, item): every item once a round, in a new random order each round.

    A drift of the machine's speed then affects all items alike, and none always runs behind the same other one.
    """
    for number in range(rounds):
        for item in order.sample(items, len(items)):
            yield number, item


def count_rounds(samples: int) -> int:
    """The rounds in which each model takes so many samples."""
    return -(-samples // TURN_SAMPLES)


@dataclass(frozen=True)
class Job:
    """A turn to take: a case, its threads, the images of a call, the samples, and the calls of a sample."""

    case: Case
    threads: int
    batch: int
    samples: int
    group: int = 1


@dataclass(frozen=True)
class CaseTimes:
    """The times of one case in all processes."""

    starts: tuple[Start, ...]
    turns: tuple[Turn, ...]
    sweeps: tuple[Sweep, ...]


class Scheduler:
    """Runs all processes of a run, one after the other, and gives turns to the cases in them.

    A case of another package that fails is dropped, and reported in `absent`.

    Attributes:
        reference: the case that every run times, and that is not swept.
        remaining: the cases that have not failed, the reference first.
        conditions: the state of the machine during each process.
        ready: what each worker reported when it was ready; own_ready: those of the workers that run our classifier.
        absent: which case failed, and why.
    """

    def __init__(
        self, reference: Case, cases: Sequence[Case], settings: Settings, images: Path, optional: OptionalMeasurements
    ) -> None:
        """Prepare a run; `images` is an .npy file of what is classified while it is timed."""
        self.reference, self.remaining = reference, [reference, *cases]
        self._settings, self._images, self._optional = settings, images, optional
        self._order = random.Random(settings.seed)
        self._starts: dict[Case, list[Start]] = {case: [] for case in self.remaining}
        self._turns: dict[tuple[Case, int, int], list[Turn]] = {}
        self.conditions: list[Condition] = []
        self.ready: list[Ready] = []
        self.own_ready: list[Ready] = []
        self.absent: list[str] = []

    def run(self, step: Step) -> dict[Case, CaseTimes]:
        """Run all processes; the last one makes the optional measurements too. `step` is called after each part.

        Raises:
            DigitsError: our own classifier failed in a turn.
        """
        shares = self._settings.shares()
        for process, share in enumerate(shares):
            with WorkerPool(
                {case: self._thread_counts(case) for case in self.remaining}, self._settings, self._images, process
            ) as pool:
                self._drop(pool.start())
                self._run_process(pool, process, share, step)
                if process == len(shares) - 1:
                    self._optional.run(pool, self._measured_cases(), process, step)
        return {case: self._times(case) for case in self.remaining}

    def _run_process(self, pool: WorkerPool, process: int, share: int, step: Step) -> None:
        watch, rounds = Watch(pool.process_ids), count_rounds(share)
        for number in range(rounds):
            jobs = self._jobs(pool, min(TURN_SAMPLES, share - number * TURN_SAMPLES), sweeping=number < _SWEEP_ROUNDS)
            for _, job in turn_order(jobs, 1, self._order):
                self._take_turn(pool, job, process, number)
            if number == rounds // 2:  # with half of our own turns before it, and half behind
                self._optional.single_stream(pool, self._measured_cases(), process, share)
            step("latency")
        self._optional.time_photos(pool, self._in_random_order(), process, share)
        self.conditions.append(watch.condition(f"process {process + 1}"))
        for case, start in pool.starts().items():
            self._starts[case].append(start)
        self.ready += pool.ready
        self.own_ready += pool.own_ready

    def _jobs(self, pool: WorkerPool, samples: int, *, sweeping: bool) -> list[Job]:
        """The turns of a round: one per case, a second in groups of calls where one call is too short, and the sweeps."""
        jobs = []
        for case in self.remaining:
            threads = case.spec.threads
            jobs.append(Job(case, threads, 1, samples))
            if (group := pool.backend(case).warmup.group) > 1:
                jobs.append(Job(case, threads, 1, max(_MIN_GROUPS, samples // group), group))
            if sweeping and case is not self.reference:
                jobs += [Job(case, count, 1, samples) for count in self._settings.thread_counts if count != threads]
                jobs += [Job(case, threads, batch, _SWEEP_SAMPLES) for batch in self._settings.batches if batch > 1]
        return jobs

    def _take_turn(self, pool: WorkerPool, job: Job, process: int, number: int) -> None:
        if job.case not in self.remaining:
            return
        try:
            found = pool.backend(job.case, job.threads).time_calls(number * TURN_SAMPLES, job.samples, job.batch, job.group)
        except DigitsError as error:
            if job.case.way == OUR_WAY:
                raise
            self._drop({job.case: error, **pool.restart(job.case, without=True)})
            return
        turn = Turn(process, number, job.batch, job.group, found.dropped, found.preempted, tuple(found.samples_ns))
        self._turns.setdefault((job.case, job.threads, job.batch), []).append(turn)

    def _drop(self, failed: Mapping[Case, DigitsError]) -> None:
        for case, error in failed.items():
            self.remaining.remove(case)
            self.absent.append(f"{case.way}: {case.file}: {error}")

    def _measured_cases(self) -> list[Case]:
        """The remaining cases without the reference, which is timed alone."""
        return [case for case in self.remaining if case is not self.reference]

    def _in_random_order(self) -> list[Case]:
        cases = self._measured_cases()
        return self._order.sample(cases, len(cases))

    def _thread_counts(self, case: Case) -> tuple[int, ...]:
        swept = () if case is self.reference else self._settings.thread_counts
        return (case.spec.threads, *swept)

    def _times(self, case: Case) -> CaseTimes:
        main = case.spec.threads, 1
        found = {(threads, batch): tuple(turns) for (owner, threads, batch), turns in self._turns.items() if owner is case}
        sweeps = [Sweep(*key, turns) for key, turns in sorted(found.items()) if key != main]
        return CaseTimes(tuple(self._starts[case]), found[main], tuple(sweeps))

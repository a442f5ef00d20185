"""A benchmark run: models on this board, in turns over several processes, to a results file (docs/benchmarking.md says why so)."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.results.results import OURS, SCHEMA_VERSION, BenchResult, ModelResult, Peaks
from benchmarks.runner.cases import REFERENCE_MODEL, Case, our_cases
from benchmarks.runner.config import Settings
from benchmarks.runner.scheduler import Measured, Scheduler, Step, rounds_of
from benchmarks.scenarios.loadgen import LoadGenScenario, installed_release, missing
from benchmarks.scenarios.startup import Started, cold_start
from benchmarks.scenarios.sustained import window_seconds
from benchmarks.stats.macs import read_steps
from benchmarks.system.info import this_machine
from benchmarks.system.monitor import Watch, look
from benchmarks.worker.client import check_pinned
from edge_runtime.errors import BadArgument, DigitsError, InputError
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.version import __version__
from train.data import Dataset

_COLD_STARTS = 5
_LOOK_S = 0.5


def total_steps(candidates: int, settings: Settings) -> int:
    """How often `run` calls its `step`."""
    windows = candidates * len(window_seconds(settings.sustained))
    return candidates * (_COLD_STARTS + 1) + sum(rounds_of(share) for share in settings.shares()) + windows


def run(
    paths: Sequence[Path],
    settings: Settings,
    data: Dataset | None,
    step: Step = lambda _: None,
    others: Sequence[Case] = (),
    absent: Sequence[str] = (),
) -> BenchResult:
    """Measure models: cold starts, then turns in several processes, then the accuracy on the test images. All of it in child processes.

    Args:
        paths: model files.
        settings: how to measure.
        data: whose test images give the accuracies; None leaves them out.
        step: called with what was done after each part, `total_steps` times.
        others: what takes turns with our classifier.
        absent: what could not be measured, and why, for the results.

    Raises:
        BadArgument: the same model twice, or a processor to be bound to that there is not.
        InputError: a model cannot be used, or does not fit the data.
        DigitsError: a child process of our own classifier failed; one of `others` that does is a line in the results instead.
    """
    check_pinned(settings.pinned)
    backend = find_backend(settings.backend)
    candidates = [*our_cases(paths, backend, settings.threads), *others]
    for path, candidate in zip(paths, candidates, strict=False):  # all of them are looked at before the first is measured
        if data and len(candidate.model.labels) != data.classes:
            raise InputError(f"{path}: knows {len(candidate.model.labels)} classes, {data.source} has {data.classes}")
    if repeated := [found for found in candidates if [_key(other) for other in candidates].count(_key(found)) > 1]:
        raise BadArgument(f"{' and '.join(found.file for found in repeated)}: the same model and recipe twice")
    machine = this_machine(settings.board, backend)
    before, watch = look(_LOOK_S, "before"), Watch()
    candidates, colds, failed = _all_cold_starts(candidates, settings.pinned, step)
    meanwhile = watch.condition("cold starts")
    split = data.test if data else None
    (reference,) = our_cases([REFERENCE_MODEL], backend, settings.threads)
    problem = missing() if settings.loadgen else None
    asker = LoadGenScenario(installed_release() or "") if settings.loadgen and not problem else None
    with TemporaryDirectory() as place:
        course = Scheduler([reference, *candidates], settings, split, Path(place), asker)
        measured = course.run(step)
    found = dict(enumerate(zip([reference, *candidates], [[], *colds], strict=True)))
    results = [_model_result(*found[number], of_one) for number, of_one in measured.items()]
    lost = (*absent, *failed, *([problem] if problem else []), *course.absent)
    if len(results) == 1:
        raise DigitsError(f"nothing could be measured: {'; '.join(lost)}")
    return BenchResult(
        schema_version=SCHEMA_VERSION,
        edge_digits=__version__,
        command=settings.command,
        machine=machine,
        threads=settings.threads,
        pinned=settings.pinned,
        seed=settings.seed,
        samples=settings.samples,
        split=split.name if split else "",
        data_sha256=data.sha256 if data else "",
        clock_step_ns=tuple(course.clock_steps),
        empty_ns=tuple(course.empty),
        conditions=(before, meanwhile, *course.conditions, look(_LOOK_S, "after")),
        reference=results[0],
        models=tuple(results[1:]),
        absent=lost,
        limits=Peaks(*zip(*course.limits, strict=True)),
        loadgen=course.loadgen.result() if course.loadgen else None,
        clock_cost_ns=tuple(course.clock_costs),
    )


def _key(candidate: Case) -> tuple[str, str, str]:
    return candidate.way, candidate.model.name, candidate.recipe


def _all_cold_starts(
    candidates: Sequence[Case], pinned: Sequence[int], step: Step
) -> tuple[list[Case], list[list[Started]], list[str]]:
    """Those that start, the cold starts of each, and a line for each that does not: what others do wrong is a line in the results."""
    starting, colds, failed = [], [], []
    for candidate in candidates:
        try:
            colds.append(_cold_starts(candidate, pinned, step))
            starting.append(candidate)
        except DigitsError as error:
            if candidate.way == OURS:
                raise
            failed.append(f"{candidate.way}: {error}")
    return starting, colds, failed


def _cold_starts(candidate: Case, pinned: Sequence[int], step: Step) -> list[Started]:
    found = []
    for _ in range(_COLD_STARTS):
        found.append(cold_start(candidate.environment, candidate.spec, pinned))
        step("cold start")
    return found


def _model_result(candidate: Case, colds: Sequence[Started], found: Measured) -> ModelResult:
    model = candidate.model
    return ModelResult(
        way=candidate.way,
        runtime=candidate.runtime,
        name=model.name,
        recipe=candidate.recipe,
        file=candidate.file,
        sha256=model.sha256,
        file_bytes=model.file_bytes,
        payload_bytes=model.graph.payload_bytes,
        scale_bytes=model.graph.scale_bytes,
        installed=colds[0].installed if colds else {},
        cold=tuple(start.cold for start in colds),
        starts=found.starts,
        turns=found.turns,
        sweeps=found.sweeps,
        accuracy=found.accuracy,
        multiply_adds=sum(step.multiply_adds for step in read_steps(model.flatbuffer)),
        sustained=found.sustained,
        layers=found.layers,
    )

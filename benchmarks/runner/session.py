"""A benchmark run: models on this board, interleaved over several processes, to a `BenchResult` (docs/benchmarking.md has the reasons)."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import OURS, SCHEMA_VERSION, BenchResult, ModelResult, Peaks, Prefix
from benchmarks.runner.accuracy import SPLIT, stated_images
from benchmarks.runner.cases import REFERENCE_MODEL, Case, our_cases
from benchmarks.runner.config import Settings
from benchmarks.runner.operators import measure_layers
from benchmarks.runner.optional_measurements import PHOTO, OptionalMeasurements
from benchmarks.runner.scheduler import CaseTimes, Scheduler, Step, count_rounds, turn_order
from benchmarks.scenarios.loadgen import LoadGenScenario, installed_release, missing
from benchmarks.scenarios.photo import make_photo
from benchmarks.scenarios.startup import Started, cold_start
from benchmarks.scenarios.sustained import window_seconds
from benchmarks.stats.macs import read_steps
from benchmarks.system.info import this_machine
from benchmarks.system.monitor import Watch, look
from benchmarks.worker.client import check_pinned
from edge_runtime.errors import BadArgument, DigitsError, InputError
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.model.recipe_names import short_recipe
from edge_runtime.version import __version__
from train.data import Dataset

_LOOK_S = 0.5
_LATENCY_IMAGES = 256
_EMPTY_SAMPLES = 1_000  # of all workers together, about


def total_steps(cases: int, settings: Settings) -> int:
    """How often `run` calls its `step`."""
    windows = cases * len(window_seconds(settings.sustained))
    return cases * (settings.cold_starts + 1) + sum(count_rounds(share) for share in settings.shares()) + windows


def run(
    paths: Sequence[Path],
    settings: Settings,
    data: Dataset | None,
    step: Step = lambda _: None,
    others: Sequence[Case] = (),
    absent: Sequence[str] = (),
) -> BenchResult:
    """Measure models: cold starts, then turns in several processes, then accuracies. All of it happens in child processes.

    Args:
        paths: model files, run by our classifier.
        settings: how to measure.
        data: its test images give the accuracies; None: manifests state them.
        step: called with the name of each part when it is done, `total_steps` times.
        others: cases of other packages, which take turns with our classifier.
        absent: what could not be measured, and why, for the results.

    Raises:
        BadArgument: a model is given twice, or a processor to run on does not exist.
        InputError: a model cannot be used, or has other classes than the data.
        DigitsError: our own classifier failed; if one of `others` fails, `absent` of the results says so.
    """
    check_pinned(settings.pinned)
    backend = find_backend(settings.backend)
    cases = [*our_cases(paths, backend, settings.threads), *others]
    _check_cases(paths, cases, data)
    machine = this_machine(settings.board, backend)
    before, watch = look(_LOOK_S, "before"), Watch()
    colds, failed = _all_cold_starts(cases, settings, step)
    during_cold_starts = watch.condition("cold starts")
    split = data.test if data else None
    images = split.images[:_LATENCY_IMAGES] if split else _noise()
    (reference,) = our_cases([REFERENCE_MODEL], backend, settings.threads)
    problem = missing() if settings.loadgen else None
    loadgen = LoadGenScenario(installed_release() or "") if settings.loadgen and not problem else None
    with TemporaryDirectory() as folder:
        np.save(Path(folder) / "latency.npy", images)
        photo = make_photo(reference.model.golden().images[0]) if settings.photos else b""
        (Path(folder) / PHOTO).write_bytes(photo)
        optional = OptionalMeasurements(settings, split, Path(folder), loadgen)
        scheduler = Scheduler(reference, list(colds), settings, Path(folder) / "latency.npy", optional)
        times = scheduler.run(step)
    reference_result = _model_result(reference, [], times.pop(reference), optional, (), data)
    layers, failed_layers = _operators(list(times), settings, images)
    models = [_model_result(case, colds[case], found, optional, layers.get(case, ()), data) for case, found in times.items()]
    all_absent = (*absent, *failed, *([problem] if problem else []), *scheduler.absent, *optional.absent, *failed_layers)
    if not models:
        raise DigitsError(f"nothing could be measured: {'; '.join(all_absent)}")
    stated = stated_images(cases) if any(model.accuracy_stated for model in models) else ""
    return BenchResult(
        schema_version=SCHEMA_VERSION,
        edge_digits=__version__,
        command=settings.command,
        machine=machine,
        threads=settings.threads,
        pinned=settings.pinned,
        seed=settings.seed,
        samples=settings.samples,
        split=split.name if split else SPLIT if stated else "",
        data_sha256=data.sha256 if data else stated,
        clock_step_ns=tuple(ready.clock_step_ns for ready in scheduler.ready),
        empty_ns=tuple(ns for ready in scheduler.ready for ns in ready.empty_ns[: _EMPTY_SAMPLES // settings.starts + 1]),
        conditions=(before, during_cold_starts, *scheduler.conditions, look(_LOOK_S, "after")),
        reference=reference_result,
        models=tuple(models),
        absent=all_absent,
        limits=Peaks(
            tuple(ready.multiply_adds for ready in scheduler.own_ready), tuple(ready.bytes for ready in scheduler.own_ready)
        ),
        loadgen=loadgen.result() if loadgen else None,
        clock_cost_ns=tuple(ready.clock_cost_ns for ready in scheduler.ready),
        photo_sha256=hashlib.sha256(photo).hexdigest() if optional.photos else "",
    )


def _check_cases(paths: Sequence[Path], cases: Sequence[Case], data: Dataset | None) -> None:
    """Check all cases before the first one is measured."""
    for path, case in zip(paths, cases, strict=False):
        if data and len(case.model.labels) != data.classes:
            raise InputError(f"{path}: has {len(case.model.labels)} classes, but {data.source} has {data.classes}")
    keys = [case.key for case in cases]
    if repeated := [case.file for case in cases if keys.count(case.key) > 1]:
        raise BadArgument(f"{' and '.join(repeated)}: the same model and recipe twice; results could not distinguish them")


def _noise() -> NDArray[np.uint8]:
    """Images to time with where there is no data: the latency of these models does not depend on the pixels."""
    return np.random.RandomState(0).randint(0, 256, (_LATENCY_IMAGES, 28, 28)).astype(np.uint8)


def _all_cold_starts(cases: Sequence[Case], settings: Settings, step: Step) -> tuple[dict[Case, list[Started]], list[str]]:
    """The cold starts of each case that starts, and a line for each case of another package that does not.

    They take turns as calls do: a slow spell of the machine hits all cases alike.
    """
    colds: dict[Case, list[Started]] = {case: [] for case in cases}
    failed: dict[Case, str] = {}
    for _, case in turn_order(cases, settings.cold_starts, random.Random(settings.seed)):
        if case not in failed:
            try:
                colds[case].append(cold_start(case.environment, case.spec, settings.pinned))
            except DigitsError as error:
                if case.way == OURS:
                    raise
                failed[case] = f"{case.way}: {error}"
        step("cold start")
    return {case: found for case, found in colds.items() if case not in failed}, list(failed.values())


def _operators(
    cases: Sequence[Case], settings: Settings, images: NDArray[np.uint8]
) -> tuple[dict[Case, tuple[Prefix, ...]], list[str]]:
    """The operators of each case of our classifier, and a line for each that fails."""
    layers, failed = {}, []
    for case in cases if settings.layers else ():
        if case.way != OURS:
            continue
        try:
            module = find_backend(case.spec.options["backend"]).module
            with TemporaryDirectory() as folder:
                work = case.model.flatbuffer, module, case.spec.threads, images, Path(folder)
                layers[case] = measure_layers(*work, settings.pinned, settings.seed)
        except (DigitsError, ValueError) as error:
            failed.append(f"operators of {case.model.name} {short_recipe(case.recipe)}: {error}")
    return layers, failed


def _model_result(
    case: Case,
    colds: Sequence[Started],
    times: CaseTimes,
    optional: OptionalMeasurements,
    layers: tuple[Prefix, ...],
    data: Dataset | None,
) -> ModelResult:
    model = case.model
    return ModelResult(
        way=case.way,
        runtime=case.runtime,
        name=model.name,
        recipe=case.recipe,
        file=case.file,
        sha256=model.sha256,
        file_bytes=model.file_bytes,
        payload_bytes=model.graph.payload_bytes,
        scale_bytes=model.graph.scale_bytes,
        installed=colds[0].installed if colds else {},
        cold=tuple(start.cold for start in colds),
        starts=times.starts,
        turns=times.turns,
        sweeps=times.sweeps,
        accuracy=optional.accuracies.get(case),
        multiply_adds=sum(step.multiply_adds for step in read_steps(model.flatbuffer)),
        sustained=tuple(optional.sustained.get(case, ())),
        layers=layers,
        made_by=model.manifest.origin.command if model.manifest else "",
        accuracy_stated=data is None and case in optional.accuracies,
        golden=optional.golden.get(case),
        photo=tuple(optional.photos.get(case, ())),
    )

"""Proves what docs/benchmarking.md promises of `digits bench`, half an hour on an idle machine.

A run with all defaults ends in time; ten whole runs on the released models, and on one that is a little slower than another, agree;
unchanged pairs of runs raise few alarms; a planted slowdown of 5 % is found. What came out is kept in
benchmarks/reference/proof-BOARD.json, which is written after each run, so that an interrupted proof goes on.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from statistics import median

from benchmarks.comparison.regressions import FALSE_ALARMS, MIN_SLOWDOWN, diff
from benchmarks.results.results import OURS, BenchResult, ModelResult
from benchmarks.runner.cases import Case, our_cases
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run as bench
from benchmarks.stats.intervals import median_interval, median_ns
from benchmarks.system.info import cpu_name
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.model.model_file import find_model
from tools.release.layout import run
from tools.support.turns import add_board_options, board_and_target
from train.data import load_dataset

WHOLE, UNCHANGED, PLANTED = 10, 100, 40
PERCENT, CLOSE_PERCENT = 5, 3
_MODELS = ("nano", "small", "base")
_ONE = Path("small")
_CLOSE = f"small slower by {CLOSE_PERCENT} %"


@dataclass(frozen=True)
class Whole:
    """A whole run, without accuracies: seconds, and of each model its median in nanoseconds with its 95 % interval."""

    seconds: float
    medians: dict[str, float]
    intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Pair:
    """Two runs of one model: how many times as long it took in the second, relative to the reference, and whether there was an alarm."""

    ratio: float
    alarm: bool


@dataclass(frozen=True)
class Proof:
    """All of it.

    percent: what was planted. default_seconds: of a run of three models with all defaults, accuracies too; None where nobody looked.
    disjoint: whether each unchanged pair has two runs of its own; else each run was compared with the one before it.
    """

    board: str
    cpu: str
    percent: int
    whole: tuple[Whole, ...] = field(default=())
    unchanged: tuple[Pair, ...] = field(default=())
    planted: tuple[Pair, ...] = field(default=())
    default_seconds: float | None = None
    disjoint: bool = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, and say what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.benchmarks.prove_benchmark", description="Prove that digits bench can be believed."
    )
    add_board_options(parser)
    options = parser.parse_args(arguments)
    options.force = True  # an interrupted proof goes on
    board, target = board_and_target(options, "proof")
    proof = read_json(Proof, target) if target.exists() else None
    counts = (2, 1, 1) if options.quick else (WHOLE, UNCHANGED, PLANTED)
    settings = Settings(board, samples=150, starts=3) if options.quick else Settings(board)

    def keep(found: Proof) -> None:
        if not options.quick:
            write_file(target, to_json(found) + "\n", force=True)

    print(*findings(prove(settings, proof, counts, keep)), sep="\n")


def findings(proof: Proof) -> list[str]:
    """What the runs show, in sentences."""
    found = []
    if proof.default_seconds is not None:
        found.append(f"three models with all defaults, accuracies on all test images too: {proof.default_seconds:.0f} s")
    if len(proof.whole) > 1:
        names = list(proof.whole[0].medians)
        apart = {name: _apart([one.medians[name] for one in proof.whole]) for name in names}
        disagree = sum(_ranking_differs(first, second) for first, second in combinations(proof.whole, 2))
        found += [
            f"{len(proof.whole)} whole runs of {', '.join(names)}, {median(one.seconds for one in proof.whole):.0f} s each: the farthest "
            "median lies " + ", ".join(f"{100 * share:.1f} % ({name})" for name, share in apart.items()) + " from the middle one",
            f"rankings that contradict each other where the intervals say that models differ: {disagree} of "
            f"{len(proof.whole) * (len(proof.whole) - 1) // 2} pairs of runs",
        ]
    unchanged = "unchanged" if proof.disjoint else "unchanged, each run beside the one before it"
    for name, pairs in ((unchanged, proof.unchanged), (f"slower by {proof.percent} %", proof.planted)):
        if pairs:
            ratios = sorted(pair.ratio for pair in pairs)
            found.append(
                f"{len(pairs)} pairs of runs, {name}: {sum(pair.alarm for pair in pairs)} alarms; ratios from "
                f"{ratios[0]:.3f} to {ratios[-1]:.3f}, "
                f"median {median(ratios):.3f} (an alarm: more than {100 * MIN_SLOWDOWN:g} %, at {100 * FALSE_ALARMS:g} %)"
            )
    return found


def _apart(medians: Sequence[float]) -> float:
    middle = median(medians)
    return max(abs(value - middle) for value in medians) / middle


def _ranking_differs(first: Whole, second: Whole) -> bool:
    """Whether two models come in one order in the one run and in the other order in the other, each with intervals that are apart."""
    return any(
        first.intervals[one][1] < first.intervals[other][0] and second.intervals[other][1] < second.intervals[one][0]
        for one in first.medians
        for other in first.medians
    )


def prove(settings: Settings, proof: Proof | None, counts: tuple[int, int, int], keep: Callable[[Proof], None]) -> Proof:
    """Run what is missing of a proof.

    Args:
        settings: of all runs; only seeds differ.
        proof: what there is already.
        counts: how many whole runs, unchanged pairs and planted ones there shall be.
        keep: called with the proof after each run.
    """
    whole, unchanged, planted = counts
    proof = _without_older(proof) if proof else Proof(settings.board, cpu_name(), PERCENT, disjoint=True)
    if proof.default_seconds is None:
        seconds, _ = _timed(lambda: bench(_files(), settings, load_dataset()))
        proof = _kept(keep, replace(proof, default_seconds=seconds))
    while len(proof.whole) < whole:
        proof = _kept(keep, replace(proof, whole=(*proof.whole, _whole_run(settings, len(proof.whole)))))
    while len(proof.unchanged) < unchanged:
        pair = _pair(settings, len(proof.unchanged), 0)
        proof = _kept(keep, replace(proof, unchanged=(*proof.unchanged, pair)))
    while len(proof.planted) < planted:
        pair = _pair(settings, len(proof.planted), PERCENT)
        proof = _kept(keep, replace(proof, planted=(*proof.planted, pair)))
    return proof


def _without_older(proof: Proof) -> Proof:
    """Older proofs had no close pair of models, and pairs of runs that shared a run: these parts are run again."""
    whole = tuple(one for one in proof.whole if _CLOSE in one.medians)
    return replace(proof, whole=whole, unchanged=proof.unchanged if proof.disjoint else (), disjoint=True)


def _kept(keep: Callable[[Proof], None], proof: Proof) -> Proof:
    keep(proof)
    return proof


def _files() -> list[Path]:
    return [find_model(Path(name)) for name in _MODELS]


def _timed(work: Callable[[], BenchResult]) -> tuple[float, BenchResult]:
    begun = time.monotonic()
    result = work()
    return time.monotonic() - begun, result


def _whole_run(settings: Settings, seed: int) -> Whole:
    """The released models, and `small` once more, a little slower: a pair whose order a run could get wrong."""
    close = replace(_case(settings, CLOSE_PERCENT), way=_CLOSE.removeprefix("small "))
    seconds, result = _timed(lambda: bench(_files(), replace(settings, seed=seed), None, others=[close]))
    return _whole(result, seconds)


def _whole(result: BenchResult, seconds: float) -> Whole:
    medians, intervals = {}, {}
    for model in result.models:
        middle, interval = median_ns(model.median_turns), median_interval(model.median_turns)
        assert middle is not None
        assert interval is not None
        medians[_name(model)], intervals[_name(model)] = float(middle), interval
    return Whole(seconds, medians, intervals)


def _name(model: ModelResult) -> str:
    return model.name if model.way == OURS else f"{model.name} {model.way}"


def _pair(settings: Settings, seed: int, percent: int) -> Pair:
    """Two runs of one model, the second slowed by so much."""
    before = bench([], replace(settings, seed=seed), None, others=[_case(settings)])
    after = bench([], replace(settings, seed=1_000 + seed), None, others=[_case(settings, percent)])
    found = diff(before, after)
    return Pair(found.differences[0].ratio, bool(found.slower))


def _case(settings: Settings, percent: int = 0) -> Case:
    """Our classifier with one model, which with `percent` is slowed."""
    (case,) = our_cases([find_model(_ONE)], find_backend(settings.backend), settings.threads)
    if not percent:
        return case
    options = {**case.spec.options, "percent": percent}
    return replace(case, spec=replace(case.spec, module="tools.studies.benchmarks.planted", options=options))


if __name__ == "__main__":
    run(main)

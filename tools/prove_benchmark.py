"""Proves what docs/benchmarking.md promises of `digits bench`: `python -m tools.prove_benchmark`, twenty minutes on an idle machine.

Ten whole runs on the released models agree; unchanged pairs of runs raise few alarms; a planted slowdown of 5 % is found. What came out is
kept in benchmarks/reference/proof-BOARD.json, which is written after each run, so that an interrupted proof goes on.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from statistics import median

from benchmarks.bench import run as bench
from benchmarks.candidates import our_candidates
from benchmarks.figures import median_interval, median_ns
from benchmarks.reporting.diff import FALSE_ALARMS, LEAST, diff
from benchmarks.results import BenchResult
from benchmarks.settings import Settings
from edge_runtime.files import write_file
from edge_runtime.interpreter import find_backend
from edge_runtime.model_file import find_model
from edge_runtime.records import read_json, to_json
from tools.layout import run
from tools.turns import add_board_options, board_and_target

WHOLE, UNCHANGED, PLANTED = 10, 100, 40
PERCENT = 5
_MODELS = ("nano", "small", "base")
_ONE = Path("small")


@dataclass(frozen=True)
class Whole:
    """A whole run with defaults: seconds, and of each model its median in nanoseconds with its 95 % interval."""

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
    """All of it. `percent` was planted."""

    board: str
    cpu: str
    percent: int
    whole: tuple[Whole, ...] = field(default=())
    unchanged: tuple[Pair, ...] = field(default=())
    planted: tuple[Pair, ...] = field(default=())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, and say what came out."""
    parser = argparse.ArgumentParser(prog="python -m tools.prove_benchmark", description="Prove that digits bench can be believed.")
    add_board_options(parser)
    options = parser.parse_args(arguments)
    options.force = True  # an interrupted proof goes on
    board, target = board_and_target(options, "proof")
    proof = read_json(Proof, target) if target.exists() else None
    counts = (1, 2, 1) if options.quick else (WHOLE, UNCHANGED, PLANTED)

    def keep(found: Proof) -> None:
        if not options.quick:
            write_file(target, to_json(found) + "\n", force=True)

    print(*findings(_prove(board, proof, counts, keep)), sep="\n")


def findings(proof: Proof) -> list[str]:
    """What the runs show, in sentences."""
    found = []
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
    for name, pairs in (("unchanged", proof.unchanged), (f"slower by {proof.percent} %", proof.planted)):
        if pairs:
            ratios = sorted(pair.ratio for pair in pairs)
            found.append(
                f"{len(pairs)} pairs of runs, {name}: {sum(pair.alarm for pair in pairs)} alarms; ratios from "
                f"{ratios[0]:.3f} to {ratios[-1]:.3f}, "
                f"median {median(ratios):.3f} (an alarm: more than {100 * LEAST:g} %, at {100 * FALSE_ALARMS:g} %)"
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


def _prove(board: str, proof: Proof | None, counts: tuple[int, int, int], keep: Callable[[Proof], None]) -> Proof:
    whole, unchanged, planted = counts
    models = [find_model(Path(name)) for name in _MODELS]
    one = find_model(_ONE)
    settings = Settings(board)
    while proof is None or len(proof.whole) < whole:
        begun = time.monotonic()
        result = bench(models, replace(settings, seed=len(proof.whole) if proof else 0), None)
        proof = proof or Proof(board, result.machine.cpu, PERCENT)
        proof = replace(proof, whole=(*proof.whole, _whole(result, time.monotonic() - begun)))
        keep(proof)
    last = None
    while len(proof.unchanged) < unchanged:  # each run beside the one before it
        last, before = _one(one, settings, len(proof.unchanged)), last or _one(one, settings, 1_000)
        proof = replace(proof, unchanged=(*proof.unchanged, _pair(before, last)))
        keep(proof)
    while len(proof.planted) < planted:
        before, after = _one(one, settings, len(proof.planted)), _one(one, settings, 1_000 + len(proof.planted), PERCENT)
        proof = replace(proof, planted=(*proof.planted, _pair(before, after)))
        keep(proof)
    return proof


def _whole(result: BenchResult, seconds: float) -> Whole:
    medians, intervals = {}, {}
    for model in result.models:
        middle, interval = median_ns(model.median_turns), median_interval(model.median_turns)
        assert middle is not None
        assert interval is not None
        medians[model.name], intervals[model.name] = float(middle), interval
    return Whole(seconds, medians, intervals)


def _pair(before: BenchResult, after: BenchResult) -> Pair:
    found = diff(before, after)
    return Pair(found.differences[0].ratio, bool(found.slower))


def _one(model: Path, settings: Settings, seed: int, percent: int = 0) -> BenchResult:
    """A run of one model, which with `percent` is slowed."""
    (candidate,) = our_candidates([model], find_backend(settings.backend), settings.threads)
    if percent:
        spec = replace(candidate.spec, module="tools.planted", options={**candidate.spec.options, "percent": percent})
        candidate = replace(candidate, spec=spec)
    return bench([], replace(settings, seed=seed), None, others=[candidate])


if __name__ == "__main__":
    run(main)

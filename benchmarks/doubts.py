"""What a reader of results should know before believing them: judged from the results alone, so that a report says it too."""

from collections.abc import Iterator

from benchmarks.figures import median_ns, process_medians, spread, tail_ns
from benchmarks.further import thirds_ns
from benchmarks.results import BenchResult, ModelResult
from benchmarks.timing import CLOCK_STEPS

_MOST_BUSY = 10  # percent of all cores, by others: on two cores, a fifth of one
_MOST_STOLEN = 2
_MOST_PREEMPTED = 0.05  # of the turns
_MOST_SPREAD = 0.05
_MOST_EMPTY_NS = 300
_ROUGH = 10  # times the share that a sample may err by: 5 %
_MOST_SLOWER = 1.05


def warnings(result: BenchResult) -> list[str]:
    """All doubts, those about the machine first; empty for a quiet machine, a fine clock and enough samples."""
    return [
        *_of_machine(result),
        *_of_clock(result),
        *(text for model in result.models for text in _of_model(model)),
        *_of_loadgen(result),
        *_of_kernels(result),
    ]


def _of_machine(result: BenchResult) -> Iterator[str]:
    if busy := [found for found in result.conditions if found.busy_percent > _MOST_BUSY]:
        worst = max(found.busy_percent for found in busy)
        yield f"other programs kept the machine up to {worst:.0f} % busy: {_when(result, [found.when for found in busy])}"
    stolen = [found.stolen_percent for found in result.conditions if found.stolen_percent is not None]
    if stolen and max(stolen) > _MOST_STOLEN:
        yield f"the machine's host took up to {max(stolen):.0f} % of its time away"
    if any(found.throttled for found in result.conditions):
        bits = next(found.throttled for found in result.conditions if found.throttled)
        yield f"the board throttled itself, or its supply was too weak (firmware bits {bits:#x})"
    clocks = [found.megahertz for found in result.conditions if found.megahertz]
    if clocks and min(clocks) < 0.9 * max(clocks):
        yield f"the processor's clock changed between {min(clocks):,.0f} and {max(clocks):,.0f} MHz"
    if len({found.governor for found in result.conditions}) > 1:
        yield "the frequency governor was changed during the run"
    if len({turn.process for turn in result.reference.turns}) == 1:
        yield "there was one process alone, so nobody knows how much processes differ"


def _when(result: BenchResult, found: list[str]) -> str:
    return "throughout" if len(found) == len(result.conditions) else ", ".join(found)


def _of_clock(result: BenchResult) -> Iterator[str]:
    step, empty = max(result.clock_step_ns, default=0), sorted(result.empty_ns)[len(result.empty_ns) // 2] if result.empty_ns else 0
    shortest = min(min(turn.samples_ns) for model in result.models for turn in model.median_turns)
    if step * CLOCK_STEPS > shortest:
        yield f"the clock is coarse: its step of {step:,} ns is {100 * step / shortest:.1f} % of the shortest sample"
    single = min(int(median_ns(model.turns) or 0) for model in result.models)
    if step * CLOCK_STEPS > _ROUGH * max(1, single) and len(result.models[0].steady_ns) > 1:
        yield f"the clock's step of {step:,} ns is rough for single calls, and so are p90 and p99"
    if empty > _MOST_EMPTY_NS:
        yield f"the harness itself adds {empty} ns to each call"


def _of_model(model: ModelResult) -> Iterator[str]:
    if tail_ns(model, 99) is None:
        yield f"{model.label}: {len(model.steady_ns):,} samples are too few for a p99, which needs 1,000"
    middle, p90 = median_ns(model.turns), tail_ns(model, 90)
    if middle and p90 and p90 > 1.5 * middle:
        yield f"{model.label}: p90 is {p90 / middle:.1f} times the median, so times are noisy"
    if (found := spread(process_medians(model.median_turns))) > _MOST_SPREAD:
        yield f"{model.label}: the medians of the processes differ by up to {100 * found:.0f} %"
    preempted = sum(bool(turn.preempted) for turn in model.turns)
    if preempted > _MOST_PREEMPTED * len(model.turns):
        yield f"{model.label}: {preempted} of {len(model.turns)} turns were interrupted by other work"
    if len(model.sustained) >= 3 and (last := thirds_ns(model.sustained))[1] > _MOST_SLOWER * last[0]:
        yield f"{model.label}: without rest it became {100 * (last[1] / last[0] - 1):.0f} % slower"
    if unsettled := sum(not start.agreed for start in model.starts):
        yield f"{model.label}: the warm-up did not settle in {unsettled} of {len(model.starts)} processes"


def _of_loadgen(result: BenchResult) -> Iterator[str]:
    runs = result.loadgen.runs if result.loadgen else ()
    timed = [run for run in runs if run.accuracy is None]
    if invalid := [run for run in timed if not run.valid]:
        yield f"MLPerf LoadGen calls {len(invalid)} of {len(timed)} of its runs invalid: {invalid[0].scenario} of {invalid[0].model}"


def _of_kernels(result: BenchResult) -> Iterator[str]:
    if any(model.recipe == "static_wi8_ai16" for model in result.models):
        yield "16-bit activations run in reference kernels, without XNNPACK" + _how_much_slower(result)


def _how_much_slower(result: BenchResult) -> str:
    """Median latency with 16-bit activations over that with 8-bit ones, of each model that has both."""
    medians = {(model.name, model.recipe): median_ns(model.median_turns) for model in result.models}
    ratios = [
        f"{name} {wide / narrow:.1f} times"
        for (name, recipe), wide in medians.items()
        if recipe == "static_wi8_ai16" and wide and (narrow := medians.get((name, "static_wi8_ai8")))
    ]
    return f"; against 8-bit ones they took: {', '.join(ratios)}" if ratios else ""

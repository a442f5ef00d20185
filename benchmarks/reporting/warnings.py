"""What a reader of results should know before believing them: judged from the results alone, so that a report says it too."""

from collections.abc import Iterator
from statistics import median

from benchmarks.reporting.disturbances import of_machine
from benchmarks.reporting.extra_tables import thirds_ns
from benchmarks.results.results import OURS, BenchResult, ModelResult
from benchmarks.stats.intervals import beside_loadgen, median_ns, median_supported, process_medians, spread, tail_ns
from benchmarks.worker.timer import CLOCK_STEPS

_MOST_PREEMPTED = 100  # in a second of calls
_LEAST_PREEMPTED = 5  # fewer are chance
_MOST_SPREAD = 0.05
_MOST_EMPTY_NS = 300
_ROUGH = 10  # times the share that a sample may err by: 5 %
_MOST_SLOWER = 1.05
_NOISY, _LONG_TAIL, _STALL = 1.5, 3, 1_000  # times the median: p90, p99, a single call
_COLD_SPREAD, _COLD_SHARE = 2, 0.05  # times the median of a part, and the share of a whole cold start that is worth a word
_MOST_APART = 0.1  # our median and LoadGen's


def warnings(result: BenchResult) -> list[str]:
    """All doubts, those about the machine first; empty for a quiet machine, a fine clock and enough samples."""
    return [
        *of_machine(result),
        *_of_clock(result),
        *(f"the reference model {text}" for text in _of_times(result.reference)),
        *(text for model in result.models for text in _of_model(model)),
        *_of_loadgen(result),
        *_of_kernels(result),
    ]


def notes(result: BenchResult) -> list[str]:
    """What belongs below every table of a result: its doubts, and what could not be measured."""
    return [*(f"note: {text}" for text in warnings(result)), *(f"not measured: {text}" for text in result.absent)]


def _of_clock(result: BenchResult) -> Iterator[str]:
    step, empty = max(result.clock_step_ns, default=0), sorted(result.empty_ns)[len(result.empty_ns) // 2] if result.empty_ns else 0
    shortest = min(min(turn.samples_ns) for model in result.models for turn in model.median_turns)
    if step * CLOCK_STEPS > shortest:
        yield f"the clock is coarse: its step of {step:,} ns is {100 * step / shortest:.1f} % of the shortest sample"
    single = min(median(model.steady_ns) for model in result.models)
    if step * CLOCK_STEPS > _ROUGH * max(1, single):
        yield f"the clock's step of {step:,} ns is rough for single calls, and so are p90 and p99"
    if empty > _MOST_EMPTY_NS:
        cost = max(result.clock_cost_ns, default=0)
        yield f"the harness itself adds {empty} ns to each sample" + (f", {cost} of them to read the clock" if cost else "")


def _of_model(model: ModelResult) -> Iterator[str]:
    if not median_supported(model.median_turns):
        count = sum(len(turn.samples_ns) for turn in model.median_turns)
        yield f"{model.label}: the median of {count} sample{'s' * (count > 1)} says little; it has no interval below 20"
    if tail_ns(model, 99) is None:
        yield f"{model.label}: {len(model.steady_ns):,} samples are too few for a p99, which needs 1,000"
    yield from _of_times(model)
    yield from _of_cold_starts(model)
    if len(model.sustained) >= 3 and (last := thirds_ns(model.sustained))[1] > _MOST_SLOWER * last[0]:
        yield f"{model.label}: without rest it became {100 * (last[1] / last[0] - 1):.0f} % slower"


def _of_times(model: ModelResult) -> Iterator[str]:
    """What holds of the reference model as well, by which runs are compared."""
    yield from _of_tails(model)
    if (found := spread(process_medians(model.median_turns))) > _MOST_SPREAD:
        yield f"{model.label}: the medians of the processes differ by up to {100 * found:.0f} %"
    preempted = sum(turn.preempted or 0 for turn in model.turns)
    seconds = sum(sum(turn.samples_ns) for turn in model.turns) / 1e9
    if preempted >= _LEAST_PREEMPTED and preempted > _MOST_PREEMPTED * seconds:
        yield f"{model.label}: other work interrupted it {preempted} times in {seconds:.2f} s of calls"
    if unsettled := sum(not start.agreed for start in model.starts):
        yield f"{model.label}: the warm-up did not settle in {unsettled} of {len(model.starts)} processes"


def _of_tails(model: ModelResult) -> Iterator[str]:
    middle, p90, p99 = median_ns(model.median_turns), tail_ns(model, 90), tail_ns(model, 99)
    if not middle:
        return
    if p90 and p90 > _NOISY * middle:
        yield f"{model.label}: p90 is {p90 / middle:.1f} times the median, so times are noisy"
    if p99 and p99 > _LONG_TAIL * middle:
        yield f"{model.label}: p99 is {p99 / middle:.1f} times the median"
    longest = {turn.process: 0 for turn in model.turns}
    for turn in model.turns:
        longest[turn.process] = max(longest[turn.process], *turn.samples_ns) if turn.group == 1 else longest[turn.process]
    stalled = [worst for worst in longest.values() if worst > _STALL * middle]
    if len(stalled) > 1:
        yield f"{model.label}: single calls took up to {max(stalled) / middle:,.0f} times the median, in {len(stalled)} processes"


def _of_cold_starts(model: ModelResult) -> Iterator[str]:
    if len(model.cold) < 3:
        return
    whole = median(start.total_ns for start in model.cold)
    for name in ("process", "imports", "load", "first"):
        parts = [getattr(start, f"{name}_ns") for start in model.cold]
        middle, worst = median(parts), max(parts)
        if worst > _COLD_SPREAD * middle and worst - middle > _COLD_SHARE * whole:
            text = "first answer" if name == "first" else name
            yield f"{model.label}: cold starts differ: {text} took up to {worst / 1e6:,.0f} ms, in the middle {middle / 1e6:,.0f} ms"


def _of_loadgen(result: BenchResult) -> Iterator[str]:
    runs = result.loadgen.runs if result.loadgen else ()
    timed = [run for run in runs if run.accuracy is None]
    if invalid := [run for run in timed if not run.valid]:
        yield f"MLPerf LoadGen calls {len(invalid)} of {len(timed)} of its runs invalid: {invalid[0].scenario} of {invalid[0].model}"
    for model in (model for model in result.models if model.way == OURS):
        pair = beside_loadgen(result, model, 50)
        if pair and max(abs(pair.ours / theirs - 1) for theirs in (pair.theirs, pair.without_empty)) > _MOST_APART:
            yield (
                f"{model.label}: our median is {pair.ours / pair.theirs:.2f} times MLPerf LoadGen's, and "
                f"{pair.ours / pair.without_empty:.2f} times that without its own empty query"
            )


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

"""Warnings about a result, derived from the result alone, so that every report can state them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.reporting.extra_tables import thirds_ns
from benchmarks.results.results import OURS, BenchResult, Condition, ModelResult
from benchmarks.stats.intervals import compare_with_loadgen, median_ns, median_supported, process_medians, spread, tail_ns
from benchmarks.worker.timer import CLOCK_STEPS

MAX_BUSY = 10  # percent of all cores, by other programs: a fifth of one of two cores
_MAX_STOLEN = 2  # percent
_MAX_WAITED = 2  # percent
_NOW, _SINCE_BOOT = 0xF, 0xF0000  # bits of the Raspberry Pi firmware: throttled now, and at some time since boot
_PROCESS = re.compile(r"process (\d+)")
_MAX_PREEMPTED = 100  # per second of calls
_MIN_PREEMPTED = 5  # fewer are chance
_MAX_SPREAD = 0.05
_MAX_EMPTY_NS = 300
_ROUGH = 10  # times the share by which a sample may err: 5 %
_MAX_SLOWER = 1.05
_NOISY, _LONG_TAIL, _STALL = 1.5, 3, 1_000  # times the median: p90, p99, a single call
_COLD_SPREAD, _COLD_SHARE = 2, 0.05  # times the median of a part; and the minimum share of a whole cold start
_MAX_LOADGEN_DIFFERENCE = 0.1  # of our median and LoadGen's


@dataclass(frozen=True)
class ResultWarning:
    """A warning. kind: what warnings of its kind have in common. detail: with figures. model: its label; empty for the whole run."""

    kind: str
    detail: str
    model: str = ""

    @property
    def text(self) -> str:
        """The whole warning."""
        return f"{self.model}: {self.detail}" if self.model else self.detail


def find_warnings(result: BenchResult) -> list[ResultWarning]:
    """All warnings, those about the machine first; empty for an idle machine, a fine clock and enough samples."""
    return [
        *_of_machine(result),
        *_of_clock(result),
        *(replace(found, model=f"the reference model {found.model}") for found in _of_times(result.reference)),
        *(found for model in result.models for found in _of_model(model)),
        *_of_loadgen(result),
        *_of_kernels(result),
    ]


def warnings(result: BenchResult) -> list[str]:
    """The text of all warnings."""
    return [found.text for found in find_warnings(result)]


def by_kind(result: BenchResult) -> dict[str, list[str]]:
    """The text of all warnings, by their kind."""
    found: dict[str, list[str]] = {}
    for warning in find_warnings(result):
        found.setdefault(warning.kind, []).append(warning.text)
    return found


def summary(result: BenchResult) -> list[str]:
    """One line for each kind of warning: its text if there is one of the kind, else how many models it is about."""
    kinds: dict[str, list[ResultWarning]] = {}
    for found in find_warnings(result):
        kinds.setdefault(found.kind, []).append(found)
    return [found[0].text if len(found) == 1 else _count(kind, len({one.model for one in found})) for kind, found in kinds.items()]


def _count(kind: str, models: int) -> str:
    return f"{kind}: {models} model{'s' * (models > 1)}"


def notes(result: BenchResult) -> list[str]:
    """All warnings, and what could not be measured, as lines below a table."""
    return [*(f"note: {text}" for text in warnings(result)), *(f"not measured: {text}" for text in result.absent)]


def is_disturbed(condition: Condition) -> bool:
    """Whether other programs, a hypervisor or throttling slowed that part of the run."""
    throttled = bool((condition.throttled or 0) & _NOW)
    shares = (
        (condition.busy_percent, MAX_BUSY),
        (condition.stolen_percent, _MAX_STOLEN),
        (condition.waited_percent, _MAX_WAITED),
    )
    return throttled or any((share or 0) > maximum for share, maximum in shares)


def disturbed_processes(result: BenchResult) -> set[int]:
    """The numbers of the run's disturbed processes, from 0."""
    found = ((_PROCESS.fullmatch(condition.when), condition) for condition in result.conditions)
    return {int(match[1]) - 1 for match, condition in found if match and is_disturbed(condition)}


def _of_machine(result: BenchResult) -> Iterator[ResultWarning]:
    if busy := [found for found in result.conditions if (found.busy_percent or 0) > MAX_BUSY]:
        worst = max(found.busy_percent or 0 for found in busy)
        yield ResultWarning("other programs", f"other programs kept the machine up to {worst:.0f} % busy: {_when(result, busy)}")
    stolen = [found.stolen_percent for found in result.conditions if found.stolen_percent is not None]
    if stolen and max(stolen) > _MAX_STOLEN:
        yield ResultWarning("hypervisor", f"the hypervisor took up to {max(stolen):.0f} % of the CPU time")
    if waited := [found for found in result.conditions if (found.waited_percent or 0) > _MAX_WAITED]:
        worst = max(found.waited_percent or 0 for found in waited)
        text = f"the measured processes waited for a processor up to {worst:.0f} % of the time: {_when(result, waited)}"
        yield ResultWarning("waiting", text)
    yield from _of_throttling(result.conditions)
    clocks = [found.megahertz for found in result.conditions if found.megahertz and _PROCESS.fullmatch(found.when)]
    if clocks and min(clocks) < 0.9 * max(clocks):
        yield ResultWarning("frequency", f"the CPU frequency changed between {min(clocks):,.0f} and {max(clocks):,.0f} MHz")
    if len({found.governor for found in result.conditions}) > 1:
        yield ResultWarning("governor", "the frequency governor changed during the run")
    if len({turn.process for turn in result.reference.turns}) == 1:
        yield ResultWarning("one process", "the run had a single process, so the variation between processes is unknown")


def _of_throttling(conditions: Sequence[Condition]) -> Iterator[ResultWarning]:
    """Bits of what happened since boot count only if they are new."""
    known = [found.throttled for found in conditions if found.throttled is not None]
    for bits in known:
        if bits & _NOW or bits & ~known[0] & _SINCE_BOOT:
            yield ResultWarning("throttling", f"the board was throttled, or its supply voltage too low (firmware bits {bits:#x})")
            return


def _when(result: BenchResult, found: Sequence[Condition]) -> str:
    return "throughout" if len(found) == len(result.conditions) else ", ".join(one.when for one in found)


def _of_clock(result: BenchResult) -> Iterator[ResultWarning]:
    step, empty = max(result.clock_step_ns, default=0), sorted(result.empty_ns)[len(result.empty_ns) // 2] if result.empty_ns else 0
    shortest = min(min(turn.samples_ns) for model in result.models for turn in model.median_turns)
    if step * CLOCK_STEPS > shortest:
        text = f"the clock is coarse: its step of {step:,} ns is {100 * step / shortest:.1f} % of the shortest sample"
        yield ResultWarning("coarse clock", text)
    single = min(median(model.steady_ns) for model in result.models)
    if step * CLOCK_STEPS > _ROUGH * max(1, single):
        text = f"the clock's step of {step:,} ns is too coarse for single calls, so p90 and p99 are rough"
        yield ResultWarning("coarse clock for single calls", text)
    if empty > _MAX_EMPTY_NS:
        cost = max(result.clock_cost_ns, default=0)
        text = f"the harness adds {empty} ns to each sample" + (f", {cost} of them to read the clock" if cost else "")
        yield ResultWarning("harness overhead", text)


def _of_model(model: ModelResult) -> Iterator[ResultWarning]:
    if not median_supported(model.median_turns):
        count = sum(len(turn.samples_ns) for turn in model.median_turns)
        text = f"the median of {count} sample{'s' * (count > 1)} is uncertain and has no interval, which needs 20"
        yield ResultWarning("medians of fewer than 20 samples are uncertain, and have no interval", text, model.label)
    if tail_ns(model, 99) is None:
        text = f"{len(model.steady_ns):,} samples are too few for a p99, which needs 1,000"
        yield ResultWarning("too few samples for a p99, which needs 1,000", text, model.label)
    if model.golden and not model.golden.passed:
        found = model.golden
        text = f"golden images differ from the recorded outputs: {found.equal} of {found.images} have the recorded label"
        yield ResultWarning("golden images differ from the recorded outputs", text, model.label)
    yield from _of_times(model)
    yield from _of_cold_starts(model)
    if len(model.sustained) >= 3 and (last := thirds_ns(model.sustained))[1] > _MAX_SLOWER * last[0]:
        text = f"sustained load made it {100 * (last[1] / last[0] - 1):.0f} % slower"
        yield ResultWarning("sustained load made models more than 5 % slower", text, model.label)


def _of_times(model: ModelResult) -> Iterator[ResultWarning]:
    """Warnings that apply to the reference model too, by which runs are compared."""
    yield from _of_tails(model)
    if (found := spread(process_medians(model.median_turns))) > _MAX_SPREAD:
        text = f"the medians of the processes differ by up to {100 * found:.0f} %"
        yield ResultWarning("the medians of the processes differ by more than 5 %", text, model.label)
    preempted = sum(turn.preempted or 0 for turn in model.turns)
    seconds = sum(sum(turn.samples_ns) for turn in model.turns) / 1e9
    if preempted >= _MIN_PREEMPTED and preempted > _MAX_PREEMPTED * seconds:
        text = f"other work interrupted it {preempted} times in {seconds:.2f} s of calls"
        yield ResultWarning("other work interrupted calls more than 100 times per second", text, model.label)
    if unsettled := sum(not start.agreed for start in model.starts):
        text = f"the warm-up did not settle in {unsettled} of {len(model.starts)} processes"
        yield ResultWarning("the warm-up did not settle", text, model.label)


def _of_tails(model: ModelResult) -> Iterator[ResultWarning]:
    middle, p90, p99 = median_ns(model.median_turns), tail_ns(model, 90), tail_ns(model, 99)
    if not middle:
        return
    if p90 and p90 > _NOISY * middle:
        text = f"p90 is {p90 / middle:.1f} times the median, so times are noisy"
        yield ResultWarning("p90 is more than 1.5 times the median, so times are noisy", text, model.label)
    if p99 and p99 > _LONG_TAIL * middle:
        text = f"p99 is {p99 / middle:.1f} times the median"
        yield ResultWarning("p99 is more than 3 times the median", text, model.label)
    longest = {turn.process: 0 for turn in model.turns}
    for turn in model.turns:
        longest[turn.process] = max(longest[turn.process], *turn.samples_ns) if turn.group == 1 else longest[turn.process]
    stalled = [worst for worst in longest.values() if worst > _STALL * middle]
    if len(stalled) > 1:
        text = f"single calls took up to {max(stalled) / middle:,.0f} times the median, in {len(stalled)} processes"
        yield ResultWarning("single calls took more than 1,000 times the median", text, model.label)


def _of_cold_starts(model: ModelResult) -> Iterator[ResultWarning]:
    if len(model.cold) < 3:
        return
    whole = median(start.total_ns for start in model.cold)
    for name in ("process", "imports", "load", "first"):
        parts = [getattr(start, f"{name}_ns") for start in model.cold]
        middle, worst = median(parts), max(parts)
        if worst > _COLD_SPREAD * middle and worst - middle > _COLD_SHARE * whole:
            part = "first answer" if name == "first" else name
            text = f"cold starts differ: {part} took up to {worst / 1e6:,.0f} ms, median {middle / 1e6:,.0f} ms"
            yield ResultWarning("cold starts differ by more than a factor of 2", text, model.label)


def _of_loadgen(result: BenchResult) -> Iterator[ResultWarning]:
    runs = result.loadgen.runs if result.loadgen else ()
    timed = [run for run in runs if run.accuracy is None]
    if invalid := [run for run in timed if not run.valid]:
        labels = {model.stored_label: model.label for model in result.models}
        first = f"{invalid[0].scenario} of {labels.get(invalid[0].model, invalid[0].model)}"
        text = f"MLPerf LoadGen calls {len(invalid)} of {len(timed)} of its runs invalid, the first of them {first}"
        yield ResultWarning("invalid runs of MLPerf LoadGen", text)
    for model in (model for model in result.models if model.way == OURS):
        pair = compare_with_loadgen(result, model, 50)
        if pair and max(abs(pair.ours / theirs - 1) for theirs in (pair.loadgen, pair.without_overhead)) > _MAX_LOADGEN_DIFFERENCE:
            text = (
                f"our median is {pair.ours / pair.loadgen:.2f} times MLPerf LoadGen's, and "
                f"{pair.ours / pair.without_overhead:.2f} times that without its overhead"
            )
            yield ResultWarning("our median and MLPerf LoadGen's differ by more than 10 %", text, model.label)


def _of_kernels(result: BenchResult) -> Iterator[ResultWarning]:
    """int16x8, with its latency over that of int8 for each model that has both."""
    medians = {(model.name, model.recipe): median_ns(model.median_turns) for model in result.models}
    if not any(recipe == "static_wi8_ai16" for _, recipe in medians):
        return
    ratios = [
        f"{name} {wide / narrow:.1f} times"
        for (name, recipe), wide in medians.items()
        if recipe == "static_wi8_ai16" and wide and (narrow := medians.get((name, "static_wi8_ai8")))
    ]
    text = "int16x8 runs in reference kernels, without XNNPACK" + (
        f", and is slower than int8: {', '.join(ratios)}" if ratios else ""
    )
    yield ResultWarning("reference kernels", text)

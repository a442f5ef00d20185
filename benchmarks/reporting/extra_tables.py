"""Tables of a result besides that of its models: sweeps, times at numpy's speed, operators, MLPerf LoadGen, sustained load."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks.reporting.tables import Row, accuracy_text, interval_text, microseconds
from benchmarks.results.results import OURS, BenchResult, ModelResult, Peaks, Window
from benchmarks.stats.intervals import LoadGenComparison, added_ns, at_numpys_speed_ns, compare_with_loadgen, median_ns, per_call


@dataclass(frozen=True)
class ExtraTable:
    """A table and its caption. optional: whether an option asked for it, so that a terminal shows it."""

    name: str
    header: Row
    rows: Sequence[Row]
    caption: str
    optional: bool = True


def extra_tables(result: BenchResult) -> list[ExtraTable]:
    """The tables that this result has rows for."""
    return [
        table
        for table in (
            _sweeps(result),
            _beside_numpy(result),
            _layers(result),
            _loadgen(result),
            _other_scenarios(result),
            _sustained(result),
        )
        if table.rows
    ]


def _sweeps(result: BenchResult) -> ExtraTable:
    found = []
    for model in (model for model in result.models if model.sweeps):
        for threads, batch, turns in (
            (result.threads, 1, model.median_turns),
            *((sweep.threads, sweep.batch, sweep.turns) for sweep in model.sweeps),
        ):
            middle = median_ns(turns)
            image = microseconds(middle // batch)
            found.append((model.label, str(threads), str(batch), microseconds(middle), interval_text(turns), image))
    header = ("model", "threads", "batch", "median of a call", "95 % interval", "per image")
    return ExtraTable(
        "Threads and batches",
        header,
        found,
        "Interleaved with single images, which have the first row. A median of fewer than 20 samples is uncertain and has no interval.",
    )


def _beside_numpy(result: BenchResult) -> ExtraTable:
    found = [_numpy_row(model, result.limits) for model in result.models] if result.limits else []
    caption = ""
    if result.limits:
        speed, copied = max(result.limits.multiply_adds), max(result.limits.bytes)
        caption = (
            f"The time that a model would take at numpy's speed: multiply-adds at {speed / 1e9:,.1f} billion per second, as in a "
            f"product of float32 matrices, or bytes of weights at {copied / 1e9:,.1f} GB per second, as they are copied within a "
            "core's cache, whichever takes longer. A yardstick and no bound: XNNPACK's kernels can be faster than numpy's product, and "
            "8-bit ones faster still."
        )
    header = ("model", "multiply-adds", "bytes", "at numpy's speed", "p50", "times that")
    return ExtraTable("Beside numpy's speed", header, found, caption, optional=False)


def _numpy_row(model: ModelResult, peaks: Peaks | None) -> Row:
    middle, numpys = median_ns(model.median_turns), at_numpys_speed_ns(model, peaks)
    return (
        model.label,
        "-" if model.multiply_adds is None else f"{model.multiply_adds:,}",
        f"{model.payload_bytes:,}",
        "-" if numpys is None else f"{numpys / 1_000:,.2f} us",
        microseconds(middle),
        "-" if numpys is None else f"{middle / numpys:.1f}",
    )


def _layers(result: BenchResult) -> ExtraTable:
    found = []
    for model in result.models:
        for number, (before, prefix) in enumerate(pairwise(model.layers), 1):
            added, interval = added_ns(before.turns, prefix.turns)
            shape = "x".join(map(str, prefix.output[1:]))
            low, high = (f"{value / 1_000:,.2f}" for value in interval)
            found.append(
                (
                    model.label,
                    str(number),
                    prefix.operator,
                    shape,
                    f"{prefix.multiply_adds:,}",
                    f"{added / 1_000:,.2f} us",
                    f"{low} to {high} us",
                )
            )
    header = ("model", "number", "operator", "output", "multiply-adds", "time", "95 % interval")
    caption = "Operator k takes what the first k operators take less what the first k - 1 take, measured on cut graphs."
    return ExtraTable("Operators", header, found, caption)


def _loadgen(result: BenchResult) -> ExtraTable:
    found = []
    for model in _ours(result) if result.loadgen else []:
        assert result.loadgen
        pairs = [compare_with_loadgen(result, model, percent) for percent in (50, 90)]
        runs = result.loadgen.single_streams(model.stored_label)
        cells = [cell for pair in pairs for cell in (_comparison_cells(pair) if pair else ("-",) * 4)]
        found.append((model.label, *cells, f"{sum(run.valid for run in runs)} of {len(runs)}"))
    caption = ""
    if result.loadgen and result.loadgen.empty_ns:
        overhead = median(result.loadgen.empty_ns) / 1_000
        caption = (
            f"SingleStream of mlcommons-loadgen {result.loadgen.release}, in the same processes, between our turns. LoadGen's overhead in "
            f"Python, of queries that are completed at once, is {overhead:.2f} us by its clock; its figures contain it, but not the second "
            "ratio. Runs are valid by LoadGen's own judgement with our settings: as many queries as our calls, and no minimum duration."
        )
    header = (
        "model",
        "p50",
        "LoadGen's p50",
        "ratio",
        "without overhead",
        "p90",
        "LoadGen's p90",
        "ratio",
        "without overhead",
        "valid runs",
    )
    return ExtraTable("MLPerf LoadGen, single images", header, found, caption)


def _comparison_cells(pair: LoadGenComparison) -> Row:
    ratios = f"{pair.ours / pair.loadgen:.3f}", f"{pair.ours / pair.without_overhead:.3f}"
    return microseconds(int(pair.ours)), microseconds(int(pair.loadgen)), *ratios


def _other_scenarios(result: BenchResult) -> ExtraTable:
    found = []
    for model in _ours(result) if result.loadgen else []:
        assert result.loadgen
        runs = {(run.scenario, run.accuracy is None): run for run in result.loadgen.runs if run.model == model.stored_label}
        if not any(run.scenario != "SingleStream" for run in result.loadgen.runs):
            continue
        several, offline = runs.get(("MultiStream", True)), runs.get(("Offline", True))
        p99 = several.figure("99.00 percentile latency (ns)") if several else None
        speed = offline.figure("Samples per second") if offline else None
        modes = [runs.get((scenario, False)) for scenario in ("SingleStream", "MultiStream", "Offline")]
        found.append(
            (
                model.label,
                "-" if p99 is None else microseconds(int(p99)),
                "-" if speed is None else f"{speed:,.0f}",
                "yes" if several and offline and several.valid and offline.valid else "no",
                *(accuracy_text(run.accuracy) if run else "-" for run in modes),
            )
        )
    header = ("model", "MultiStream: p99 of 8", "Offline: images per second", "valid", "accuracy: single", "of 8", "offline")
    return ExtraTable(
        "MLPerf LoadGen, batches and accuracy", header, found, "Figures by LoadGen; its summaries are in the results file."
    )


def _sustained(result: BenchResult) -> ExtraTable:
    found = [(model.label, *_windows(model.sustained)) for model in result.models if model.sustained]
    header = ("model", "seconds", "first third", "last third", "last / first", "celsius", "MHz", "uJ per answer")
    return ExtraTable(
        "Sustained load",
        header,
        found,
        "Medians of groups of calls. Energy is that of the whole processor, with other programs.",
    )


def _windows(windows: Sequence[Window]) -> Row:
    first, last = thirds_ns(windows)
    seconds = sum(window.condition.seconds for window in windows)
    warmth = [window.condition.celsius for window in windows if window.condition.celsius is not None]
    clocks = [window.condition.megahertz for window in windows if window.condition.megahertz is not None]
    energy = [window.microjoules for window in windows if window.microjoules is not None]
    answers = sum(window.turn.group * len(window.turn.samples_ns) for window in windows if window.microjoules is not None)
    return (
        f"{seconds:,.0f}",
        f"{first / 1_000:,.1f} us",
        f"{last / 1_000:,.1f} us",
        f"{last / first:.3f}",
        f"{warmth[0]:.0f} to {max(warmth):.0f}" if warmth else "-",
        f"{min(clocks):,.0f} to {max(clocks):,.0f}" if clocks else "-",
        f"{sum(energy) / answers:,.1f}" if energy else "-",
    )


def thirds_ns(windows: Sequence[Window]) -> tuple[float, float]:
    """The median nanoseconds of a call in the first third of the windows, and in the last."""
    count = -(-len(windows) // 3)
    first, last = (median(per_call([window.turn for window in part]).tolist()) for part in (windows[:count], windows[-count:]))
    return first, last


def _ours(result: BenchResult) -> list[ModelResult]:
    return [model for model in result.models if model.way == OURS]

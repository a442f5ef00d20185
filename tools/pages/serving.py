"""Tables of docs/results/serving.md."""

import statistics
from collections.abc import Sequence

from benchmarks.reporting.tables import as_markdown
from benchmarks.stats.percentiles import percentile
from edge_runtime.common.json_codec import read_json
from tools.release.layout import Layout
from tools.studies.serving.measure_serving import ServingResult
from tools.studies.serving.soak import SoakResult
from tools.support.turns import Pair


def speed(layout: Layout) -> str:
    """Requests a second and latencies, by machine."""
    paths = sorted(layout.results.glob("serving-*.json"))
    return "\n\n".join(part(read_json(ServingResult, path)) for path in paths)


def soak(layout: Layout) -> str:
    """Half a million requests on each machine."""
    return soaked([read_json(SoakResult, path) for path in sorted(layout.results.glob("soak-*.json"))])


def soaked(results: Sequence[SoakResult]) -> str:
    """What became of half a million requests on each machine, as Markdown."""
    rows = [
        (
            result.machine.board,
            f"{result.requests:,}",
            f"{result.failed:,}",
            f"{result.requests / result.seconds:,.0f}",
            f"{result.resident_bytes[0] / 2**20:.1f} MB",
            f"{result.grown / 2**20:.2f} MB",
        )
        for result in results
    ]
    return as_markdown(("machine", "requests", "failed", "a second", "memory after 20,000", "grown by at most"), rows)


def part(result: ServingResult) -> str:
    """What was measured on a machine, as Markdown."""
    machine = result.machine
    return (
        f"{machine.board}: {machine.cpu}, {machine.cores} cores, {machine.busy_percent or 0:.0f} % busy before, Python {machine.python}, "
        f"{machine.runtime}.\n\n{_overview(result)}\n\n{_by_model(result)}"
    )


def _overview(result: ServingResult) -> str:
    rate = statistics.median(result.throughput.ours)
    rounds = [ours / other for ours, other in zip(result.throughput.ours, result.throughput.other, strict=True)]
    return as_markdown(
        ("what", "measured"),
        [
            (
                f"infer (binary, one image, `small`) beside a starlette route that returns a constant of {result.answer_bytes} bytes, "
                f"{result.connections} connections, rounds in turns",
                f"{rate:,.0f} a second, {result.throughput.ratio:.2f} of the constant's (rounds: {min(rounds):.2f} to {max(rounds):.2f})",
            ),
            (
                f"p50 and p99 at {result.offered_rate:,.0f} requests a second, half of that: medians of {len(result.latency_ns)} rounds, "
                f"{sum(map(len, result.latency_ns)):,} requests",
                _tails(result.latency_ns),
            ),
            ("the constant at that rate, in turns with it", _tails(result.constant_latency_ns)),
            (
                "start to ready with the three models that are served by default, beside `digits classify` of one image from start to end",
                f"{statistics.median(result.start.ours) / 1e9:.2f} s, {result.start.ratio:.2f} times as long",
            ),
            ("a drawn 7 brought into MNIST's form", f"{statistics.median(result.drawing_ns) / 1e6:.2f} ms"),
        ],
    )


def _tails(rounds: Sequence[Sequence[int]]) -> str:
    """p50, p99 and their ratio, of the median round; minimum and maximum over rounds, since a stall affects a single round."""
    found = [(percentile(latencies, 50), percentile(latencies, 99)) for latencies in rounds]
    known = [(p50, p99) for p50, p99 in found if p50 is not None and p99 is not None]
    if len(known) < len(found):
        return "too few samples"
    ratios = [p99 / p50 for p50, p99 in known]
    p50, p99 = (statistics.median(values) / 1e6 for values in zip(*known, strict=True))
    return f"{p50:.2f} ms and {p99:.2f} ms; {statistics.median(ratios):.1f} times as long (rounds: {min(ratios):.1f} to {max(ratios):.1f})"


def _by_model(result: ServingResult) -> str:
    rows = [(inline.name, *_pair(inline), *_pair(batch)) for inline, batch in zip(result.hand_over, result.batching, strict=True)]
    return as_markdown(
        ("model", "on the event loop", "handed to a thread", "one after the other, an image", "eight at once, an image"), rows
    )


def _pair(pair: Pair) -> tuple[str, str]:
    ours, other = (f"{statistics.median(values) / 1e3:.0f} us" for values in (pair.ours, pair.other))
    return ours, f"{other} ({1 / pair.ratio:.2f} times)"

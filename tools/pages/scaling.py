"""Tables of docs/results/scaling.md: what many workers cost."""

from benchmarks.reporting.tables import as_markdown
from edge_runtime.common.json_codec import read_json
from tools.release.layout import Layout
from tools.studies.device import run_batches
from tools.studies.device.run_batches import Spread
from tools.studies.training import scaling
from tools.studies.training.scaling import REPEATS, TASKS, Measured
from train.experiments.grid import Grid

WORKERS = 1_000
"""That the estimate is for."""
_WHO = {0: "this process alone, one thread", 1: "one worker", 2: "two workers"}


def training(layout: Layout) -> str:
    """What training on workers costs."""
    return table(read_measured(layout))


def limits(layout: Layout) -> str:
    """What would limit many workers."""
    return estimate(read_measured(layout))


def classification(layout: Layout) -> str:
    """What classifying on workers costs."""
    return spread_table(read_json(Spread, layout.results / run_batches.RESULT))


def read_measured(layout: Layout) -> Measured:
    """The committed costs of training on workers."""
    return read_json(Measured, layout.results / scaling.RESULT)


def table(found: Measured) -> str:
    """The measurements as Markdown."""
    rows = (
        ("an empty task, two workers, by the clock", f"{1e3 * found.empty.wall:.2f} ms"),
        ("the scheduler's processor time in it", f"{1e3 * found.empty.scheduler:.2f} ms"),
        ("a task with the arguments and result of a training, but no training", f"{1e3 * found.cell.wall:.2f} ms"),
        ("the scheduler's processor time in it", f"{1e3 * found.cell.scheduler:.2f} ms"),
        ("sent to a worker for a training on MNIST (function, config, hash of the data)", f"{found.call_bytes:,} bytes"),
        ("sent back (curve of 15 epochs, accuracy, sizes, times, versions)", f"{found.result_bytes:,} bytes"),
        ("keeping a result in the experiment's folder", f"{1e3 * found.store:.2f} ms"),
        (
            f"a data set of {found.share_bytes / 1e6:.1f} MB to both workers, once for an experiment with `--data`",
            f"{found.share:.2f} s",
        ),
        ("a worker process, until it is connected to the scheduler", f"{found.start:.1f} s"),
        ("the first training of a worker (2 layers, 15 epochs), with TensorFlow and MNIST to load", f"{found.first:.1f} s"),
        ("another such training", f"{found.further:.1f} s"),
    )
    lines = ["| what | cost |", "| --- | --- |", *(f"| {what} | {cost} |" for what, cost in rows)]
    return "\n".join([*lines, "", f"Measured on {found.machine}; medians of {REPEATS} runs of {TASKS:,} tasks."])


def estimate(found: Measured) -> str:
    """What would limit many workers, estimated from the measurements, as Markdown."""
    rate = WORKERS / found.further
    load = 100 * rate * found.cell.scheduler
    shortest = WORKERS * found.cell.scheduler
    overhead = 100 * (found.start + found.first - found.further) / (found.start + found.first)
    hops = (WORKERS - 1).bit_length()
    cells = len(Grid().cells)
    return "\n".join(
        (
            f"- **The grid itself.** The default grid has {cells} trainings: more workers than that have nothing to do, and no number of"
            f" them ends it before its longest training. {WORKERS:,} workers need some {10 * WORKERS:,} trainings or more.",
            f"- **Starting up.** A worker with a single training of {found.further:.0f} s spends about {max(0, overhead):.0f} % of its"
            " time on starting and loading TensorFlow; with ten, about a tenth of that. If all of them read TensorFlow (over a"
            " gigabyte installed) from one network disk at the same time, that is likely to take longer; not measured.",
            f"- **The scheduler.** It is one process. At {1e3 * found.cell.scheduler:.2f} ms a task, {WORKERS:,} workers with trainings of"
            f" {found.further:.0f} s ({rate:.0f} a second) keep it busy for {load:.0f} % of one core; trainings shorter than about"
            f" {shortest:.1f} s would be too much for it. Heartbeats of so many workers come on top; not measured.",
            f"- **The client.** It keeps {1 / found.store:,.0f} results a second, where {rate:.0f} come.",
            f"- **Your own data.** {found.share_bytes / 1e6:.0f} MB go to the scheduler once, and from worker to worker after that:"
            f" if twice as many have them after each round, {hops} rounds, about {hops * found.share:.0f} s. The embedded MNIST is not"
            " sent.",
        )
    )


def spread_table(found: Spread) -> str:
    """The measurements as Markdown."""
    header = (
        "who",
        "images a second",
        "times one worker's",
        "client, processor time an image",
        "scheduler, processor time an image",
    )
    rows = [
        (
            _WHO[way.workers],
            f"{way.images_per_second:,.0f}",
            f"{way.ratio:.2f}",
            f"{way.client_us:.1f} us",
            f"{way.scheduler_us:.2f} us",
        )
        for way in found.ways
    ]
    return (
        f"{as_markdown(header, rows)}\n\n"
        f"{found.images:,} images of an `.npy`, `{found.model}` (int8), answers to CSV, connecting included; medians of "
        f"{found.rounds} turns. Measured on {found.machine}."
    )

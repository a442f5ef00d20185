"""Tables of docs/results/speed.md: what the device programmer is promised, and how long a large photo takes."""

from benchmarks.reporting.tables import as_markdown
from benchmarks.results.records import Machine
from edge_runtime.common.json_codec import read_json
from tools.release.layout import Layout
from tools.studies.device.photo_speed import COLUMNS, MUST, SMALL, USUAL, PhotoSpeed, rows
from tools.studies.device.promises import DeviceResult, Figure, judged


def promises(layout: Layout) -> str:
    """What was measured of each promise, by machine."""
    paths = sorted(layout.results.glob("device-*.json"))
    return "\n\n".join(part(read_json(DeviceResult, path)) for path in paths)


def large_photos(layout: Layout) -> str:
    """How long a 12-megapixel photo takes, by machine."""
    paths = sorted(layout.results.glob("photo-speed-*.json"))
    return "\n\n".join(photo_part(read_json(PhotoSpeed, path)) for path in paths)


def photo_part(speed: PhotoSpeed) -> str:
    """How long a large photo takes on a machine, as Markdown."""
    figure = Figure("a 12-megapixel photo", speed.worst, MUST, None, False, f"medians of {_rounds(speed)} rounds")
    slowest = max(speed.nanoseconds, key=speed.ratio)
    verdict = (
        f"On the slowest ({slowest}) {speed.worst:.2f} times Pillow's quickest way, must be {figure.bound}: {figure.verdict}; "
        f"{figure.measured}. The digit has {USUAL:.0%} of the photo's height; a small one has {SMALL:.0%}, and its surroundings are "
        f"read again at a higher resolution."
    )
    return f"{_place(speed.machine)}\n\n{as_markdown(COLUMNS, rows(speed))}\n\n{verdict}"


def _rounds(speed: PhotoSpeed) -> int:
    return min(len(times) for ways in speed.nanoseconds.values() for times in ways.values())


def _place(machine: Machine) -> str:
    return (
        f"{machine.board}: {machine.cpu}, {machine.cores} cores, {machine.busy_percent or 0:.0f} % busy before, Python {machine.python}, "
        f"{machine.runtime}."
    )


def part(result: DeviceResult) -> str:
    """What was measured on a machine, as Markdown."""
    table = [(figure.name, f"{figure.value:.3g}", figure.bound, figure.verdict, figure.measured) for figure in judged(result)]
    return f"{_place(result.machine)}\n\n{as_markdown(('what', 'measured', 'must be', 'verdict', 'times'), table)}"

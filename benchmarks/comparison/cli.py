"""Commands about results files: `digits report` and `digits choose`."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.comparison.choose import Choice, Limits, Option, choose, is_shipped, next_command, of_board
from benchmarks.comparison.comparable import Named, check_comparable, read_all
from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.errors import BadArgument, LimitsNotMet, RegressionFound

_RESULTS = click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS.json...")


@click.command("report", epilog="Example: digits report results/pi4.json results/pi5.json --out report.html")
@_RESULTS
@click.option("--out", type=click.Path(path_type=Path), default="report.html", show_default=True, help="HTML page to write.")
@click.option("--markdown", is_flag=True, help="Print Markdown tables instead of writing a page.")
@click.option(
    "--diff", "is_diff", is_flag=True, help="Compare two results of one machine, OLD NEW, and report which models became slower."
)
@click.option("--force", is_flag=True, help="Replace an existing page.")
def report_command(results: Sequence[Path], out: Path, markdown: bool, is_diff: bool, force: bool) -> None:
    """Write results of digits bench as one HTML page with warnings, sortable tables, plots and differences.

    With --diff OLD NEW, print which models became slower, and exit 3 if one did.
    """
    if is_diff and (len(results) != 2 or markdown):
        raise BadArgument(f"--diff takes two results files, OLD and NEW, and no --markdown; {len(results)} files were given")
    if is_diff:
        _diff(results)
        return
    if not markdown:
        _refuse_inputs(out, results)
        refuse_to_overwrite(out, force)
    named = read_all(results)
    differences = check_comparable(named)

    if markdown:
        from benchmarks.comparison.text import markdown as as_markdown

        for line in differences:
            click.echo(f"note: {line}", err=True)
        click.echo(as_markdown(named), nl=False)
        return

    from benchmarks.comparison import page
    from benchmarks.reporting.html import render

    title = "Benchmarks: " + ", ".join(found.name for found in named)
    write_file(out, render(title, page.sections(named, differences), page.verdict(named), sortable=True), force)
    click.echo(f"written: {out}")
    click.echo(f"next:    {shlex.join(_next_command(named, results))}")


def _next_command(named: Sequence[Named], paths: Sequence[Path]) -> list[str]:
    """Choose a model, on the first of several boards; without accuracies there is nothing to choose by, but a later run to compare."""
    if not any(model.accuracy for found in named for model in found.result.models):
        return ["digits", "report", "--diff", str(paths[0]), "NEW.json"]
    boards = list(dict.fromkeys(found.result.machine.board for found in named))
    return ["digits", "choose", *map(str, paths), *(["--board", boards[0]] if len(boards) > 1 else [])]


def _refuse_inputs(out: Path, results: Sequence[Path]) -> None:
    """Never replace results by the page, even with --force."""
    for path in results:
        if out.resolve() == path.resolve() or (out.exists() and path.exists() and out.samefile(path)):
            raise BadArgument(f"--out {out} is one of the results files; give the page another name")


def _diff(paths: Sequence[Path]) -> None:
    old, new = read_all(paths)
    differences = check_comparable([old, new], one_machine=True)

    from benchmarks.comparison.regressions import diff
    from benchmarks.comparison.text import DIFF_HEADER, diff_rows, diff_rule, diff_verdict
    from benchmarks.reporting.tables import terminal_table
    from benchmarks.reporting.warnings import summary

    found = diff(old.result, new.result)
    click.echo(terminal_table(DIFF_HEADER, diff_rows(found)))
    for text in (diff_rule(), *differences, *found.notes):
        click.echo(f"note: {text}")
    for label, _ in found.itself:
        click.echo(f"note: {label} is the reference model, which cannot be compared with itself")
    for label, where in [*((label, old.name) for label in found.gone), *((label, new.name) for label in found.new)]:
        click.echo(f"note: {label} is in {where} only")
    for named in (old, new):
        for text in summary(named.result):
            click.echo(f"note: {named.name}: {text}")
    click.echo(f"verdict: {diff_verdict(found)}")
    click.echo(f"next:    {shlex.join(['digits', 'report', *map(str, paths)])}")
    if found.slower:
        raise RegressionFound("; ".join(f"{one.label} takes {100 * (one.ratio - 1):.1f} % longer" for one in found.slower))


@click.command("choose", epilog="Example: digits choose results/*.json --max-latency-us 50 --min-accuracy 99.5 --max-bytes 65536")
@_RESULTS
@click.option(
    "--max-latency-us",
    type=click.FloatRange(min=0, min_open=True),
    help="Exclude models with a longer median latency, in microseconds.",
)
@click.option("--min-accuracy", type=click.FloatRange(0, 100), help="Exclude models whose test accuracy is lower, in percent.")
@click.option("--max-bytes", type=click.IntRange(min=1), help="Exclude models whose file is larger, in bytes.")
@click.option("--board", help="Use the results of this board; needed if they are of several.")
def choose_command(
    results: Sequence[Path], max_latency_us: float | None, min_accuracy: float | None, max_bytes: int | None, board: str | None
) -> None:
    """Choose a model from results of digits bench: of the most accurate ones within the limits the fastest, then the smallest.

    Accuracies within the 95 % interval of the best one are equal to it, and so are latencies. Prints all models with the Pareto front
    marked, what each limit excluded, the pick, and the runner-up. Exits 3 if no model is within the limits.
    """
    from benchmarks.reporting.tables import terminal_table
    from benchmarks.reporting.warnings import summary

    named = of_board(read_all(results), board)
    differences = check_comparable(named)
    found = choose(named, Limits(max_latency_us, min_accuracy, max_bytes))
    click.echo(
        terminal_table(
            ("model", "p50", "accuracy", "file", "Pareto front", "excluded by"), [_row(option, found) for option in _sorted(found)]
        )
    )
    for line in [*differences, *(f"{one.name}: {text}" for one in named for text in summary(one.result))]:
        click.echo(f"note: {line}")
    for label in found.unjudged:
        click.echo(f"note: {label} has no accuracy and is left out")
    for limit, options in found.excluded.items():
        click.echo(f"{limit}: excludes {len(options)} of {len(found.options)}" + (f" ({_names(options)})" if options else ""))
    if found.pick is None:
        raise LimitsNotMet(f"no model on {found.board} is within the limits")
    click.echo(f"pick: {found.pick.label}: {_figures(found.pick)}; {_reason(found)}")
    if found.runner_up:
        click.echo(f"runner-up: {found.runner_up.label}: {_figures(found.runner_up)}; {_trade(found.pick, found.runner_up)}")
    if found.pick.model.made_by and not is_shipped(found.pick):
        click.echo(f"made by: {found.pick.model.made_by}")
    click.echo(f"next:    {next_command(found.pick)}")


def _sorted(found: Choice) -> list[Option]:
    return sorted(found.options, key=lambda option: (-option.percent, option.latency_us))


def _row(option: Option, found: Choice) -> tuple[str, ...]:
    excluded = [limit for limit, options in found.excluded.items() if option in options]
    front = "yes" if option in found.front else ""
    return (
        option.label,
        f"{option.latency_us:,.1f} us",
        f"{option.percent:.2f} %",
        f"{option.bytes:,} B",
        front,
        ", ".join(excluded),
    )


def _names(options: Sequence[Option]) -> str:
    return ", ".join(option.label for option in options)


def _figures(option: Option) -> str:
    return f"{option.percent:.2f} % accuracy, {option.latency_us:,.1f} us, {option.bytes:,} bytes"


def _reason(found: Choice) -> str:
    left = len(found.options) - len({option.label for options in found.excluded.values() for option in options})
    if left == 1:
        return "the only one within the limits"
    best = max(found.equal, key=lambda option: option.percent)
    if len(found.equal) == 1:
        return f"the most accurate of the {left} within the limits"
    low, high = best.percent_interval
    return (
        f"the best of {len(found.equal)} whose accuracies are equal: within {low:.2f} to {high:.2f} %, the 95 % interval of {best.label}; "
        "of them the fastest, then the smallest"
    )


def _trade(pick: Option, other: Option) -> str:
    """The runner-up in comparison to the pick."""
    points = pick.percent - other.percent
    low, high = pick.percent_interval
    within = ", which is within the pick's 95 % interval" if low <= other.percent <= high else ""
    return (
        f"{abs(points):.2f} points {'less' if points >= 0 else 'more'} accurate{within}, "
        f"{other.latency_us / pick.latency_us:.2f} times the latency, {other.bytes / pick.bytes:.2f} times the bytes"
    )

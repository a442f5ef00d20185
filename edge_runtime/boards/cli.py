"""`digits boards` and `digits deploy`.

A composition root: it may import any package, and nobody imports it.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli_options import name_models, remote_command_option
from edge_runtime.errors import BadArgument, BoardsFailed

if TYPE_CHECKING:
    from edge_runtime.boards.calls import Reply
    from edge_runtime.boards.hosts import Board
    from edge_runtime.boards.many import Outcome
    from edge_runtime.boards.wheels import Target

_CLEAR = "\r\x1b[K"  # of a terminal's line
SETUP_SECONDS, DEPLOY_SECONDS = 1800, 120


def jobs_option(command: Any) -> Any:
    """The option --jobs."""
    return click.option("--jobs", type=click.IntRange(1, 64), default=8, show_default=True, help="Boards at a time.")(command)


def hosts_argument(command: Any) -> Any:
    """The arguments HOST."""
    return click.argument("hosts", nargs=-1, required=True, metavar="HOST|GROUP...")(command)


def json_option(command: Any) -> Any:
    """The option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object with a record of each board.")(command)


@click.group("boards", epilog="Example: digits boards setup pi@raspberrypi.local")
def boards_command() -> None:
    """Boards that are reached over SSH: set them up, see what is on them, remove it.

    A HOST is what ssh takes: pi@raspberrypi.local, an alias of ~/.ssh/config, or ssh://pi@host:2222. OpenSSH's configuration, agent and
    known_hosts are used. A GROUP is one of boards.toml in ~/.config/edge-digits (or where EDGE_DIGITS_BOARDS says):

    \b
    [groups]
    lab = ["pi@pi4.local", "pi5"]
    [remote-commands]            # for boards that have digits already
    pi5 = "/opt/digits/bin/digits"
    """


@boards_command.command("setup", epilog="Example: digits boards setup pi@raspberrypi.local")
@hosts_argument
@click.option(
    "--extra",
    "extras",
    multiple=True,
    metavar="NAME",
    help="Install this extra beside serve, such as bench; repeatable.",
)
@click.option(
    "--wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Install from this folder, as make wheelhouse fills it, with no extras but those of --extra: without a network here.",
)
@click.option(
    "--owner-key",
    type=click.Path(path_type=Path),
    metavar="KEY.pub",
    help="From now on the board takes only models signed with this key.",
)
@click.option("--timeout", type=click.FloatRange(1), default=SETUP_SECONDS, show_default=True, help="Seconds for each board.")
@jobs_option
def setup_command(
    hosts: tuple[str, ...], extras: tuple[str, ...], wheels: Path | None, owner_key: Path | None, timeout: float, jobs: int
) -> None:
    """Install or upgrade digits on boards, over SSH, and verify it there.

    A board needs Python 3.11 and a shell: no network, no compiler, no root. The wheels are gathered here. They are installed in
    ~/.local/share/digits, beside what was there, and switched to once digits verify has passed. A setup that was interrupted is finished
    by the next one. The exit code is 3 if a board failed.
    """
    from edge_runtime.boards.hosts import Board, find_boards
    from edge_runtime.boards.installation import install, owner_line
    from edge_runtime.boards.many import on_each

    boards, owner = find_boards(hosts), owner_line(owner_key)
    with tempfile.TemporaryDirectory() as folder:
        wheels_for = _Wheels(Path(folder), extras, wheels)

        def work(board: Board) -> str:
            return install(board, wheels_for, owner, timeout, _progress(board, boards))

        _report(on_each(boards, work, jobs), str)


class _Wheels:
    """Gathers wheels, once for each kind of board, while others wait."""

    def __init__(self, folder: Path, extras: tuple[str, ...], given: Path | None) -> None:
        self._folder, self._extras, self._given = folder, extras, given
        self._gathered: dict[Target, tuple[Path, str]] = {}
        self._lock = Lock()

    def __call__(self, target: "Target") -> tuple[Path, str]:
        """The folder, and what pip has to install from it."""
        from edge_runtime.boards.wheels import gather, requirement

        if self._given:
            return self._given, requirement(target, self._extras)
        with self._lock:
            if target not in self._gathered:
                folder = self._folder / str(len(self._gathered))
                extras = tuple(dict.fromkeys(("serve", *self._extras)))
                gather(target, extras, folder)
                self._gathered[target] = folder, requirement(target, extras)
            return self._gathered[target]


@boards_command.command("remove", epilog="Example: digits boards remove pi@raspberrypi.local")
@hosts_argument
@jobs_option
def remove_command(hosts: tuple[str, ...], jobs: int) -> None:
    """Remove from boards everything that setup and deploy put there: environments, models, keys. The exit code is 3 if a board failed."""
    from edge_runtime.boards.hosts import find_boards
    from edge_runtime.boards.installation import remove
    from edge_runtime.boards.many import on_each

    _report(on_each(find_boards(hosts), remove, jobs), lambda removed: "removed" if removed else "nothing was there")


@boards_command.command("status", epilog="Example: digits boards status lab --json")
@hosts_argument
@remote_command_option
@json_option
@jobs_option
def status_command(hosts: tuple[str, ...], remote_command: str, as_json: bool, jobs: int) -> None:
    """Show which model is on which board: by hash, proven when and by which runtime. The exit code is 3 if a board cannot be reached."""
    from edge_runtime.boards.hosts import find_boards
    from edge_runtime.boards.installation import status
    from edge_runtime.boards.many import on_each
    from edge_runtime.boards.reports import status_records, status_table

    boards = find_boards(hosts, remote_command)
    found = sorted(on_each(boards, status, jobs), key=lambda outcome: boards.index(outcome.board))
    if as_json:
        click.echo(json.dumps({"boards": status_records(found)}))
    else:
        click.echo(status_table(found))
    _raise_if_failed(found)


@click.command("deploy", epilog="Example: digits deploy cnn-int8.tflite --on lab --canary 2")
@click.argument("models", nargs=-1, metavar="[[NAME=]MODEL]...")
@click.option("--on", "hosts", multiple=True, required=True, metavar="HOST", help="A host, or a group of boards.toml; repeatable.")
@remote_command_option
@click.option("--canary", type=click.IntRange(0), default=0, help="Try this many boards first, and the others only if those pass.")
@click.option(
    "--max-latency-us",
    "--max-latency",
    "max_latency_us",
    type=click.FloatRange(0, min_open=True),
    help="Refuse a model whose median time of an image on the board is longer, in microseconds.",
)
@click.option(
    "--sign",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Sign the models with this SSH key. Default: the signature beside the file, MODEL.sig, if there is one.",
)
@click.option("--rollback", is_flag=True, help="Switch back to the former version of the named models, or of all.")
@click.option("--retry", is_flag=True, help="Only those boards on which these very files have failed, or were not tried.")
@click.option("--timeout", type=click.FloatRange(1), default=DEPLOY_SECONDS, show_default=True, help="Seconds for each board.")
@json_option
@jobs_option
def deploy_command(
    models: tuple[str, ...],
    hosts: tuple[str, ...],
    remote_command: str,
    canary: int,
    max_latency_us: float | None,
    sign: Path | None,
    rollback: bool,
    retry: bool,
    timeout: float,
    as_json: bool,
    jobs: int,
) -> None:
    """Deploy models to boards that digits boards setup prepared: copy, prove by the golden images there, then switch.

    MODEL is a file or a shipped model. On the board it is ~/.local/share/digits/models/NAME.tflite, a link that leads to the old version
    or the new one at every moment; a digits serve of that path takes the new one over. A board on which a model fails keeps what it had.
    The former version stays for --rollback. The exit code is 3 if a board failed.
    """
    from edge_runtime.boards.deployment import History, Limits, canaries_first, deploy_to, read_release, roll_back
    from edge_runtime.boards.hosts import Board, find_boards
    from edge_runtime.boards.reports import deployment_records, deployment_table, describe_deployment

    if rollback and (retry or sign):
        raise BadArgument("--rollback goes back to what was proven and signed before; leave out --retry and --sign")
    if not models and not rollback:
        raise click.UsageError("give a model, or --rollback")
    boards = find_boards(hosts, remote_command)
    limits = Limits(round(max_latency_us * 1_000) if max_latency_us else None, timeout)
    named = name_models(models)
    history = None
    if rollback:

        def work(board: Board) -> "list[Reply]":
            return roll_back(board, list(named), limits, _progress(board, boards))
    else:
        releases = [read_release(name, path, sign) for name, path in named.items()]
        history = History(releases)
        boards = history.failed(boards) if retry else boards
        history.begin(boards)

        def work(board: Board) -> "list[Reply]":
            return deploy_to(board, releases, limits, _progress(board, boards))

    found = []
    for outcome in canaries_first(boards, canary, work, jobs):
        found.append(outcome)
        _show(f"{outcome.board.host}: {describe_deployment(outcome)}")
        if history:
            history.add(outcome)
    found.sort(key=lambda outcome: boards.index(outcome.board))
    click.echo(json.dumps({"boards": deployment_records(found)}) if as_json else deployment_table(found))
    _raise_if_failed(found)


def _show(line: str, *, err: bool = True) -> None:
    """Print a line, over the step that a terminal may be showing."""
    if sys.stderr.isatty():
        click.echo(_CLEAR, err=True, nl=False)
    click.echo(line, err=err)


def _progress(board: "Board", boards: "Sequence[Board]") -> Callable[[str], None]:
    """Shows each step on a board that is the only one; of many, the newest step on a terminal, until a board ends."""

    def show(stage: str) -> None:
        if len(boards) == 1:
            _show(f"{board.host}: {stage}")
        elif sys.stderr.isatty():
            click.echo(f"{_CLEAR}{board.host}: {stage}", err=True, nl=False)

    return show


def _report(outcomes: "Iterable[Outcome[Any]]", describe: Callable[[Any], str]) -> None:
    """Print a line for each board as it ends.

    Raises:
        BoardsFailed: one of them failed.
    """
    found = []
    for outcome in outcomes:
        found.append(outcome)
        _show(f"{outcome.board.host}: {outcome.error or describe(outcome.value)}", err=bool(outcome.error))
    _raise_if_failed(found)


def _raise_if_failed(outcomes: "list[Outcome[Any]]") -> None:
    failed = [outcome.board.host for outcome in outcomes if outcome.error]
    if failed:
        names = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        raise BoardsFailed(f"{len(failed)} of {len(outcomes)} boards failed: {names}")

"""The options --on and --remote-command, which commands share: they run on boards, over SSH, instead of here."""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from edge_runtime.boards.hosts import Board
    from edge_runtime.boards.remote_commands import RemoteCommand

JOBS = 16

_ON = click.Option(
    ["--on"],
    multiple=True,
    metavar="HOST",
    help="Run on this board instead, over SSH; a host, or a group of boards.toml (digits boards --help). Files named here are copied "
    "there, what it writes is brought back. Repeatable.",
)
_REMOTE_COMMAND = click.Option(["--remote-command"], metavar="PATH", default="", help="With --on: the program digits on the board.")


def runs_on_boards(
    inputs: Collection[str] = (), outputs: Collection[str] = (), *, measures: bool = False
) -> Callable[[click.Command], click.Command]:
    """Give a command the options --on and --remote-command: it then runs on boards, over SSH, instead of here.

    Args:
        inputs: parameters whose values name files; those that exist here are copied to the board.
        outputs: parameters whose values name what the command writes; it is brought back.
        measures: whether it has to be alone on a board.
    """

    def decorate(command: click.Command) -> click.Command:
        local = command.callback
        assert local is not None
        command.params += [_ON, _REMOTE_COMMAND]

        def run(on: tuple[str, ...], remote_command: str, **values: Any) -> Any:
            if not on:
                return local(**values)
            words = _Words(click.get_current_context(), inputs, outputs)
            return _run_on_boards(words, on, remote_command, measures)

        command.callback = run
        return command

    return decorate


class _Words:
    """The command line of a call, and the files that it names."""

    def __init__(self, context: click.Context, inputs: Collection[str], outputs: Collection[str]) -> None:
        self._context, self._input_names, self._output_names = context, inputs, outputs
        self.as_json = bool(context.params.get("as_json"))
        self._force = bool(context.params.get("force"))

    def command(self, board: "Board", alone: bool, measures: bool) -> "RemoteCommand":
        """The command for a board. alone: whether it is the only one."""
        from edge_runtime.boards.remote_commands import RemoteCommand, existing_files, local_path, path_inside

        inputs: dict[str, Path] = {}
        outputs: dict[str, Path] = {}
        existing: list[str] = []
        options, arguments = [], []
        for parameter, value in self._given():
            if parameter.name in self._output_names:
                inside, path = path_inside(str(value)), local_path(Path(value), board, alone)
                outputs[inside] = path
                existing += [] if self._force else existing_files(os.path.normpath(inside), path)
                value = inside  # noqa: PLW2901  # the board's
            texts = [self._text(parameter, each, inputs) for each in _each(parameter, value)]
            if isinstance(parameter, click.Argument):
                arguments += texts
            else:
                options += _option_words(parameter, texts)
        verbose = ["-v"] if os.environ.get("EDGE_DIGITS_VERBOSE") else []
        words = (*verbose, self._context.info_name or "", *options, "--", *arguments)
        return RemoteCommand(words, inputs, outputs, tuple(existing), measures, reads_input="-" in arguments)

    def _given(self) -> Iterator[tuple[click.Parameter, Any]]:
        """Parameters of the command line, and outputs that have a default."""
        for parameter in self._context.command.params:
            name = parameter.name or ""
            value = self._context.params.get(name)
            default = self._context.get_parameter_source(name) == click.core.ParameterSource.DEFAULT
            if parameter not in (_ON, _REMOTE_COMMAND) and value is not None and (not default or name in self._output_names):
                yield parameter, value

    def _text(self, parameter: click.Parameter, value: Any, inputs: dict[str, Path]) -> str:
        from edge_runtime.boards.remote_commands import place_input

        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        return place_input(text, inputs) if parameter.name in self._input_names else text


def _each(parameter: click.Parameter, value: Any) -> list[Any]:
    return list(value) if parameter.multiple or parameter.nargs == -1 else [value]


def _option_words(parameter: click.Parameter, texts: list[str]) -> list[str]:
    name = max(parameter.opts, key=len)
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [name if text == "True" else max(parameter.secondary_opts, key=len) for text in texts]
    return [f"{name}={text}" for text in texts]


def _run_on_boards(words: _Words, hosts: tuple[str, ...], remote_command: str, measures: bool) -> None:
    """Run the command on all boards at the same time, and exit with its code."""
    from edge_runtime.boards.hosts import find_boards
    from edge_runtime.boards.many import on_each
    from edge_runtime.boards.remote_commands import run_on, worst_code

    boards = find_boards(hosts, remote_command)
    alone = len(boards) == 1
    context = click.get_current_context()
    if alone:
        context.exit(run_on(boards[0], words.command(boards[0], alone, measures), _writer(sys.stdout), _writer(sys.stderr)))

    def work(board: "Board") -> int:
        shown = _Labelled(board.host, words.as_json)
        code = run_on(board, words.command(board, alone, measures), shown.out, shown.err)
        shown.end()
        return code

    codes = []
    for outcome in on_each(boards, work, JOBS):
        if outcome.error:
            click.echo(f"digits: {outcome.board.host}: {outcome.error}", err=True)
        codes.append(1 if outcome.value is None else outcome.value)
    context.exit(worst_code(codes))


def _writer(stream: TextIO) -> Callable[[bytes], None]:
    def write(block: bytes) -> None:
        stream.buffer.write(block)
        stream.flush()

    return write


class _Labelled:
    """Shows whole lines of a board among those of others, each with the board's name."""

    _lock = Lock()

    def __init__(self, host: str, as_json: bool) -> None:
        self._host, self._as_json, self._rest = host, as_json, b""
        self._out, self._err = _writer(sys.stdout), _writer(sys.stderr)

    def out(self, line: bytes) -> None:
        """Show a line of output."""
        from edge_runtime.boards.remote_commands import json_with_host

        with self._lock:
            self._out(json_with_host(self._host, line) if self._as_json else f"{self._host}: ".encode() + line)

    def err(self, block: bytes) -> None:
        """Show the whole lines of stderr, of which a block may end in the middle."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        with self._lock:
            for line in lines:
                self._err(f"{self._host}: ".encode() + line + b"\n")

    def end(self) -> None:
        """Show what has no end of line."""
        if self._rest:
            self.err(b"\n")

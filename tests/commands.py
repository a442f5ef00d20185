"""Running commands in this process."""

from typing import NamedTuple

from click.testing import CliRunner

from edge_runtime.cli import main


class Answer(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def digits(*words: object) -> Answer:
    """Run the command `digits`, in this process; an exception that is not ours fails the test."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def one_line(answer: Answer, code: int) -> str:
    """The error of a command: one line on stderr, nothing on stdout."""
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("digits: ")
    assert answer.err.count("\n") == 1
    return answer.err

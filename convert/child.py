"""Run work in a child process, so that an abort inside TensorFlow's converter becomes an error message."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from edge_runtime.errors import DigitsError

Result = TypeVar("Result")
_STEP, _RESULT, _ERROR = "step", "result", "error"


def in_child(work: Callable[..., Result], *arguments: Any, step: Callable[[str], object], **options: Any) -> Result:
    """Call a function in a child process and return its result.

    Args:
        work: a module-level function. Called with the arguments, options and a `step` that forwards to the caller's.
        arguments: picklable.
        step: called in this process with the name of each step.
        options: picklable.

    Raises:
        DigitsError: raised by the function, or the process died; the message names the signal or exit code, and the step.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(theirs, work, arguments, options), daemon=True)
    child.start()
    theirs.close()
    last = "starting"
    try:
        while True:
            kind, content = ours.recv()
            if kind == _STEP:
                last = content
                step(content)
            elif kind == _ERROR:
                raise content
            else:
                return content  # type: ignore[no-any-return]  # the result of `work`
    except EOFError:
        child.join()
        raise DigitsError(
            f"the child process died ({_exit_cause(child.exitcode)}) at this step: {last}; digits -v shows TensorFlow's messages"
        ) from None
    finally:
        child.kill()
        child.join()


def _serve(pipe: Connection, work: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and kills this process
    try:
        pipe.send((_RESULT, work(*arguments, step=lambda text: pipe.send((_STEP, text)), **options)))
    except DigitsError as error:
        pipe.send((_ERROR, error))


def _exit_cause(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"

"""Work in a child process, so that an abort inside TensorFlow's converter is an error message and no dead shell."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from edge_runtime.errors import DigitsError

Result = TypeVar("Result")
_STEP, _RESULT, _ERROR = "step", "result", "error"


def in_child(work: Callable[..., Result], *arguments: Any, step: Callable[[str], object], **options: Any) -> Result:
    """Call a function in a process of its own.

    Args:
        work: a function of a module. Called with the arguments, and with `step`, which reaches the caller's.
        arguments: what can be pickled.
        step: told what is done, here.
        options: what can be pickled.

    Raises:
        DigitsError: what the function raised, or that the process died and of what.
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
                return content  # type: ignore[no-any-return]  # what `work` gave
    except EOFError:
        child.join()
        raise DigitsError(f"the process that converts died ({_reason(child.exitcode)}) at this step: {last}") from None
    finally:
        child.kill()
        child.join()


def _serve(pipe: Connection, work: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    try:
        pipe.send((_RESULT, work(*arguments, step=lambda text: pipe.send((_STEP, text)), **options)))
    except DigitsError as error:
        pipe.send((_ERROR, error))


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"

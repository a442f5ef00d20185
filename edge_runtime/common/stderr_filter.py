"""What the interpreters print on stderr by themselves, kept off; whatever else comes there meanwhile is passed on.

They tell of a delegate that they made ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU."), TensorFlow of GPUs that it did not
find, and tf.lite of its own end. With EDGE_DIGITS_VERBOSE=1 (`digits -v`) all of it is seen, of child processes too.
"""

import contextlib
import faulthandler
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import BinaryIO

# TFLite's logger, absl's two forms, and the second line of one of TensorFlow's. A fatal message (F) is none.
_CHATTER = re.compile(
    rb"(INFO|WARNING|ERROR): |[IWE]\d{4} \d\d:\d\d|\d{4}-\d\d-\d\d [\d:.]+: [IWE] |To enable the following instructions: "
)
_MODULES = r"(ai_edge_litert|tflite_runtime|tensorflow\.lite\.python)\.interpreter"
_lock = threading.RLock()


def verbose() -> bool:
    """Whether the interpreters' own words are wanted."""
    return os.environ.get("EDGE_DIGITS_VERBOSE") == "1"


def ignore_warnings() -> None:
    """Let no warning of the interpreters' Python halves be shown from now on (of debugging switches, and that tf.lite will end)."""
    if not verbose():
        warnings.filterwarnings("ignore", category=UserWarning, module=_MODULES)


@contextlib.contextmanager
def filter_stderr(*, everything: bool = False) -> Iterator[None]:
    """Keep the interpreters' words off stderr for as long as the block runs.

    The file descriptor itself is turned away, since it is C++ code that prints. What was no chatter is passed on when the block ends, other
    threads' words too, and Python's report of a crash goes to the real stderr at once. With `everything`, nothing is passed on.
    """
    if verbose() or not _is_open(2):
        yield
        return
    with _lock:
        _flush()
        kept = os.dup(2)
        try:
            with spool() as said:
                os.dup2(said.fileno(), 2)
                try:
                    with _crashes_told(kept):
                        yield
                finally:
                    _flush()
                    os.dup2(kept, 2)
                    if not everything:
                        _pass_on(said)
        finally:
            os.close(kept)


def filter_lines(text: bytes) -> bytes:
    """The lines of a text that are not the interpreters' own."""
    return b"".join(line for line in text.splitlines(keepends=True) if not _CHATTER.match(line))


def spool() -> BinaryIO:
    """A file in memory for what is printed; where the system has none, a place where it is lost."""
    descriptor = os.memfd_create("stderr") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    return os.fdopen(descriptor, "w+b", 0)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none at all
        sys.stderr.flush()


def _pass_on(said: BinaryIO) -> None:
    said.seek(0)
    with open(2, "wb", closefd=False) as stderr, contextlib.suppress(OSError):
        stderr.write(filter_lines(said.read()))


@contextlib.contextmanager
def _crashes_told(stderr: int) -> Iterator[None]:
    """Have Python report a crash there. A program that has set up such a report of its own, other than on stderr, keeps it."""
    wanted = "faulthandler" in sys._xoptions or sys.flags.dev_mode or bool(os.environ.get("PYTHONFAULTHANDLER"))
    if faulthandler.is_enabled() and not wanted:
        yield
        return
    faulthandler.enable(stderr)
    try:
        yield
    finally:
        if wanted:
            faulthandler.enable(2)
        else:
            faulthandler.disable()

"""Keep the log messages of TFLite and TensorFlow, and Pillow's warnings, off stderr; everything else is passed on.

They log created delegates ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU."), missing GPUs, and the deprecation of tf.lite. With
EDGE_DIGITS_VERBOSE=1 (`digits -v`) nothing is filtered, in child processes neither.
"""

import contextlib
import faulthandler
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

# TFLite's logger, absl's two forms, and the second line of one of TensorFlow's messages. Fatal messages (F) are kept.
_LOG_LINE = re.compile(
    rb"(INFO|WARNING|ERROR): |[IWE]\d{4} \d\d:\d\d|\d{4}-\d\d-\d\d [\d:.]+: [IWE] |To enable the following instructions: "
)
_MODULES = r"(ai_edge_litert|tflite_runtime|tensorflow\.lite\.python)\.interpreter"
_lock, _warnings_lock = threading.RLock(), threading.Lock()
_ours = False
_blocks, _filter = 0, cast(Any, None)  # of `ignore_pillow_warnings`


def verbose() -> bool:
    """Whether log messages are shown."""
    return os.environ.get("EDGE_DIGITS_VERBOSE") == "1"


def own_stderr() -> None:
    """State that this process is a command of this project, so that everything on stderr is the project's."""
    global _ours  # noqa: PLW0603  # stderr is the process's
    _ours = True


def ignore_warnings() -> None:
    """Ignore the Python warnings of the interpreters from now on (of debugging switches, and of tf.lite's deprecation)."""
    if not verbose():
        warnings.filterwarnings("ignore", category=UserWarning, module=_MODULES)


@contextlib.contextmanager
def ignore_pillow_warnings() -> Iterator[None]:
    """Ignore the warnings of Pillow's modules while the block runs, on any number of threads.

    The first of several blocks adds a filter, the last removes it. Of blocks of `warnings.catch_warnings` that overlap, the later one
    would restore the filter of the earlier one, and everything would be ignored from then on.
    """
    global _blocks, _filter  # noqa: PLW0603  # so are the filters of `warnings`
    with _warnings_lock:
        _blocks += 1
        if _blocks == 1:
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _filter = warnings.filters[0]
    try:
        yield
    finally:
        with _warnings_lock:
            _blocks -= 1
            if not _blocks:
                with contextlib.suppress(ValueError):  # the program has reset the filters
                    warnings.filters.remove(_filter)  # type: ignore[attr-defined]


@contextlib.contextmanager
def filter_stderr(*, everything: bool = False) -> Iterator[None]:
    """Filter stderr while the block runs.

    The file descriptor is redirected, since C++ code prints. All other lines are passed on when the block ends; Python's report of a crash
    goes to the real stderr at once. With `everything`, nothing is passed on.

    Another program's stderr is left alone where something could be lost: if other threads run, whose lines may look like log messages, or
    if it has enabled faulthandler, whose report would go to the redirected descriptor.
    """
    shared = not _ours and not everything and (threading.active_count() > 1 or _has_enabled_faulthandler())
    if verbose() or shared or not _is_open(2):
        yield
        return
    with _lock:
        _flush()
        original = os.dup(2)
        try:
            with memory_file() as captured:
                os.dup2(captured.fileno(), 2)
                try:
                    with _crash_reports_to(original):
                        yield
                finally:
                    _flush()
                    os.dup2(original, 2)
                    if not everything:
                        _pass_on(captured)
        finally:
            os.close(original)


def filter_lines(text: bytes) -> bytes:
    """The lines of a text that are not log messages."""
    return b"".join(line for line in text.splitlines(keepends=True) if not _LOG_LINE.match(line))


def memory_file() -> BinaryIO:
    """A file in memory; /dev/null where the system has no memfd_create."""
    descriptor = os.memfd_create("stderr") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    return os.fdopen(descriptor, "w+b", 0)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
        sys.stderr.flush()


def _pass_on(captured: BinaryIO) -> None:
    captured.seek(0)
    with open(2, "wb", closefd=False) as stderr, contextlib.suppress(OSError):
        stderr.write(filter_lines(captured.read()))


@contextlib.contextmanager
def _crash_reports_to(stderr: int) -> Iterator[None]:
    """Have faulthandler report a crash there, unless the program has enabled it, for a file that cannot be asked for."""
    if _has_enabled_faulthandler():
        yield
        return
    wanted = faulthandler.is_enabled()
    faulthandler.enable(stderr)
    try:
        yield
    finally:
        if wanted:
            faulthandler.enable(2)
        else:
            faulthandler.disable()


def _has_enabled_faulthandler() -> bool:
    """Whether the program did, not an option of Python, which is for stderr."""
    by_option = "faulthandler" in sys._xoptions or sys.flags.dev_mode or bool(os.environ.get("PYTHONFAULTHANDLER"))
    return faulthandler.is_enabled() and not by_option

"""What is filtered from stderr and what is not: the interpreters' log, lines of other threads, tracebacks and crashes."""

import os
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest

from edge_runtime.common.child_process import last_line
from edge_runtime.common.stderr_filter import filter_lines, ignore_pillow_warnings, memory_file
from tools.support.waiting import PATIENCE

LOG_LINES = b"""\
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795464961.748079   17627 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
E0000 00:00:1795464961.748079   17627 cuda_dnn.cc:8310] Unable to register cuDNN factory
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate compiler flags.
2026-11-23 20:08:45.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized
"""
OTHER_LINES = b"""\
digits: x.png: is not a PNG, JPEG, BMP, GIF, WebP or TIFF image
Traceback (most recent call last):
ImportError: numpy.core.multiarray failed to import
F0000 00:00:1795464961.748079   17627 check.cc:1] Check failed: ok
Fatal Python error: Segmentation fault
Illegal instruction
"""


def _stderr(body: str, *options: str, **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a program."""
    code = "import os, sys, threading\nfrom edge_runtime.common.stderr_filter import filter_stderr\n" + textwrap.dedent(body)
    child = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    return child.returncode, child.stderr


PRINTS_BOTH = """
with filter_stderr():
    os.write(2, b"INFO: made a delegate\\n")
    thread = threading.Thread(target=lambda: print("from a thread", file=sys.stderr))
    thread.start()
    thread.join()
    os.write(2, b"something is wrong\\n")
"""


def test_log_lines_are_recognised() -> None:
    """Line by line, by how the interpreters' loggers begin theirs."""
    assert filter_lines(LOG_LINES) == b""
    assert filter_lines(OTHER_LINES) == OTHER_LINES
    assert filter_lines(LOG_LINES + OTHER_LINES + LOG_LINES + b"the end") == OTHER_LINES + b"the end"


def test_only_log_lines_are_filtered() -> None:
    """Lines of another thread, and all that are not log lines, are passed on when the block ends."""
    code, message = _stderr(PRINTS_BOTH)
    assert (code, sorted(message.splitlines())) == (0, ["from a thread", "something is wrong"])


def test_verbose_lets_everything_through() -> None:
    """As -v does."""
    assert "INFO: made a delegate" in _stderr(PRINTS_BOTH, EDGE_DIGITS_VERBOSE="1")[1]


def test_an_exception_is_seen_whole() -> None:
    """Its traceback, and what was printed before it."""
    body = 'with filter_stderr():\n    os.write(2, b"about to fail\\n")\n    raise RuntimeError("failed")'
    code, message = _stderr(body)
    assert code == 1
    assert message.startswith("about to fail\nTraceback")
    assert message.endswith("RuntimeError: failed\n")


@pytest.mark.parametrize("options", [(), ("-X", "faulthandler"), ("-X", "dev")])
@pytest.mark.parametrize(("signal", "name"), [("SIGSEGV", "Segmentation fault"), ("SIGABRT", "Aborted"), ("SIGILL", "Illegal")])
def test_a_crash_is_reported(signal: str, name: str, options: tuple[str, ...]) -> None:
    """Inside of the block, by Python on the real stderr, whether it was asked for such reports or not."""
    code, message = _stderr(f"import signal\nwith filter_stderr():\n    os.kill(os.getpid(), signal.{signal})", *options)
    assert code < 0
    assert f"Fatal Python error: {name}" in message


WITH_A_THREAD = """
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
with filter_stderr():
    os.write(2, b"INFO: of the thread, or not\\n")
stop.set()
"""


def test_lines_of_another_program_s_threads_are_not_lost() -> None:
    """They may look like log messages, so nothing is filtered while threads run; a command of ours has no such lines."""
    assert _stderr(WITH_A_THREAD) == (0, "INFO: of the thread, or not\n")
    ours = "from edge_runtime.common.stderr_filter import own_stderr; own_stderr()"
    assert _stderr(ours + WITH_A_THREAD) == (0, "")


def test_a_crash_is_reported_where_the_program_wanted_it(tmp_path: Path) -> None:
    """On stderr, or in a file."""
    crash = "import faulthandler, signal; faulthandler.enable({})\nwith filter_stderr(): os.kill(os.getpid(), signal.SIGSEGV)"
    assert "Fatal Python error: Segmentation fault" in _stderr(crash.format(""))[1]
    assert _stderr(crash.format(f"open({str(tmp_path / 'log')!r}, 'w')"))[1] == ""
    assert "Fatal Python error: Segmentation fault" in (tmp_path / "log").read_text()


def test_crashes_afterwards_are_reported_as_before() -> None:
    """Outside of the block reports are as the program had them: none, or on stderr."""
    body = "import signal\nwith filter_stderr(): pass\nos.kill(os.getpid(), signal.SIGSEGV)"
    assert _stderr(body)[1] == ""
    assert "Fatal Python error" in _stderr(body, "-X", "faulthandler")[1]


def test_a_process_without_stderr_is_left_alone() -> None:
    """As a service may be started: file descriptor 2 is closed."""
    code, message = _stderr('os.close(2)\nwith filter_stderr(): pass\nassert not os.path.exists("/proc/self/fd/2")')
    assert (code, message) == (0, "")


def test_no_descriptor_is_left_open() -> None:
    """However often it is used."""
    body = """
    before = os.listdir("/proc/self/fd")
    for _ in range(50):
        with filter_stderr(): os.write(2, b"INFO: x\\n")
    assert os.listdir("/proc/self/fd") == before
    """
    assert _stderr(body) == (0, "")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", ""),
        (LOG_LINES, ""),
        (b"terminate called\n  what():  too long\n" + LOG_LINES + b"\n", " (what():  too long)"),
        (b"\x1b[2Jcleared\xff\n", " ( [2Jcleared\ufffd)"),
        (b"x" * 10_000, f" ({'x' * 200})"),
    ],
)
def test_the_last_line_of_a_child(message: bytes, expected: str) -> None:
    """Its last line that is not of the log, in a form that fits into one line."""
    with memory_file() as file:
        file.write(message)
        assert last_line(file) == expected


def _warn(module: str) -> None:
    warnings.warn_explicit("damaged", UserWarning, "file.py", 1, module)


def test_pillow_s_warnings_alone_are_ignored() -> None:
    """Within the block."""
    with ignore_pillow_warnings():
        _warn("PIL.TiffImagePlugin")
        with pytest.warns(UserWarning, match="damaged"):
            _warn("elsewhere")
    with pytest.warns(UserWarning, match="damaged"):
        _warn("PIL.TiffImagePlugin")


def test_blocks_that_overlap_leave_the_filters_as_they_were() -> None:
    """The first one ends first: until the second one ends Pillow is ignored, and then no more."""
    before = list(warnings.filters)
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with ignore_pillow_warnings():
            entered.set()
            leave.wait(PATIENCE)

    thread = threading.Thread(target=second)
    with ignore_pillow_warnings():
        thread.start()
        assert entered.wait(PATIENCE)
    assert warnings.filters != before
    _warn("PIL.Image")
    leave.set()
    thread.join()
    assert list(warnings.filters) == before


def test_filters_that_the_program_has_reset_stay_so() -> None:
    """Nothing is removed that is not there."""
    with warnings.catch_warnings():
        with ignore_pillow_warnings():
            warnings.resetwarnings()
        assert warnings.filters == []

"""What is kept off stderr and what is not: chatter of interpreters, words of other threads, tracebacks and crashes."""

import os
import subprocess
import sys
import textwrap

import pytest

from edge_runtime.common.child_process import last_line
from edge_runtime.common.stderr_filter import filter_lines, memory_file

CHATTER = b"""\
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795464961.748079   17627 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
E0000 00:00:1795464961.748079   17627 cuda_dnn.cc:8310] Unable to register cuDNN factory
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate compiler flags.
2026-11-23 20:08:45.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized
"""
OURS = b"""\
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


SAYS_BOTH = """
with filter_stderr():
    os.write(2, b"INFO: made a delegate\\n")
    thread = threading.Thread(target=lambda: print("from a thread", file=sys.stderr))
    thread.start()
    thread.join()
    os.write(2, b"something is wrong\\n")
"""


def test_chatter_is_told_from_everything_else() -> None:
    """Line by line, by how the interpreters' loggers begin theirs."""
    assert filter_lines(CHATTER) == b""
    assert filter_lines(OURS) == OURS
    assert filter_lines(CHATTER + OURS + CHATTER + b"the end") == OURS + b"the end"


def test_only_chatter_is_kept_off() -> None:
    """What another thread says, or anything that is not known as chatter, comes out when the block ends."""
    code, said = _stderr(SAYS_BOTH)
    assert (code, sorted(said.splitlines())) == (0, ["from a thread", "something is wrong"])


def test_verbose_lets_everything_through() -> None:
    """As -v does."""
    assert "INFO: made a delegate" in _stderr(SAYS_BOTH, EDGE_DIGITS_VERBOSE="1")[1]


def test_an_exception_is_seen_whole() -> None:
    """Its traceback, and what was said before it."""
    body = 'with filter_stderr():\n    os.write(2, b"about to fail\\n")\n    raise RuntimeError("failed")'
    code, said = _stderr(body)
    assert code == 1
    assert said.startswith("about to fail\nTraceback")
    assert said.endswith("RuntimeError: failed\n")


@pytest.mark.parametrize("options", [(), ("-X", "faulthandler"), ("-X", "dev")])
@pytest.mark.parametrize(("signal", "name"), [("SIGSEGV", "Segmentation fault"), ("SIGABRT", "Aborted"), ("SIGILL", "Illegal")])
def test_a_crash_is_told(signal: str, name: str, options: tuple[str, ...]) -> None:
    """Inside of the block, by Python on the real stderr, whether it was asked for such reports or not."""
    code, said = _stderr(f"import signal\nwith filter_stderr():\n    os.kill(os.getpid(), signal.{signal})", *options)
    assert code < 0
    assert f"Fatal Python error: {name}" in said


def test_crashes_afterwards_are_told_as_before() -> None:
    """Outside of the block reports are as the program had them: none, or on stderr."""
    body = "import signal\nwith filter_stderr(): pass\nos.kill(os.getpid(), signal.SIGSEGV)"
    assert _stderr(body)[1] == ""
    assert "Fatal Python error" in _stderr(body, "-X", "faulthandler")[1]


def test_a_process_without_stderr_is_left_alone() -> None:
    """As a service may be started: file descriptor 2 is closed."""
    code, said = _stderr('os.close(2)\nwith filter_stderr(): pass\nassert not os.path.exists("/proc/self/fd/2")')
    assert (code, said) == (0, "")


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
    ("said", "expected"),
    [
        (b"", ""),
        (CHATTER, ""),
        (b"terminate called\n  what():  too long\n" + CHATTER + b"\n", " (what():  too long)"),
        (b"\x1b[2Jcleared\xff\n", " ( [2Jcleared\ufffd)"),
        (b"x" * 10_000, f" ({'x' * 200})"),
    ],
)
def test_the_last_words_of_a_child(said: bytes, expected: str) -> None:
    """Its last line that is no chatter, fit for a message of one line."""
    with memory_file() as file:
        file.write(said)
        assert last_line(file) == expected

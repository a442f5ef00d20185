"""The parent's side of `benchmarks.worker.main`: starting children, asking for turns, and what they ran in."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_runtime.common.child_process import last_line, module_command
from edge_runtime.errors import BadArgument, DigitsError

_LONGEST_ANSWER_S = 300
_NUMPY_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


@dataclass(frozen=True)
class Environment:
    """A Python that runs subjects: its executable, what it needs in PYTHONPATH, and its name for messages."""

    name: str
    python: str = sys.executable
    path: str = str(Path(__file__).parents[2])

    def command(self, module: str, *words: str) -> list[str]:
        """The command that runs a module there."""
        return [self.python, *module_command(module, *words)[1:]]

    def variables(self, threads: int = 1) -> dict[str, str]:
        """Its environment variables; numpy's own library has so many threads, and TensorFlow says nothing needless."""
        quiet = {"PYTHONPATH": self.path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        return {**os.environ, **quiet, **dict.fromkeys(_NUMPY_THREADS, str(threads))}


OURS = Environment("edge-digits")


def check_pinned(processors: Sequence[int]) -> None:
    """Refuse processors that this process may not run on.

    Raises:
        BadArgument: there is one; the message lists those that there are.
    """
    if not processors:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise BadArgument("--pin needs Linux: this system binds no process to processors")
    allowed = os.sched_getaffinity(0)
    if strangers := [number for number in processors if number not in allowed]:
        raise BadArgument(f"--pin {strangers[0]}: there is no such processor here; there are {' '.join(map(str, sorted(allowed)))}")


@contextmanager
def pinned_to(processors: Sequence[int]) -> Iterator[None]:
    """Bind this thread for a while, and so for good what it starts: all of it, from the first instruction on. None: to no processor."""
    if not processors:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class BackendSpec:
    """A subject as a child is told of it: its module, its model file, its threads, its options."""

    module: str
    model: str
    threads: int
    options: Mapping[str, Any] = field(default_factory=dict)


class Worker:
    """A running child. A context manager: the child ends with it.

    Attributes:
        ready: what the child said when its subjects were loaded and warm.
        subjects: how many there are.
    """

    def __init__(self, environment: Environment, subjects: Sequence[BackendSpec], images: Path, pinned: Sequence[int] = ()) -> None:
        """Start the child and wait until it is ready.

        Raises:
            DigitsError: it failed; the message ends with its last words.
        """
        self._name = environment.name
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child ends
        variables = environment.variables(min((subject.threads for subject in subjects), default=1))
        try:
            with pinned_to(pinned):
                self._child = subprocess.Popen(
                    environment.command("benchmarks.worker.main"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    env=variables,
                )
        except OSError as error:
            self._said.close()
            raise DigitsError(f"{environment.name}: {error}") from error
        self.subjects = len(subjects)
        task = {"images": str(images), "subjects": [asdict(subject) for subject in subjects]}
        try:
            self.ready = self._ask(task)
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int:
        """Of the child."""
        return self._child.pid

    def turn(self, subject: int, start: int, samples: int, batch: int = 1, group: int = 1) -> dict[str, Any]:
        """Time a subject: `samples` groups of `group` calls with `batch` images each, from image number `start` on.

        Raises:
            DigitsError: the child failed.
        """
        return self._ask({"subject": subject, "start": start, "samples": samples, "batch": batch, "group": group})

    def classes(self, subject: int, images: Path) -> list[int]:
        """The class that a subject gives to each image of an .npy file.

        Raises:
            DigitsError: the child failed.
        """
        return list(self._ask({"subject": subject, "classify": str(images)})["classes"])

    def sustain(self, subject: int, seconds: float) -> dict[str, Any]:
        """Let a subject answer for so many seconds without rest: samples of groups of calls, and the size of a group.

        Raises:
            DigitsError: the child failed.
        """
        return self._ask({"subject": subject, "seconds": seconds})

    def loadgen(self, subject: int | None, scenario: str, queries: int, images: Path | None = None) -> dict[str, Any]:
        """Let MLPerf LoadGen ask a subject, or nothing at all; with `images`, an .npy file, in its accuracy mode (`loadgen_sut`).

        Raises:
            DigitsError: the child failed.
        """
        return self._ask({"subject": subject, "scenario": scenario, "queries": queries, "images": images and str(images)})

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._child.stdin
        assert self._child.stdout
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._failure("ended") from None
        if not select.select([self._child.stdout], [], [], _LONGEST_ANSWER_S)[0]:
            raise self._failure(f"did not answer for {_LONGEST_ANSWER_S} s")
        line = self._child.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure("ended")
        return dict(json.loads(line))

    def _failure(self, what: str) -> DigitsError:
        if what == "ended":
            self._child.wait(5)  # it may still be writing why
        words = last_line(self._said)
        self.close()
        return DigitsError(f"{self._name}: the process that was measured {what}{words}")

    def close(self) -> None:
        """End the child. More than once is once."""
        if self._said.closed:
            return
        assert self._child.stdin
        with suppress(BrokenPipeError):
            self._child.stdin.close()
        if self._child.poll() is None:
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        assert self._child.stdout
        self._child.stdout.close()
        self._said.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

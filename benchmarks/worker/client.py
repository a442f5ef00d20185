"""A run's side of the worker processes: starting them, sending requests, and the environments that they run in."""

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from benchmarks.worker import protocol
from edge_runtime.common.child_process import child_environment, last_line, module_command
from edge_runtime.errors import BadArgument, DigitsError

_REPLY_TIMEOUT_S = 300
_NUMPY_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
Reply = TypeVar("Reply")


@dataclass(frozen=True)
class Environment:
    """A Python environment that runs backends: a name for messages, its executable, and its PYTHONPATH; by default this one's."""

    name: str
    python: str = sys.executable
    path: str = child_environment().get("PYTHONPATH", "")

    def command(self, module: str, *words: str) -> list[str]:
        """The command that runs a module in this environment."""
        return [self.python, *module_command(module, *words)[1:]]

    def variables(self, threads: int = 1) -> dict[str, str]:
        """Its environment variables: `threads` for numpy's BLAS, and no log messages of TensorFlow."""
        quiet = {"PYTHONPATH": self.path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        return {**os.environ, **quiet, **dict.fromkeys(_NUMPY_THREADS, str(threads))}


OURS = Environment("edge-digits")


def check_pinned(processors: Sequence[int]) -> None:
    """Check that this process may run on these processors.

    Raises:
        BadArgument: it may not run on one of them, or the system cannot pin processes.
    """
    if not processors:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise BadArgument("--pin needs Linux: this system cannot bind processes to processors")
    allowed = os.sched_getaffinity(0)
    if unavailable := [number for number in processors if number not in allowed]:
        raise BadArgument(f"--pin {unavailable[0]}: no such processor; available are {' '.join(map(str, sorted(allowed)))}")


@contextmanager
def pinned_to(processors: Sequence[int]) -> Iterator[None]:
    """Bind this thread to processors for a while. Processes that it starts meanwhile stay bound to them. Empty: change nothing."""
    if not processors:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Worker:
    """A worker process with its backends loaded. A context manager: the process ends with it.

    Attributes:
        ready: the process's reply when all backends were warm.
        backends: a handle for each backend, in the order given.
    """

    def __init__(
        self, environment: Environment, specs: Sequence[protocol.BackendSpec], images: Path, pinned: Sequence[int] = ()
    ) -> None:
        """Start the process and wait until it is ready.

        Raises:
            DigitsError: it failed; the message ends with the last line of its standard error.
        """
        self._name = environment.name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process ends
        variables = environment.variables(specs[0].threads if specs else 1)
        try:
            with pinned_to(pinned):
                self._process = subprocess.Popen(
                    environment.command("benchmarks.worker.main"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    env=variables,
                )
        except OSError as error:
            self._errors.close()
            raise DigitsError(f"{environment.name}: {error}") from error
        try:
            self.ready = self.send(protocol.Load(list(specs), str(images)), protocol.Ready)
        except BaseException:
            self.close()
            raise
        self.backends = [RunningBackend(self, index, warmup) for index, warmup in enumerate(self.ready.warmups)]

    @property
    def process_id(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, request: protocol.Load | protocol.Request, reply: type[Reply], seconds: float = 0) -> Reply:
        """Send a request that takes about so many seconds, and wait for its reply.

        Raises:
            DigitsError: the process ended, or did not reply within five minutes more.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(protocol.encode(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure("ended") from None
        limit = seconds + _REPLY_TIMEOUT_S
        if not select.select([self._process.stdout], [], [], limit)[0]:
            raise self._failure(f"did not reply within {limit:g} s")
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure("ended")
        found = protocol.decode(line)
        assert isinstance(found, reply)
        return found

    def loadgen_overhead(self, queries: int) -> protocol.LoadGenOutput:
        """Run LoadGen's SingleStream scenario with queries that are completed at once.

        Raises:
            DigitsError: the process failed.
        """
        return self.send(protocol.RunLoadGen(None, "SingleStream", queries, None), protocol.LoadGenOutput)

    def _failure(self, what: str) -> DigitsError:
        if what == "ended":
            self._process.wait(5)  # it may still be writing its last error
        words = last_line(self._errors)
        self.close()
        return DigitsError(f"{self._name}: the worker process {what}{words}")

    def close(self) -> None:
        """End the process; do nothing if it has ended."""
        if self._errors.closed:
            return
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.poll() is None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class RunningBackend:
    """A backend that is loaded and warm in a worker process. Every method raises `DigitsError` if the process fails."""

    worker: Worker
    index: int
    warmup: protocol.Warmup

    def time_calls(self, first_image: int, samples: int, batch: int = 1, group: int = 1) -> protocol.Samples:
        """Time `samples` groups of `group` calls with `batch` images each, from image number `first_image` on."""
        return self.worker.send(protocol.TimeCalls(self.index, first_image, samples, batch, group), protocol.Samples)

    def classify(self, images: Path) -> Sequence[int]:
        """The class of each image of an .npy file."""
        return self.worker.send(protocol.Classify(self.index, str(images)), protocol.Classes).classes

    def time_photos(self, photo: Path, samples: int) -> protocol.Samples:
        """Time calls of our classifier from the bytes of an image file to a label."""
        return self.worker.send(protocol.TimePhotos(self.index, str(photo), samples), protocol.Samples)

    def golden(self) -> protocol.GoldenOutcome:
        """Run the golden images of our classifier's model file."""
        return self.worker.send(protocol.RunGolden(self.index), protocol.GoldenOutcome)

    def sustain(self, seconds: float) -> protocol.Samples:
        """Classify single images without a pause for `seconds`, timed in groups of calls."""
        return self.worker.send(protocol.Sustain(self.index, seconds), protocol.Samples, seconds)

    def loadgen(self, scenario: str, queries: int, images: Path | None = None) -> protocol.LoadGenOutput:
        """Run an MLPerf LoadGen scenario; with `images`, an .npy file, in its accuracy mode."""
        return self.worker.send(
            protocol.RunLoadGen(self.index, scenario, queries, str(images) if images else None), protocol.LoadGenOutput
        )

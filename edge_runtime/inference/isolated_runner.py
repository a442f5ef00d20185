"""Run a plain `.tflite`, which has no verified hash, in a child process: a damaged file crashes or hangs the child alone.

Of 400 files with a few changed bytes, 165 crashed tflite-runtime 2.14, some only after several images, so a trial run is not enough.

Protocol: the child reads a length and the FlatBuffer, then 784 bytes per image. It replies to each with a status byte, the number of the
request, a length, and the outputs or a message. Whatever interrupts a request ends the child, since its reply would be taken for the next
one's.
"""

import os
import select
import signal
import struct
import subprocess
import sys
import weakref
from itertools import count
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.child_process import child_environment, last_line, module_command
from edge_runtime.common.pixels import SIDE
from edge_runtime.common.stderr_filter import memory_file, verbose
from edge_runtime.errors import DigitsError, MissingPackage, ModelFileError
from edge_runtime.inference.interpreter import BACKENDS, Backend
from edge_runtime.inference.runner import Runner
from edge_runtime.model.graph import Graph, read_graph

_SECONDS = 60
_MAX_MESSAGE = 1 << 20
_LENGTH, _REPLY = struct.Struct("<I"), struct.Struct("<BII")
_OUTPUTS, _WRONG_MODEL, _WRONG_RUNTIME = 0, 1, 2


class IsolatedRunner:
    """Like `Runner`, for one image at a time, but in a child process, which ends with the object."""

    def __init__(self, flatbuffer: bytes, graph: Graph, backend: Backend, threads: int = 1) -> None:
        """Start the child, and run the model on a blank, a full and a noisy image.

        Raises:
            ModelFileError: the child crashed, hung for a minute, or its interpreter refused the model.
            MissingPackage: the interpreter itself does not work here.
        """
        self._package = backend.package
        self._dtype = np.dtype(graph.outputs[0].dtype)
        self._classes = graph.outputs[0].shape[-1]
        self._number, self._interrupted = 0, False
        self._stderr = memory_file()
        self._child = _start(backend, threads, self._stderr)
        self._finalizer = weakref.finalize(self, _stop, self._child, self._stderr)
        self._request(_LENGTH.pack(len(flatbuffer)) + flatbuffer, 0)
        noise = np.random.RandomState(0).randint(0, 256, (SIDE, SIDE)).astype(np.uint8)
        for image in (np.zeros_like(noise), np.full_like(noise, 255), noise):
            self.run_one(image)

    def run_one(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """Run one image, uint8 [28, 28].

        Returns:
            The outputs, [classes], in the dtype of the graph's output.

        Raises:
            ModelFileError: the child crashed, hung for a minute, or its interpreter failed; or an earlier call was interrupted.
        """
        return np.frombuffer(self._request(image.tobytes(), self._classes * self._dtype.itemsize), self._dtype).copy()

    def close(self) -> None:
        """End the child process."""
        self._finalizer()

    def _request(self, request: bytes, expected: int) -> bytes:
        """Send a request, and receive its reply of `expected` bytes."""
        if self._interrupted:
            raise ModelFileError(f"{self._package} was interrupted in an answer, and its process ended; load the model again")
        self._number += 1
        try:
            self._write(request)
            status, number, length = _REPLY.unpack(self._read(_REPLY.size))
            if number != self._number or length > _MAX_MESSAGE or (status == _OUTPUTS and length != expected):
                raise ModelFileError(
                    f"{self._package} replied {length} bytes to image {number}, expected {expected} to {self._number}"
                )
            payload = self._read(length)
        except (BrokenPipeError, EOFError):
            raise ModelFileError(self._exit_text()) from None
        except BaseException:  # also KeyboardInterrupt: the reply that is still to come belongs to nobody
            self._interrupted = True
            self._child.kill()
            raise
        if status == _OUTPUTS:
            return payload
        message = payload.decode(errors="replace")
        raise MissingPackage(message) if status == _WRONG_RUNTIME else ModelFileError(message)

    def _write(self, request: bytes) -> None:
        """Write all of a request."""
        assert self._child.stdin
        rest, pipe = memoryview(request), self._child.stdin.fileno()
        while rest:
            if not select.select([], [pipe], [], _SECONDS)[1]:
                raise ModelFileError(self._hung())
            rest = rest[os.write(pipe, rest[: select.PIPE_BUF]) :]

    def _read(self, length: int) -> bytes:
        """Read exactly `length` bytes of the child's reply."""
        assert self._child.stdout
        received = b""
        while len(received) < length:
            if not select.select([self._child.stdout], [], [], _SECONDS)[0]:
                raise ModelFileError(self._hung())
            part = os.read(self._child.stdout.fileno(), length - len(received))
            if not part:
                raise EOFError
            received += part
        return received

    def _hung(self) -> str:
        return f"{self._package} did not answer within {_SECONDS} s; the file may be damaged"

    def _exit_text(self) -> str:
        code = self._child.wait()
        message = last_line(self._stderr)
        if code < 0:
            return f"crashed {self._package} with signal {signal.Signals(-code).name}; the file is damaged{message}"
        return f"the child process of {self._package} exited with code {code}{message}"


def _start(backend: Backend, threads: int, stderr: BinaryIO) -> "subprocess.Popen[bytes]":
    """Start the child. Its stderr goes to a file, which `_exit_text` quotes; with -v it is shown."""
    return subprocess.Popen(
        module_command(__name__, backend.name, str(threads)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if verbose() else stderr,
        bufsize=0,
        env=child_environment(verbose=True),
    )


def _stop(child: "subprocess.Popen[bytes]", stderr: BinaryIO) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()
    child.kill()
    child.wait()
    stderr.close()


def _serve(requests: BinaryIO, replies: BinaryIO, backend: Backend, threads: int) -> None:
    """The child's loop: load the model, then run images until the parent closes the pipe."""
    numbers = count(1)

    def reply(status: int, payload: bytes) -> None:
        replies.write(_REPLY.pack(status, next(numbers), len(payload)) + payload)
        replies.flush()

    try:
        flatbuffer = requests.read(_LENGTH.unpack(requests.read(_LENGTH.size))[0])
        runner = Runner(flatbuffer, read_graph(flatbuffer), backend, threads)
        reply(_OUTPUTS, b"")
        while image := requests.read(SIDE * SIDE):
            reply(_OUTPUTS, runner.run_one(np.frombuffer(image, np.uint8).reshape(SIDE, SIDE)).tobytes())
    except MissingPackage as error:
        reply(_WRONG_RUNTIME, str(error).encode())
    except (DigitsError, RuntimeError, ValueError, MemoryError) as error:
        reply(_WRONG_MODEL, (str(error) or type(error).__name__).encode())


def _main(backend: str, threads: str) -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # discard what the interpreter prints on stdout
    _serve(sys.stdin.buffer, replies, BACKENDS[backend], int(threads))


if __name__ == "__main__":
    _main(*sys.argv[1:])

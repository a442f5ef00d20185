"""A model that nothing vouches for, in a child process for as long as it is used.

A plain `.tflite` has no verified hash. Of 400 files with a few changed bytes, tflite-runtime 2.14 was killed by 165, some of them only
after they had answered a few images; so a trial beforehand is not enough. What crashes or hangs here is the child.

The child reads a frame with the FlatBuffer, then 784 bytes an image; it answers each with a frame: a status byte, a length, the outputs
or a message.
"""

import os
import select
import signal
import struct
import subprocess
import sys
import weakref
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.child_process import child_environment, last_words, module_command
from edge_runtime.common.pixels import SIDE
from edge_runtime.common.stderr_filter import spool, verbose
from edge_runtime.errors import DigitsError, MissingPackage, ModelFileError
from edge_runtime.inference.interpreter import BACKENDS, Backend
from edge_runtime.inference.runner import Runner
from edge_runtime.model.graph import Graph, read_graph

_SECONDS = 60
_LENGTH, _REPLY = struct.Struct("<I"), struct.Struct("<BI")
_ANSWER, _WRONG_MODEL, _WRONG_RUNTIME = 0, 1, 2


class IsolatedRunner:
    """Like `Runner`, for one image at a time, but in a child process. Ends with the object."""

    def __init__(self, flatbuffer: bytes, graph: Graph, backend: Backend, threads: int = 1) -> None:
        """Start the child, and try the model on a blank, a full and a noisy image.

        Raises:
            ModelFileError: the child crashed, hung for a minute, or its interpreter refused the model.
            MissingPackage: the interpreter itself does not work here.
        """
        self._package = backend.package
        self._dtype = np.dtype(graph.outputs[0].dtype)
        self._said = spool()
        self._child = _start(backend, threads, self._said)
        self._finalizer = weakref.finalize(self, _stop, self._child, self._said)
        self._ask(_LENGTH.pack(len(flatbuffer)) + flatbuffer)
        noise = np.random.RandomState(0).randint(0, 256, (SIDE, SIDE)).astype(np.uint8)
        for image in (np.zeros_like(noise), np.full_like(noise, 255), noise):
            self.run_one(image)

    def run_one(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """Outputs of one image, uint8 [28, 28]: [classes] in the dtype of the graph's output.

        Raises:
            ModelFileError: the child crashed, hung for a minute, or its interpreter failed.
        """
        return np.frombuffer(self._ask(image.tobytes()), self._dtype).copy()

    def close(self) -> None:
        """End the child process."""
        self._finalizer()

    def _ask(self, request: bytes) -> bytes:
        assert self._child.stdin
        try:
            self._child.stdin.write(request)
            self._child.stdin.flush()
            status, length = _REPLY.unpack(self._read(_REPLY.size))
            payload = self._read(length)
        except (BrokenPipeError, EOFError):
            raise ModelFileError(self._how_it_ended()) from None
        if status == _ANSWER:
            return payload
        message = payload.decode(errors="replace")
        raise MissingPackage(message) if status == _WRONG_RUNTIME else ModelFileError(message)

    def _read(self, length: int) -> bytes:
        """Exactly `length` bytes of the child's answer; a child that takes too long is ended."""
        assert self._child.stdout
        received = b""
        while len(received) < length:
            if not select.select([self._child.stdout], [], [], _SECONDS)[0]:
                self._child.kill()
                raise ModelFileError(f"hung {self._package} for {_SECONDS} s")
            part = os.read(self._child.stdout.fileno(), length - len(received))
            if not part:
                raise EOFError
            received += part
        return received

    def _how_it_ended(self) -> str:
        code = self._child.wait()
        said = last_words(self._said)
        if code < 0:
            return f"ended {self._package} by signal {signal.Signals(-code).name}; the file is damaged{said}"
        return f"cannot be tried: the child process for {self._package} failed with exit code {code}{said}"


def _start(backend: Backend, threads: int, said: BinaryIO) -> "subprocess.Popen[bytes]":
    """The child. What it prints on stderr goes to a file, from which the last words of one that dies are told; with -v it is seen."""
    return subprocess.Popen(
        module_command(__name__, backend.name, str(threads)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if verbose() else said,
        bufsize=0,
        env=child_environment(talking=True),
    )


def _stop(child: "subprocess.Popen[bytes]", said: BinaryIO) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()
    child.kill()
    child.wait()
    said.close()


def _serve(requests: BinaryIO, replies: BinaryIO, backend: Backend, threads: int) -> None:
    """The child: load the model, then answer one image after the other until the parent is gone."""

    def reply(status: int, payload: bytes) -> None:
        replies.write(_REPLY.pack(status, len(payload)) + payload)
        replies.flush()

    try:
        flatbuffer = requests.read(_LENGTH.unpack(requests.read(_LENGTH.size))[0])
        runner = Runner(flatbuffer, read_graph(flatbuffer), backend, threads)
        reply(_ANSWER, b"")
        while image := requests.read(SIDE * SIDE):
            reply(_ANSWER, runner.run_one(np.frombuffer(image, np.uint8).reshape(SIDE, SIDE)).tobytes())
    except MissingPackage as error:
        reply(_WRONG_RUNTIME, str(error).encode())
    except (DigitsError, RuntimeError, ValueError, MemoryError) as error:
        reply(_WRONG_MODEL, (str(error) or type(error).__name__).encode())


def _main(backend: str, threads: str) -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever the interpreter prints is no answer
    _serve(sys.stdin.buffer, replies, BACKENDS[backend], int(threads))


if __name__ == "__main__":
    _main(*sys.argv[1:])

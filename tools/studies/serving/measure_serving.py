"""Measures `digits serve` over loopback, once on each kind of machine: `python -m tools.studies.serving.measure_serving`; two minutes.

What is compared takes turns in one run, and what is stated of it are ratios: client and server share the machine's cores. The samples go to
benchmarks/reference/serving-BOARD.json, which `make pages` reads. Loopback alone, bounded in count and time.
"""

import argparse
import asyncio
import http.client
import json
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.records import Machine
from benchmarks.runner.scheduler import turn_order
from benchmarks.system.info import this_machine
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.child_process import child_environment, module_command
from edge_runtime.common.json_codec import to_json
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.runner import Runner
from edge_runtime.preprocessing.image_files import png_bytes
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.page.drawing import draw, parse_strokes
from tools.release.layout import run
from tools.studies.serving.load import Running, closed_loop, http_request, open_loop, served, started
from tools.support.turns import Pair, add_board_options, board_and_target
from train.data import load_dataset

MODELS = ("small", "nano", "base")
ROUNDS, ROUND_SECONDS, CONNECTIONS = 15, 2.0, 8
LATENCY_ROUNDS, LATENCY_SECONDS = 9, 4.0  # shorter than an idle connection is kept
STARTS = 10
CALLS, TOGETHER = 400, 8
_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # what is installed has been compiled
SEVEN = [[[0.25, 0.15], [0.5, 0.14], [0.75, 0.15], [0.6, 0.5], [0.4, 0.9]]]


@dataclass(frozen=True)
class ServingResult:
    """What was measured on a machine.

    Attributes:
        machine: where.
        answer_bytes: of the infer answer, and of the constant.
        connections: that ask at once.
        throughput: answers a second, ours and a constant's.
        offered_rate: requests a second for the latency, half of what ours can do.
        latency_ns, constant_latency_ns: of each of those, ours and a constant's, by rounds that take turns; the first one warms up.
        start: from the start of the process to the first 200 of /v2/health/ready; and `digits classify` of one image, from start to end.
        hand_over: by model, nanoseconds of an inference on the event loop, and handed to a thread.
        batching: by model, nanoseconds an image, one after the other, and eight at once.
        drawing_ns: of bringing a drawn 7 into MNIST's form.
    """

    machine: Machine
    answer_bytes: int
    connections: int
    throughput: Pair
    offered_rate: float
    latency_ns: tuple[tuple[int, ...], ...]
    constant_latency_ns: tuple[tuple[int, ...], ...]
    start: Pair
    hand_over: tuple[Pair, ...]
    batching: tuple[Pair, ...]
    drawing_ns: tuple[int, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the results file."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.serving.measure_serving", description="Measure digits serve on this board."
    )
    add_board_options(parser)
    options = parser.parse_args(arguments)
    board, target = board_and_target(options, "serving")
    result = measure(board, 0.1 if options.quick else 1.0)
    if options.quick:
        print(f"{result.throughput.ratio:.2f} of a constant's throughput; start {result.start.ratio:.2f} of digits classify's")
    else:
        write_file(target, to_json(result) + "\n", options.force)
        print(f"written: {target}; now: make pages")


def measure(board: str, share: float) -> ServingResult:
    """Measure everything, with that share of rounds, seconds and calls."""
    images = load_dataset().x_test[:100]
    requests = [infer_request(image) for image in images]
    calls, rounds = max(20, int(CALLS * share)), max(3, int(ROUNDS * share))
    machine = this_machine(board, Classifier.load().backend)
    with served("small") as ours:
        size = _answer_bytes(ours, requests[0])
        with started(module_command("tools.studies.serving.constant_server", str(size))) as constant:
            throughput = _throughput(ours, constant, requests, rounds)
            rate = statistics.median(throughput.ours) / 2
            latencies = _latencies((ours, constant), requests[0], rate, max(2, int(LATENCY_ROUNDS * share)))
    return ServingResult(
        machine=machine,
        answer_bytes=size,
        connections=CONNECTIONS,
        throughput=throughput,
        offered_rate=rate,
        latency_ns=latencies[0],
        constant_latency_ns=latencies[1],
        start=_starts(max(2, int(STARTS * share)), images[0]),
        hand_over=tuple(asyncio.run(_hand_over(name, images, calls)) for name in MODELS),
        batching=tuple(_batching(name, images, calls) for name in MODELS),
        drawing_ns=tuple(_timed(lambda: draw(parse_strokes(SEVEN))) for _ in range(calls)),
    )


def infer_request(image: NDArray[np.uint8]) -> bytes:
    """An infer request with one image in the binary extension, which asks for the scores, binary too."""
    tensor = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "parameters": {"binary_data_size": 784}}
    wanted = {"name": "scores", "parameters": {"binary_data": True}}
    header = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    names = {"Inference_Header_Content_Length": str(len(header)), "Content_Type": "application/octet-stream"}
    return http_request("POST", "/v2/models/small/infer", header + image.tobytes(), **names)


def _answer_bytes(server: Running, request: bytes) -> int:
    """The length of the body that answers a request."""
    sizes: list[int] = []

    def note(number: int, status: int, body: bytes) -> bool:
        sizes.append(len(body))
        return status == 200

    closed_loop(server, [request], count=1, check=note)
    return sizes[0]


def _throughput(ours: Running, constant: Running, requests: Sequence[bytes], rounds: int) -> Pair:
    """The constant is sent the same bytes, at another path."""
    same = [_for_constant(request) for request in requests]
    rates: tuple[list[float], list[float]] = ([], [])
    for number, which in turn_order((0, 1), rounds + 1, random.Random(0)):
        server, sent = ((ours, requests), (constant, same))[which]
        outcome = closed_loop(server, sent, seconds=ROUND_SECONDS, connections=CONNECTIONS)
        if outcome.failed:
            raise RuntimeError(f"{outcome.failed} requests failed")
        if number:  # the first round warms up
            rates[which].append(outcome.rate)
    return Pair("throughput", tuple(rates[0]), tuple(rates[1]))


def _for_constant(request: bytes) -> bytes:
    return request.replace(b"POST /v2/models/small/infer ", b"POST / ", 1)


def _latencies(servers: Sequence[Running], request: bytes, rate: float, rounds: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Nanoseconds of requests at a steady rate, of ours and the constant by rounds, in turns; without the first round."""
    taken: tuple[list[tuple[int, ...]], ...] = tuple([] for _ in servers)
    for _, which in turn_order(range(len(servers)), rounds, random.Random(0)):
        found = open_loop(servers[which], (request, _for_constant(request))[which], rate=rate, seconds=LATENCY_SECONDS)
        if found.failed:
            raise RuntimeError(f"{found.failed} requests failed")
        taken[which].append(tuple(found.times))
    return tuple(tuple(each[1:]) for each in taken)


def _starts(count: int, image: NDArray[np.uint8]) -> Pair:
    times: tuple[list[float], list[float]] = ([], [])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "digit.png"
        path.write_bytes(png_bytes(image))
        for _ in range(count):
            times[0].append(_start_server())
            times[1].append(_timed(lambda: _classify(path)))
    return Pair("start", tuple(times[0]), tuple(times[1]))


def _start_server() -> int:
    """Nanoseconds from the start of a server with its default models to its first "ready"."""
    before = time.perf_counter_ns()
    with served(environment=_COMPILED) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        connection.request("GET", "/v2/health/ready")
        if connection.getresponse().status != 200:
            raise RuntimeError("the server says that it is ready, and is not")
        taken = time.perf_counter_ns() - before
        connection.close()
    return taken


def _classify(path: Path) -> None:
    subprocess.run(
        module_command("edge_runtime.cli", "classify", str(path)),
        check=True,
        capture_output=True,
        env={**child_environment(), **_COMPILED},
    )


async def _hand_over(name: str, images: NDArray[np.uint8], calls: int) -> Pair:
    """An inference on the event loop, and on a worker thread, in turns."""
    classifier, workers = Classifier.load(name), WorkerThreads(1)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(calls):
        image = images[number % len(images)][None]
        before = time.perf_counter_ns()
        classifier.classify_batch(image)
        middle = time.perf_counter_ns()
        await workers.run(classifier.classify_batch, image)
        times[0].append(middle - before)
        times[1].append(time.perf_counter_ns() - middle)
    workers.close()
    return Pair(name, tuple(times[0]), tuple(times[1]))


def _batching(name: str, images: NDArray[np.uint8], calls: int) -> Pair:
    """Eight images one after the other, and at once: nanoseconds an image."""
    classifier = Classifier.load(name)
    runner = Runner(classifier.model.flatbuffer, classifier.model.graph, classifier.backend, batch=TOGETHER)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(calls // 4):
        eight = images[number % 12 * TOGETHER :][:TOGETHER]
        before = time.perf_counter_ns()
        for image in eight:
            classifier.classify(image)
        middle = time.perf_counter_ns()
        runner.run(eight)
        times[0].append((middle - before) / TOGETHER)
        times[1].append((time.perf_counter_ns() - middle) / TOGETHER)
    return Pair(name, tuple(times[0]), tuple(times[1]))


def _timed(work: Callable[[], object]) -> int:
    """Nanoseconds of a call."""
    before = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - before


if __name__ == "__main__":
    run(main)

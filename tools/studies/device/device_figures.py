"""Measures what the device programmer is promised, each as a ratio of two things that take turns: `make device-figures`, some four minutes.

The raw samples go to benchmarks/reference/device-BOARD.json, which `make pages` reads. A ratio that is not what it must be is reported as
missed, there and here, and the exit code is 1.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.backends.network import write_network
from benchmarks.runner.scheduler import turn_order
from benchmarks.system.info import this_machine
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.child_process import child_environment, module_command
from edge_runtime.common.json_codec import to_json
from edge_runtime.device.system import cores
from edge_runtime.errors import DigitsError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import png_bytes
from tools.release.layout import Layout, run
from tools.studies.device.onnx_batches import digest
from tools.studies.device.promises import DeviceResult, Streamed, judged
from tools.support.turns import Pair, add_board_options, board_and_target
from train.data import load_dataset

MODEL = "small"
SINGLES, STARTS, KERAS_STARTS, ROUNDS, STREAM = 20_000, 31, 5, 15, 1_000_000
BATCHES = (10, 20, 32, 50, 100, 200, 500)
_REST = 0.1  # seconds until ONNX Runtime's idle threads have stopped turning
Work = Callable[[], object]

CLASSIFY = "from edge_runtime.cli import start; start()"  # what pip makes of the command
IMPORTS = "import numpy; import ai_edge_litert.interpreter"
KERAS = """
import sys, numpy, PIL.Image, keras
model = keras.saving.load_model(sys.argv[1], compile=False)
image = numpy.asarray(PIL.Image.open(sys.argv[2]).convert("L"), "float32")
print(model.predict(image[None, ..., None], verbose=0).argmax())
"""
STREAMING = """
import itertools, json, sys
from pathlib import Path
import numpy as np
from edge_runtime.inference.classifier import Classifier
def resident():
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024
images, count, threads = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
answers = Classifier.load("small", threads).classify_stream(itertools.islice(itertools.cycle(images), count))
print(json.dumps([resident() for number, _ in enumerate(answers, 1) if number % 10_000 == 0]))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the results file, and say what was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.device.device_figures", description="Measure the device's promises on this board."
    )
    parser.add_argument("--onnx", type=Path, required=True, help="a Python with onnx and onnxruntime")
    add_board_options(parser)
    options = parser.parse_args(arguments)
    board, target = board_and_target(options, "device")
    result = measure(board, options.onnx, 0.05 if options.quick else 1.0)
    if not options.quick:
        write_file(target, to_json(result) + "\n", options.force)
    print(*(f"{figure.line}" for figure in judged(result)), sep="\n")
    missed = [figure for figure in judged(result) if figure.missed]
    if missed:
        raise DigitsError(f"{len(missed)} of what must be was missed: {', '.join(figure.name for figure in missed)}")


def measure(board: str, onnx: Path, share: float) -> DeviceResult:
    """Measure everything, with that share of calls, rounds and images."""
    data, classifier = load_dataset(), Classifier.load(MODEL)
    rounds = max(3, int(ROUNDS * share))
    machine = this_machine(board, classifier.backend)
    with TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "images.npy", data.x_test)
        keras = Layout().releases / f"{MODEL}-seed0" / "model.keras"
        many, float_many, version = _many(data.x_test, rounds, folder, onnx)
        return DeviceResult(
            machine=machine,
            onnxruntime=version,
            single=_single(classifier, data.x_test, int(SINGLES * share)),
            start=_starts(folder, data.x_test[0], max(3, int(STARTS * share))),
            keras_start=_keras_starts(folder, keras, max(2, int(KERAS_STARTS * share))),
            many=many,
            float_many=float_many,
            stream=_stream(folder, int(STREAM * share)),
        )


def in_turns(ours: Work, other: Work, rounds: int, rest: float = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Nanoseconds of each call of two ways, interleaved; the first round warms up."""
    taken: tuple[list[int], list[int]] = ([], [])
    for number, which in turn_order((0, 1), rounds + 1, random.Random(0)):
        if rest:
            time.sleep(rest)
        before = time.perf_counter_ns()
        (ours, other)[which]()
        if number:
            taken[which].append(time.perf_counter_ns() - before)
    return tuple(taken[0]), tuple(taken[1])


def _single(classifier: Classifier, images: NDArray[np.uint8], calls: int) -> Pair:
    """`classify` beside what it takes at least: the reshape and the cast that the model's input wants, and the interpreter's own calls."""
    from ai_edge_litert.interpreter import Interpreter

    tensor = classifier.model.input
    if (tensor.dtype, tensor.scale, tensor.zero_point) != ("int8", 1.0, -128):
        raise DigitsError(f"the bare cast is of an int8 input with zero point -128, this model has {tensor}")
    interpreter = Interpreter(model_content=classifier.model.flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    cycle = iter(np.tile(np.arange(len(images)), 2 * calls // len(images) + 2))

    def bare() -> int:
        # The quickest way to write it: in two's complement, flipping the highest bit takes 128 off.
        image = images[next(cycle)]
        interpreter.set_tensor(source, np.bitwise_xor(image, 128).view(np.int8).reshape(tensor.shape))
        interpreter.invoke()
        return int(interpreter.get_tensor(sink)[0].argmax())

    return Pair("single", *in_turns(lambda: classifier.classify(images[next(cycle)]), bare, calls))


def _starts(folder: Path, image: NDArray[np.uint8], rounds: int) -> Pair:
    (folder / "one.png").write_bytes(png_bytes(image))
    classify = [sys.executable, "-P", "-c", CLASSIFY, "classify", str(folder / "one.png")]
    return Pair("start", *in_turns(lambda: _process(classify), lambda: _process([sys.executable, "-P", "-c", IMPORTS]), rounds))


def _keras_starts(folder: Path, keras: Path, rounds: int) -> Pair:
    classify = [sys.executable, "-P", "-c", CLASSIFY, "classify", str(folder / "one.png")]
    other = [sys.executable, "-P", "-c", KERAS, str(keras), str(folder / "one.png")]
    if _process(classify).split()[1] != _process(other).split()[-1]:
        raise DigitsError("the command and Keras give two answers")
    return Pair("keras_start", *in_turns(lambda: _process(classify), lambda: _process(other), rounds))


def _process(command: Sequence[str]) -> str:
    environment = {**child_environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has been compiled
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _many(images: NDArray[np.uint8], rounds: int, folder: Path, onnx: Path) -> tuple[Pair, Pair, str]:
    """Batches on all cores beside a loop of single images on one; and the float model beside ONNX Runtime."""
    single, many = Classifier.load(MODEL), _best(MODEL, images)

    def loop() -> None:
        for image in images:
            single.classify(image)

    ours = Pair("many", *in_turns(lambda: many.classify_batch(images), loop, rounds))
    floats = _best(f"{MODEL}-fp32", images)
    write_network(floats.model.flatbuffer, folder / "network.npz")
    with _onnx(onnx, folder) as (ask, said):
        if said["digest"] != digest(floats.classify_batch(images).indices):
            raise DigitsError("ONNX Runtime gives other labels: it is not the same model")
        beside = Pair("float_many", *in_turns(lambda: floats.classify_batch(images), ask, rounds, _REST))
        return ours, beside, f"{said['version']}, batches of {said['batch']}"


def _best(model: str, images: NDArray[np.uint8]) -> Classifier:
    """With the batch size that is quickest here, on all cores."""
    ways = [Classifier.load(model, cores(), batch=batch) for batch in BATCHES]
    taken = [in_turns(lambda way=way: way.classify_batch(images), lambda: None, 5)[0] for way in ways]  # type: ignore[misc]
    return ways[int(np.argmin([np.median(times) for times in taken]))]


@contextmanager
def _onnx(python: Path, folder: Path) -> Iterator[tuple[Work, dict[str, Any]]]:
    """ONNX Runtime in its own process, which runs all images once when it is asked."""
    command = [
        str(python),
        *module_command("tools.studies.device.onnx_batches", f"{folder}/network.npz", f"{folder}/images.npy", str(cores()))[1:],
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_environment()) as child:
        assert child.stdin
        assert child.stdout
        requests, answers = child.stdin, child.stdout
        first = answers.readline()
        if not first:
            raise DigitsError(f"{python}: ONNX Runtime did not run; it needs onnx and onnxruntime")

        def ask() -> None:
            requests.write("\n")
            requests.flush()
            answers.readline()

        yield ask, json.loads(first)


def _stream(folder: Path, count: int) -> Streamed:
    """Resident memory of a process that classifies so many images, after each 10,000."""
    command = [sys.executable, "-P", "-c", STREAMING, str(folder / "images.npy"), str(count), str(cores())]
    return Streamed(count, tuple(json.loads(_process(command))))


if __name__ == "__main__":
    run(main)

"""Models that nothing vouches for, in a child process: same answers, and whatever happens there is an error here."""

import dataclasses
import os
import random
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import MissingPackage, ModelFileError
from edge_runtime.inference import isolated_runner
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import BACKENDS, backend_version, find_backend
from edge_runtime.inference.isolated_runner import IsolatedRunner
from edge_runtime.inference.runner import Runner
from edge_runtime.model.flatbuffer import Table
from edge_runtime.model.model_file import read_model_file
from train.data import Dataset

MODEL = read_model_file()


def _isolated() -> IsolatedRunner:
    return IsolatedRunner(MODEL.flatbuffer, MODEL.graph, find_backend())


@pytest.mark.parametrize("recipe", ["fp32", "int8", "int16x8"])
def test_outputs_are_those_of_this_process(recipe: str, cnn_files: dict[str, Path], mnist: Dataset) -> None:
    """Bit for bit, for every output dtype."""
    model = read_model_file(cnn_files[recipe])
    here, there = (kind(model.flatbuffer, model.graph, find_backend()) for kind in (Runner, IsolatedRunner))
    for image in mnist.x_test[:10]:
        assert np.array_equal(here.run_one(image), there.run_one(image))


def test_a_plain_file_runs_in_a_child_unless_in_process(tmp_path: Path) -> None:
    """By its process; a file of ours runs here."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(MODEL.flatbuffer)
    assert isinstance(Classifier.load(path)._single, IsolatedRunner)
    assert isinstance(Classifier.load(path, in_process=True)._single, Runner)
    assert isinstance(Classifier.load()._single, Runner)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGABRT, "SIGABRT"), (signal.SIGKILL, "SIGKILL")]
)
def test_a_child_that_dies_is_an_error(number: int, name: str) -> None:
    """Of the next question, with the signal that ended it."""
    runner = _isolated()
    os.kill(runner._child.pid, number)
    runner._child.wait()
    with pytest.raises(ModelFileError, match=f"crashed ai-edge-litert with signal {name}"):
        runner.run_one(np.zeros((28, 28), np.uint8))


def test_a_child_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit it is ended, and the limit is told."""
    runner = _isolated()
    monkeypatch.setattr(isolated_runner, "_SECONDS", 0.2)
    os.kill(runner._child.pid, signal.SIGSTOP)
    with pytest.raises(ModelFileError, match=r"ai-edge-litert did not answer within 0\.2 s"):
        runner.run_one(np.zeros((28, 28), np.uint8))
    assert runner._child.wait() == -signal.SIGKILL


def test_an_answer_that_was_interrupted_is_nobody_elses(monkeypatch: pytest.MonkeyPatch, mnist: Dataset) -> None:
    """Ctrl-C between a request and its reply: no later image gets that reply, and the child is gone."""
    runner = _isolated()
    expected = [runner.run_one(image) for image in mnist.x_test[:2]]
    assert not np.array_equal(*expected)

    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            runner.run_one(mnist.x_test[0])
    with pytest.raises(ModelFileError, match="was interrupted in an answer, and its process ended; load the model again"):
        runner.run_one(mnist.x_test[1])
    assert runner._child.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("status", "number", "length"), [(0, 4, 10), (0, 5, 9), (0, 6, 10), (2, 5, 1 << 30)])
def test_a_reply_to_something_else_is_an_error(status: int, number: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another request, or of another length; four were answered before."""
    runner = _isolated()
    monkeypatch.setattr(runner, "_read", lambda _: isolated_runner._REPLY.pack(status, number, length))
    with pytest.raises(ModelFileError, match=f"replied {length} bytes to image {number}, expected 10 to 5"):
        runner.run_one(np.zeros((28, 28), np.uint8))


def test_outputs_of_another_shape_are_an_error(mnist: Dataset) -> None:
    """Than the file declares, here and in a child."""
    output = dataclasses.replace(MODEL.graph.outputs[0], shape=(1, 12))
    graph = dataclasses.replace(MODEL.graph, outputs=(output,))
    with pytest.raises(ModelFileError, match=r"its outputs have shape \(1, 10\), and it declares \(1, 12\)"):
        Runner(MODEL.flatbuffer, graph, find_backend()).run_one(mnist.x_test[0])
    with pytest.raises(ModelFileError, match="expected 12"):
        IsolatedRunner(MODEL.flatbuffer, graph, find_backend())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.write(2, b'INFO: x\\nterminate called\\nINFO: y\\n'); os.abort()", r"signal SIGABRT; .*\(terminate called\)$"),
        (
            "import nothing_of_that_name",
            "tflite-runtime is installed but does not work here .No module named 'nothing_of_that_name'",
        ),
        ("os.write(2, b'out of luck'); os._exit(7)", r"exited with code 7 \(out of luck\)$"),
    ],
)
def test_what_a_child_said_before_it_died_is_told(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not swallowed, though its stderr is not shown; with -v that is shown too."""
    (tmp_path / "tflite_runtime").mkdir()
    (tmp_path / "tflite_runtime" / "__init__.py").touch()
    (tmp_path / "tflite_runtime" / "interpreter.py").write_text(f"import os\n{code}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises((ModelFileError, MissingPackage), match=message):
        IsolatedRunner(MODEL.flatbuffer, MODEL.graph, BACKENDS["tflite"])
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("EDGE_DIGITS_VERBOSE", "1")
    with pytest.raises((ModelFileError, MissingPackage)):
        IsolatedRunner(MODEL.flatbuffer, MODEL.graph, BACKENDS["tflite"])
    assert ("b'" in code) == (capfd.readouterr().err != "")


def test_a_model_that_the_interpreter_refuses_is_an_error() -> None:
    """The interpreter's own words come back from the child."""
    newer, version = bytearray(MODEL.flatbuffer), re.escape(backend_version(find_backend()))
    operator = next(iter(Table.root(MODEL.flatbuffer).tables(1, 10)))
    newer[operator._field(2) or 0] = 99  # the version of CONV_2D
    with pytest.raises(ModelFileError, match=rf"ai-edge-litert {version} cannot run it .*version '99'"):
        IsolatedRunner(bytes(newer), MODEL.graph, find_backend())


def test_the_child_ends_with_its_runner() -> None:
    """No process is left behind."""
    runner = _isolated()
    child = runner._child
    del runner
    assert child.returncode == -signal.SIGKILL


def test_damaged_plain_files_are_answered_or_refused(tmp_path: Path, mnist: Dataset) -> None:
    """Whatever bytes changed, this process goes on."""
    generator, refused = random.Random(3), 0
    path = tmp_path / "hostile.tflite"
    for _ in range(12):
        mutated = bytearray(MODEL.flatbuffer)
        for _ in range(20):
            mutated[generator.randrange(len(mutated) - 6_000, len(mutated))] = generator.randrange(256)
        path.write_bytes(mutated)
        try:
            assert Classifier.load(path).classify(mnist.x_test[0]).label in "0123456789"
        except ModelFileError:
            refused += 1
    assert refused > 0


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A numpy.py among somebody's downloads is not run by the child."""
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert _isolated().run_one(np.zeros((28, 28), np.uint8)).shape == (10,)

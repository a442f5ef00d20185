"""Damaged and forged model files by the thousand, arrays of any kind, and eight threads: an answer or an error of ours, nothing else.

Each file may take ten seconds and a gigabyte; more ends the test.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from edge_runtime import Classifier, InputError
from edge_runtime.model.inspection import Runtimes, describe, facts
from edge_runtime.model.model_file import parse_model_file
from tests.edge_runtime.limits import in_time, within_memory
from tests.edge_runtime.mutations import FILES, mutated_file, mutated_plain_file
from train.data import Dataset

BYTES = 2**30
LOADED = Classifier.load()


def _look(data: bytes) -> bool:
    """Whether a file is read; then all that is told of it without an interpreter is told, too."""
    try:
        model = parse_model_file(data)
        facts(model, Runtimes({}, []))
        describe(model, Runtimes({}, []))
        if model.manifest:
            model.golden()
    except InputError:
        return False
    return True


def _look_at_many(seeds: range) -> int:
    read = 0
    with within_memory(BYTES):
        for seed in seeds:
            with in_time():
                try:
                    read += _look(mutated_file(seed))
                except Exception as error:
                    raise AssertionError(f"seed {seed}") from error
    return read


def _classify_many(seeds: range, folder: Path) -> tuple[int, int]:
    """How many damaged plain files were answered, and how many an interpreter in a child process refused or died of."""
    answered, refused = 0, 0
    for seed in seeds:
        path = folder / "damaged.tflite"
        path.write_bytes(mutated_plain_file(seed))
        try:
            assert Classifier.load(path).classify(np.zeros((28, 28), np.uint8)).label in map(str, range(256))
            answered += 1
        except InputError:
            refused += 1
    return answered, refused


def test_undamaged_files_are_read() -> None:
    """What follows would tell nothing otherwise."""
    assert all(map(_look, FILES))


def test_damaged_files_are_read_or_refused() -> None:
    """Some hundred of them; most are refused, some that are harmless are not."""
    assert 0 < _look_at_many(range(400)) < 200


@pytest.mark.sweep
def test_ten_thousand_damaged_files_are_read_or_refused() -> None:
    """With other seeds than the quick test."""
    assert 0 < _look_at_many(range(1_000, 12_000)) < 5_500


def test_damaged_plain_files_are_answered_or_refused(tmp_path: Path) -> None:
    """By the interpreter, in a child process; this one lives on."""
    answered, refused = _classify_many(range(12), tmp_path)
    assert answered > 0
    assert refused > 0


@pytest.mark.sweep
def test_hundreds_of_damaged_plain_files_are_answered_or_refused(tmp_path: Path) -> None:
    """The same with other seeds."""
    answered, refused = _classify_many(range(100, 500), tmp_path)
    assert min(answered, refused) > 40


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from([b"", b"TFL3", b"\x1c\0\0\0TFL3", b"PK\x05\x06", b"TFL3PK\x05\x06"]))
def test_any_bytes_are_refused_or_read(data: bytes, start: bytes) -> None:
    """With the marks of the format before them, too."""
    _look(start + data)
    _look(data + start)


ANY_DTYPE = st.one_of(scalar_dtypes(), st.just(np.dtype([("x", "u1"), ("y", "u1")])))
SMALL_SHAPE = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
NEAR_SHAPE = st.sampled_from([(28, 28), (28, 56), (56, 28), (2, 28, 28), (0, 28, 28), (28, 28, 1), (28, 28, 3), (1, 28, 28, 1)])


class _Odd(np.ndarray):
    """A subclass that has its own mind about slices."""

    def __getitem__(self, key: object) -> Any:
        raise IndexError("not mine")


WAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "as it is": lambda array: array,
    "transposed": lambda array: array.T,
    "every other column": lambda array: array[..., ::2],
    "from behind": lambda array: array[::-1],
    "subclass": lambda array: array.view(_Odd),
    "matrix": lambda array: array.view(np.matrix) if array.ndim == 2 else array,
    "masked": lambda array: np.ma.masked_array(array, mask=False),
    "read only": lambda array: np.broadcast_to(array, array.shape),
    "list": lambda array: array.tolist(),
    "bytes": lambda array: array.tobytes(),
}
ANY_ARRAY = st.one_of(
    arrays(ANY_DTYPE, SMALL_SHAPE, fill=st.nothing()),
    st.builds(np.zeros, NEAR_SHAPE, st.one_of(st.just(np.uint8), ANY_DTYPE)),
    st.builds(
        lambda shape, pixels: np.resize(np.frombuffer(pixels, np.uint8), shape), NEAR_SHAPE, st.binary(min_size=1, max_size=50)
    ),
)


def _ask(classifier: Classifier, given: Any) -> None:
    """By all three ways."""
    with contextlib.suppress(InputError):
        assert classifier.classify(given).label in "0123456789"
    with contextlib.suppress(InputError):
        assert len(classifier.classify_batch(given).labels) == len(given)
    with contextlib.suppress(InputError):
        assert len(list(classifier.classify_stream([given, given]))) == 2


ODD_ONES = [
    np.zeros((28, 28), np.uint8).view(np.matrix),
    np.ma.masked_all((28, 28), np.uint8),
    np.zeros((28, 28), np.uint8).view(_Odd),
    np.zeros((3, 28, 28), np.uint8).view(_Odd),
    np.broadcast_to(np.uint8(9), (28, 28)),
    np.broadcast_to(np.uint8(9), (100, 28, 28)),
    np.full((28, 28), None),
    np.zeros((28, 28), "V7"),
    np.zeros((2, 28, 28), [("ink", "u1")]),
    None,
    "7",
    b"7" * 784,
    3.5,
]


@pytest.mark.parametrize("given", ODD_ONES, ids=lambda given: f"{type(given).__name__}-{getattr(given, 'shape', '')}")
def test_odd_arrays_are_answered_or_refused(given: Any) -> None:
    """Subclasses and views with the right shape and dtype, and what is no array at all."""
    _ask(LOADED, given)


@settings(max_examples=300)
@given(ANY_ARRAY, st.sampled_from(sorted(WAYS)))
def test_any_array_is_answered_or_refused(array: np.ndarray, way: str) -> None:
    """Of any dtype, shape, order and kind."""
    _ask(LOADED, WAYS[way](array) if array.ndim else array)


@pytest.mark.sweep
@settings(max_examples=10_000)
@given(ANY_ARRAY, st.sampled_from(sorted(WAYS)))
def test_ten_thousand_arrays_are_answered_or_refused(array: np.ndarray, way: str) -> None:
    """The same for longer."""
    _ask(LOADED, WAYS[way](array) if array.ndim else array)


@pytest.mark.sweep
@pytest.mark.parametrize("model", ["small", "base-fp32", "nano"])
def test_a_hundred_thousand_answers_from_eight_threads(model: str, mnist: Dataset) -> None:
    """Each with its own classifier, all at once: the labels and outputs that one thread gives."""
    rounds = 10 if model == "small" else 1
    expected = _outputs(model, mnist.x_test)
    with ThreadPoolExecutor(8) as pool:
        parts = [part for _ in range(rounds) for part in np.array_split(np.arange(10_000), 8)]
        answers = list(pool.map(lambda part: _outputs(model, mnist.x_test[part]), parts))
    found = np.concatenate(answers).reshape(rounds, *expected.shape)
    assert all(np.array_equal(once, expected) for once in found)


def test_answers_from_eight_threads(mnist: Dataset) -> None:
    """The same for 4,000 images, one by one and as a stream on eight threads."""
    images = mnist.x_test[:4_000]
    expected = _outputs("small", images)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda part: _outputs("small", part), np.array_split(images, 8)))
    assert np.array_equal(np.concatenate(answers), expected)
    stream = Classifier.load(threads=8).classify_stream(images)
    assert [found.index for found in stream] == expected.argmax(axis=1).tolist()


def test_one_classifier_may_be_shared_by_eight_threads(mnist: Dataset) -> None:
    """Single images, batches and streams at once: each thread gets the answers to its own images."""
    shared, images = Classifier.load(threads=2), mnist.x_test[:300]
    expected = _outputs("small", images).argmax(axis=1).tolist()

    def ask(number: int) -> list[int]:
        if number % 3 == 0:
            return [shared.classify(image).index for image in images]
        if number % 3 == 1:
            return list(shared.classify_batch(images).indices)
        return [found.index for found in shared.classify_stream(images)]

    with ThreadPoolExecutor(8) as pool:
        assert all(answers == expected for answers in pool.map(ask, range(48)))


def test_a_stream_that_is_left_gives_back_what_it_borrowed(mnist: Dataset) -> None:
    """After its first answer; what comes next is answered by the same interpreters."""
    classifier = Classifier.load(threads=2)
    for _ in range(3):
        stream = classifier.classify_stream(iter(mnist.x_test[:500]))
        assert next(stream).label == "7"
        stream.close()
    assert len(classifier._pool._idle) == 2


def _outputs(model: str, images: np.ndarray) -> np.ndarray:
    classifier = Classifier.load(model)
    return np.stack([classifier.classify(image).outputs for image in images])

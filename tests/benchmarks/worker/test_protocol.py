"""Messages between a run and its workers."""

import pytest

from benchmarks.worker.protocol import (
    BackendSpec,
    Classify,
    GoldenOutcome,
    Load,
    Ready,
    RunGolden,
    RunLoadGen,
    Samples,
    TimeCalls,
    TimePhotos,
    Warmup,
    decode,
    encode,
)


@pytest.mark.parametrize(
    "message",
    [
        Load([BackendSpec("benchmarks.backends.ours", "nano.tflite", 2, {"backend": "litert", "costs": {"a": 1}})], "images.npy"),
        TimeCalls(0, 50, 50, 1, 20),
        Classify(1, "test.npy"),
        TimePhotos(0, "photo.jpg", 3),
        RunGolden(2),
        GoldenOutcome(15, 16, passed=False),
        RunLoadGen(None, "SingleStream", 1_000, None),
        Ready(1, 40, [41, 40], 5e10, 4e10, [Warmup(96, True, 1)]),
        Samples(1, [10, 11], 16, None),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: object) -> None:
    """As one line, with the messages in it."""
    line = encode(message)
    assert "\n" not in line
    assert decode(line) == decode(line.encode()) == message


def test_an_unknown_message_is_an_error() -> None:
    """Such as one of another version."""
    with pytest.raises(KeyError, match="Guess"):
        decode('{"message": "Guess"}')

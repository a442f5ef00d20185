"""Search spaces: any sampler gives a network that can be trained and is within its limits."""

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convert.int8 import int8_flatbuffer
from edge_runtime.errors import BadArgument
from edge_runtime.model.graph import read_graph
from train.config.config_file import config_of
from train.config.training_config import TrainingConfig, parse_convolutions
from train.search.space import MOST_MULTIPLY_ADDS, SPACES, Choose, Limits, check_limits, convolutions_cost, hidden_cost


def _sampler(seed: int) -> Choose:
    """Random numbers; every third sampler prefers the bounds."""
    generator = random.Random(seed)

    def choose(name: str, low: int, high: int) -> int:
        assert low <= high, name
        return generator.choice((low, high)) if seed % 3 == 0 else generator.randint(low, high)

    return choose


def _config(space: str, limits: Limits, seed: int) -> TrainingConfig:
    return config_of(SPACES[space](_sampler(seed), limits))


@given(st.integers(0, 2**32), st.integers(1_000, 100_000), st.integers(2, 30))
@example(0, 1_000, 30)
def test_every_cnn_can_be_trained_within_its_limits(seed: int, max_bytes: int, classes: int) -> None:
    """3 to 6 blocks, one or two strides, no block narrower than the previous one, no more bytes or multiplications than allowed."""
    config = _config("cnn", Limits(max_bytes, classes), seed)
    cost = convolutions_cost(config.convolutions, classes)
    widths = [convolution.filters for convolution in config.convolutions if convolution.filters]
    assert config.model == "cnn"
    assert 3 <= len(widths) <= 6
    assert widths == sorted(widths)
    assert sum(convolution.stride == 2 for convolution in config.convolutions) in (1, 2)
    assert cost.payload_bytes <= max_bytes
    assert cost.multiply_adds <= MOST_MULTIPLY_ADDS


@given(st.integers(0, 2**32), st.integers(4_000, 100_000), st.integers(2, 30))
def test_every_mlp_can_be_trained_within_its_limits(seed: int, max_bytes: int, classes: int) -> None:
    """1 to 3 hidden layers and no more bytes than allowed."""
    config = _config("mlp", Limits(max_bytes, classes), seed)
    assert 1 <= len(config.hidden) <= 3
    assert hidden_cost(config.hidden, classes).payload_bytes <= max_bytes


def test_a_space_reaches_what_people_build() -> None:
    """Plain and depthwise blocks, both paddings and kernels, and sizes from an eighth of the limit to the limit."""
    networks = [_config("cnn", Limits(40_000), seed).convolutions for seed in range(300)]
    parts = {part for network in networks for part in network}
    sizes = [convolutions_cost(network, 10).payload_bytes for network in networks]
    assert {part.valid for part in parts} == {True, False}
    assert {part.kernel for part in parts} == {1, 3, 5}
    assert {part.filters for part in parts} == {0, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64}
    assert (min(sizes) < 5_000, max(sizes) > 38_000) == (True, True)


@pytest.mark.parametrize(("space", "limit"), [("cnn", 200), ("mlp", 3_000), ("cnn", 2_000_000), ("cnn", -1)])
def test_limits_without_any_network_are_refused(space: str, limit: int) -> None:
    """The message states the range."""
    with pytest.raises(
        BadArgument, match=r"payload is limited to -?[\d,]+ bytes, expected [\d,]+ \(the smallest (cnn|mlp)\) to 1,000,000"
    ):
        check_limits(space, Limits(limit))


def test_the_smallest_network_is_one_that_comes_out() -> None:
    """The smallest allowed limit has a network, one byte less is refused."""
    for space in SPACES:
        bound = next(limit for limit in range(10_000) if _accepted(space, limit))
        assert not _accepted(space, bound - 1)
        for seed in range(20):
            config = _config(space, Limits(bound), seed)
            cost = convolutions_cost(config.convolutions, 10) if space == "cnn" else hidden_cost(config.hidden, 10)
            assert cost.payload_bytes <= bound


def _accepted(space: str, limit: int) -> bool:
    try:
        check_limits(space, Limits(limit))
    except BadArgument:
        return False
    return True


@pytest.mark.parametrize("text", ["16k5s2v,24k3,dk3s2,32k1", "8k3s2,dk5v,12k1"])
def test_bytes_are_foretold_to_the_last_one(text: str) -> None:
    """For a converted network without zero biases, which the converter would drop."""
    from train.model.architectures import build

    config = TrainingConfig("cnn", convolutions=parse_convolutions(text))
    model = build(config)
    generator = np.random.RandomState(0)
    model.set_weights([generator.uniform(0.1, 1, weights.shape) for weights in model.get_weights()])
    images = generator.randint(0, 256, (100, 28, 28)).astype(np.uint8)
    assert read_graph(int8_flatbuffer(model, images)).payload_bytes == convolutions_cost(config.convolutions, 10).payload_bytes

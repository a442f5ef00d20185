"""What can be trained: every wrong value is refused with the valid ones, before TensorFlow is loaded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadArgument
from train.config import ACTIVATIONS, MODELS, TrainingConfig, parse_hidden


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "rnn"}, "unknown model 'rnn'; known are linear, mlp, cnn"),
        ({"activation": "sine"}, "unknown activation 'sine'; known are relu, tanh, sigmoid, gelu, elu, leaky_relu, linear"),
        ({"epochs": 0}, "epochs is 0, expected 1 to 10,000"),
        ({"epochs": 10_001}, "epochs is 10001, expected 1 to 10,000"),
        ({"batch_size": 0}, "batch size is 0, expected 1 to 65,536"),
        ({"batch_size": 65_537}, "batch size is 65537, expected 1 to 65,536"),
        ({"learning_rate": 0.0}, "learning rate is 0.0, expected a number above 0 and at most 10"),
        ({"learning_rate": float("nan")}, "learning rate is nan, expected a number above 0 and at most 10"),
        ({"learning_rate": 11.0}, "learning rate is 11.0, expected a number above 0 and at most 10"),
        ({"seed": -1}, "seed is -1, expected 0 to 4,294,967,295"),
        ({"seed": 2**32}, "seed is 4294967296, expected 0 to 4,294,967,295"),
        ({"hidden": (128, 0)}, "hidden layers are [128, 0]; expected at most 64 numbers between 1 and 65,536"),
        ({"hidden": (70_000,)}, "hidden layers are [70000]; expected at most 64 numbers between 1 and 65,536"),
        ({"hidden": (8,) * 65}, "expected at most 64 numbers between 1 and 65,536"),
    ],
)
def test_a_wrong_value_is_refused_with_the_valid_ones(values: dict[str, Any], message: str) -> None:
    """The message names what was given and what is accepted."""
    with pytest.raises(BadArgument) as caught:
        TrainingConfig(**{"model": "mlp", **values})
    assert message in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_listed_model_and_activation_is_accepted(model: str, activation: str) -> None:
    """What the messages list can be used, at the limits of the other values too; what a model does not have, its record does not claim."""
    config = TrainingConfig(model, (1, 65_536), activation, 10_000, 65_536, 10, 2**32 - 1)
    stated = {"linear": ((), "linear"), "mlp": ((1, 65_536), activation), "cnn": ((), "relu")}
    assert (config.hidden, config.activation) == stated[model]


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), st.sampled_from([",", ", ", " ,"]))
def test_numbers_with_commas_are_hidden_layers(units: list[int], comma: str) -> None:
    """What a list of numbers is written as is read as that list; whether the numbers make sense is for the config."""
    assert parse_hidden(comma.join(map(str, units))) == tuple(units)


@pytest.mark.parametrize("text", ["none", "None", " NONE ", ""])
def test_no_hidden_layers_can_be_said(text: str) -> None:
    """`none` in any case."""
    assert parse_hidden(text) == ()


@given(st.text())
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    """Nothing but a tuple of numbers or a BadArgument that repeats the text ever comes of it."""
    try:
        found = parse_hidden(text)
    except BadArgument as error:
        message = str(error)
    else:
        message = ""
        assert all(type(units) is int for units in found)
    assert message in ("", f"hidden layers are {text!r}, expected numbers with commas such as 128,64, or none")


@pytest.mark.parametrize("text", ["128,", ",", "128;64", "12.5", "many", "9" * 5000])
def test_a_bad_list_of_hidden_layers_is_refused(text: str) -> None:
    """Also one whose number is too long for Python to read."""
    with pytest.raises(BadArgument, match="expected numbers with commas such as 128,64, or none"):
        parse_hidden(text)

"""Training configs: every invalid value is refused with the valid ones, before TensorFlow is loaded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadArgument
from train.config.training_config import (
    ACTIVATIONS,
    DEFAULT_CONVOLUTIONS,
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    Augmentation,
    Convolution,
    Distillation,
    TrainingConfig,
    parse_convolutions,
    parse_hidden,
)

NAN, INFINITE = float("nan"), float("inf")
LARGEST_SEED = 2**31 - 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "rnn"}, "unknown model 'rnn'; known are linear, mlp, cnn, tutorial"),
        ({"activation": "sine"}, "unknown activation 'sine'; known are relu, tanh, sigmoid, gelu, elu, leaky_relu, linear"),
        ({"model": "mlp", "atrous": True}, "atrous is an option of cnn, not of mlp"),
        (
            {"model": "cnn", "atrous": True, "convolutions": parse_convolutions("8k5,8k3v")},
            "atrous needs a convolution with a stride, such as 16k5s2v",
        ),
        (
            {"model": "cnn", "atrous": True, "convolutions": parse_convolutions("8k3,8k5s2v,8k3")},
            "with atrous, convolutions from the first stride on need valid padding; use 8k3v instead of 8k3",
        ),
        ({"epochs": 0}, "epochs is 0, expected 1 to 10,000"),
        ({"epochs": 10_001}, "epochs is 10,001, expected 1 to 10,000"),
        ({"batch_size": 0}, "batch size is 0, expected 1 to 65,536"),
        ({"batch_size": 65_537}, "batch size is 65,537, expected 1 to 65,536"),
        ({"learning_rate": 0.0}, "learning rate is 0.0, expected a number above 0 and at most 10"),
        ({"learning_rate": float("nan")}, "learning rate is nan, expected a number above 0 and at most 10"),
        ({"learning_rate": 11.0}, "learning rate is 11.0, expected a number above 0 and at most 10"),
        ({"seed": -1}, "seed is -1, expected 0 to 2,147,483,647"),
        ({"seed": 2**31}, "seed is 2,147,483,648, expected 0 to 2,147,483,647"),
        ({"hidden": (128, 0)}, "hidden layers are [128, 0]; expected at most 64 numbers between 1 and 65,536"),
        ({"hidden": (70_000,)}, "hidden layers are [70000]; expected at most 64 numbers between 1 and 65,536"),
        ({"hidden": (8,) * 65}, "expected at most 64 numbers between 1 and 65,536"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; known are adam, adamw, nadam, rmsprop, sgd"),
        ({"schedule": "steps"}, "unknown schedule 'steps'; known are cosine, constant"),
        ({"learning_rate": INFINITE}, "learning rate is inf, expected a number above 0 and at most 10"),
        ({"warmup": -0.1}, "warm-up epochs is -0.1, expected 0 to 10"),
        ({"warmup": 10.5}, "warm-up epochs is 10.5, expected 0 to 10"),
        ({"warmup": NAN}, "warm-up epochs is nan, expected 0 to 10"),
        ({"optimizer": "adamw", "weight_decay": 1.5}, "weight decay is 1.5, expected 0 to 1"),
        ({"optimizer": "adamw", "weight_decay": NAN}, "weight decay is nan, expected 0 to 1"),
        ({"weight_decay": 0.1}, "weight decay is 0.1, but adam has none; use optimizer adamw"),
        ({"label_smoothing": 0.91}, "label smoothing is 0.91, expected 0 to 0.9"),
        ({"label_smoothing": NAN}, "label smoothing is nan, expected 0 to 0.9"),
        ({"averaging": 1.0}, "averaging is 1.0, expected 0 to 0.99999"),
        ({"averaging": NAN}, "averaging is nan, expected 0 to 0.99999"),
    ],
)
def test_a_wrong_value_is_refused_with_the_valid_ones(values: dict[str, Any], message: str) -> None:
    """The message states the value and the valid ones."""
    with pytest.raises(BadArgument) as caught:
        TrainingConfig(**{"model": "mlp", **values})
    assert message in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_listed_model_and_activation_is_accepted(model: str, activation: str) -> None:
    """All listed values are valid at the limits of the others; fields that a model does not have are cleared."""
    config = TrainingConfig(model, (1, 65_536), activation, 10_000, 65_536, 10, LARGEST_SEED)
    stated = {
        "linear": ((), "linear", ()),
        "mlp": ((1, 65_536), activation, ()),
        "cnn": ((), "relu", DEFAULT_CONVOLUTIONS),
        "tutorial": ((), "relu", ()),
    }
    assert (config.hidden, config.activation, config.convolutions) == stated[model]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_listed_optimizer_and_schedule_is_accepted(optimizer: str, schedule: str) -> None:
    """With all options at their limits."""
    decay = 1.0 if optimizer == "adamw" else 0.0
    config = TrainingConfig(
        "mlp",
        optimizer=optimizer,
        schedule=schedule,
        warmup=10,
        weight_decay=decay,
        label_smoothing=0.9,
        averaging=0.99999,
        augmentation=Augmentation(180, 2, 0.9, 14, 14),
        distillation=Distillation(("f00",), 1_000, 100, 1),
    )
    assert (config.optimizer, config.schedule) == (optimizer, schedule)


@pytest.mark.parametrize(
    ("name", "most"), [("rotation", "180"), ("shear", "2"), ("zoom", "0.9"), ("shift", "14"), ("elastic", "14")]
)
def test_augmentation_outside_its_range_is_refused(name: str, most: str) -> None:
    """Negative, too large, NaN."""
    for value in (-0.1, 181.0, NAN, INFINITE, -INFINITE):
        with pytest.raises(BadArgument, match=f"^{name} is {value}, expected 0 to {most}$"):
            Augmentation(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"teachers": ()}, "distillation has no teachers; give the sha256 of at least one"),
        ({"views": 0}, "views is 0, expected 1 to 1,000"),
        ({"views": 1_001}, "views is 1,001, expected 1 to 1,000"),
        ({"temperature": 0.0}, "temperature is 0.0, expected 0.1 to 100"),
        ({"temperature": NAN}, "temperature is nan, expected 0.1 to 100"),
        ({"weight": 1.1}, "weight of the teachers is 1.1, expected 0 to 1"),
        ({"weight": NAN}, "weight of the teachers is nan, expected 0 to 1"),
    ],
)
def test_distillation_outside_its_range_is_refused(values: dict[str, Any], message: str) -> None:
    """The message states the value and the valid ones."""
    with pytest.raises(BadArgument) as caught:
        Distillation(**{"teachers": ("f00",), **values})
    assert str(caught.value) == message


CONVOLUTIONS = st.builds(Convolution, st.integers(0, 99_999), st.integers(0, 99), st.integers(1, 9), st.booleans())


@given(st.lists(CONVOLUTIONS, min_size=1), st.sampled_from([",", ", ", " ,"]))
def test_convolutions_are_read_as_they_are_written(convolutions: list[Convolution], comma: str) -> None:
    """All of them, in order."""
    assert parse_convolutions(comma.join(map(str, convolutions))) == tuple(convolutions)


def test_convolutions_have_the_names_of_the_documentation() -> None:
    """Filters, kernel, stride, padding; d for depthwise."""
    expected = (Convolution(16, 5, 2, valid=True), Convolution(32, 3, valid=True), Convolution(0, 3), Convolution(32, 1))
    assert parse_convolutions("16k5s2v,32k3v,dk3,32k1") == expected


@given(st.text(alphabet="0123456789dksv, x", max_size=12) | st.text())
def test_any_other_text_is_no_list_of_convolutions(text: str) -> None:
    """Any text gives convolutions that are written like it, up to spaces, leading zeros and a stride of 1, or an error with the text."""
    try:
        found = parse_convolutions(text)
    except BadArgument as error:
        message = str(error)
    else:
        message = ""
        assert len(found) == text.count(",") + 1
        assert parse_convolutions(",".join(map(str, found))) == found
    assert not message or message.startswith(f"convolutions are {text!r}, expected a list such as 16k5s2v,32k3v,dk3")


@pytest.mark.parametrize(
    "text", ["", "16", "k3", "16k", "16k3,", "16k5s", "16k5s2w", "-16k5", "1.5k3", "0k3", "16 k3", "dd3", "16K5"]
)
def test_a_bad_list_of_convolutions_is_refused(text: str) -> None:
    """Also 0 filters, which internally means depthwise."""
    with pytest.raises(BadArgument, match="expected a list such as"):
        parse_convolutions(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4097k3", "convolution is 4097k3, expected at most 4,096 filters, a kernel of 1 to 28 and a stride of 1 to 8"),
        ("4k29", "convolution is 4k29, expected"),
        ("4k0", "convolution is 4k0, expected"),
        ("4k3s0", "convolution is 4k3s0, expected"),
        ("4k3s9", "convolution is 4k3s9, expected"),
        ("4k5s8,4k5v", "convolution 2, 4k5v, has a kernel larger than its input; use fewer strides or valid paddings before it"),
        (",".join(["4k1"] * 65), "got 65 convolutions, expected at most 64"),
    ],
)
def test_convolutions_that_no_image_fits_are_refused(text: str, message: str) -> None:
    """By its number, before Keras is used."""
    with pytest.raises(BadArgument) as caught:
        TrainingConfig("cnn", convolutions=parse_convolutions(text))
    assert str(caught.value).startswith(message)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), st.sampled_from([",", ", ", " ,"]))
def test_numbers_with_commas_are_hidden_layers(units: list[int], comma: str) -> None:
    """A list of numbers is read as written."""
    assert parse_hidden(comma.join(map(str, units))) == tuple(units)


@pytest.mark.parametrize("text", ["none", "None", " NONE ", ""])
def test_no_hidden_layers_can_be_said(text: str) -> None:
    """`none` in any case."""
    assert parse_hidden(text) == ()


@given(st.text())
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    """Any text gives a tuple of numbers or a BadArgument with the text."""
    try:
        found = parse_hidden(text)
    except BadArgument as error:
        message = str(error)
    else:
        message = ""
        assert all(type(units) is int for units in found)
    assert message in ("", f"hidden layers are {text!r}, expected numbers separated by commas such as 128,64, or none")


@pytest.mark.parametrize("text", ["128,", ",", "128;64", "12.5", "many", "9" * 5000])
def test_a_bad_list_of_hidden_layers_is_refused(text: str) -> None:
    """Also a number too long for Python to parse."""
    with pytest.raises(BadArgument, match="expected numbers separated by commas such as 128,64, or none"):
        parse_hidden(text)

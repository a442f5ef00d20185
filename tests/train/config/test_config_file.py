"""Configs as TOML files: fields are read as written, and an invalid field is named in one line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadArgument, DataError
from train.config.config_file import CONFIGS, config_of, read_config, release_config
from train.config.training_config import Augmentation, Convolution, Distillation, TrainingConfig

EVERYTHING = """\
model = "cnn"
convolutions = "16k5s2v,dk3"
epochs = 7
batch_size = 32
learning_rate = 1
seed = 5
optimizer = "adamw"
schedule = "constant"
warmup = 0.5
weight_decay = 0.01
label_smoothing = 0.1
averaging = 0.99
augmentation = { rotation = 10, shift = 2.5 }

[distillation]
teachers = ["f00", "ba7"]
views = 3
"""


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "config.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_every_field_can_be_written(tmp_path: Path) -> None:
    """Fields by name, convolutions as text, integers where floats are allowed, tables for nested fields."""
    expected = TrainingConfig(
        "cnn",
        convolutions=(Convolution(16, 5, 2, valid=True), Convolution(0, 3)),
        epochs=7,
        batch_size=32,
        learning_rate=1.0,
        seed=5,
        optimizer="adamw",
        schedule="constant",
        warmup=0.5,
        weight_decay=0.01,
        label_smoothing=0.1,
        averaging=0.99,
        augmentation=Augmentation(rotation=10, shift=2.5),
        distillation=Distillation(("f00", "ba7"), views=3),
    )
    assert read_config(_file(tmp_path, EVERYTHING)) == expected


def test_what_a_file_leaves_out_is_the_default(tmp_path: Path) -> None:
    """Only the model is required."""
    assert read_config(_file(tmp_path, 'model = "mlp"')) == TrainingConfig("mlp")


def test_other_values_can_count_in_place_of_the_files(tmp_path: Path) -> None:
    """Nested fields are replaced as a whole; other fields stay."""
    found = read_config(_file(tmp_path, EVERYTHING), seed=6, convolutions="8k3", augmentation={"zoom": 0.1})
    assert (found.seed, found.convolutions, found.augmentation) == (6, (Convolution(8, 3),), Augmentation(zoom=0.1))
    assert (found.epochs, found.averaging) == (7, 0.99)


def test_the_blame_is_where_the_mistake_is(tmp_path: Path) -> None:
    """An invalid override is wrong usage; an invalid file is an error of the file, whatever overrides it."""
    with pytest.raises(BadArgument, match=r"^epochs is 0, expected 1 to 10,000$"):
        read_config(_file(tmp_path, EVERYTHING), epochs=0)
    with pytest.raises(DataError, match="epochs is 0, expected 1 to 10,000"):
        read_config(_file(tmp_path, 'model = "mlp"\nepochs = 0'), epochs=5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "missing field 'model'"),
        ("model = cnn", "Invalid value"),
        ('model = "cnn"\nmodel = "mlp"', "Cannot overwrite a value"),
        (b"\xff\xfe", "can't decode"),
        (b"\0", "Invalid statement"),
        ('model = "rnn"', "unknown model 'rnn'; known are linear, mlp, cnn, tutorial"),
        ('model = "mlp"\nactivation = "sine"', "unknown activation 'sine'; known are relu"),
        ('model = "mlp"\nspeed = 1', "unknown field 'speed'"),
        ('model = "mlp"\nepochs = "5"', "field 'epochs' is \"5\", expected a whole number"),
        ('model = "mlp"\nepochs = 5.0', "field 'epochs' is 5.0, expected a whole number"),
        ('model = "mlp"\nepochs = true', "field 'epochs' is true, expected a whole number"),
        ('model = "mlp"\nepochs = 0', "epochs is 0, expected 1 to 10,000"),
        ('model = "mlp"\nepochs = 2020-01-01', "field 'epochs' is \"2020-01-01\", expected a whole number"),
        ('model = "mlp"\nepochs = ' + "9" * 5000, "Exceeds the limit"),
        ('model = "mlp"\nlearning_rate = nan', "field 'learning_rate' is NaN, expected a number"),
        ('model = "mlp"\nlearning_rate = inf', "field 'learning_rate' is Infinity, expected a number"),
        ('model = "mlp"\nlearning_rate = ' + "1" * 400, "field 'learning_rate' is 1111"),
        ('model = "mlp"\nhidden = "128,64"', "field 'hidden' is \"128,64\", expected a list"),
        ('model = "mlp"\nhidden = 128', "field 'hidden' is 128, expected a list"),
        ('model = "mlp"\nhidden = [128, 1.5]', "field 'hidden[1]' is 1.5, expected a whole number"),
        ('model = "cnn"\nconvolutions = [16, 5]', "convolutions are [16, 5], expected a text such as '16k5s2v,32k3v'"),
        ('model = "cnn"\nconvolutions = ""', "convolutions are '', expected a list such as 16k5s2v"),
        ('model = "cnn"\nconvolutions = "16x5"', "convolutions are '16x5', expected a list such as 16k5s2v"),
        ('model = "mlp"\naugmentation = 3', "field 'augmentation' is 3, expected an object"),
        ('model = "mlp"\naugmentation = {spin = 3}', "unknown field 'augmentation.spin'"),
        (
            'model = "mlp"\naugmentation = {rotation = 200}',
            "field 'augmentation' is impossible: rotation is 200.0, expected 0 to 180",
        ),
        ('model = "mlp"\naugmentation = {rotation = nan}', "field 'augmentation.rotation' is NaN, expected a number"),
        ('model = "mlp"\n[distillation]\nviews = 2', "missing field 'distillation.teachers'"),
        ('model = "mlp"\ndistillation = {teachers = []}', "distillation has no teachers; give the sha256 of at least one"),
        ('model = "mlp"\ndistillation = {teachers = [1]}', "field 'distillation.teachers[0]' is 1, expected a text"),
        ("x = " + "[" * 5000 + "]" * 5000, "recursion"),
    ],
)
def test_a_bad_file_is_a_data_error_that_names_file_and_field(tmp_path: Path, content: str | bytes, message: str) -> None:
    """Not TOML, an unknown field, a wrong type, NaN, an invalid value."""
    path = _file(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    """Also a folder."""
    for path in (tmp_path / "gone.toml", tmp_path):
        with pytest.raises(DataError, match=f"^{path}: cannot be read"):
            read_config(path)


FIELDS = st.dictionaries(
    st.sampled_from([*TrainingConfig.__dataclass_fields__, "speed"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.floats()),
)


@given(FIELDS)
def test_fields_of_any_type_are_a_config_or_bad_arguments(fields: dict[str, Any]) -> None:
    """Any text gives a config or a DataError."""
    try:
        config = config_of({"model": "mlp"} | fields)
    except BadArgument:
        return
    assert all(getattr(config, name) == value for name, value in fields.items() if isinstance(value, int))


@pytest.mark.parametrize("name", [name for name in (*CONFIGS, "quick") if release_config(name).exists()])
def test_committed_configs_are_valid(name: str) -> None:
    """All of them are valid configs of a cnn without a seed."""
    config = read_config(release_config(name))
    assert (config.model, config.seed) == ("cnn", 0)

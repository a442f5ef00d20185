"""Options that become fields of a config."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BadArgument
from train import cli_options
from train.cli_options import STANDARD_AUGMENTATION, fields_of
from train.config.config_file import config_of
from train.config.training_config import Augmentation, Distillation, TrainingConfig

MOST = {"rotation": 180, "shear": 2, "zoom": 0.9, "shift": 14, "elastic": 14}
RANGES = st.fixed_dictionaries({}, optional={name: st.floats(0, most) for name, most in MOST.items()}).filter(bool)


@pytest.fixture(autouse=True)
def _one_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_options, "committed_teachers", lambda: {"f00": None})


def _config(**settings: Any) -> TrainingConfig:
    return config_of({"model": "mlp"} | fields_of(settings))


def test_standard_is_what_the_help_says() -> None:
    """And is valid; each call returns new values, so that changes do not affect others."""
    fields_of({"augment": "standard"})["augmentation"].clear()
    assert _config(augment="standard").augmentation == Augmentation(**STANDARD_AUGMENTATION) != Augmentation()
    assert _config(distill="standard").distillation == Distillation(("f00",))


def test_none_takes_away_what_a_config_has() -> None:
    """It is a value like others."""
    assert fields_of({"augment": "none", "distill": "none"}) == {"augmentation": None, "distillation": None}


def test_some_settings_of_distillation_can_be_given() -> None:
    """Other fields have their defaults; the teachers are the committed ones."""
    assert _config(distill="views=5,weight=0.5").distillation == Distillation(("f00",), views=5, weight=0.5)


@given(ranges=RANGES, comma=st.sampled_from([",", ", "]))
def test_ranges_are_read_as_they_are_written(ranges: dict[str, float], comma: str) -> None:
    """Named settings only; the others stay off."""
    text = comma.join(f"{name}={value!r}" for name, value in ranges.items())
    assert fields_of({"augment": text}) == {"augmentation": ranges}


PARTS = st.sampled_from(
    ["rotation=5", "shift=2", "zoom=0.1", "elastic=3", "none", "standard", "shear=3", "zoom=", "=1", "rotation=x", ""]
)


@given(st.lists(PARTS, max_size=3).map(",".join) | st.text(alphabet="rotainshfe=,.0123456789- ", max_size=20) | st.text())
def test_any_text_is_augmentation_or_a_bad_argument(text: str) -> None:
    """Any text gives settings or a BadArgument."""
    try:
        config = _config(augment=text)
    except BadArgument:
        return
    assert isinstance(config.augmentation, Augmentation) or text == "none"


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("augment", "", "augmentation is '', expected standard, none, or a list such as rotation="),
        ("augment", "nonsense", "augmentation is 'nonsense', expected standard, none, or a list such as rotation="),
        ("augment", "spin=3", "augmentation is 'spin=3', expected standard, none, or a list such as"),
        ("augment", "rotation=much", "augmentation is 'rotation=much', expected"),
        ("augment", "rotation=1=2", "augmentation is 'rotation=1=2', expected"),
        ("augment", "rotation=1;shift=2", "augmentation is 'rotation=1;shift=2', expected"),
        ("augment", "rotation=nan", "rotation' is NaN, expected a number"),
        ("augment", "shift=inf", "shift' is Infinity, expected a number"),
        ("augment", "zoom=-0.1", "zoom is -0.1, expected 0 to 0.9"),
        ("distill", "teachers=1", "distillation is 'teachers=1', expected standard, none, or a list such as views="),
        ("distill", "views=2.5", "views' is 2.5, expected a whole number"),
        ("distill", "views=nan", "views' is NaN, expected a whole number"),
        ("distill", "views=inf", "views' is Infinity, expected a whole number"),
        ("distill", "views=0", "views is 0, expected 1 to 1,000"),
        ("distill", "temperature=nan", "temperature' is NaN, expected a number"),
        ("distill", "weight=2", "weight of the teachers is 2.0, expected 0 to 1"),
    ],
)
def test_bad_lists_are_refused_with_what_is_accepted(option: str, text: str, message: str) -> None:
    """The message has an example, a type, or a range."""
    with pytest.raises(BadArgument) as caught:
        _config(**{option: text})
    assert message in str(caught.value)


def test_only_given_options_become_fields() -> None:
    """None means "not given"; lists are parsed."""
    settings = {"epochs": None, "seed": 0, "hidden": "8,4", "augment": "shift=2", "convolutions": "4k3"}
    assert fields_of(settings) == {"seed": 0, "hidden": [8, 4], "augmentation": {"shift": 2.0}, "convolutions": "4k3"}

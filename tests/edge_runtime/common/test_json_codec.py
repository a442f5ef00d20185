"""JSON records: what goes out comes back, and what is wrong is named."""

import json
from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import InputError


@dataclass(frozen=True)
class Inner:
    """A nested record."""

    amount: float
    unit: str


@dataclass(frozen=True)
class Outer:
    """A record with everything that a record may hold."""

    name: str
    count: int
    good: bool
    inner: Inner
    items: tuple[Inner, ...]
    table: dict[str, int]
    maybe: Inner | None
    extra: int = 3


SAMPLE = Outer("x", 1, True, Inner(0.5, "s"), (Inner(1.0, "a"),), {"k": 2}, None)
TEXT = st.text().filter(str.isprintable)
INNER = st.builds(Inner, st.floats(allow_nan=False, allow_infinity=False), TEXT)
OUTER = st.builds(
    Outer,
    TEXT,
    st.integers(),
    st.booleans(),
    INNER,
    st.lists(INNER).map(tuple),
    st.dictionaries(TEXT, st.integers()),
    st.none() | INNER,
)


@given(OUTER, st.sampled_from([None, 2]))
def test_records_come_back_as_they_were(record: Outer, indent: int | None) -> None:
    """Whatever the values, and with or without line breaks."""
    assert from_json(Outer, to_json(record, indent=indent)) == record


def test_the_same_record_gives_the_same_text() -> None:
    """Keys are sorted and nothing else varies."""
    text = to_json(SAMPLE)
    assert text == to_json(replace(SAMPLE))
    assert text.startswith('{"count":1,"extra":3,"good":true,"inner":{"amount":0.5,"unit":"s"}')


def test_a_default_may_be_left_out_and_a_whole_number_is_a_number() -> None:
    """JSON from elsewhere may lack optional fields, and write 1 for 1.0."""
    value = asdict(SAMPLE)
    del value["extra"]
    value["inner"]["amount"] = 1
    assert from_json(Outer, json.dumps(value)).inner.amount == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 1}, "'name' is 1, expected a text"),
        ({"count": 1.0}, "'count' is 1.0, expected a whole number"),
        ({"count": True}, "'count' is true, expected a whole number"),
        ({"good": 1}, "'good' is 1, expected true or false"),
        ({"inner": []}, r"'inner' is \[\], expected an object"),
        ({"inner": {"amount": 1}}, r"missing field 'inner\.unit'"),
        ({"items": [{"amount": "1", "unit": ""}]}, r"'items\[0\]\.amount' is \"1\", expected a number"),
        ({"table": {"k": None}}, r"'table\.k' is null"),
        ({"maybe": 5}, "'maybe' is 5"),
        ({"more": 5}, "unknown field 'more'"),
        ({"inner": {"amount": 10**400, "unit": ""}}, r"'inner\.amount'"),
        ({"name": "x" * 100, "count": "y" * 100}, r"'count' is \"y+\.\.\."),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, object], message: str) -> None:
    """The message has the path of the field, its value, and what is expected."""
    with pytest.raises(InputError, match=message):
        from_json(Outer, json.dumps({**asdict(SAMPLE), **changes}))


@pytest.mark.parametrize("text", ["", "{", "[1", "NaN", '{"a":1,"a":2}', "[" * 100_000, b"\xff\xfe", "Infinity", "1" * 5000])
def test_what_is_no_json_is_an_error_of_ours(text: str | bytes) -> None:
    """Broken, endlessly nested, doubled keys, numbers that are none."""
    with pytest.raises(InputError):
        from_json(Outer, text)


@given(st.binary(max_size=200))
def test_noise_is_an_error_of_ours(noise: bytes) -> None:
    """No bytes lead to anything but InputError."""
    with pytest.raises(InputError):
        from_json(Outer, noise)


def test_a_number_that_is_none_is_not_written() -> None:
    """NaN would be no JSON."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Inner(float("nan"), ""))

"""What is promised of the device: how it is judged and written, and that what it is measured against is the same network."""

import dataclasses

import pytest

from edge_runtime.errors import DigitsError
from tests.benchmarks.samples import MACHINE
from tools.pages.speed import part, photo_part
from tools.studies.device import photo_speed
from tools.studies.device.device_figures import in_turns
from tools.studies.device.photo_speed import OURS, PHOTOS, PhotoSpeed
from tools.studies.device.promises import DeviceResult, Streamed, judged
from tools.support.turns import Pair

GOOD = DeviceResult(
    machine=MACHINE,
    onnxruntime="1.0, batches of 10",
    single=Pair("single", (100, 100, 100), (100, 100, 100)),
    start=Pair("start", (120, 120, 1_000), (100, 100, 100)),
    keras_start=Pair("keras_start", (100,), (1_600,)),
    many=Pair("many", (100,), (190,)),
    float_many=Pair("float_many", (100,), (110,)),
    stream=Streamed(1_000_000, (50_000_000, 51_000_000, 50_500_000)),
)


def test_what_is_promised_is_judged_by_medians() -> None:
    """All kept, one outlier or not; values and words stand in the page."""
    assert [figure.verdict for figure in judged(GOOD)] == ["kept"] * 6
    assert [round(figure.value, 3) for figure in judged(GOOD)] == [1.0, 1.2, 16.0, 1.9, 1.1, 1.0]
    assert part(GOOD).count("| kept |") == 6


def test_a_photo_is_held_against_the_quickest_way_of_pillow() -> None:
    """By medians, and by the photo on which ours is slowest, be it one with a small digit."""
    speed = _photo_speed({"plain": 150, "ruled": 140, "squared": 145, "plain, a small digit": 190})
    assert speed.ratio("plain") == 1.5
    assert "On the slowest (plain, a small digit) 1.90 times Pillow's quickest way, must be at most 1.5: MISSED" in photo_part(
        speed
    )
    kept = _photo_speed({"plain": 149, "plain, a small digit": 150})
    assert "On the slowest (plain, a small digit) 1.50 times Pillow's quickest way, must be at most 1.5: kept" in photo_part(kept)


def _photo_speed(ours: dict[str, int]) -> PhotoSpeed:
    times = {photo: _times(nanoseconds) for photo, nanoseconds in ours.items()}
    return PhotoSpeed(GOOD.machine, dict.fromkeys(ours, 1), times)


def _times(ours: int) -> dict[str, tuple[int, ...]]:
    ways = {"draft": (100, 100, 100), "thumbnail": (120, 130, 140), "reduce": (110, 110, 110)}
    return {**ways, OURS: (140, ours, 900)}


@pytest.mark.parametrize("slow", [name for name in PHOTOS if "small" in name])
def test_a_photo_that_takes_too_long_is_an_exit_code(
    slow: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """After the table: each paper with a digit of either size counts."""
    monkeypatch.setattr(photo_speed, "make_photo", lambda paper, size: f"{paper} {size}".encode())
    monkeypatch.setattr(photo_speed, "take_turns", lambda photo, rounds: _times(149))
    photo_speed.main(["--quick"])
    paper, size = PHOTOS[slow]
    monkeypatch.setattr(
        photo_speed, "take_turns", lambda photo, rounds: _times(151 if photo == f"{paper} {size}".encode() else 149)
    )
    with pytest.raises(DigitsError, match=f"over 1.5 times Pillow's quickest way: {slow} 1.51"):
        photo_speed.main(["--quick"])
    assert capsys.readouterr().out.count("ours to the quickest") == 2


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, {"single": Pair("single", (106,), (100,))}),
        (1, {"start": Pair("start", (131,), (100,))}),
        (2, {"keras_start": Pair("keras_start", (100,), (1_490,))}),
        (3, {"many": Pair("many", (100,), (179,))}),
        (4, {"float_many": Pair("float_many", (100,), (104,))}),
        (5, {"stream": Streamed(1_000_000, (50_000_000, 55_100_000))}),
    ],
)
def test_what_is_missed_is_called_missed(place: int, change: dict) -> None:
    """That one alone."""
    found = judged(dataclasses.replace(GOOD, **change))
    assert [figure.missed for figure in found] == [number == place for number in range(6)]
    assert found[place].line.startswith("MISSED")


def test_an_aim_that_is_missed_is_in_the_verdict() -> None:
    """Though what must be is kept."""
    assert judged(dataclasses.replace(GOOD, single=Pair("single", (103,), (100,))))[0].verdict == "kept; the aim is not reached"


def test_two_ways_take_turns_in_every_round() -> None:
    """Each goes first in some rounds; the first round is not counted."""
    went: list[str] = []
    ours, other = in_turns(lambda: went.append("a"), lambda: went.append("b"), 30)
    rounds = ["".join(went[start : start + 2]) for start in range(0, len(went), 2)]
    assert len(rounds) == 31
    assert set(rounds) == {"ab", "ba"}
    assert len(ours) == len(other) == 30

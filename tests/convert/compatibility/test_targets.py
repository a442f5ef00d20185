"""Values of `--runs-on`: requirements on runtimes, and boards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convert.compatibility.operator_support import Release, known
from convert.compatibility.targets import BOARDS, devices_of, oldest_and_newest, parse_targets, releases_of
from edge_runtime.errors import BadArgument
from tests.commands import digits, one_line

LITERT = known(["ai-edge-litert"])


@pytest.mark.parametrize(
    ("text", "releases"),
    [
        ("tflite-runtime==2.14", (Release("tflite-runtime", "2.14.0"),)),
        ("tflite_runtime", (Release("tflite-runtime", "2.14.0"),)),
        ("ai-edge-litert>=1.4", LITERT),
        ("ai-edge-litert==1.4.0", LITERT[:1]),
        ("AI-Edge-LiteRT >= 2.2", LITERT[-2:]),
        ("ai-edge-litert>=1.4,<2", LITERT[:1]),
        ("armv7", (Release("tflite-runtime", "2.14.0"),)),
        ("raspberry-pi-os-32", (Release("tflite-runtime", "2.14.0"),)),
        ("aarch64", LITERT),
        ("Android", LITERT),
    ],
)
def test_a_target_stands_for_all_known_releases_that_meet_it(text: str, releases: tuple[Release, ...]) -> None:
    """Requirements as pip takes them; boards by their available runtimes."""
    (target,) = parse_targets([text])
    assert target.releases == releases


def test_several_targets_are_demanded_together() -> None:
    """Each release occurs once; the oldest and newest of a range are tried."""
    targets = parse_targets(["armv7", "ai-edge-litert>=1.4", "armv7"])
    assert [target.text for target in targets] == ["armv7", "ai-edge-litert>=1.4"]
    assert set(releases_of(targets)) == {*LITERT, Release("tflite-runtime", "2.14.0")}
    assert set(oldest_and_newest(targets)) == {LITERT[0], LITERT[-1], Release("tflite-runtime", "2.14.0")}


def test_a_board_says_what_is_not_claimed() -> None:
    """The note says that no phone was tried and that Google Play services are not covered."""
    (target,) = parse_targets(["android"])
    assert str(target).startswith("android: ai-edge-litert 1.4.0 to 2.3.0; ")
    assert "no phone was" in str(target)
    assert "Google Play services" in str(target)


@pytest.mark.parametrize("text", ["rp2040", "RP2350", "stm32f4", "tflm"])
def test_microcontrollers_have_no_releases_and_say_what_they_mean(text: str) -> None:
    """Together with a board that has some, only the board's are tried."""
    targets = parse_targets([text, "armv7"])
    assert devices_of(targets) == (text.lower(),)
    assert releases_of(targets) == oldest_and_newest(targets) == (Release("tflite-runtime", "2.14.0"),)
    assert str(targets[0]).startswith(f"{text}: ")
    assert ("TFLite Micro" if text == "tflm" else "KB of RAM") in str(targets[0])


@pytest.mark.parametrize(
    "text",
    [
        "tflite-runtime==1.0",
        "ai-edge-litert>=99",
        "tensorflow>=2",
        "pi",
        "",
        "armv6",
        "ai-edge-litert @ https://example.org/x.whl",
        "ai-edge-litert[tools]>=1.4",
        "ai-edge-litert>=1.4; python_version < '3'",
        "ai-edge-litert=>1",
        "\N{SNOWMAN}",
    ],
)
def test_an_unknown_target_is_exit_2_with_the_known_ones(text: str) -> None:
    """Before the model is loaded, one line lists all releases and boards."""
    error = one_line(digits("convert", "none.keras", "--runs-on", text), 2)
    assert ascii(text) in error
    assert "tflite-runtime 2.14.0" in error
    assert ", ".join(BOARDS) in error
    assert "rp2040" in error


def test_trying_needs_to_know_where() -> None:
    """--try-runtimes alone is wrong usage."""
    assert "name one with --runs-on" in one_line(digits("convert", "none.keras", "--try-runtimes"), 2)
    assert "name one with --runs-on" in one_line(digits("convert", "none.keras", "--try-runtimes", "--runs-on", "rp2040"), 2)


@given(st.text(max_size=30) | st.from_regex(r"(ai-edge-litert|tflite-runtime)[<>=!~]{1,2}[0-9.*]{1,6}", fullmatch=True))
def test_any_text_is_a_target_with_releases_or_a_bad_argument(text: str) -> None:
    """Any text is a target or raises BadArgument."""
    try:
        (target,) = parse_targets([text])
    except BadArgument:
        return
    assert target.text == text
    assert target.releases or target.device

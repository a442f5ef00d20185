"""The check of files after a power cut (test_machine.py) can fail."""

from .replace_files import content, number_of


def test_a_file_that_is_not_whole_is_told() -> None:
    """Empty, cut short, or of two numbers: as opposed to a whole one, which has several blocks of a disk."""
    whole = content(7)
    assert len(whole) > 1 << 16
    assert number_of(whole) == 7
    assert number_of("") is number_of(whole[:-1]) is number_of(whole[:4096]) is None
    assert number_of(whole[: len(whole) // 2] + content(8)[len(whole) // 2 :]) is None

"""Tables of conversions."""

from convert.reporting.table import without_empty_columns


def test_empty_columns_are_not_shown() -> None:
    """A column that is empty in every row goes with its header; one that is empty in some rows stays."""
    header, rows = without_empty_columns(("recipe", "us/image", "gate"), [("int8", "", "passed"), ("fp32", "", "")])
    assert (header, rows) == (("recipe", "gate"), [("int8", "passed"), ("fp32", "")])

"""Cells of a CSV file that somebody opens in a spreadsheet."""

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With what a spreadsheet takes a text for a formula, or for one behind a blank."""


def safe_cell(value: object) -> object:
    """Return a value for a cell: a text that begins like a formula gets an apostrophe before it.

    Numbers stay numbers, negative ones too; None is an empty cell.
    """
    if isinstance(value, str) and value.lstrip(" ").startswith(_BEGINNINGS):
        return f"'{value}"
    return value

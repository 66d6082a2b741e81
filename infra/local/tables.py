"""Rows as a table of plain text, for a terminal."""

from collections.abc import Sequence


def as_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return the headers, a line, and the rows, each column as wide as its widest cell."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    lines = [headers, ["─" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

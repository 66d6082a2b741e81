"""Which deletions of a full refresh are so large that they wait for a second look."""

FEW_ROWS = 1_000
"""Of a table with fewer rows more than half may go at once, as long as one stays."""


def is_mass(gone: int, left: int) -> bool:
    """Tell whether so many rows would go that the source may just not have shown them.

    All of them, however few; or, of a table that is not small, more than would be left.
    """
    if gone == 0:
        return False
    return left == 0 or (gone + left >= FEW_ROWS and gone > left)

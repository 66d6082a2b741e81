"""Which deletions of a full refresh are so large that they wait for a second look."""

FEW_ROWS = 1_000
"""Of a table with fewer rows more than half may go at once, as long as enough of them stay."""
_LEAST_PERCENT = 5
"""How much of a table, however small, has to stay. One row of two does, and is daily life."""
_MORE_PERCENT = 10
"""How much more may be gone at the second look than at the first."""


def is_held(gone: int, left: int, held_before: int | None) -> bool:
    """Tell whether a deletion of `gone` rows, beside which `left` would stay, waits.

    It does so if it is large and the whole run before, which held as many rows as `held_before`,
    did not find about as much: a source that shows less from look to look is not believed.
    """
    if not is_mass(gone, left):
        return False
    return held_before is None or gone * 100 > held_before * (100 + _MORE_PERCENT)


def is_mass(gone: int, left: int) -> bool:
    """Tell whether so many rows would go that the source may just not have shown them.

    All of them, however few; nearly all; or, of a table that is not small, more than would be left.
    """
    if gone == 0:
        return False
    total = gone + left
    if left == 0 or left * 100 < total * _LEAST_PERCENT:
        return True
    return total >= FEW_ROWS and gone > left

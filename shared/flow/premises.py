"""What a caller takes for granted of a thing that it changes, checked where it is changed."""

from collections.abc import Callable

from shared.store.rows import Row

Premise = Callable[[Row], None]
"""Called with the thing as it is in the transaction of the change, before the change.

Raises `PremiseError` if it is not as the caller saw it.
"""


def any_state(_row: Row) -> None:
    """Take the thing as it is."""

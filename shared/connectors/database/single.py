"""Numbers of single precision, told by as few digits as they need."""

from ctypes import c_float

from sqlalchemy import Dialect, Double
from sqlalchemy.types import TypeDecorator

_DIGITS = 9
"""So many digits tell every number of single precision from all others."""


class Single(TypeDecorator[float]):
    """A number of single precision, read as a double and told by as few digits as it needs."""

    impl = Double(asdecimal=False)
    cache_ok = True

    def process_result_value(
        self,
        value: float | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> float | None:
        """Return the double with the fewest digits that is this number in single precision."""
        if value is None:
            return None
        written = (float(f"{value:.{digits}g}") for digits in range(6, _DIGITS + 1))
        return next((short for short in written if c_float(short).value == value), value)

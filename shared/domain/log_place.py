"""A place in the order of what only grows: runs, and entries of the audit log."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A place in an order, newest first; what comes after it was written before."""

    created_at: datetime
    """When it was written, aware and in UTC."""
    key: int
    """The internal key, or the number, that tells apart what was written at one instant."""

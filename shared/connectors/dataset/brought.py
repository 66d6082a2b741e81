"""What a slice brings of a stream beside rows: rejects, fields without values, and what is gone."""

from dataclasses import dataclass

from shared.connectors.dataset.refresh import Refresh
from shared.connectors.dataset.rejects import Rejected


@dataclass(frozen=True, slots=True)
class Brought:
    """What belongs into the transaction of a merge, or into one of its own if there is no row.

    `carried` are the dataset's names of fields that records had, with or without a value.
    """

    rejected: Rejected
    carried: frozenset[str] = frozenset()
    refresh: Refresh | None = None

    @property
    def needs_transaction(self) -> bool:
        """Tell whether there is something to write although there is no row."""
        return bool(self.rejected.rejects) or self.refresh is not None

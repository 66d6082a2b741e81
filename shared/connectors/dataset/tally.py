"""What the merges of a load did: counts, and changes of the dataset's columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.schema_changes import MOST_CHANGES, told_changes


@dataclass(slots=True)
class LoadTally:
    """What the merges of one load did, each after its commit.

    `held` are rows that a refresh would have deleted, and kept for a second look. `changes` are
    those of columns of the dataset, ready for JSON: `table`, `column` of the source, the type it
    `was` (None if it is new) and `becomes`, and the column it `lands_in`. Of a single
    load, `has_table` tells whether the table that it is for is there.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    held: int = 0
    changes: list[Mapping[str, str | None]] = field(default_factory=list[Mapping[str, str | None]])
    changes_left_out: int = 0
    has_table: bool = True

    def add(self, other: "LoadTally") -> None:
        """Add what another tally has, as far as there is room for its changes."""
        self.created += other.created
        self.updated += other.updated
        self.deleted += other.deleted
        self.held += other.held
        room = MOST_CHANGES - len(self.changes)
        self.changes += other.changes[:room]
        self.changes_left_out += other.changes_left_out + len(other.changes[room:])

    @property
    def metadata(self) -> Mapping[str, object]:
        """Return what a run's metadata say of the changes, ready for JSON; nothing if none."""
        return told_changes(self.changes, self.changes_left_out)

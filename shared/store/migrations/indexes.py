"""Indexes on large tables that are in use: built beside those who write, and begun anew if cut."""

from collections.abc import Iterable
from dataclasses import dataclass

from alembic import op
from sqlalchemy import text

_IS_WHOLE = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


@dataclass(frozen=True, slots=True)
class NewIndex:
    """An index to build: its name, and what CREATE INDEX says after ON."""

    name: str
    on: str
    is_unique: bool = False


def build_indexes(indexes: Iterable[NewIndex]) -> None:
    """Build those that are not there yet.

    What the migration did before is committed by it, so that the migration has to bear being
    repeated. A build waits for older transactions, and nobody who reads or writes waits for it.
    """
    with op.get_context().autocommit_block():
        op.execute("COMMIT")  # of what the driver began when it was asked for the isolation level
        op.execute("SET lock_timeout = 0")
        try:
            for index in indexes:
                if op.get_bind().execute(_IS_WHOLE, {"name": index.name}).scalar_one_or_none():
                    continue
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}")
                kind = "UNIQUE INDEX" if index.is_unique else "INDEX"
                op.execute(f"CREATE {kind} CONCURRENTLY {index.name} ON {index.on}")
        finally:
            op.execute("RESET lock_timeout")  # a repeat is on the same connection


def replace_index(name: str, *, successor: str) -> None:
    """Let an index that was built under another name take name and place of an older one."""
    op.execute(f"DROP INDEX {name}")
    op.execute(f"ALTER INDEX {successor} RENAME TO {name}")

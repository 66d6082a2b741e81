"""Two workspaces in one deployment, the people in them, and everything that is stored of each."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Engine, text

from shared.web.operations import ANYONE, Operation, operations_of
from tests.isolation.cases import NOT_A_TENANTS, Case
from tests.isolation.people import Ids, Person, parts_of
from tests.isolation.things import Household
from tests.store.tenants import TENANT_TABLES, key_of

OF_CALLS = frozenset({"api_key", "audit_head", "audit_log", "refusals_left_out"})
"""Tables in which a refused call of somebody of the workspace leaves its trace, as it should."""
_DATASETS = text(
    "SELECT table_schema || '.' || table_name FROM information_schema.tables"
    " WHERE table_schema LIKE 'dataset%' AND table_type = 'BASE TABLE'"
)
_READERS = text(
    "SELECT CAST(r AS text) FROM pg_authid AS r, workspace AS w"
    " WHERE w.id = :w AND rolname = 'reader_' || replace(CAST(w.public_id AS text), '-', '')"
)
_number = count(1)


@dataclass(frozen=True, slots=True)
class World:
    """Alice and Bob are of one workspace, Mallory administers another, and nobody has no key."""

    engine: Engine
    alice_id: int
    mallory_id: int
    alice: Person
    bob: Person
    mallory: Person
    nobody: Person
    house: Household
    """Where Alice makes things."""
    hers: Household
    """Where Mallory does."""
    operations: dict[str, Operation] = field(default_factory=dict[str, Operation])
    made: dict[str, Ids] = field(default_factory=dict[str, Ids])
    """What she made for those who are to find nothing, by its kind."""

    def __post_init__(self) -> None:
        self.operations.update({one.id: one for one in operations_of(self.alice.app)})

    def about(self, case: Case) -> str | None:
        """Return the kind of thing that a case is about; None if it names nothing."""
        parts = parts_of(self.operations[case.operation].path)
        return case.of or (parts[-1] if parts else None)

    def names_hers(self, case: Case) -> bool:
        """Tell whether a case names something that is of Alice alone."""
        kind = self.about(case)
        return kind is not None and kind not in NOT_A_TENANTS

    def new(self, case: Case) -> dict[str, str]:
        """Make what a case is about, for Alice to use."""
        kind = self.about(case)
        return ({} if kind is None else self.house.make(kind)) | a_name()

    def kept(self, case: Case) -> dict[str, str]:
        """Return what a case is about, for others to try; the same each time."""
        kind = self.about(case)
        if kind is None:
            return a_name()
        if kind not in self.made:
            self.made[kind] = self.house.make(kind)
        return {**self.made[kind], **a_name()}

    def is_open(self, case: Case) -> bool:
        """Tell whether an operation knows no caller."""
        return self.operations[case.operation].access == ANYONE

    def asked_in_vain(self) -> set[str]:
        """Return the ids that Mallory's own audit log has of what she tried and did not find."""
        query = text(
            "SELECT CAST(object_id AS text) FROM audit_log"
            " WHERE workspace_id = :w AND outcome = 'refused' AND object_id IS NOT NULL"
        )
        with self.engine.connect() as connection:
            return set(connection.execute(query, {"w": self.mallory_id}).scalars())

    def stored(self, *, without: Collection[str] = ()) -> str:
        """Return all that is stored of Alice's workspace, datasets included, as one text."""
        tables = [table for table in TENANT_TABLES if table not in without]
        query = " UNION ALL ".join(
            f"SELECT '{table} ' || CAST(t AS text) FROM {table} AS t WHERE {key_of(table)} = :w"
            for table in tables
        )
        with self.engine.connect() as connection:
            rows = list(connection.execute(text(query), {"w": self.alice_id}).scalars())
            rows += connection.execute(_READERS, {"w": self.alice_id}).scalars()
            for table in connection.execute(_DATASETS).scalars().all():
                rows += connection.execute(text(f"SELECT CAST(t AS text) FROM {table} t")).scalars()
        return "\n".join(sorted(rows))


def a_name() -> dict[str, str]:
    """Return a name that nothing has."""
    return {"new": f"another-{next(_number)}"}

"""The metadata, and the columns that many tables share."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    MetaData,
    Uuid,
    func,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)


def instant(name: str, *, required: bool = False) -> Column[object]:
    """Return a column for an aware UTC instant."""
    return Column(name, DateTime(timezone=True), nullable=not required)


def created_at() -> Column[object]:
    """Set once, by the database."""
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def updated_at() -> Column[object]:
    """Set by the trigger `touch_updated_at` on every update."""
    return Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def internal_id() -> Column[int]:
    """Return the internal key; it never leaves the database's side of the API."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def public_id(name: str = "public_id") -> Column[object]:
    """Return the identifier that the outside sees."""
    return Column(name, Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid())


def workspace_id(*, is_direct: bool = False) -> Column[int]:
    """Return the column that says whose row it is.

    Only a `is_direct` child of the workspace refers to it by this column alone. The others refer
    to their parent by `(workspace_id, id)`, which says as much and costs one check less a row.
    """
    if not is_direct:
        return Column("workspace_id", BigInteger, nullable=False)
    return Column("workspace_id", BigInteger, ForeignKey("workspace.id"), nullable=False)


def one_of(column: str, values: tuple[str, ...], name: str) -> CheckConstraint:
    """Return a check that a text column holds one of the values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=name)

"""Statements of T-SQL, in the words of DuckDB; and the types of what they select."""

from collections.abc import Sequence

from sqlglot import exp

from tests.connectors.database.sqlserver.server.catalog import Catalog
from tests.connectors.database.sqlserver.server.types import SqlType

_NAMES = {
    "TIMESTAMPTZ": "datetimeoffset",
    "UUID": "uniqueidentifier",
    "VARIANT": "sql_variant",
    "ROWVERSION": "timestamp",
    "DOUBLE": "float",
    "TEXT": "ntext",
    "UTINYINT": "tinyint",
}
_TEXTS = ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary")
_SECONDS = ("datetime2", "datetimeoffset", "time")
_ROWVERSION_BYTES = 8


def type_of(declared: exp.DataType) -> SqlType:
    """Return a type as T-SQL means it, with what it has if nothing is said."""
    if declared.this == exp.DataType.Type.USERDEFINED:
        return SqlType(str(declared.args["kind"]).lower())
    name = _NAMES.get(declared.this.value, declared.this.value.lower())
    given = [part.name for part in declared.expressions]
    numbers = [-1 if part.upper() == "MAX" else int(part) for part in given]
    if name in _TEXTS:
        return SqlType(name, length=numbers[0] if numbers else 1)
    if name in ("decimal", "numeric"):
        return SqlType(name, precision=(numbers or [18])[0], scale=[*numbers, 0, 0][1])
    if name in _SECONDS:
        return SqlType(name, scale=numbers[0] if numbers else 7)
    if name == "float":
        bits = numbers[0] if numbers else 53
        return SqlType("real", precision=24) if bits <= 24 else SqlType("float", precision=53)
    return SqlType(name, precision=24 if name == "real" else 0)


def translated(statement: exp.Expr, catalog: Catalog) -> str:
    """Return a statement in DuckDB's words."""
    known = _Columns(statement, catalog)
    return statement.transform(lambda node: _changed(node, known)).sql(dialect="duckdb")


def selected(query: exp.Query, catalog: Catalog) -> Sequence[tuple[str, SqlType | None]]:
    """Return the names that a query selects, each with its type if it says so itself."""
    known = _Columns(query, catalog)
    found: list[tuple[str, SqlType | None]] = []
    for part in query.selects:
        if isinstance(part, exp.Star):
            found += known.all()
        else:
            found.append((part.alias_or_name, known.type_of(part.unalias())))
    return found


class _Columns:
    """The columns of the tables that a statement is about."""

    def __init__(self, statement: exp.Expr, catalog: Catalog) -> None:
        self._types: dict[str, SqlType] = {}
        for table in statement.find_all(exp.Table):
            self._types |= catalog.columns_of(table.db or "dbo", table.name)

    def all(self) -> list[tuple[str, SqlType | None]]:
        return list(self._types.items())

    def type_of(self, expression: exp.Expr) -> SqlType | None:
        match expression:
            case exp.Column():
                return self._types.get(expression.name.lower())
            case exp.Cast():
                return type_of(expression.to)
            case _:
                return None


def _changed(node: exp.Expr, known: _Columns) -> exp.Expr:
    match node:
        case exp.National():
            return exp.Literal.string(node.name)
        case exp.Table() if node.db.upper() == "INFORMATION_SCHEMA":
            return exp.to_table(f"ischema.{node.name}", alias=node.alias or None)
        case exp.Column() if node.args.get("db") and node.db.upper() == "INFORMATION_SCHEMA":
            return exp.column(node.name, table=node.table, db="ischema")
        case exp.CurrentSchema():
            return exp.Literal.string("dbo")
        case exp.Cast():
            return _changed_cast(node, known)
        case _:
            return node


def _changed_cast(node: exp.Cast, known: _Columns) -> exp.Expr:
    value, kind = node.this, type_of(node.to)
    source = known.type_of(value)
    if kind.name == "binary" and kind.length == _ROWVERSION_BYTES:
        return exp.func("unhex", exp.func("printf", exp.Literal.string("%016x"), value))
    if source is not None and source.name == "timestamp" and kind.name == "bigint":
        digits = exp.func("concat", exp.Literal.string("0x"), exp.func("hex", value))
        return exp.cast(digits, "BIGINT", dialect="duckdb")
    made = exp.cast(value.copy(), kind.stored_as, dialect="duckdb")
    is_text = kind.name in _TEXTS
    is_uuid = source is not None and source.name == "uniqueidentifier"
    return exp.func("upper", made) if is_text and is_uuid else made

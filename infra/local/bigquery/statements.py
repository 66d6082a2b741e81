"""Statements of GoogleSQL, split out of a script and put into PostgreSQL's words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlglot import Token, TokenType, exp, parse_one, tokenize
from sqlglot.errors import ParseError, TokenError

from infra.local.bigquery.errors import BigQueryError
from infra.local.bigquery.kinds import stored_type

_NAME_BYTES = 63
_DDL = (exp.Create, exp.Alter, exp.Drop)
_MUTATING = (exp.Update, exp.Delete, exp.Merge)
_TRIED: Mapping[object, str] = {
    exp.DataType.Type.BIGINT: "bigint",
    exp.DataType.Type.DECIMAL: "numeric",
    exp.DataType.Type.BIGDECIMAL: "numeric",
    exp.DataType.Type.DOUBLE: "double precision",
    exp.DataType.Type.BOOLEAN: "boolean",
    exp.DataType.Type.DATE: "date",
    exp.DataType.Type.TIMESTAMPTZ: "timestamp with time zone",
    exp.DataType.Type.TIMESTAMP: "timestamp without time zone",
    exp.DataType.Type.DATETIME: "timestamp without time zone",
    exp.DataType.Type.TIME: "time without time zone",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in PostgreSQL's words.

    `mutates` is the table of which rows change, `makes` the one that comes to be, as (dataset,
    table); `is_ddl` and `is_query` say what it is.
    """

    text: str
    mutates: tuple[str, str] | None
    makes: tuple[str, str] | None
    is_ddl: bool
    is_dml: bool
    is_query: bool


def physical(name: str) -> str:
    """Return the name in PostgreSQL of a table whose name may be longer than PostgreSQL's are."""
    if len(name.encode()) <= _NAME_BYTES:
        return name
    return f"{name[:40]}_{sha256(name.encode()).hexdigest()[:20]}"


def split(script: str) -> list[list[Token]]:
    """Return the tokens of each statement of a script, of an IF all up to its end."""
    statements: list[list[Token]] = []
    current: list[Token] = []
    depth = 0
    try:
        tokens = tokenize(script, read="bigquery")
    except TokenError as error:
        raise BigQueryError("invalidQuery", "Syntax error") from error
    for number, token in enumerate(tokens):
        word = token.text.upper()
        before = tokens[number - 1] if number else None
        starts = before is None or before.token_type is TokenType.SEMICOLON
        starts = starts or (before is not None and before.text.upper() in ("THEN", "ELSE"))
        ends = before is not None and before.text.upper() == "END"
        depth += (word == "IF" and starts) - (word == "IF" and ends)
        if token.token_type is TokenType.SEMICOLON and depth == 0:
            statements.append(current)
            current = []
        else:
            current.append(token)
    return [one for one in [*statements, current] if one]


def text_of(script: str, tokens: Sequence[Token]) -> str:
    """Return the text of tokens that stand one after the other."""
    return script[tokens[0].start : tokens[-1].end + 1]


def translate(text: str, variables: Mapping[str, Any], parameters: Mapping[str, Any]) -> Statement:
    """Return a statement in PostgreSQL's words; raise `BigQueryError` for what BigQuery refuses."""
    try:
        tree = parse_one(text, read="bigquery")
    except (ParseError, TokenError) as error:
        raise BigQueryError("invalidQuery", "Syntax error") from error
    if isinstance(tree, exp.Update | exp.Delete) and tree.args.get("where") is None:
        raise BigQueryError("invalidQuery", "UPDATE and DELETE must have a WHERE clause")
    target = _target(tree)
    for node in reversed(list(tree.walk())):  # what is within comes first
        put = _put(node, variables, parameters)
        if node is tree:
            tree = put
        elif put is not node:
            node.replace(put)
    return Statement(
        text=tree.sql(dialect="postgres"),
        mutates=target if isinstance(tree, _MUTATING) else None,
        makes=target if isinstance(tree, exp.Create) else None,
        is_ddl=isinstance(tree, _DDL),
        is_dml=isinstance(tree, (*_MUTATING, exp.Insert)),
        is_query=isinstance(tree, exp.Query),
    )


def _target(tree: exp.Expr) -> tuple[str, str] | None:
    if not isinstance(tree, (*_MUTATING, exp.Create)):
        return None
    table = tree.this.find(exp.Table) if tree.this is not None else None
    return None if table is None else (table.db, table.name)


def _put(node: exp.Expr, variables: Mapping[str, Any], parameters: Mapping[str, Any]) -> exp.Expr:
    match node:
        case exp.Table() if node.args.get("db"):
            name = exp.to_identifier(physical(node.name), quoted=True)
            db = exp.to_identifier(node.db, quoted=True)
            return exp.Table(this=name, db=db, alias=node.args.get("alias"))
        case exp.Column() if not node.table and node.name in variables:
            return _literal(variables[node.name])
        case exp.Parameter() if node.name in parameters:
            return _literal(parameters[node.name])
        case exp.TryCast():
            return _tried(node)
        case exp.DataType():
            return _stored(node)
        case _:
            return _put_function(node)


def _put_function(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.ParseJSON():
            return _cast(_cast(node.this, "jsonb"), "json")
        case exp.JSONFormat():
            return _cast(node.this, "text")
        case exp.JSONExtractScalar() | exp.JSONValue():
            return _json_value(node)
        case exp.Unhex():
            return exp.Anonymous(this="emulator.try_hex", expressions=[node.this])
        case _:
            return node


def _tried(node: exp.TryCast) -> exp.Expr:
    kind = _TRIED[node.to.this]
    tried = exp.Anonymous(
        this="emulator.try_cast", expressions=[node.this, exp.Literal.string(kind)]
    )
    return _cast(tried, kind)


def _stored(node: exp.DataType) -> exp.Expr:
    if node.this is exp.DataType.Type.BIGDECIMAL:
        return exp.DataType.build(stored_type("BIGNUMERIC"), dialect="postgres")
    if node.this is exp.DataType.Type.DECIMAL and not node.expressions:
        return exp.DataType.build(stored_type("NUMERIC"), dialect="postgres")
    return node


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="postgres"))


def _json_value(node: exp.Expr) -> exp.Expr:
    keys = [part.name for part in node.find_all(exp.JSONPathKey)]
    return exp.Anonymous(
        this="emulator.json_value", expressions=[node.this, *map(exp.Literal.string, keys)]
    )


def _literal(value: Any) -> exp.Expr:
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return exp.Paren(this=exp.Literal.number(value))
    if value is None:
        return _cast(exp.Null(), "text")
    return exp.Literal.string(str(value))


def words(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the words of a statement in capitals."""
    return (token.text.upper() for token in tokens)

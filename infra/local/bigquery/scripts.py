"""Runs a script: variables, conditions, errors of its own, and one transaction at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import errors, extensions
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from sqlglot import Token

from infra.local.bigquery.errors import BigQueryError
from infra.local.bigquery.statements import Statement, split, text_of, translate, words
from infra.local.bigquery.store import Store

_ROW_COUNT = "@@row_count"


@dataclass(slots=True)
class Result:
    """What a script came to: the columns and rows of its last query, and the rows it changed."""

    columns: Sequence[extensions.Column] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    changed: int | None = None


class Script:
    """One script under way, on a connection of its own."""

    def __init__(
        self,
        store: Store,
        connection: extensions.connection,
        text: str,
        parameters: Mapping[str, Any],
    ) -> None:
        self.result = Result()
        self._store = store
        self._connection = connection
        self._text = text
        self._parameters = parameters
        self._variables: dict[str, Any] = {}
        self._row_count = 0
        self._made: list[tuple[str, str]] = []
        self._changed: set[tuple[str, str]] = set()

    def run(self) -> Result:
        """Run it to its end; an open transaction is rolled back."""
        try:
            self._block(split(self._text))
        except errors.SerializationFailure as error:
            raise _aborted() from error
        except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
            raise BigQueryError("notFound", "Not found: Table") from error
        except psycopg2.Error as error:
            raise BigQueryError("invalidQuery", str(error)) from error
        finally:
            if not self._connection.autocommit:
                self._end(commit=False)
        self._store.note(self._made, self._changed)
        return self.result

    def _block(self, statements: Sequence[Sequence[Token]]) -> None:
        for tokens in statements:
            self._statement(tokens)

    def _statement(self, tokens: Sequence[Token]) -> None:
        # BEGIN TRANSACTION is one token, and the others are not.
        match " ".join(words(tokens)).split()[:2]:
            case ["DECLARE", _]:
                self._declare(tokens)
            case ["SET", name]:
                self._variables[name.lower()] = self._value(tokens[3:])
            case ["IF", _]:
                self._if(tokens)
            case ["RAISE", _]:
                raise BigQueryError("invalidQuery", str(self._value(tokens[4:])))
            case ["BEGIN", "TRANSACTION"]:
                self._connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
            case ["COMMIT", "TRANSACTION"]:
                self._end(commit=True)
            case ["ROLLBACK", "TRANSACTION"]:
                self._end(commit=False)
            case _:
                self._execute(tokens)

    def _declare(self, tokens: Sequence[Token]) -> None:
        listed = list(words(tokens))
        default = listed.index("DEFAULT") if "DEFAULT" in listed else None
        names = [word.lower() for word in listed[1 : (default or len(listed)) - 1] if word != ","]
        value = None if default is None else self._value(tokens[default + 1 :])
        self._variables |= dict.fromkeys(names, value)

    def _if(self, tokens: Sequence[Token]) -> None:
        then = list(words(tokens)).index("THEN")
        body = tokens[then + 1 : -2]
        if self._value(tokens[1:then]):
            self._block([part for part in _parts(self._text, body) if part])

    def _value(self, tokens: Sequence[Token]) -> Any:
        text = f"SELECT {text_of(self._text, tokens)}"
        with self._connection.cursor() as cursor:
            cursor.execute(self._translated(text).text)
            row = cursor.fetchone()
        return None if row is None else row[0]

    def _translated(self, text: str) -> Statement:
        counted = text.replace(_ROW_COUNT, str(self._row_count))
        return translate(counted, self._variables, self._parameters)

    def _execute(self, tokens: Sequence[Token]) -> None:
        statement = self._translated(text_of(self._text, tokens))
        in_transaction = not self._connection.autocommit
        if statement.is_ddl and in_transaction:
            raise BigQueryError("invalidQuery", "DDL on permanent tables is not supported here")
        if statement.mutates is not None and not in_transaction:
            self._connection.set_session(isolation_level="READ COMMITTED", autocommit=False)
        with self._connection.cursor() as cursor:
            if statement.mutates is not None:
                self._lock(cursor, statement.mutates, waits=not in_transaction)
            cursor.execute(statement.text)
            self._take_note(cursor, statement)
        if statement.mutates is not None and not in_transaction:
            self._end(commit=True)

    def _take_note(self, cursor: Cursor, statement: Statement) -> None:
        if statement.makes is not None:
            self._made.append(statement.makes)
        if statement.mutates is not None:
            self._changed.add(statement.mutates)
        if statement.is_dml:
            self._row_count = self.result.changed = cursor.rowcount
        if statement.is_query:
            self.result = Result(cursor.description or (), cursor.fetchall())

    def _lock(self, cursor: Cursor, table: tuple[str, str], *, waits: bool) -> None:
        """Let one transaction at a time change a table, since the snapshot that it began with.

        A statement of its own waits for another to end; of two transactions one is cancelled.
        """
        key = ".".join(table)
        if waits:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
        else:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
            if cursor.fetchone() != (True,):
                raise _aborted()
        cursor.execute(
            "UPDATE emulator.tables SET mutations = mutations + 1 WHERE dataset = %s AND name = %s",
            table,
        )

    def _end(self, *, commit: bool) -> None:
        if commit:
            self._connection.commit()
        else:
            self._connection.rollback()
        self._connection.set_session(autocommit=True)


def _parts(script: str, tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Return the statements within the body of an IF; their places are those in the script."""
    inner = split(text_of(script, tokens)) if tokens else []
    parts: list[Sequence[Token]] = []
    start = 0
    for part in inner:
        parts.append(tokens[start : start + len(part)])
        start += len(part) + 1
    return parts


def _aborted() -> BigQueryError:
    return BigQueryError(
        "invalidQuery", "Transaction is aborted due to concurrent update against table"
    )

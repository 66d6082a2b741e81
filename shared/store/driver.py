"""The driver's connection, which can begin every transaction with a setting of its own."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pg8000
from pg8000.converters import TIMESTAMPTZ, timestamptz_in
from pg8000.core import NULL_BYTE, SYNC_MSG, Context, make_params

_SET_AND_RETURN_NOTHING = "SELECT WHERE set_config($1, $2, true) IS NULL"
"""No row: the driver takes every row that comes for one of the statement after it."""


@dataclass(frozen=True, slots=True)
class LocalSetting:
    """A setting that holds until the transaction ends; neither part may have a quote in it."""

    name: str
    value: str

    def __post_init__(self) -> None:
        if not f"{self.name}{self.value}".replace("_", "").replace(".", "").isalnum():
            raise ValueError("the name or the value of a setting has signs that it cannot have")

    @property
    def statement(self) -> str:
        """Return the statement that sets it; not a query, so that it takes no snapshot yet."""
        return f"SET LOCAL {self.name} = '{self.value}'"


class DriverConnection(pg8000.Connection):
    """A connection whose transactions begin with `local_setting`, if there is one.

    It travels with what the driver sends anyway: neither a transaction nor a single statement has
    a round trip more for it. There is no moment in which a transaction is without it.
    """

    local_setting: LocalSetting | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.register_in_adapter(TIMESTAMPTZ, read_instant)

    def execute_simple(self, statement: str) -> Any:
        """Run a statement without parameters: the begin of a transaction, or a single one."""
        setting = self.local_setting
        if setting is not None and not self._in_transaction:
            # Several statements in one message are one transaction, which BEGIN, if it comes first,
            # lets go on after the message; what ends a transaction is sent within one only.
            both = (statement, setting.statement)
            statement = "; ".join(both if _is_begin(statement) else reversed(both))
        return super().execute_simple(statement)

    def execute_unnamed(
        self, statement: str, vals: Any = (), oids: Sequence[int] = (), stream: Any = None
    ) -> Any:
        """Run a statement with parameters."""
        setting = self.local_setting
        if setting is None or self._in_transaction:
            return super().execute_unnamed(statement, vals=vals, oids=oids, stream=stream)
        # What is sent before one Sync is one transaction; and it is one round trip, not three.
        # Parameters are converted before anything is sent, since that may fail.
        parameters = make_params(self.py_types, vals)
        context, sent = Context(statement, stream=stream), cast("Any", self._sock)
        self.send_PARSE(NULL_BYTE, _SET_AND_RETURN_NOTHING)
        self.send_BIND(NULL_BYTE, (setting.name, setting.value))
        self.send_EXECUTE()
        self.send_PARSE(NULL_BYTE, statement, oids)
        self.send_DESCRIBE_STATEMENT(NULL_BYTE)
        self.send_BIND(NULL_BYTE, parameters)
        self.send_EXECUTE()
        sent.write(SYNC_MSG)
        sent.flush()
        self.handle_messages(context)
        return context

    def close(self) -> None:
        """Close it; that a broken one cannot take leave is no news, which the pool would log."""
        with suppress(pg8000.InterfaceError):
            super().close()


def read_instant(text: str) -> object:
    """Return what PostgreSQL writes for an instant: its own parser takes half the time of a page.

    What is no `datetime`, such as infinity, is what the driver has for it.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return timestamptz_in(text)


def _is_begin(statement: str) -> bool:
    return statement.partition(" ")[0].lower() == "begin"

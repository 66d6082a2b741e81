"""One connection to the server, from the greeting to the end."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.connectors.database.sqlserver.server import tokens, wire
from tests.connectors.database.sqlserver.server.requests import (
    Login,
    Query,
    batch_of,
    call_of,
    encryption_of,
    login_of,
    prelogin_answer,
)
from tests.connectors.database.sqlserver.server.store import Result, SqlError
from tests.connectors.database.sqlserver.server.wire import HungUp, Wire

if TYPE_CHECKING:
    from tests.connectors.database.sqlserver.server.running import SqlServer

_OFF, _ON, _NOT_SUPPORTED, _REQUIRED = range(4)
_DROP_SECONDS = 0.05
_LOGIN_FAILED, _NO_SUCH_DATABASE = 18456, 4060
_ENOUGH = 16_000
"""Bytes that are gathered before they are sent."""


class _Cancelled(Exception):  # noqa: N818 (it is no error)
    """The client has asked for no more of it."""


class Session:
    """Serves one client, in a thread of its own."""

    def __init__(self, server: "SqlServer", connection: Wire) -> None:
        self._server = server
        self._wire = connection

    def serve(self) -> None:
        if not self._greet() or not self._log_in(login_of(self._read(wire.LOGIN7))):
            return
        while True:
            kind, message = self._wire.read_message()
            if kind == wire.ATTENTION:
                self._server.attentions += 1
                self._wire.write_message(tokens.done(tokens.DONE, tokens.ATTENTION))
                continue
            query = batch_of(message) if kind == wire.SQL_BATCH else call_of(message)
            self._server.statements.append(query.text)
            self._answer(query)

    def _read(self, expected: int) -> bytes:
        kind, message = self._wire.read_message()
        assert kind == expected, f"a packet of the type {kind:#x} came too early"
        return message

    def _greet(self) -> bool:
        asked = encryption_of(self._read(wire.PRELOGIN))
        faults, context = self._server.faults, self._server.context
        if faults.greeting is not None:
            self._wire.write_raw(faults.greeting)
            return False
        answer = faults.encryption
        if answer is None:
            answer = _NOT_SUPPORTED if context is None or asked == _NOT_SUPPORTED else _ON
            answer = _REQUIRED if context is not None and self._server.requires_tls else answer
        self._send(prelogin_answer(answer), drips=faults.drips)
        if context is not None and answer in (_ON, _REQUIRED) and asked != _NOT_SUPPORTED:
            self._wire.encrypt(context)
            self._server.encrypted += 1
        return True

    def _send(self, payload: bytes, *, drips: bool) -> None:
        if not drips:
            self._wire.write_message(payload)
            return
        header = bytes([wire.REPLY, 1]) + (len(payload) + 8).to_bytes(2, "big") + bytes(4)
        for byte in header + payload:
            self._wire.write_raw(bytes([byte]))
            time.sleep(_DROP_SECONDS)

    def _log_in(self, login: Login) -> bool:
        self._server.logins.append(login)
        faults = self._server.faults
        if faults.login_error is not None:
            return self._refuse(faults.login_error)
        if (login.user, login.password) != self._server.account:
            return self._refuse(_LOGIN_FAILED)
        if login.database.lower() not in self._server.databases:
            return self._refuse(_NO_SUCH_DATABASE, _LOGIN_FAILED)
        size = min(max(login.packet_size, 512), 32_767)
        answer = tokens.environment(login.database, faults.packet_size or size) + tokens.login_ack()
        if faults.route is not None:
            answer += tokens.routing(*faults.route)
        self._wire.write_message(answer + tokens.done(tokens.DONE))
        self._wire.packet_size = size
        return faults.route is None

    def _refuse(self, *numbers: int) -> bool:
        told = b"".join(tokens.message(number, 14, str(SqlError(number))) for number in numbers)
        self._wire.write_message(told + tokens.done(tokens.DONE, tokens.ERROR))
        return False

    def _answer(self, query: Query) -> None:
        end = tokens.DONE_PROC if query.is_call else tokens.DONE
        gathered = bytearray()
        try:
            self._server.faults.meet(query.text, self._wait)
            for _ in range(self._server.faults.messages):
                gathered += tokens.message(5701, 0, "x" * 1000, is_error=False)
            for result in self._server.store.run(query.text, query.parameters):
                for part in self._told(result):
                    gathered += part
                    if len(gathered) >= _ENOUGH:
                        self._send_packets(gathered)
        except SqlError as error:
            gathered += tokens.message(error.number, error.severity, str(error))
            gathered += tokens.done(end, tokens.ERROR)
        except _Cancelled:
            self._server.attentions += 1
            gathered += tokens.done(tokens.DONE, tokens.ATTENTION)
        else:
            gathered += tokens.return_status() if query.is_call else b""
            gathered += tokens.done(end)
        self._wire.write_message(bytes(gathered))

    def _told(self, result: Result) -> Iterator[bytes]:
        yield tokens.column_metadata(result.names, result.types)
        count = 0
        texts: dict[Any, Any] = self._server.faults.texts
        for count, values in enumerate(result.rows, 1):
            yield tokens.row(result.types, [texts.get(value, value) for value in values])
            self._break_off(count)
        yield tokens.done(tokens.DONE_IN_PROC, tokens.MORE | tokens.COUNT, count)

    def _break_off(self, rows: int) -> None:
        faults = self._server.faults
        if rows == faults.cut_after_rows:
            raise HungUp
        if rows == faults.garbage_after_rows:
            self._wire.write_raw(bytes([wire.REPLY, 0, 0xFF, 0xFF, 0, 0, 0, 0]) + b"nonsense")
            raise HungUp

    def _send_packets(self, gathered: bytearray) -> None:
        """Send what fills packets, and look whether the client still wants it."""
        room = self._wire.packet_size - 8
        full = len(gathered) // room * room
        self._wire.write_message(bytes(gathered[:full]), is_last=False)
        del gathered[:full]
        if self._wire.has_more():
            kind, _ = self._wire.read_message()
            assert kind == wire.ATTENTION, "nothing else may come now"
            raise _Cancelled

    def _wait(self) -> None:
        """Say nothing until the client wants no more, or has gone."""
        kind, _ = self._wire.read_message()
        assert kind == wire.ATTENTION, "nothing else may come now"
        raise _Cancelled

"""How a connection to SQL Server begins: what is encrypted is settled first, then the login."""

import socket
import ssl
from datetime import UTC
from typing import Any

from pytds import lcid, tds_base
from pytds.row_strategies import tuple_row_strategy
from pytds.tds_base import PreLoginEnc, Route
from pytds.tds_socket import _TdsSocket  # pyright: ignore[reportPrivateUsage] (there is no other way in)

from shared.connectors.database.sqlserver_packets import (
    PRELOGIN,
    NotTdsError,
    encryption_of,
    prelogin,
    read_packet,
    write_packet,
)
from shared.connectors.database.sqlserver_session import PACKET_BYTES, CheckedSession
from shared.connectors.database.sqlserver_texts import TextFactory
from shared.connectors.database.sqlserver_tls import TlsChannel
from shared.connectors.database.tls import Tls, TlsMode
from shared.connectors.database.tls_drivers import tls_context
from shared.connectors.driver_failures import tls_kind
from shared.connectors.driver_kinds import NO_TLS, TLS_ONLY
from shared.connectors.failure_kinds import Kind, permanent, told
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.addresses import Address
from shared.errors import SynclineError

LONGEST = 128
"""Letters of a user name, a password, or the name of a database."""

_LOGIN_ONLY = permanent(
    Reason.CONFIGURATION,
    "would encrypt the login alone: switch on the encryption of whole connections there",
    Fault.TLS,
)
_NOT_TDS = permanent(
    Reason.CONFIGURATION,
    "does not speak the protocol of SQL Server: check host and port",
    Fault.SETTINGS,
)


class TdsConnection(_TdsSocket):
    """python-tds's connection, whose login trusts no more than it must."""

    def __init__(self, channel: Any, login: Any) -> None:
        super().__init__(
            sock=channel,
            login=login,
            row_strategy=tuple_row_strategy,
            autocommit=True,  # no transaction of ours outlives a query, and so no lock
        )
        self.type_factory = TextFactory(self.tds_version)
        self._main_session = CheckedSession(self, channel)

    def login(self) -> Route | None:
        """Log in; return where to go instead if the server says so.

        Raises the error with which the server refused, the first that it names: that a database is
        not there comes before the login that fails for it.
        """
        session: Any = self._main_session
        session.tds7_send_login(self._login)
        session.begin_response()
        try:
            is_accepted = session.process_login_tokens()
        except tds_base.DatabaseError:
            is_accepted = False
        if not is_accepted:
            session.messages = session.messages[:1]
            session.raise_db_exception()
        if self.route is not None:
            return self.route
        session._reader.set_block_size(session._writer.bufsize)  # noqa: SLF001 (as agreed on)
        self._is_connected = True
        return None


def logged_in(
    plain: socket.socket, host: str, address: Address, tls: Tls, parameters: dict[str, Any]
) -> tuple[TdsConnection, Route | None]:
    """Return a connection over a socket, and where the server sends it to, if it does.

    `parameters` are `user`, `password` and `database`. Raises `SynclineError` if server and `tls`
    do not agree, `pytds.Error`, `ssl.SSLError` and `OSError`.
    """
    channel = _settled(plain, host, tls, address)
    connection = TdsConnection(channel, _login(host, **parameters))
    return connection, connection.login()


def _settled(plain: socket.socket, host: str, tls: Tls, address: Address) -> Any:
    """Return what to talk over from now on: the socket as it is, or TLS on it."""
    # A password is as good as not encrypted in a login: nobody who listens may choose that it is.
    mode = tls.mode_for([address]) or TlsMode.REQUIRE
    asked = PreLoginEnc.ENCRYPT_NOT_SUP if mode is TlsMode.DISABLE else PreLoginEnc.ENCRYPT_ON
    write_packet(plain, PRELOGIN, prelogin(asked))
    try:
        answer = encryption_of(read_packet(plain).payload)
    except NotTdsError as error:
        raise _told(_NOT_TDS) from error
    match answer:
        case PreLoginEnc.ENCRYPT_NOT_SUP if mode is TlsMode.DISABLE:
            return plain
        case PreLoginEnc.ENCRYPT_NOT_SUP:
            raise _told(NO_TLS)
        case PreLoginEnc.ENCRYPT_OFF:
            raise _told(_LOGIN_ONLY)
        case _ if mode is TlsMode.DISABLE:
            raise _told(TLS_ONLY)
        case _:
            return _encrypted(plain, host, tls, mode)


def _encrypted(plain: socket.socket, host: str, tls: Tls, mode: TlsMode) -> TlsChannel:
    context = tls_context(tls, mode)
    # With 1.3 a server may still send something of the handshake when it is over for the client.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    # A second handshake, which no server of this kind asks for, would come amid the records.
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        return TlsChannel(plain, context, host)
    except ssl.SSLError as error:
        raise told("The source database", tls_kind(error), type(error).__name__) from error


def _told(kind: Kind) -> SynclineError:
    return told("The source database", kind, "PRELOGIN")


def _login(host: str, *, user: str, password: str, database: str) -> Any:
    login = tds_base._TdsLogin()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    vars(login).update(
        user_name=user,
        password=password,
        database=database,
        server_name=host[:LONGEST],
        app_name="syncline",
        library="syncline",
        client_lcid=lcid.LANGID_ENGLISH_US,
        client_tz=UTC,
        option_flag2=tds_base.TDS_ODBC_ON,
        bytes_to_unicode=True,
        blocksize=PACKET_BYTES,
    )
    return login

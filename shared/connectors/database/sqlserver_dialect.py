"""SQL Server as SQLAlchemy sees it through python-tds: only what reading takes."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import pytds
from sqlalchemy import URL
from sqlalchemy.dialects import mssql
from sqlalchemy.dialects.mssql.base import MSDialect, MSIdentifierPreparer
from sqlalchemy.engine.interfaces import DBAPIModule

from shared.connectors.database.sqlserver import LineConnection
from shared.connectors.database.sqlserver_types import Money, SmallMoney

_WITH_DIGITS = (mssql.DATETIME2, mssql.DATETIMEOFFSET, mssql.TIME)


class _Preparer(MSIdentifierPreparer):
    """Quotes names; a percent sign would begin a parameter of the driver's."""

    def _escape_identifier(self, value: str) -> str:
        return super()._escape_identifier(value).replace("%", "%%")


class SourceDialect(MSDialect):
    """SQLAlchemy's own dialect, over a driver for which it has none, and with fewer round trips."""

    driver = "pytds"
    default_paramstyle = "pyformat"
    preparer = _Preparer
    supports_statement_cache = True
    ischema_names: ClassVar[dict[str, Any]] = {
        **MSDialect.ischema_names,
        "money": Money,
        "smallmoney": SmallMoney,
    }
    supports_native_decimal = True
    supports_native_uuid = True
    supports_sane_rowcount = False
    supports_sane_multi_rowcount = False

    def __init__(self, **options: Any) -> None:
        super().__init__(supports_comments=False, **options)

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        """Return the driver."""
        return cast("DBAPIModule", pytds)

    def create_connect_args(self, url: URL) -> tuple[Sequence[str], dict[str, Any]]:
        """Return what `sqlserver.connect` is called with."""
        return (), url.translate_connect_args(username="user")

    def is_disconnect(self, e: Exception, connection: Any, cursor: Any) -> bool:  # noqa: ARG002 (SQLAlchemy's signature)
        """Tell whether nothing more can be asked over a connection."""
        return isinstance(connection, LineConnection) and connection.is_broken

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:  # noqa: ARG002 (as above)
        """Return what SQL Server begins with: to ask takes a permission that readers lack."""
        return "READ COMMITTED"

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        version = cast("LineConnection", connection.connection.dbapi_connection).product_version
        return tuple(version.to_bytes(4, "big"))

    def _setup_supports_nvarchar_max(self, connection: Any) -> None:  # noqa: ARG002 (as above)
        self._supports_nvarchar_max = True  # since 2005

    def _parse_column_info(self, **found: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] (it is called by keywords)
        told = super()._parse_column_info(**found)
        if isinstance(told["type"], _WITH_DIGITS):
            # Without it, as SQLAlchemy has it, each of them would be as fine as they can be.
            told["type"] = type(told["type"])(precision=found["numericscale"])
        return told

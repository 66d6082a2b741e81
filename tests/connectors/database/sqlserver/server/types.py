"""Types of SQL Server: how they are declared, stored in DuckDB, and written to a client."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

COLLATION = bytes([0x09, 0x04, 0xD0, 0x00, 0x34])
"""SQL_Latin1_General_CP1_CI_AS."""
_MAX = 0xFFFF
_PLP_NULL = b"\xff" * 8
_DAY_ONE, _DAY_1900 = date(1, 1, 1), date(1900, 1, 1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (times of columns without a zone)
_EXACT = Context(prec=60)
OFFSET = timedelta(hours=2)
"""All instants are written with it."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type as it was declared; `length` is in letters or bytes, -1 for `max`."""

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    @property
    def stored_as(self) -> str:
        """The type of DuckDB that holds all of its values."""
        if self.name in ("decimal", "numeric"):
            return f"DECIMAL({self.precision},{self.scale})"
        return _STORED.get(self.name, "VARCHAR")

    @property
    def info(self) -> bytes:
        """TYPE_INFO: what is said of it before the rows."""
        return _INFOS[self.name](self)

    def encoded(self, value: Any) -> bytes:
        """Return a value as it stands in a row."""
        return _VALUES[self.name](self, value)


_STORED: Mapping[str, str] = {
    "bigint": "BIGINT",
    "int": "INTEGER",
    "smallint": "SMALLINT",
    "tinyint": "UTINYINT",
    "bit": "BOOLEAN",
    "money": "DECIMAL(19,4)",
    "smallmoney": "DECIMAL(10,4)",
    "float": "DOUBLE",
    "real": "FLOAT",
    "datetime": "TIMESTAMP",
    "smalldatetime": "TIMESTAMP",
    "datetime2": "TIMESTAMP_NS",
    "datetimeoffset": "TIMESTAMPTZ",
    "date": "DATE",
    "time": "TIME",
    "uniqueidentifier": "UUID",
    "binary": "BLOB",
    "varbinary": "BLOB",
    "image": "BLOB",
    "timestamp": "BLOB",
    "sql_variant": "UNION(n INTEGER, d DECIMAL(20,4), f DOUBLE, t TIMESTAMP, s VARCHAR)",
}


def _short(data: bytes | None) -> bytes:
    return b"\0" if data is None else bytes([len(data)]) + data


def _long(data: bytes | None) -> bytes:
    return b"\xff\xff" if data is None else struct.pack("<H", len(data)) + data


def _endless(data: bytes | None) -> bytes:
    if data is None:
        return _PLP_NULL
    chunks = b"".join(
        struct.pack("<I", len(data[at : at + 5000])) + data[at : at + 5000]
        for at in range(0, len(data), 5000)
    )
    return struct.pack("<Q", len(data)) + chunks + struct.pack("<I", 0)


def _fixed(shape: str) -> Callable[[SqlType, Any], bytes]:
    return lambda _type, value: _short(None if value is None else struct.pack(shape, value))


def _text(codec: str) -> Callable[[SqlType, Any], bytes]:
    def encoded(kind: SqlType, value: Any) -> bytes:
        data = None if value is None else str(value).encode(codec, "surrogatepass")
        if data is not None and kind.name in ("char", "nchar"):
            data = str(value).ljust(kind.length).encode(codec)
        return _endless(data) if kind.length < 0 else _long(data)

    return encoded


def _bytes(kind: SqlType, value: Any) -> bytes:
    return _endless(value) if kind.length < 0 else _long(value)


def _pointed(codec: str | None) -> Callable[[SqlType, Any], bytes]:
    def encoded(_type: SqlType, value: Any) -> bytes:
        if value is None:
            return b"\0"
        data = value if codec is None else value.encode(codec, "surrogatepass")
        return b"\x10" + bytes(16) + bytes(8) + struct.pack("<I", len(data)) + data

    return encoded


def _decimal(kind: SqlType, value: Any) -> bytes:
    if value is None:
        return b"\0"
    number = int(Decimal(value).scaleb(kind.scale, context=_EXACT))
    size = _decimal_bytes(kind.precision) - 1
    return _short(bytes([int(number >= 0)]) + abs(number).to_bytes(size, "little"))


def _decimal_bytes(precision: int) -> int:
    return 5 if precision <= 9 else 9 if precision <= 19 else 13 if precision <= 28 else 17


def _money(_type: SqlType, value: Any) -> bytes:
    if value is None:
        return b"\0"
    number = int(value * 10_000) & 0xFFFF_FFFF_FFFF_FFFF
    return _short(struct.pack("<II", number >> 32, number & 0xFFFF_FFFF))


def _small_money(_type: SqlType, value: Any) -> bytes:
    return _short(None if value is None else struct.pack("<i", int(value * 10_000)))


def _nanoseconds(value: Any) -> int:
    """Return the nanoseconds since 1970 of a time, or of its integer itself."""
    if isinstance(value, int):
        return value
    plain = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    since = plain - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000


def _datetime(_type: SqlType, value: Any) -> bytes:
    if value is None:
        return b"\0"
    ticks = round(_nanoseconds(value) * 300 / 10**9)
    days, rest = divmod(ticks, 86_400 * 300)
    return _short(struct.pack("<iI", days + (_EPOCH.date() - _DAY_1900).days, rest))


def _small_datetime(_type: SqlType, value: Any) -> bytes:
    if value is None:
        return b"\0"
    days, rest = divmod(_nanoseconds(value) // (60 * 10**9), 1440)
    return _short(struct.pack("<HH", days + (_EPOCH.date() - _DAY_1900).days, rest))


def _time_bytes(scale: int, nanoseconds: int) -> bytes:
    size = 3 if scale <= 2 else 4 if scale <= 4 else 5
    return (nanoseconds // 10 ** (9 - scale)).to_bytes(size, "little")


def _date_bytes(days_of_1970: int) -> bytes:
    return (days_of_1970 + (_EPOCH.date() - _DAY_ONE).days).to_bytes(3, "little")


def _datetime2(kind: SqlType, value: Any) -> bytes:
    if value is None:
        return b"\0"
    days, rest = divmod(_nanoseconds(value), 86_400 * 10**9)
    data = _time_bytes(kind.scale, rest) + _date_bytes(days)
    if kind.name == "datetimeoffset":
        data += struct.pack("<h", int(OFFSET.total_seconds()) // 60)
    return _short(data)


def _time(kind: SqlType, value: time | None) -> bytes:
    if value is None:
        return b"\0"
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return _short(_time_bytes(kind.scale, seconds * 10**9 + value.microsecond * 1000))


def _date(_type: SqlType, value: date | None) -> bytes:
    return b"\0" if value is None else _short(_date_bytes((value - _EPOCH.date()).days))


def _uuid(_type: SqlType, value: Any) -> bytes:
    return _short(None if value is None else UUID(str(value)).bytes_le)


def _variant(_type: SqlType, value: Any) -> bytes:
    match value:
        case None:
            return struct.pack("<I", 0)
        case int():
            data = bytes([0x38, 0]) + struct.pack("<i", value)
        case float():
            data = bytes([0x3E, 0]) + struct.pack("<d", value)
        case Decimal():
            kind = SqlType("decimal", precision=20, scale=4)
            data = bytes([0x6A, 2, 20, 4]) + _decimal(kind, value)[1:]
        case datetime():
            data = bytes([0x2A, 1, 7]) + _datetime2(SqlType("datetime2", scale=7), value)[1:]
        case _:
            text = str(value).encode("utf-16-le")
            data = bytes([0xE7, 7]) + COLLATION + struct.pack("<H", 8000) + text
    return struct.pack("<I", len(data)) + data


def _sized(
    code: int, *, letter: int = 1, collation: bytes = COLLATION
) -> Callable[[SqlType], bytes]:
    def info(kind: SqlType) -> bytes:
        size = _MAX if kind.length < 0 else kind.length * letter
        return bytes([code]) + struct.pack("<H", size) + collation

    return info


def _of_table(code: int, collation: bytes = COLLATION) -> Callable[[SqlType], bytes]:
    name = "orders".encode("utf-16-le")
    table = bytes([1]) + struct.pack("<H", len(name) // 2) + name
    return lambda _type: bytes([code]) + struct.pack("<I", 0x7FFF_FFFF) + collation + table


def _plain(*data: int) -> Callable[[SqlType], bytes]:
    return lambda _type: bytes(data)


def _decimal_info(kind: SqlType) -> bytes:
    return bytes([0x6A, _decimal_bytes(kind.precision), kind.precision, kind.scale])


_INFOS: Mapping[str, Callable[[SqlType], bytes]] = {
    "bigint": _plain(0x26, 8),
    "int": _plain(0x26, 4),
    "smallint": _plain(0x26, 2),
    "tinyint": _plain(0x26, 1),
    "bit": _plain(0x68, 1),
    "decimal": _decimal_info,
    "numeric": _decimal_info,
    "money": _plain(0x6E, 8),
    "smallmoney": _plain(0x6E, 4),
    "float": _plain(0x6D, 8),
    "real": _plain(0x6D, 4),
    "datetime": _plain(0x6F, 8),
    "smalldatetime": _plain(0x6F, 4),
    "datetime2": lambda kind: bytes([0x2A, kind.scale]),
    "datetimeoffset": lambda kind: bytes([0x2B, kind.scale]),
    "date": _plain(0x28),
    "time": lambda kind: bytes([0x29, kind.scale]),
    "uniqueidentifier": _plain(0x24, 16),
    "char": _sized(0xAF),
    "varchar": _sized(0xA7),
    "nchar": _sized(0xEF, letter=2),
    "nvarchar": _sized(0xE7, letter=2),
    "binary": _sized(0xAD, collation=b""),
    "varbinary": _sized(0xA5, collation=b""),
    "timestamp": lambda _type: bytes([0xAD, 8, 0]),
    "text": _of_table(0x23),
    "ntext": _of_table(0x63),
    "image": _of_table(0x22, b""),
    "xml": _plain(0xF1, 0),
    "sql_variant": lambda _type: bytes([0x62]) + struct.pack("<I", 8009),
}

_VALUES: Mapping[str, Callable[[SqlType, Any], bytes]] = {
    "bigint": _fixed("<q"),
    "int": _fixed("<i"),
    "smallint": _fixed("<h"),
    "tinyint": _fixed("<B"),
    "bit": _fixed("<B"),
    "decimal": _decimal,
    "numeric": _decimal,
    "money": _money,
    "smallmoney": _small_money,
    "float": _fixed("<d"),
    "real": _fixed("<f"),
    "datetime": _datetime,
    "smalldatetime": _small_datetime,
    "datetime2": _datetime2,
    "datetimeoffset": _datetime2,
    "date": _date,
    "time": _time,
    "uniqueidentifier": _uuid,
    "char": _text("cp1252"),
    "varchar": _text("cp1252"),
    "nchar": _text("utf-16-le"),
    "nvarchar": _text("utf-16-le"),
    "binary": _bytes,
    "varbinary": _bytes,
    "timestamp": _bytes,
    "text": _pointed("cp1252"),
    "ntext": _pointed("utf-16-le"),
    "image": _pointed(None),
    "xml": lambda _type, value: _endless(
        None if value is None else value.encode("utf-16-le", "surrogatepass")
    ),
    "sql_variant": _variant,
}

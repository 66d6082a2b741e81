"""Wide text of SQL Server: it may hold half a surrogate pair, which nothing there forbids."""

from collections.abc import Mapping
from typing import Any

from pytds import tds_base
from pytds.collate import ucs2_codec
from pytds.tds_types import (
    BaseTypeSerializer,
    NText72Serializer,
    NVarChar72Serializer,
    NVarCharMaxSerializer,
    PlpReader,
    SerializerFactory,
    XmlSerializer,
)

_TIME_BYTES = 8
"""Of a time that comes with a pointer, and is of no use either."""


def _read_whole(reader: Any) -> str | None:
    value = PlpReader(reader)
    if value.is_null():
        return None
    return b"".join(value.chunks()).decode("utf-16-le", "surrogatepass")


class _Endless(NVarCharMaxSerializer):
    """`nvarchar(max)`."""

    def read(self, r: Any) -> str | None:
        return _read_whole(r)


class _Xml(XmlSerializer):
    """`xml`."""

    def read(self, r: Any) -> str | None:
        return _read_whole(r)


class _Wide(NVarChar72Serializer):
    """`nvarchar` of any length."""

    @classmethod
    def from_stream(cls, r: Any) -> NVarChar72Serializer:
        found = super().from_stream(r)
        return _Endless() if isinstance(found, NVarCharMaxSerializer) else found


class _Pointed(NText72Serializer):
    """`ntext`."""

    def read(self, r: Any) -> str | None:
        pointer = r.get_byte()
        if pointer == 0:
            return None
        tds_base.readall(r, pointer + _TIME_BYTES)
        return r.read_str(r.get_int(), ucs2_codec)


_OURS: Mapping[int, type[BaseTypeSerializer]] = {
    tds_base.XSYBNCHAR: _Wide,
    tds_base.XSYBNVARCHAR: _Wide,
    tds_base.SYBNTEXT: _Pointed,
    tds_base.SYBMSXML: _Xml,
}


class TextFactory(SerializerFactory):
    """Knows how each type is read, wide text by the ways above."""

    def get_type_serializer(self, tds_type_id: Any) -> Any:
        """Return what reads a type; raise `pytds.InterfaceError` if there is none."""
        return _OURS.get(tds_type_id) or super().get_type_serializer(tds_type_id)

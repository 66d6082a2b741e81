"""Read a file of JSON lines: one object a line, its numbers exact."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import simplejson

from shared.connectors.cloud_storage.landing import Kind
from shared.connectors.cloud_storage.lines import Lines, RecordTooLongError
from shared.connectors.cloud_storage.records import FilePage, Page, Place
from shared.connectors.cloud_storage.store import unreadable_file
from shared.connectors.cloud_storage.stream_config import OUR_COLUMNS, StreamConfig
from shared.connectors.cloud_storage.text_file import TextFile
from shared.connectors.cloud_storage.unreadable import Unreadable, UnreadableRecords

_BIGINT = range(-(2**63), 2**63)
_MOST_BEFORE, _MOST_BEHIND = 131_072, 16_383
"""How many digits a numeric of PostgreSQL has before and behind the point."""
_SAFE_DIGITS = 4_000
"""Python reads no whole number of more digits than about this at once; a Decimal has no limit."""


class JsonLinesReader:
    """Reads one file of JSON lines. A line that is no object is told, and not loaded."""

    def __init__(self, text: TextFile, config: StreamConfig, unreadable: UnreadableRecords) -> None:
        self._text = text
        self._config = config
        self._unreadable = unreadable
        self._kept = None if config.columns is None else frozenset(config.columns)

    def kinds(self) -> Mapping[str, Kind]:
        """Return the fields of the first page; raise `PermanentError` if it has no object."""
        page = next(self.pages(Place()), None)
        if page is None:
            return {}
        if not any(isinstance(record, dict) for record in page.records):
            raise unreadable_file(self._text.path, "holds no JSON object in its first lines")
        return page.kinds

    def pages(self, start: Place) -> Iterator[FilePage]:
        """Yield the records behind a place."""
        has_offsets = self._text.has_offsets
        with self._text.lines((start.offset or 0) if has_offsets else 0) as lines:
            page = Page(self._text.path, 0 if start.offset is None else start.row, self._unreadable)
            for line in _lines(lines):
                if page.row < start.row:
                    page.row += 1
                    continue
                self._add(page, line, lines)
                if page.is_full:
                    yield page.take(_kinds(page.records), lines.offset if has_offsets else None)
            if page.records:
                yield page.take(_kinds(page.records), lines.offset if has_offsets else None)

    def _add(self, page: Page, line: str | Unreadable, lines: Lines) -> None:
        size = lines.record_bytes
        if isinstance(line, Unreadable):
            page.add_broken(line, "", size)
        elif lines.is_broken:
            page.add_broken(Unreadable.ENCODING, line, size)
        else:
            try:
                found = simplejson.loads(line, use_decimal=True, parse_int=_whole)
            except (ValueError, RecursionError):
                page.add_broken(Unreadable.JSON, line, size)
                return
            if isinstance(found, dict):
                page.add(self._selected(found), size)
            else:
                page.add_broken(Unreadable.NOT_AN_OBJECT, line, size)

    def _selected(self, found: dict[str, Any]) -> dict[str, Any]:
        if self._kept is not None:
            return {name: value for name, value in found.items() if name in self._kept}
        if not found.keys().isdisjoint(OUR_COLUMNS):
            raise unreadable_file(
                self._text.path,
                f"has a field named like one of {', '.join(OUR_COLUMNS)}, which are ours: leave it"
                " out with columns",
            )
        return found


def _lines(lines: Lines) -> Iterator[str | Unreadable]:
    while True:
        lines.begin()
        try:
            line = next(lines)
        except StopIteration:
            return
        except RecordTooLongError:
            yield Unreadable.TOO_LONG
        else:
            if not line.isspace():
                yield line


def _kinds(records: Sequence[Any]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for record in records:
        if not isinstance(record, dict):
            continue
        for name, value in record.items():
            if value is None or name in OUR_COLUMNS:
                continue
            kind = _kind_of(value)
            known = kinds.setdefault(name, kind)
            if known is not kind:
                is_number = {known, kind} == {Kind.BIGINT, Kind.NUMERIC}
                kinds[name] = Kind.NUMERIC if is_number else Kind.TEXT
    return kinds


def _kind_of(value: Any) -> Kind:
    match value:
        case bool():
            return Kind.BOOL
        case int():
            return Kind.BIGINT if value in _BIGINT else Kind.NUMERIC
        case Decimal():
            return Kind.NUMERIC if _is_numeric(value) else Kind.TEXT
        case str():
            return Kind.TEXT
        case _:
            return Kind.JSON


def _is_numeric(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return (
        isinstance(exponent, int) and exponent >= -_MOST_BEHIND and value.adjusted() < _MOST_BEFORE
    )


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < _SAFE_DIGITS else Decimal(text)

"""Read a CSV file, as RFC 4180 has it or as a stream's options say.

Every value is the text that stands in the file, without the quotes around it; what is no text is
read by the type that the stream gives to its column.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from shared.connectors.cloud_storage.landing import MOST_COLUMNS, Kind
from shared.connectors.cloud_storage.lines import LONGEST_RECORD, Lines, RecordTooLongError
from shared.connectors.cloud_storage.records import FilePage, Page, Place
from shared.connectors.cloud_storage.store import unreadable_file
from shared.connectors.cloud_storage.stream_config import (
    OUR_COLUMNS,
    ColumnType,
    CsvOptions,
    StreamConfig,
)
from shared.connectors.cloud_storage.text_file import TextFile
from shared.connectors.cloud_storage.unreadable import Unreadable, UnreadableRecords

# Records have a bound of their own; the module's, which is for the process, is smaller.
csv.field_size_limit(LONGEST_RECORD)

_TRUE = frozenset({"true", "t", "yes", "1"})
_FALSE = frozenset({"false", "f", "no", "0"})
_LONGEST_NUMBER = 4_000
"""Digits. Python takes no more of a whole number at once."""
_BIGINT = range(-(2**63), 2**63)


class CsvReader:
    """Reads one CSV file. A record that is not as the header says is told, and not loaded."""

    def __init__(self, text: TextFile, config: StreamConfig, unreadable: UnreadableRecords) -> None:
        self._text = text
        self._config = config
        self._unreadable = unreadable
        self._header: tuple[Sequence[str], int] | None = None

    def kinds(self) -> Mapping[str, Kind]:
        """Return the columns; none if the file is empty. Raises `PermanentError`."""
        names, _ = self._read_header()
        types = self._config.csv.types
        kept = self._config.columns
        clashing = [name for name in names if name in OUR_COLUMNS]
        if clashing and kept is None:
            raise unreadable_file(
                self._text.path,
                f"has a column {clashing[0]}, which is a name of ours: leave it out with columns",
            )
        return {
            name: Kind.TEXT if name not in types else _KINDS[types[name]]
            for name in names
            if kept is None or name in kept
        }

    def pages(self, start: Place) -> Iterator[FilePage]:
        """Yield the records behind a place."""
        names, first = self._read_header()
        kinds = self.kinds()
        offset = first if start.offset is None else start.offset
        with self._text.lines(offset if self._text.has_offsets else 0) as lines:
            rows = _rows(lines, self._config.csv, self._delimiter)
            if not self._text.has_offsets and self._config.csv.column_names is None and names:
                next(rows)
            page = Page(self._text.path, 0 if start.offset is None else start.row, self._unreadable)
            build = _builder(names, self._config.csv, kinds)
            for found in rows:
                if page.row < start.row:
                    page.row += 1
                    continue
                _add(page, found, lines, build)
                if page.is_full:
                    yield page.take(kinds, lines.offset if self._text.has_offsets else None)
            if page.records:
                yield page.take(kinds, lines.offset if self._text.has_offsets else None)

    @property
    def _delimiter(self) -> str:
        is_tabbed = ".tsv" in self._text.path.lower()[-7:]
        return self._config.csv.delimiter or ("\t" if is_tabbed else ",")

    def _read_header(self) -> tuple[Sequence[str], int]:
        """Return the names of the columns, and where the first record begins."""
        if self._header is None:
            names = self._config.csv.column_names
            self._header = (names, 0) if names is not None else self._found_header()
            self._check_selected(self._header[0])
        return self._header

    def _found_header(self) -> tuple[Sequence[str], int]:
        path = self._text.path
        with self._text.lines() as lines:
            found = next(_rows(lines, self._config.csv, self._delimiter), None)
            if found is None:
                return (), 0
            if lines.is_broken:
                raise unreadable_file(path, "begins with what is not in the stream's encoding")
            if isinstance(found, Unreadable):
                raise unreadable_file(path, f"has a header that {found}")
            names = [name or f"column_{number}" for number, name in enumerate(found, start=1)]
            twice = (
                sorted({name for name in names if names.count(name) > 1})
                if len(names) <= MOST_COLUMNS
                else []
            )
            if twice:
                raise unreadable_file(path, f"has more than one column named {twice[0][:80]!r}")
            if len(names) > MOST_COLUMNS:
                raise unreadable_file(path, f"has more than {MOST_COLUMNS:,} columns")
            return names, lines.offset

    def _check_selected(self, names: Sequence[str]) -> None:
        wanted = [*(self._config.columns or ()), *self._config.csv.types]
        own = [*wanted, *(one for one in self._config.primary_key if one not in OUR_COLUMNS)]
        absent = [name for name in own if name not in names]
        if names and absent:
            raise unreadable_file(self._text.path, f"has no column {absent[0]!r}")


def _rows(lines: Lines, options: CsvOptions, delimiter: str) -> Iterator[list[str] | Unreadable]:
    """Yield the fields of each record, or why it cannot be taken apart; empty lines are none."""
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=options.quote,
        quoting=csv.QUOTE_NONE if options.quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )
    while True:
        lines.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Unreadable.QUOTES
        except RecordTooLongError:
            yield Unreadable.TOO_LONG
        else:
            if fields:
                yield fields


_Build = Callable[[list[str]], dict[str, Any]]


def _builder(names: Sequence[str], options: CsvOptions, kept: Mapping[str, Kind]) -> _Build:
    """Return what makes a record of fields; it raises `ValueError` if they do not fit."""
    nulls = dict.fromkeys(options.null_markers)
    readers = [
        (index, name, _READERS[options.types[name]])
        for index, name in enumerate(names)
        if name in options.types and name in kept
    ]
    picked = None if len(kept) == len(names) else [name in kept for name in names]
    return partial(_built, list(names), nulls, readers, picked)


def _built(
    names: list[str],
    nulls: Mapping[str, None],
    readers: Sequence[tuple[int, str, Callable[[str], Any]]],
    picked: list[bool] | None,
    fields: list[str],
) -> dict[str, Any]:
    values = [nulls.get(field, field) for field in fields]
    record: dict[str, Any] = dict(zip(names, values, strict=True))
    for index, name, read in readers:
        text = fields[index]
        # An empty text is no number and no date, whatever stands for no value.
        record[name] = None if record[name] is None or not text else read(text)
    if picked is not None:
        return {name: record[name] for name, is_kept in zip(names, picked, strict=True) if is_kept}
    return record


def _add(page: Page, found: list[str] | Unreadable, lines: Lines, build: _Build) -> None:
    size = lines.record_bytes
    if isinstance(found, Unreadable):
        page.add_broken(found, "", size)
    elif lines.is_broken:
        page.add_broken(Unreadable.ENCODING, found, size)
    else:
        try:
            page.add(build(found), size)
        except _MisfitError:
            page.add_broken(Unreadable.TYPE, found, size)
        except ValueError:
            page.add_broken(Unreadable.FIELDS, found, size)


class _MisfitError(ValueError):
    """A text is not of its column's type."""


def _whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or int(text) not in _BIGINT:
        raise ValueError
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError from None


def _bool(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError


def _instant(text: str, *, has_offset: bool) -> datetime:
    found = datetime.fromisoformat(text)
    if (found.tzinfo is not None) is not has_offset:
        raise ValueError
    return found


def _checked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def checked(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            raise _MisfitError from None

    return checked


_KINDS: Mapping[ColumnType, Kind] = {
    ColumnType.TEXT: Kind.TEXT,
    ColumnType.BIGINT: Kind.BIGINT,
    ColumnType.DECIMAL: Kind.NUMERIC,
    ColumnType.DOUBLE: Kind.DOUBLE,
    ColumnType.BOOL: Kind.BOOL,
    ColumnType.DATE: Kind.DATE,
    ColumnType.TIMESTAMP: Kind.TIMESTAMP,
    ColumnType.DATETIME: Kind.DATETIME,
}
_READERS: Mapping[ColumnType, Callable[[str], Any]] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: _checked(_whole),
    ColumnType.DECIMAL: _checked(_decimal),
    ColumnType.DOUBLE: _checked(float),
    ColumnType.BOOL: _checked(_bool),
    ColumnType.DATE: _checked(date.fromisoformat),
    ColumnType.TIMESTAMP: _checked(partial(_instant, has_offset=True)),
    ColumnType.DATETIME: _checked(partial(_instant, has_offset=False)),
}

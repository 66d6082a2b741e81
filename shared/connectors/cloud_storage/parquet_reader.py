"""Read a Parquet file in small batches, by ranges of its bytes: it is never here as a whole.

A working folder would be memory on Cloud Run, so that nothing is kept aside. Of each column as much
is read ahead as keeps all of them together within `_AHEAD_BYTES`.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq
from pyarrow import types

from shared.connectors.cloud_storage.landing import MOST_COLUMNS, Kind
from shared.connectors.cloud_storage.parquet_types import kind_of, plain, values_of
from shared.connectors.cloud_storage.ranged import RangedFile
from shared.connectors.cloud_storage.records import (
    PAGE_BYTES,
    PAGE_ROWS,
    FilePage,
    Page,
    Place,
)
from shared.connectors.cloud_storage.store import Store, StoredFile, unreadable_file
from shared.connectors.cloud_storage.stream_config import OUR_COLUMNS, StreamConfig
from shared.connectors.cloud_storage.unreadable import Unreadable, UnreadableRecords

_MAGIC = b"PAR1"
_TAIL_BYTES = 8
_MOST_FOOTER = 32 * 1024 * 1024
_AHEAD_BYTES = 32 * 1024 * 1024
_LEAST_AHEAD, _MOST_AHEAD = 64 * 1024, 1024 * 1024
_MOST_ROW = 64 * 1024 * 1024
_VALUE_BYTES = 32
_MOST_CODES = 512 * 1024
_LEAST_WIDTH = 4
"""Bytes. A column that takes fewer a value has few texts, which may be long."""


class ParquetReader:
    """Reads one Parquet file."""

    def __init__(
        self, store: Store, file: StoredFile, config: StreamConfig, unreadable: UnreadableRecords
    ) -> None:
        self._store = store
        self._file = file
        self._config = config
        self._unreadable = unreadable

    def kinds(self) -> Mapping[str, Kind]:
        """Return the columns, as the footer has them; raise `PermanentError`."""
        if self._file.size == 0:
            return {}
        with self._translated(), self._opened() as parquet:
            return self._kinds(parquet.schema_arrow)

    def pages(self, start: Place) -> Iterator[FilePage]:
        """Yield the records behind a place; row groups before it are not read."""
        if self._file.size == 0:
            return
        with self._translated(), self._opened() as parquet:
            kinds = self._kinds(parquet.schema_arrow)
            page = Page(self._file.path, start.row, self._unreadable)
            for batch in self._batches(parquet, list(kinds), start.row):
                for part, size in _parts(batch):
                    yield from self._filled(page, part, size, kinds)
            if page.records:
                yield page.take(kinds, None)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of a socket or of the file system
            raise unreadable_file(
                self._file.path, "is damaged, or no Parquet file that can be read"
            ) from error

    @contextmanager
    def _opened(self) -> Generator[pq.ParquetFile]:
        with RangedFile(self._store, self._file) as source:
            self._check_ends(source)
            with pq.ParquetFile(source) as looked_at:
                schema, metadata = looked_at.schema_arrow, looked_at.metadata
            columns = max(1, metadata.num_columns)
            texts = {field.name for field in schema if _is_text(field.type)}
            with pq.ParquetFile(
                source,
                metadata=metadata,
                read_dictionary=_coded(metadata, texts),
                buffer_size=max(_LEAST_AHEAD, min(_MOST_AHEAD, _AHEAD_BYTES // columns)),
                pre_buffer=False,
            ) as parquet:
                yield parquet

    def _check_ends(self, source: RangedFile) -> None:
        """Look at the footer's length first: it may claim to be as large as the file."""
        path, size = self._file.path, self._file.size
        tail = b""
        if size >= _TAIL_BYTES + len(_MAGIC):
            source.seek(size - _TAIL_BYTES)
            tail = source.read(_TAIL_BYTES) or b""
        if not tail.endswith(_MAGIC):
            raise unreadable_file(path, "is no whole Parquet file, or is encrypted")
        footer = int.from_bytes(tail[:4], "little")
        if footer > min(size - _TAIL_BYTES, _MOST_FOOTER):
            raise unreadable_file(path, "has a footer that is damaged or too large")

    def _kinds(self, schema: pa.Schema) -> Mapping[str, Kind]:
        path, wanted = self._file.path, self._config.columns
        names: list[str] = schema.names
        key = [name for name in self._config.primary_key if name not in OUR_COLUMNS]
        absent = [name for name in (*(wanted or ()), *key) if name not in names]
        if absent:
            raise unreadable_file(path, f"has no column {absent[0]!r}")
        kept = names if wanted is None else wanted
        if len(kept) > MOST_COLUMNS:
            raise unreadable_file(path, f"has more than {MOST_COLUMNS:,} columns")
        if len(set(kept)) < len(kept):
            raise unreadable_file(path, "has two columns of one name")
        clashing = [name for name in kept if name in OUR_COLUMNS]
        if clashing:
            raise unreadable_file(path, f"has a column {clashing[0]}, which is a name of ours")
        return {name: kind_of(schema.field(name).type) for name in kept}

    def _batches(self, parquet: pq.ParquetFile, names: list[str], start: int) -> Iterator[Any]:
        """Yield the rows behind `start` in batches of about a page's size."""
        metadata = parquet.metadata
        behind = 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            before, behind = behind, behind + group.num_rows
            if behind <= start or not group.num_rows:
                continue
            width = max(1, group.total_byte_size // group.num_rows)
            if width > _MOST_ROW:
                raise unreadable_file(self._file.path, "has records of more than 64 MiB")
            rows = max(1, min(PAGE_ROWS, PAGE_BYTES // width))
            passed_over = max(0, start - before)
            for batch in parquet.iter_batches(
                rows, row_groups=[number], columns=names, use_threads=False
            ):
                count = min(passed_over, batch.num_rows)
                passed_over -= count
                if count < batch.num_rows:
                    yield batch.slice(count)

    def _filled(
        self, page: Page, batch: Any, size: int, kinds: Mapping[str, Kind]
    ) -> Iterator[FilePage]:
        """Add rows, of `size` bytes each, to a page; yield it whenever it is full."""
        try:
            columns = [_column(batch.column(name), kind) for name, kind in kinds.items()]
        except pa.ArrowInvalid:
            if batch.num_rows > 1:
                for index in range(batch.num_rows):
                    yield from self._filled(page, batch.slice(index, 1), size, kinds)
                return
            page.add_broken(Unreadable.TOO_FINE, "", size)
            return
        for values in zip(*columns, strict=True):
            page.add(dict(zip(kinds, values, strict=True)), size)
            if page.is_full:
                yield page.take(kinds, None)


def _column(column: Any, kind: Kind) -> list[Any]:
    values = values_of(column)
    return [plain(value) for value in values] if kind is Kind.JSON else values


def _coded(metadata: pq.FileMetaData, texts: set[str]) -> list[str]:
    """Return the columns of texts to be read as codes, each text once.

    Written out, a long one that stands in the file once may stand in a batch thousands of times.
    But codes are collected over a whole row group, so that columns with many texts of their own are
    read as they are: of these the size in the file tells what they take.
    """
    coded = set(texts)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in range(group.num_columns):
            chunk = group.column(index)
            size, values = chunk.total_uncompressed_size, chunk.num_values
            if size > _MOST_CODES and size > _LEAST_WIDTH * values:
                coded.discard(chunk.path_in_schema)
    return sorted(coded)


def _is_text(column: pa.DataType) -> bool:
    return types.is_string(column) or types.is_large_string(column) or types.is_binary(column)


def _parts(batch: Any) -> Iterator[tuple[Any, int]]:
    """Yield a batch in parts that are no larger than a page once their texts are written out.

    With each comes how many bytes its rows have, about.
    """
    fixed = sum(column.nbytes for column in batch.columns if not _is_coded(column))
    least = _VALUE_BYTES * batch.num_columns + fixed // batch.num_rows
    sizes = [least] * batch.num_rows
    for column in batch.columns:
        if _is_coded(column):
            lengths = (
                pc.call_function("binary_length", [column.dictionary])
                .take(column.indices)
                .to_pylist()
            )
            sizes = [size + (length or 0) for size, length in zip(sizes, lengths, strict=True)]
    for start, count in _cuts(sizes):
        yield batch.slice(start, count), sum(sizes[start : start + count]) // count


def _is_coded(column: Any) -> bool:
    return types.is_dictionary(column.type) and _is_text(column.type.value_type)


def _cuts(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = before = 0
    for index, total in enumerate(accumulate(sizes)):
        if total - before > PAGE_BYTES and index > start:
            yield start, index - start
            start, before = index, total - sizes[index]
    if sizes:
        yield start, len(sizes) - start

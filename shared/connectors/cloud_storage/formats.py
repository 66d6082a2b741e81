"""Which format a file has, and what reads it."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import assert_never

from shared.connectors.cloud_storage.csv_reader import CsvReader
from shared.connectors.cloud_storage.jsonl_reader import JsonLinesReader
from shared.connectors.cloud_storage.records import FileReader
from shared.connectors.cloud_storage.store import Store, StoredFile, unreadable_file
from shared.connectors.cloud_storage.stream_config import Format, StreamConfig
from shared.connectors.cloud_storage.text_file import TextFile
from shared.connectors.cloud_storage.unreadable import UnreadableRecords
from shared.late_imports import importing

_BY_ENDING: Mapping[str, Format] = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}


def ending_of(path: str) -> str:
    """Return the ending of a file's name in small letters, without the one for gzip."""
    name = PurePosixPath(path.lower())
    return PurePosixPath(name.stem).suffix if name.suffix in (".gz", ".gzip") else name.suffix


def format_of(path: str) -> Format | None:
    """Return the format that a file's ending stands for, or None."""
    return _BY_ENDING.get(ending_of(path))


def open_reader(
    store: Store, file: StoredFile, config: StreamConfig, unreadable: UnreadableRecords
) -> FileReader:
    """Return what reads a file of a stream; raise `PermanentError` if nobody can tell how."""
    found = format_of(file.path) if config.format is Format.AUTO else config.format
    match found:
        case None | Format.AUTO:
            raise unreadable_file(
                file.path,
                f"has an ending that stands for no format; known are {', '.join(_BY_ENDING)}, each"
                " also with .gz but the last two: set the stream's format",
            )
        case Format.CSV:
            return CsvReader(TextFile(store, file, config.encoding), config, unreadable)
        case Format.JSONL:
            return JsonLinesReader(TextFile(store, file, config.encoding), config, unreadable)
        case Format.PARQUET:
            # A library of 160 MiB, which other formats do without.
            with importing():
                from shared.connectors.cloud_storage.parquet_reader import (  # noqa: PLC0415
                    ParquetReader,
                )

            return ParquetReader(store, file, config, unreadable)
        case _:
            assert_never(found)

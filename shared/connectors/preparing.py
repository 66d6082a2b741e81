"""Read a stream to files of its own, and make of them what a dataset loads."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination import Destination

from shared.connectors.dataset.seam import Prepared
from shared.connectors.failures import source_failure
from shared.connectors.streams import Record, Stream
from shared.errors import SynclineError

_SCHEMA = "syncline"
"""What dlt calls what it prepares; the dataset has its own name."""


def prepare(
    stream: Stream,
    pages: Iterator[list[Record]],
    folder: Path,
    destination: Destination[Any, Any],
    table: str,
) -> Prepared:
    """Read the pages to files in the folder; raise `TransientError` or `PermanentError`."""
    resource = dlt.resource(
        pages,
        name=stream.progress.stream,
        write_disposition="merge",
        primary_key=list(stream.primary_key),
        columns=stream.columns,
    )
    resource.max_table_nesting = 0  # a stream is one table
    with _pipeline(folder, destination) as pipeline:
        try:
            pipeline.extract(resource, schema=dlt.Schema(_SCHEMA), workers=1)
            pipeline.normalize()
        except SynclineError:
            raise
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
            raise source_failure(error) from None
        return Prepared(pipeline.default_schema, table, list(_files(pipeline, table)))


@contextmanager
def _pipeline(folder: Path, destination: Destination[Any, Any]) -> Generator[dlt.Pipeline]:
    pipeline = dlt.pipeline(
        pipeline_name="syncline", pipelines_dir=str(folder), destination=destination
    )
    try:
        yield pipeline
    finally:
        pipeline.deactivate()


def _files(pipeline: dlt.Pipeline, table: str) -> Iterable[Path]:
    for load_id in pipeline.list_normalized_load_packages():
        for job in pipeline.get_load_package_info(load_id).jobs["new_jobs"]:
            if job.job_file_info.table_name == table:
                yield Path(job.file_path)

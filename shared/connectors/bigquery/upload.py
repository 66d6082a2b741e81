"""The way of a file to a load job, in chunks: memory does not grow with the file."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from google.api_core.exceptions import from_http_response
from google.resumable_media import InvalidResponse
from google.resumable_media.requests import ResumableUpload

from shared.connectors.bigquery.client import UPLOAD_SECONDS, open_upload_session, upload_url
from shared.domain.bigquery_address import BigQueryAddress

CHUNK_BYTES = 4 * 1024 * 1024
"""A multiple of 256 KiB. The client's own chunks have 100 MB each, and cannot be told otherwise."""


def upload(
    address: BigQueryAddress, path: Path, job: Mapping[str, Any], stay: Callable[[], object]
) -> Mapping[str, Any]:
    """Begin a load job, given as the API has it, with a file; return the job as the API tells it.

    `stay` is called before each chunk: what it raises ends the upload, and there is no job. Raises
    what the client does.
    """
    sending = ResumableUpload(upload_url(address), CHUNK_BYTES)
    with closing(open_upload_session(address)) as session, path.open("rb") as file:
        try:
            sending.initiate(session, file, job, "*/*", timeout=UPLOAD_SECONDS)
            while True:
                stay()
                answer = sending.transmit_next_chunk(session, timeout=UPLOAD_SECONDS)
                if sending.finished:
                    return answer.json()
        except InvalidResponse as error:
            raise from_http_response(error.response) from None

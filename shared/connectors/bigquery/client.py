"""The client of BigQuery: who we are there, how long a call may take, and what may be repeated."""

from functools import cache
from typing import Any

import google.auth
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.bigquery import Client
from google.cloud.bigquery.retry import DEFAULT_RETRY

from shared.domain.bigquery_address import BigQueryAddress

CALL_SECONDS = 30.0
"""For each try of a call; none of ours waits for a job."""
UPLOAD_SECONDS = 300.0
"""For each try of a chunk of a file."""
_REPEATS_SECONDS = 60.0
_ENDPOINT = "https://bigquery.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/bigquery",)

REPEATED: Retry = DEFAULT_RETRY.with_timeout(_REPEATS_SECONDS)
"""For every call of ours: a job has its name from us, and what else is asked for can be repeated.

It repeats what passes by itself: a limit on requests, an error of the server, a lost connection.
"""

PROMPT_SECONDS = 5.0
PROMPT: Retry = DEFAULT_RETRY.with_timeout(10.0)
"""For calls that a person waits for."""


def open_client(address: BigQueryAddress) -> Client:
    """Return a client for the calls of one thread; raises `google.auth.exceptions` errors."""
    options: dict[str, Any] = {}
    if address.endpoint is not None:
        options["client_options"] = ClientOptions(api_endpoint=address.endpoint)
    return Client(
        project=address.project,
        location=address.location,
        credentials=_credentials(address),
        **options,
    )


def open_upload_session(address: BigQueryAddress) -> AuthorizedSession:
    """Return what sends files, with the login of a client; raises what `open_client` does."""
    return AuthorizedSession(_credentials(address))


def upload_url(address: BigQueryAddress) -> str:
    """Return where files for load jobs are sent in chunks."""
    root = address.endpoint or _ENDPOINT
    return f"{root}/upload/bigquery/v2/projects/{address.project}/jobs?uploadType=resumable"


def _credentials(address: BigQueryAddress) -> Credentials:
    return AnonymousCredentials() if address.endpoint else _of_deployment()


@cache
def _of_deployment() -> Credentials:
    """Return the application default credentials; looking for them takes its time."""
    credentials, _ = google.auth.default(scopes=_SCOPES)
    return credentials

"""Where datasets are in BigQuery: the URL that a deployment gives; imports no client."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlsplit

from shared.errors import ConfigurationError

_SCHEME = "bigquery"
_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,39}")
_FORM = "bigquery://PROJECT/LOCATION, such as bigquery://acme-data/europe-north1"


@dataclass(frozen=True, slots=True)
class BigQueryAddress:
    """A project and the location of its datasets; `endpoint` is of an emulator, None in the cloud.

    An emulator is spoken to without a login, so that it is only ever on this machine.
    """

    project: str
    location: str
    endpoint: str | None = None


def is_bigquery(dataset_url: str) -> bool:
    """Tell whether a deployment's datasets are in BigQuery."""
    return urlsplit(dataset_url).scheme == _SCHEME


def parse_address(dataset_url: str) -> BigQueryAddress:
    """Return what a URL of BigQuery says; raise `ConfigurationError` if it says something else."""
    parts = urlsplit(dataset_url)
    location = parts.path.removeprefix("/")
    project = parts.netloc
    if parts.scheme != _SCHEME or not _PROJECT.fullmatch(project) or parts.fragment:
        raise ConfigurationError(f"SYNCLINE_DATASET_URL is no URL of BigQuery: use {_FORM}.")
    if not _LOCATION.fullmatch(location):
        raise ConfigurationError(
            f"SYNCLINE_DATASET_URL names no location of BigQuery's datasets: use {_FORM}."
        )
    return BigQueryAddress(project, location, _endpoint(parts))


def _endpoint(parts: SplitResult) -> str | None:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.query:
        return None
    endpoint = options.pop("endpoint", "")
    if options or not _is_on_this_machine(endpoint):
        raise ConfigurationError(
            "SYNCLINE_DATASET_URL has options other than endpoint=http://127.0.0.1:PORT, which is"
            f" for an emulator on this machine: use {_FORM}."
        )
    return endpoint


def _is_on_this_machine(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    try:
        is_here = ip_address(parts.hostname or "").is_loopback and parts.port is not None
    except ValueError:
        return False
    return is_here and parts.scheme == "http" and not parts.path and parts.username is None

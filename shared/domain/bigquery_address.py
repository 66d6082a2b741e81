"""Where datasets are in BigQuery: the URL that a deployment gives; imports no client."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlsplit

from shared.errors import ConfigurationError

_SCHEME = "bigquery"
_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,39}")
_BYTES = re.compile(r"[1-9][0-9]{0,17}")
_FORM = "bigquery://PROJECT/LOCATION, such as bigquery://acme-data/europe-north1"


@dataclass(frozen=True, slots=True)
class BigQueryAddress:
    """A project and the location of its datasets; `endpoint` is of an emulator, None in the cloud.

    An emulator is spoken to without a login, so that it is only ever on this machine. A query that
    would be billed for more than `maximum_bytes_billed` is refused; None if there is no such limit.
    """

    project: str
    location: str
    endpoint: str | None = None
    maximum_bytes_billed: int | None = None


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
    return BigQueryAddress(project, location, *_options(parts))


def _options(parts: SplitResult) -> tuple[str | None, int | None]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    endpoint = options.pop("endpoint", None)
    most = options.pop("maximum_bytes_billed", None)
    if options or (endpoint is not None and not _is_on_this_machine(endpoint)):
        raise ConfigurationError(
            "SYNCLINE_DATASET_URL has options other than maximum_bytes_billed=BYTES and"
            " endpoint=http://127.0.0.1:PORT, which is for an emulator on this machine: use"
            f" {_FORM}."
        )
    if most is not None and not _BYTES.fullmatch(most):
        raise ConfigurationError(
            "SYNCLINE_DATASET_URL has a maximum_bytes_billed that is no number of bytes from 1 on:"
            " write it in digits, such as maximum_bytes_billed=1000000000000."
        )
    return endpoint, None if most is None else int(most)


def _is_on_this_machine(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    try:
        is_here = ip_address(parts.hostname or "").is_loopback and parts.port is not None
    except ValueError:
        return False
    return is_here and parts.scheme == "http" and not parts.path and parts.username is None

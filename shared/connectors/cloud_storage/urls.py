"""Where files are: the URL of a bucket, a container or a folder, taken apart."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

_BUCKET = re.compile(r"[a-z0-9A-Z$][a-zA-Z0-9._-]{1,221}")
_FORMS = (
    "write it as s3://bucket/folder, gs://bucket/folder, az://container/folder or file:///folder"
)


class Scheme(StrEnum):
    """What kind of store a URL leads to."""

    S3 = "s3"
    GCS = "gs"
    AZURE = "az"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a store. `prefix` is empty or ends in a slash; `bucket` is empty for files."""

    scheme: Scheme
    bucket: str
    prefix: str


def parse_location(url: str) -> Location:
    """Return the place that a URL names; raise `ValueError` with what is wrong with it."""
    name, sign, rest = url.partition("://")
    if not sign or name not in list(Scheme):
        raise ValueError(_FORMS)
    if not rest.isprintable() or any(letter in rest for letter in "?#*"):
        raise ValueError("leave out ? # and *: patterns belong in the streams")
    bucket, _, folder = rest.partition("/")
    scheme = Scheme(name)
    if scheme is Scheme.FILE and bucket:
        raise ValueError("a file has no host: write it as file:///folder, with three slashes")
    if scheme is not Scheme.FILE and not _BUCKET.fullmatch(bucket):
        raise ValueError(f"it names no bucket or container: {_FORMS}")
    if {".", ".."} & set(folder.split("/")) or "//" in folder:
        raise ValueError("leave out . and .. and empty parts of the path")
    path = PurePosixPath(folder)
    return Location(scheme, bucket, f"{path}/" if path.parts else "")

"""The kinds of text in an API connector's settings, checked before they are stored."""

import re
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, SecretStr, StringConstraints

from shared.egress.origins import origin_of
from shared.errors import PermanentError
from shared.late_imports import importing

MODEL = ConfigDict(
    extra="forbid",
    frozen=True,
    strict=True,
    hide_input_in_errors=True,  # a rejected value may be a secret
)
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("use no control characters and no spaces at the ends")
    return text


def _url(text: str) -> str:
    try:
        origin_of(text)
    except PermanentError as error:
        raise ValueError(str(error)) from None
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise ValueError("leave out ? and # and what follows: parameters have fields of their own")
    return text


def _path(text: str) -> str:
    if "://" in text or text.startswith("//"):
        raise ValueError("give the path behind base_url, such as /orders")
    if "?" in text or "#" in text:
        raise ValueError("leave out ? and # and what follows: give parameters in params")
    if {".", ".."} & set(text.split("/")):
        raise ValueError("leave out . and .. as parts of the path")
    if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
        raise ValueError("close every placeholder: /orders/{order_id}/lines")
    return text


def _json_path(text: str) -> str:
    # It takes a tenth of a second to import, and only settings with paths need it.
    with importing():
        from jsonpath_ng.exceptions import JSONPathError  # noqa: PLC0415
        from jsonpath_ng.ext.parser import parse  # noqa: PLC0415

    try:
        parse(text)
    except (JSONPathError, ValueError, RecursionError):
        raise ValueError(
            "this is no path that can be read: write data.items, or '@odata.nextLink' with its"
            " quotes where a name has other signs than letters, digits, - and _"
        ) from None
    return text


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header's name has letters, digits and dashes only")
    return name


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value) or value != value.strip():
        raise ValueError("a header's value has plain ASCII only, and no spaces at its ends")
    return value


def _secret_header_value(value: SecretStr) -> SecretStr:
    _header_value(value.get_secret_value())
    return value


Url = Annotated[str, StringConstraints(min_length=8, max_length=1_000), AfterValidator(_url)]
Path = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_path)]
JsonPath = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_json_path)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Text = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_printable)]
HeaderName = Annotated[
    str, StringConstraints(min_length=1, max_length=128), AfterValidator(_header_name)
]
HeaderValue = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_header_value)]
SecretHeaderValue = Annotated[SecretStr, AfterValidator(_secret_header_value)]


def each_once(names: Iterable[str], noun: str) -> None:
    """Raise `ValueError` if a name stands there twice."""
    listed = list(names)
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise ValueError(f"each {noun} may stand once only: {', '.join(twice)[:200]}")

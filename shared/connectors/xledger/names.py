"""Names of GraphQL in a connector's settings: fields, paths of them, and the columns they fill."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from shared.connectors.json_http.texts import each_once

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_PARTS = 10
_PLACE = re.compile(r"headers\.[A-Za-z0-9-]+|(?:data|extensions)(?:\.[A-Za-z_][A-Za-z0-9_]*)+")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or text.startswith("__"):
        raise ValueError(
            "this is no name of GraphQL: it has letters, digits and _ only, begins with no digit,"
            " and not with __"
        )
    return text


def _path(text: str) -> str:
    parts = text.split(".")
    if len(parts) > _MOST_PARTS:
        raise ValueError(f"at most {_MOST_PARTS} names may stand in a path")
    for part in parts:
        _name(part)
    return text


def _place(text: str) -> str:
    if not _PLACE.fullmatch(text):
        raise ValueError(
            "begin with extensions. or data. and the names that lead to the value in the answer, or"
            " with headers. and the name of a header"
        )
    return text


GraphQlName = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_name)]
FieldPath = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_path)]
AnswerPlace = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_place)
]


def column_of(path: str) -> str:
    """Return the column that the field at a path fills."""
    return path.replace(".", "_")


def prefixes_of(path: str) -> list[str]:
    """Return the paths that lead to a path, shortest first, without itself."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def check_fields(paths: Iterable[str]) -> None:
    """Raise `ValueError` if two paths would fill one column, or one of them leads to another."""
    listed = list(paths)
    each_once([column_of(path).casefold() for path in listed], "column")
    columns = {column_of(path).casefold(): path for path in listed}
    for path in listed:
        for prefix in prefixes_of(path):
            other = columns.get(column_of(prefix).casefold())
            if other is not None:
                raise ValueError(f"{other} and {path} do not go together: leave out one of them")

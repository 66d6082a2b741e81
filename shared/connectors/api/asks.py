"""The request that begins a stream, or its part for one parent: address, parameters, body."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from shared.connectors.api.config import ApiConfig
from shared.connectors.api.stream_config import PLACEHOLDER, ParentConfig, Place, StreamConfig
from shared.connectors.json_http.cursor import Cursor, Window, field_of
from shared.domain.fault import Fault
from shared.errors import PermanentError

Parent = Mapping[str, Any]
"""The fields of a parent's record that matter to its children."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `params` and `body` are the caller's own, to be changed at will."""

    url: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    body: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        """Return the HTTP method: a body is sent by POST."""
        return "GET" if self.body is None else "POST"

    @property
    def parts(self) -> list[Any]:
        """Return what tells this request from others: JSON."""
        return [self.url, self.params, self.body]


def first_ask(
    config: ApiConfig,
    stream: StreamConfig,
    window: Window,
    parent: Parent | None = None,
    *,
    smallest: bool = False,
) -> Ask:
    """Return the first request of a stream, with the smallest page there is if that is asked.

    Raises `PermanentError` if a field of the parent cannot be part of an address.
    """
    filled: dict[str, str] = {}
    if stream.parent is not None and parent is not None:
        filled = {name: str(parent[source]) for name, source in stream.parent.placeholders.items()}
    path = PLACEHOLDER.sub(lambda found: _in_path(stream, filled[found[1]]), stream.path)
    params: dict[str, Any] = {
        name: PLACEHOLDER.sub(lambda found: filled[found[1]], text)
        if stream.parent is not None
        else text
        for name, text in stream.params.items()
    }
    body = deepcopy(stream.body)
    set_here: dict[str, Any] = {**config.paging_of(stream).sized(smallest=smallest)}
    if stream.cursor is not None:
        set_here |= Cursor(stream.name, stream.cursor).parameters(window)
    if body is not None and stream.parameters_in is Place.BODY:
        for name, value in set_here.items():
            _put(body, name, value)
    else:
        params |= set_here
    separator = "/" if path else ""
    return Ask(f"{config.base_url.rstrip('/')}{separator}{path.lstrip('/')}", params, body)


def parent_of(config: ParentConfig, record: Mapping[str, Any]) -> Parent:
    """Return what matters of a parent's record.

    Raises `PermanentError` if a field that fills a placeholder is not there, or no number or text.
    """
    fields = {name: field_of(record, name) for name in config.fields}
    for name in config.placeholders.values():
        value = fields[name]
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise PermanentError(
                f"A record of {config.stream} has no number or text in {name}: correct"
                " parent.placeholders.",
                fault=Fault.SCHEMA,
            )
    return fields


def _in_path(stream: StreamConfig, value: str) -> str:
    if value in (".", ".."):
        raise PermanentError(
            f"A parent of {stream.name} has dots alone where the path needs a name: correct"
            " parent.placeholders.",
            fault=Fault.SCHEMA,
        )
    return quote(value, safe="")


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    *outer, last = name.split(".")
    for part in outer:
        inner = body.get(part)
        if not isinstance(inner, dict):
            inner = body[part] = {}
        body = inner
    body[last] = value

"""The parts of a stream: one, or one for each record of its parent."""

from typing import Any

from shared.connectors.api.asks import Parent, first_ask, parent_of
from shared.connectors.api.config import ApiConfig
from shared.connectors.api.followed import PagePlace, follow, trail_of
from shared.connectors.api.position import Stop
from shared.connectors.api.reading import Part
from shared.connectors.api.stream_config import ParentConfig, StreamConfig
from shared.connectors.json_http.answers import is_object
from shared.connectors.json_http.cursor import Window
from shared.connectors.json_http.session import JsonSession
from shared.connectors.progress import StreamProgress
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError


def parts_of(
    session: JsonSession,
    config: ApiConfig,
    stream: StreamConfig,
    stop: Stop,
    progress: StreamProgress,
) -> list[Part]:
    """Return what is left of a stream's parts, in an order that is the same in every slice.

    All records of the parent are asked for, since a child may change without its parent. Raises
    `PermanentError` if there are more than the settings say, and as `follow`.
    """
    if stream.parent is None:
        return [Part()]
    found: dict[tuple[str, ...], Part] = {}
    parent = config.stream(stream.parent.stream)
    start = PagePlace(first_ask(config, parent, Window()))
    for page in follow(session, config, parent, start, trail_of(parent)):
        progress.goes_on()  # raises once the lease is gone; that time is over is for the children
        for record in filter(is_object, page.records):
            part = _part(stream.parent, parent_of(stream.parent, record))
            found[_order(part.key)] = part
        if len(found) > stream.parent.most:
            raise PermanentError(
                f"{parent.name} has more records than {stream.name} may be asked for: raise"
                f" parent.most, which is {stream.parent.most}, or narrow {parent.name} by params.",
                code=Reason.CONFIGURATION,
                fault=Fault.SETTINGS,
            )
    first = _order(stop.parent)
    return [found[key] for key in sorted(found) if key >= first]


def _part(config: ParentConfig, parent: Parent) -> Part:
    return Part(parent, tuple(parent[name] for name in config.placeholders.values()))


def _order(key: tuple[Any, ...] | None) -> tuple[str, ...]:
    """Return what orders parents, whatever the types of their fields; none comes before any."""
    return tuple(map(str, key or ()))

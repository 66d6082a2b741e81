"""A page of a connection: its nodes, and the cursor behind which the next one begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError


@dataclass(frozen=True, slots=True)
class NodePage:
    """The nodes of one page, null where there was none; `after` is None on the last page."""

    nodes: list[Any]
    after: str | None


def page_of(stream: str, place: str, data: Mapping[str, Any]) -> NodePage:
    """Return the page at a place in an answer.

    The cursor of the last edge leads on, since Xledger's own samples go by it; that of `pageInfo`
    does if a query asks for it. Raises `PermanentError` if there is no connection at the place: no
    nodes would mean that the source has none.
    """
    connection: Any = data
    for part in place.split("."):
        connection = connection.get(part) if isinstance(connection, Mapping) else None
    edges = connection.get("edges") if isinstance(connection, Mapping) else None
    info = connection.get("pageInfo") if isinstance(connection, Mapping) else None
    has_next = info.get("hasNextPage") if isinstance(info, Mapping) else None
    if not isinstance(edges, list) or not isinstance(has_next, bool):
        raise _misfit(stream, f"has no edges and no pageInfo.hasNextPage at {place}")
    if not all(isinstance(edge, Mapping) and "node" in edge for edge in edges):
        raise _misfit(stream, f"has edges without nodes at {place}")
    nodes = [edge["node"] for edge in edges]
    if not has_next:
        return NodePage(nodes, None)
    end = info.get("endCursor") if isinstance(info, Mapping) else None
    if end is None and edges:
        end = edges[-1].get("cursor")
    if isinstance(end, bool) or not isinstance(end, str | int) or end == "":
        raise PermanentError(
            f"{stream} has more records and names no cursor behind which they begin: ask for"
            " edges.cursor or pageInfo.endCursor.",
            code=Reason.CURSOR_STUCK,
            fault=Fault.SCHEMA,
        )
    return NodePage(nodes, str(end))


def _misfit(stream: str, what: str) -> PermanentError:
    return PermanentError(
        f"The answer to {stream} {what}: correct the stream's connection or query.",
        code=Reason.CONFIGURATION,
        fault=Fault.SCHEMA,
    )

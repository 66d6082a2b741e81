"""Where in a query an error points, in the words of the stream's settings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql.language import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    SelectionSetNode,
    parse,
)

_AROUND_NODES = ("edges", "node")


def place_of(query: str, error: Mapping[str, Any]) -> str | None:
    """Return the field or argument of a query that an error of its server is about.

    Only names that stand in the query are returned, whatever the error says.
    """
    places = [one for one in _places_in(parse(query)) if one[2]]
    for at in _list(error.get("locations")):
        spot = (at.get("line"), at.get("column")) if isinstance(at, Mapping) else None
        for line, column, path in places:
            if (line, column) == spot:
                return _told(path)
    names = tuple(part for part in _list(error.get("path")) if isinstance(part, str))
    return _told(names) if names in {path for _, _, path in places} else None


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _places_in(document: DocumentNode) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    for definition in document.definitions:
        selected = getattr(definition, "selection_set", None)
        if selected is not None:
            yield from _selected(selected, ())


def _selected(
    selected: SelectionSetNode, outer: tuple[str, ...]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    yield (*_start(selected), outer)
    for node in selected.selections:
        path = outer
        if isinstance(node, FieldNode):
            path = (*outer, (node.alias or node.name).value)
            yield (*_start(node), path)
            for argument in node.arguments or ():
                yield from _argument(argument, path)
        inner = getattr(node, "selection_set", None)
        if inner is not None:
            yield from _selected(inner, path)


def _argument(
    node: ArgumentNode | ObjectFieldNode, outer: tuple[str, ...]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    path = (*outer, node.name.value)
    yield (*_start(node), path)
    yield (*_start(node.value), path)
    if isinstance(node.value, ObjectValueNode):
        for one in node.value.fields:
            yield from _argument(one, path)


def _start(node: Node) -> tuple[int, int]:
    if node.loc is None:
        return (0, 0)
    return (node.loc.start_token.line, node.loc.start_token.column)


def _told(path: tuple[str, ...]) -> str:
    """Return a path as `fields` and `arguments` have it: what is around every node says nothing."""
    is_of_node = path[1:3] == _AROUND_NODES and len(path) > len(_AROUND_NODES) + 1
    return ".".join(path[3:] if is_of_node else path)

"""What the root query of a schema offers: its connections, told by introspection."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql.language import (
    DocumentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    print_ast,
)

from shared.connectors.xledger.literals import fields_of, tree_of
from shared.connectors.xledger.query import Query
from shared.connectors.xledger.session import XledgerSession

_WRAPPERS = ("", "ofType.", "ofType.ofType.", "ofType.ofType.ofType.")
"""As deep as a type such as [Project!]! is wrapped."""
_LEAVES = ("SCALAR", "ENUM")


@dataclass(frozen=True, slots=True)
class NodeField:
    """A field of a node; `type` is named as in the schema, a list in brackets.

    A leaf can be selected by its name alone.
    """

    name: str
    type: str
    is_nullable: bool
    is_leaf: bool


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of the root query that can be asked for without more; `filters` are by name."""

    name: str
    fields: tuple[NodeField, ...]
    filters: frozenset[str]


def connections_of(session: XledgerSession) -> list[Connection]:
    """Return the connections of the root query, by name; raises as `XledgerSession.ask`.

    Two queries tell it, whatever the schema's size: the root alone, and then its types.
    """
    types = "__schema.types"
    root = session.ask(
        _query(
            [
                *_named("__schema.queryType.fields"),
                "__schema.queryType.fields.args.defaultValue",
                *_named("__schema.queryType.fields.args"),
            ]
        ),
        {},
    )
    rest = session.ask(
        _query(
            [
                f"{types}.name",
                f"{types}.inputFields.name",
                f"{types}.fields.args.defaultValue",
                f"{types}.fields.args.type.kind",
                *_named(f"{types}.fields"),
            ]
        ),
        {},
    )
    known = {str(one.get("name")): one for one in _objects(_at(rest, types))}
    found = (
        _connection(field, known) for field in _objects(_at(root, "__schema.queryType.fields"))
    )
    return sorted((one for one in found if one is not None), key=lambda one: one.name)


def _query(paths: Sequence[str]) -> Query:
    selected = SelectionSetNode(selections=tuple(fields_of(tree_of(paths))))
    operation = OperationDefinitionNode(operation=OperationType.QUERY, selection_set=selected)
    return Query("the schema", print_ast(DocumentNode(definitions=(operation,))))


def _named(path: str) -> Iterator[str]:
    yield f"{path}.name"
    for wrapper in _WRAPPERS:
        yield f"{path}.type.{wrapper}kind"
        yield f"{path}.type.{wrapper}name"


def _connection(
    field: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]
) -> Connection | None:
    """Return a field of the root as a connection; None if it is none, or asks for arguments."""
    arguments = {str(one.get("name")): one for one in _objects(field.get("args"))}
    if not {"first", "after"} <= set(arguments) or _demands_arguments(field):
        return None
    connection = _fields(known, field)
    if not {"edges", "pageInfo"} <= set(connection):
        return None
    edge = _fields(known, connection["edges"])
    node = _fields(known, edge["node"]) if "node" in edge else {}
    columns = [_node_field(one) for one in node.values() if not _demands_arguments(one)]
    filters = known.get(_Type.of(arguments.get("filter", {})).name, {})
    names = frozenset(str(one.get("name")) for one in _objects(filters.get("inputFields")))
    return Connection(str(field["name"]), tuple(columns), names) if columns else None


def _fields(
    known: Mapping[str, Mapping[str, Any]], field: Mapping[str, Any]
) -> Mapping[str, Mapping[str, Any]]:
    """Return the fields, by name, of the type of a field."""
    found = known.get(_Type.of(field).name, {})
    return {str(one.get("name")): one for one in _objects(found.get("fields"))}


def _node_field(field: Mapping[str, Any]) -> NodeField:
    type_ = _Type.of(field)
    label = f"[{type_.name}]" if type_.is_list else type_.name
    return NodeField(str(field["name"]), label, type_.is_nullable, type_.kind in _LEAVES)


def _demands_arguments(field: Mapping[str, Any]) -> bool:
    return any(
        not _Type.of(one).is_nullable and one.get("defaultValue") is None
        for one in _objects(field.get("args"))
    )


@dataclass(frozen=True, slots=True)
class _Type:
    """The type of a field or an argument, out of its wrappers."""

    name: str = ""
    kind: str = ""
    is_nullable: bool = True
    is_list: bool = False

    @classmethod
    def of(cls, field: Mapping[str, Any]) -> "_Type":
        found: Any = field.get("type")
        is_list, is_nullable, is_outermost = False, True, True
        while isinstance(found, Mapping) and found.get("kind") in ("NON_NULL", "LIST"):
            is_list = is_list or found["kind"] == "LIST"
            is_nullable = is_nullable and not (is_outermost and found["kind"] == "NON_NULL")
            found, is_outermost = found.get("ofType"), False
        if not isinstance(found, Mapping):
            return cls(is_nullable=is_nullable, is_list=is_list)
        return cls(str(found.get("name")), str(found.get("kind")), is_nullable, is_list)


def _objects(value: object) -> list[Mapping[str, Any]]:
    listed = value if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, Mapping)]


def _at(data: Mapping[str, Any], path: str) -> Any:
    value: Any = data
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value

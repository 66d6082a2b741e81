"""Nodes of GraphQL's syntax tree, made of JSON and of paths: nothing is pasted into a text."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql.language import (
    ArgumentNode,
    BooleanValueNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
)

from shared.connectors.xledger.values import ENUM

Tree = Mapping[str, "Tree"]
"""Fields by name, each with those of the object that it leads to."""


def name(text: str) -> NameNode:
    """Return a name."""
    return NameNode(value=text)


def value(given: Any) -> ValueNode:
    """Return what JSON says as a value; an object `{"$enum": NAME}` is a value of an enum.

    Raises `TypeError` for what is not of JSON.
    """
    match given:
        case list():
            return ListValueNode(values=tuple(map(value, given)))
        case dict() if ENUM in given:
            return EnumValueNode(value=given[ENUM])
        case dict():
            pairs = [(name(key), value(one)) for key, one in given.items()]
            fields = (ObjectFieldNode(name=key, value=node) for key, node in pairs)
            return ObjectValueNode(fields=tuple(fields))
        case _:
            return _scalar(given)


def _scalar(given: Any) -> ValueNode:
    match given:
        case None:
            return NullValueNode()
        case bool():
            return BooleanValueNode(value=given)
        case int():
            return IntValueNode(value=str(given))
        case float():
            return FloatValueNode(value=repr(given))
        case str():
            return StringValueNode(value=given)
        case _:
            raise TypeError(f"there is no value of GraphQL for a {type(given).__name__}")


def argument(key: str, node: ValueNode) -> ArgumentNode:
    """Return an argument."""
    return ArgumentNode(name=name(key), value=node)


def variable(text: str) -> VariableNode:
    """Return the use of a variable."""
    return VariableNode(name=name(text))


def declared(text: str, type_name: str) -> VariableDefinitionNode:
    """Return the declaration of a variable that may be null."""
    return VariableDefinitionNode(variable=variable(text), type=NamedTypeNode(name=name(type_name)))


def field(text: str, arguments: Iterable[ArgumentNode], *inner: FieldNode) -> FieldNode:
    """Return a field with its arguments and the fields of what it leads to."""
    selected = SelectionSetNode(selections=inner) if inner else None
    return FieldNode(name=name(text), arguments=tuple(arguments), selection_set=selected)


def tree_of(paths: Iterable[str]) -> Tree:
    """Return paths as a tree, in their order."""
    tree: dict[str, Any] = {}
    for path in paths:
        inner = tree
        for part in path.split("."):
            inner = inner.setdefault(part, {})
    return tree


def fields_of(tree: Tree) -> list[FieldNode]:
    """Return the fields of a tree."""
    return [field(key, (), *fields_of(inner)) for key, inner in tree.items()]

"""The query that asks for a page of a stream, and its variables."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from graphql.language import (
    DocumentNode,
    FieldNode,
    NameNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    print_ast,
)

from shared.connectors.json_http.cursor import Cursor, Window
from shared.connectors.json_http.cursor_config import CursorFormat
from shared.connectors.xledger.config import CreditsConfig, XledgerConfig
from shared.connectors.xledger.literals import (
    argument,
    declared,
    fields_of,
    tree_of,
    value,
    variable,
)
from shared.connectors.xledger.literals import field as field_node
from shared.connectors.xledger.own_query import declared_variables, read_query
from shared.connectors.xledger.stream_config import PAGE_VARIABLES, StreamConfig

_NAME = "Syncline"
_DATA = "data."
_NUMBERS = frozenset({CursorFormat.UNIX_SECONDS, CursorFormat.UNIX_MS})


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it is sent; `subject` is what it asks for, in an error's words.

    It is the same for every page of a stream: which of them is wanted is said by variables.
    """

    subject: str
    text: str
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    takes_size: bool = True

    def page(self, size: int, after: str | None) -> dict[str, Any]:
        """Return the variables that ask for the page behind a cursor, or the first."""
        sized = {"first": size} if self.takes_size else {}
        return {**self.variables, **sized, "after": after}


def page_query(config: XledgerConfig, stream: StreamConfig, window: Window) -> Query:
    """Return the query for the pages of a stream."""
    if stream.query is not None:
        document = read_query(stream.query)
        variables = {**stream.variables, **_parameters(stream, window)}
        takes_size = "first" in declared_variables(document)
        return Query(stream.name, print_ast(document), variables, takes_size)
    arguments: dict[str, Any] = deepcopy(stream.arguments)
    for path, sent in _parameters(stream, window).items():
        _put(arguments, path, sent)
    nodes = [f"edges.node.{path}" for path in stream.fields]
    connection = field_node(
        stream.place,
        [
            *(argument(name, variable(name)) for name in PAGE_VARIABLES),
            *(argument(name, value(one)) for name, one in arguments.items()),
        ],
        *fields_of(tree_of(["pageInfo.hasNextPage", "edges.cursor", *nodes])),
    )
    selected = SelectionSetNode(selections=(connection, *_report(config.credits)))
    operation = OperationDefinitionNode(
        operation=OperationType.QUERY,
        name=NameNode(value=_NAME),
        variable_definitions=(declared("first", "Int"), declared("after", "String")),
        selection_set=selected,
    )
    return Query(stream.name, print_ast(DocumentNode(definitions=(operation,))))


def _parameters(stream: StreamConfig, window: Window) -> dict[str, Any]:
    """Return what the cursor asks for, by path."""
    if stream.cursor is None:
        return {}
    texts = Cursor(stream.name, stream.cursor).parameters(window)
    is_number = stream.cursor.format in _NUMBERS
    return {path: int(text) if is_number else text for path, text in texts.items()}


def _put(arguments: dict[str, Any], path: str, sent: Any) -> None:
    *outer, last = path.split(".")
    for part in outer:
        arguments = arguments.setdefault(part, {})
    arguments[last] = sent


def _report(config: CreditsConfig | None) -> list[FieldNode]:
    """Return the fields that tell how many credits are left, if it is fields that do."""
    places = [] if config is None else [config.remaining, config.reset_at or ""]
    return fields_of(tree_of(place[len(_DATA) :] for place in places if place.startswith(_DATA)))

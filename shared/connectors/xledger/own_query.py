"""The query that a workspace writes itself: read, and checked before it is stored or sent."""

from graphql import GraphQLError, parse
from graphql.language import (
    DocumentNode,
    FragmentDefinitionNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
)

from shared.connectors.xledger.stream_config import (
    PAGE_VARIABLES,
    StreamConfig,
    cursor_parameters,
)

_MOST_TOKENS = 5_000


def read_query(text: str) -> DocumentNode:
    """Return a query; raise `ValueError` unless it is one query, with fragments at most."""
    try:
        document = parse(text, max_tokens=_MOST_TOKENS)
    except GraphQLError as error:
        at = error.locations[0] if error.locations else None
        where = "" if at is None else f" from line {at.line}, column {at.column} on"
        raise ValueError(f"query is no GraphQL{where}") from None
    except RecursionError:
        raise ValueError("query has too many levels") from None
    operations = _operations_of(document)
    if len(operations) != 1:
        raise ValueError("query has to hold one query, and fragments at most")
    if operations[0].operation is not OperationType.QUERY:
        raise ValueError("query has to be a query: a sync changes nothing, nor does it subscribe")
    return document


def declared_variables(document: DocumentNode) -> dict[str, bool]:
    """Return the variables of a query by name, each with whether it has to be given."""
    operation = _operations_of(document)[0]
    return {
        one.variable.name.value: isinstance(one.type, NonNullTypeNode) and one.default_value is None
        for one in operation.variable_definitions or ()
    }


def check_own_query(stream: StreamConfig) -> None:
    """Raise `ValueError` if a stream's query cannot be used, or not with its other settings."""
    declared = declared_variables(read_query(stream.query or ""))
    if "after" not in declared:
        raise ValueError("query has to take $after, which is the end of the page before")
    if declared["after"]:
        raise ValueError("query must not demand $after: the first page has none before it")
    by_cursor = cursor_parameters(stream.cursor)
    given = [*stream.variables, *by_cursor]
    for name in given:
        if name in PAGE_VARIABLES or given.count(name) > 1:
            raise ValueError(f"the variable {name} is set by the sync: leave it out of variables")
        if name not in declared:
            raise ValueError(f"query takes no ${name}: declare it, or leave it out")
    for name, is_demanded in declared.items():
        if is_demanded and name not in stream.variables and name != "first":
            # The first sync has no value of the cursor yet.
            raise ValueError(f"query demands ${name}: give it in variables, or let it be null")


def _operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """Return the operations; raise `ValueError` if there is anything else but fragments."""
    operations: list[OperationDefinitionNode] = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            operations.append(definition)
        elif not isinstance(definition, FragmentDefinitionNode):
            raise ValueError("query has to hold one query, and fragments at most")  # noqa: TRY004
    return operations

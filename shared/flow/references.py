"""Connectors that read the dataset of another: only ever of one in the same workspace."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Engine

from shared.connectors.base import ConnectorType, ReadableDataset
from shared.connectors.registry import connector_type
from shared.domain.access import Principal
from shared.domain.dataset import dataset_name
from shared.errors import InvalidInputError, Problem
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.rows import Row


def require_referred(
    engine: Engine,
    principal: Principal,
    slug: str,
    config: Mapping[str, object],
    *,
    itself: UUID | None = None,
) -> None:
    """Refuse a config that names another connector than those of the caller's workspace.

    `config` is checked by its type and without its secrets; `itself` is the connector that it is
    for, if there is one already. Raises `InvalidInputError` naming each place.
    """
    named = connector_type(slug).config_model.connectors_of(config)
    if not named:
        return
    there = _of_workspace(engine, principal.workspace_id, named)
    strangers = [
        Problem(
            f"config.{place}",
            "unknown_connector",
            "this workspace has no other connector with this id",
            "use the id of the connector whose dataset is to be read",
        )
        for place, connector in named.items()
        if connector not in there or connector == itself
    ]
    if strangers:
        raise InvalidInputError(*strangers)


def datasets_of(
    engine: Engine, row: Row, type_: ConnectorType, dataset_url: str
) -> Mapping[UUID, ReadableDataset]:
    """Return the datasets that a connector may read beside its own, by connector.

    `row` is of `find_source`.
    """
    named = type_.config_model.connectors_of(row["config"])
    there = _of_workspace(engine, row["workspace_id"], named) if named else frozenset[UUID]()
    return {one: _readable(one, dataset_url) for one in there}


def datasets_at_lease(
    facts: Row, type_: ConnectorType, dataset_url: str
) -> Mapping[UUID, ReadableDataset]:
    """Return the same for a leased run, which has looked for the connector already."""
    named = type_.config_model.connectors_of(facts["config"]).values()
    found = facts["dataset_connector"]
    return {one: _readable(one, dataset_url) for one in named if one == found}


def _of_workspace(engine: Engine, workspace_id: int, named: Mapping[str, UUID]) -> frozenset[UUID]:
    with single_statements(engine) as connection:
        return frozenset(
            one for one in named.values() if find_connector(connection, workspace_id, one)
        )


def _readable(connector: UUID, dataset_url: str) -> ReadableDataset:
    return ReadableDataset(dataset_url, dataset_name(connector))

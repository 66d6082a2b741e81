"""What is read of an entity set: its columns, key and cursor, as settings and metadata have it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.connectors.dynamics.metadata import EntitySet
from shared.connectors.dynamics.service_config import BusinessCentral
from shared.connectors.dynamics.session import ODataSession
from shared.connectors.dynamics.stream_config import DELTA_LINK, StreamConfig
from shared.connectors.dynamics.values import CURSOR_KINDS, NOT_IN_RECORDS, Kind, kind_of, landed
from shared.connectors.json_http.answers import Record, is_object
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

COMPANY_ID = "company_id"
"""The column that tells the records of companies apart."""
DELETED_AT = "_deleted_at"
"""The column of a stream with change tracking that says when a deletion was read of."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one entity set is read and lands. `cursor` is a property, None with change tracking."""

    stream: StreamConfig
    kinds: Mapping[str, Kind]
    types: Mapping[str, str]
    entity_key: tuple[str, ...]
    cursor: str | None
    has_companies: bool

    @property
    def key(self) -> tuple[str, ...]:
        """Return the primary key of the records as they land."""
        return (COMPANY_ID, *self.entity_key) if self.has_companies else self.entity_key

    @property
    def select(self) -> str | None:
        """Return the $select of requests, None for every property."""
        return None if self.stream.columns is None else ",".join(self.kinds)

    def landed(self, record: Record, company: str | None) -> Record:
        """Return a record as it lands; what is no object is left to who rejects it.

        Annotations and properties that $metadata does not name are left out. Raises
        `PermanentError` for a value that is none of the type that $metadata says.
        """
        if not is_object(record):
            return record
        row: Record = {} if company is None else {COMPANY_ID: company}
        for name, kind in self.kinds.items():
            value = record.get(name)
            row[name] = None if value is None else self._value(name, kind, value)
        if self.stream.delta:
            row[DELETED_AT] = None
        return row

    def _value(self, name: str, kind: Kind, value: Any) -> Any:
        try:
            return landed(kind, value)
        except ValueError:
            raise PermanentError(
                f"A record of {self.stream.entity} has in {name} no {self.types[name]}, which the"
                " service's metadata says it has: select other columns.",
                fault=Fault.SCHEMA,
            ) from None


def plan_stream(session: ODataSession, stream: StreamConfig) -> Plan:
    """Return how a stream is read.

    Raises `PermanentError` if the service has no such entity set or property, and as
    `ODataSession.entity_sets`.
    """
    found = session.entity_sets().get(stream.entity)
    if found is None:
        raise PermanentError(
            f"The service has no entity set {stream.entity}: correct its name, capitals included.",
            fault=Fault.NOT_FOUND,
        )
    key = tuple(stream.primary_key or found.key)
    cursor = session.config.cursor_of(stream)
    _check(stream, found, key, cursor)
    by = None if cursor == DELTA_LINK else cursor
    wanted = [*key, *([] if by is None else [by]), *(stream.columns or ())]
    names = found.properties if stream.columns is None else dict.fromkeys(wanted)
    types = {name: found.properties[name].type for name in names}
    kinds = {name: kind_of(type_) for name, type_ in types.items() if type_ != NOT_IN_RECORDS}
    return Plan(
        stream,
        kinds,
        types,
        key,
        by,
        isinstance(session.config.service, BusinessCentral),
    )


def not_tracked(plan: Plan) -> PermanentError:
    """Return the error of a table without change tracking."""
    return PermanentError(
        f"{plan.stream.entity} has no change tracking: turn on Track changes for its table in Power"
        " Apps, or leave out delta.",
        code=Reason.CONFIGURATION,
        fault=Fault.SETTINGS,
    )


def _check(stream: StreamConfig, found: EntitySet, key: Sequence[str], cursor: str | None) -> None:
    if not key:
        raise _misfit(stream, "has no key in the service's metadata: give primary_key")
    if stream.delta and len(key) > 1:
        raise _misfit(stream, "has a key of many parts, and no change tracking: leave out delta")
    named = [*key, *(stream.columns or ())]
    absent = next((name for name in named if name not in found.properties), None)
    if absent is not None:
        raise _misfit(stream, f"has no property {absent}: correct primary_key or columns")
    if cursor is None or cursor == DELTA_LINK:
        return
    property_ = found.properties.get(cursor)
    if property_ is None or kind_of(property_.type) not in CURSOR_KINDS:
        raise _misfit(
            stream,
            f"has no {cursor} that tells what changed: choose another cursor, or full_refresh",
        )


def _misfit(stream: StreamConfig, what: str) -> PermanentError:
    return PermanentError(f"{stream.entity} {what}.", fault=Fault.SCHEMA)

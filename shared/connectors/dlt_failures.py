"""What dlt's own errors mean, where no driver and no network stands behind them."""

from collections.abc import Sequence

from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.data_writers.exceptions import InvalidDataItem
from dlt.common.destination.exceptions import (
    DestinationTransientException,
    IdentifierTooLongException,
    UnsupportedDataType,
)
from dlt.common.exceptions import (
    DictValidationException,
    MissingDependencyException,
    TerminalException,
)
from dlt.common.schema.exceptions import (
    CannotCoerceNullException,
    DataValidationError,
    SchemaException,
    UnboundColumnException,
)
from dlt.destinations.exceptions import DestinationSchemaWillNotUpdate
from dlt.extract.incremental.exceptions import (
    IncrementalCursorInvalidCoercion,
    IncrementalCursorPathHasValueNone,
    IncrementalCursorPathMissing,
    IncrementalPrimaryKeyMissing,
)
from dlt.normalize.exceptions import NormalizeException
from dlt.sources.helpers.rest_client.exceptions import RESTClientException

from shared.connectors.failure_kinds import Kind, permanent, told, transient
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import SynclineError

_Table = tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, Kind], ...]

_KEY = permanent(
    Reason.CONFIGURATION,
    "has a NULL in a primary key column, or in another that must have a value: choose a primary key"
    " that every record has",
    Fault.SCHEMA,
)
_CURSOR = permanent(
    Reason.CONFIGURATION,
    "has no value in the cursor field, or one that cannot be compared: choose another cursor",
    Fault.SCHEMA,
)
_SHAPE = permanent(
    Reason.CONFIGURATION,
    "does not fit its table: leave out the columns or fields that have changed",
    Fault.SCHEMA,
)
_NORMALIZE = permanent(
    Reason.CONFIGURATION,
    "could not be prepared for loading: often there is a NULL in a primary key column",
    Fault.SCHEMA,
)
_PAGES = permanent(
    Reason.CONFIGURATION,
    "has pages that cannot be followed: check the connector's paging",
    Fault.SCHEMA,
)
_SETTINGS = permanent(
    Reason.CONFIGURATION,
    "are not complete or contradict each other: save them again, and see what is said of them",
    Fault.SETTINGS,
)
_LIBRARY = permanent(
    Reason.INTERNAL, "lacks a library that the connector needs: whoever runs it has to add it"
)
_TERMINAL = permanent(
    Reason.INTERNAL,
    "could not be done, and a repeat would not help: tell whoever runs this deployment",
)
_UNAVAILABLE = transient(Reason.DATASET_UNAVAILABLE, "did not take the load")

_RECORDS: _Table = (
    (
        (CannotCoerceNullException, UnboundColumnException, IncrementalPrimaryKeyMissing),
        "A record",
        _KEY,
    ),
    (
        (
            IncrementalCursorPathMissing,
            IncrementalCursorPathHasValueNone,
            IncrementalCursorInvalidCoercion,
        ),
        "A record",
        _CURSOR,
    ),
    (DataValidationError, "A record", _SHAPE),
    (
        (
            SchemaException,
            InvalidDataItem,
            UnsupportedDataType,
            IdentifierTooLongException,
            DestinationSchemaWillNotUpdate,
        ),
        "A record",
        _SHAPE,
    ),
)
"""The first that fits decides, so that a class stands before those that it is derived from."""

_READING: _Table = (
    (RESTClientException, "The source", _PAGES),
    (MissingDependencyException, "This deployment", _LIBRARY),
    ((ConfigurationException, DictValidationException), "The connector's settings", _SETTINGS),
)

# dlt wraps what it met in these, so that they speak only when nothing inside them does.
_WRAPPERS_READING: _Table = (
    (NormalizeException, "A record", _NORMALIZE),
    (TerminalException, "The sync", _TERMINAL),
)
_WRAPPERS_LOADING: _Table = (
    (DestinationTransientException, "The dataset's database", _UNAVAILABLE),
    (TerminalException, "The load", _TERMINAL),
)


def reading_failure(links: Sequence[BaseException]) -> SynclineError | None:
    """Return what dlt's errors mean while it reads and prepares records; None if nothing."""
    return _found(links, _RECORDS + _READING) or _found(links, _WRAPPERS_READING)


def loading_failure(links: Sequence[BaseException]) -> SynclineError | None:
    """Return what dlt's errors mean while it loads; None if nothing."""
    return _found(links, _RECORDS) or _found(links, _WRAPPERS_LOADING)


def _found(links: Sequence[BaseException], table: _Table) -> SynclineError | None:
    for link in links:
        for classes, who, kind in table:
            if isinstance(link, classes):
                return told(who, kind, type(link).__name__)
    return None

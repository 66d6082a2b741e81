"""What stands between a connector and its source, told apart so that people know where to look."""

from enum import StrEnum


class Fault(StrEnum):
    """What failed on the way to a source, from the outside in."""

    NAME_NOT_RESOLVED = "name_not_resolved"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    LOGIN = "login"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    SCHEMA = "schema"
    """It is there, and not as the connector's settings say."""
    SETTINGS = "settings"
    """The connector's settings cannot be used, or contradict each other."""
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    """It answers that it cannot serve now, or breaks off."""
    NOT_LOOKED_AT = "not_looked_at"
    """There was no time to look at it; this says nothing about it."""
    OTHER = "other"

    @property
    def is_of_the_connector(self) -> bool:
        """Tell whether no stream of the connector can be read, whichever met it first."""
        return self in _OF_THE_CONNECTOR


_OF_THE_CONNECTOR = frozenset(
    {
        Fault.NAME_NOT_RESOLVED,
        Fault.REFUSED,
        Fault.TLS,
        Fault.LOGIN,
        Fault.RATE_LIMITED,
    }
)

"""What the errors of SQL Server mean: the number decides."""

from collections.abc import Mapping

from pytds import tds_base

from shared.connectors.driver_kinds import (
    COLUMN,
    DATABASE,
    DEADLOCK,
    LOCKED,
    LOGIN,
    QUERY,
    STOPPING,
    TABLE,
    VALUE,
)
from shared.connectors.failure_kinds import TIMEOUT, UNAVAILABLE, Kind, permanent, transient
from shared.domain.fault import Fault
from shared.domain.run import Reason

_WINDOWS_LOGIN = permanent(
    Reason.AUTHORIZATION,
    "refused the login: give a user of SQL Server and its password, since one of Windows cannot be"
    " used",
    Fault.LOGIN,
)
_PERMISSION = permanent(
    Reason.AUTHORIZATION,
    "does not permit the user to read this: grant it SELECT there, or make it a db_datareader",
    Fault.PERMISSION,
)
_FIREWALL = permanent(
    Reason.CONFIGURATION,
    "does not let this deployment in: allow its address in the server's firewall",
    Fault.PERMISSION,
)
_BUSY = transient(
    Reason.SOURCE_UNAVAILABLE,
    "has too many connections or too much work: let it have more if this stays so",
    Fault.UNAVAILABLE,
)
_UNREADABLE = permanent(
    Reason.CONFIGURATION,
    "holds text that is not valid in its own encoding: correct it there, or leave the column out",
    Fault.SCHEMA,
)

_BY_NUMBER: Mapping[int, Kind] = {
    18452: _WINDOWS_LOGIN,
    18456: LOGIN,
    **dict.fromkeys((18461, 18470, 18486, 18487, 18488), LOCKED),
    **dict.fromkeys((40615, 40914, 47073), _FIREWALL),
    # No such database, and none that this login may open: SQL Server does not say which.
    **dict.fromkeys((911, 4060, 4063, 4064), DATABASE),
    **dict.fromkeys((229, 230, 262, 297, 300, 916), _PERMISSION),
    **dict.fromkeys((208, 2812, 4902), TABLE),
    207: COLUMN,
    # A number that overflows, a division by zero, a text that is no number or no date.
    **dict.fromkeys((220, 232, 241, 242, 245, 517, 529, 8114, 8115, 8134, 9420), VALUE),
    # A query that it does not understand, collations that do not mix, a view of what is gone.
    **dict.fromkeys((102, 156, 195, 306, 402, 421, 451, 468, 4104, 4413, 4502, 8180), QUERY),
    **dict.fromkeys((1204, 1205, 1222, 3960, 3961), DEADLOCK),
    # Sessions, workers and memory: of the server, or of a service tier of Azure.
    **dict.fromkeys(
        (701, 802, 1105, 8645, 8651, 10928, 10929, 17809, 17889, 40501, 49918, 49919, 49920), _BUSY
    ),
    # It starts, stops, recovers, or hands over to another node.
    **dict.fromkeys(
        (596, 921, 922, 927, 942, 945, 952, 6005, 17142, 17187, 18401, 18451), STOPPING
    ),
    **dict.fromkeys((615, 976, 978, 979, 983, 988, 4221), STOPPING),
    **dict.fromkeys((40143, 40166, 40197, 40540, 40613, 42108, 42109), STOPPING),
}
_OF_THE_QUERY = range(11, 17)
"""Severities of what whoever asks can mend; above are the server's own troubles."""


MOST_ROW_BYTES = 64 * 1024 * 1024
"""Of a row as the server sends it: each of its values is in memory whole."""
_TOO_LARGE = permanent(
    Reason.CONFIGURATION,
    f"has a row of more than {MOST_ROW_BYTES // 1024**2} MiB: name the columns to read without the"
    " largest, or make the row smaller there",
    Fault.SCHEMA,
)


class TooLargeError(tds_base.InterfaceError):
    """A row has more bytes than are read of one."""


class LateError(tds_base.InterfaceError):
    """A wait for the server took too long, and the connection was cut for it."""


def kind_by_number(error: tds_base.Error) -> Kind:
    """Return what an error of python-tds means."""
    if isinstance(error, LateError):
        return TIMEOUT
    if isinstance(error, TooLargeError):
        return _TOO_LARGE
    if not isinstance(error, tds_base.DatabaseError):
        is_text = isinstance(error.__cause__, UnicodeDecodeError)
        return _UNREADABLE if is_text else UNAVAILABLE
    known = _BY_NUMBER.get(error.number)
    if known is not None:
        return known
    return QUERY if error.severity in _OF_THE_QUERY else UNAVAILABLE

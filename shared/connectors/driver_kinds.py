"""What the errors of database drivers can mean; `driver_failures` and the like say which do."""

from shared.connectors.failure_kinds import permanent, transient
from shared.domain.fault import Fault
from shared.domain.run import Reason

LOGIN = permanent(
    Reason.AUTHORIZATION, "refused the login: check user name and password", Fault.LOGIN
)
LOCKED = permanent(
    Reason.AUTHORIZATION,
    "refused the login: the account is locked, or its password has expired and has to be renewed",
    Fault.LOGIN,
)
PERMISSION = permanent(
    Reason.AUTHORIZATION,
    "does not permit the user to read this: grant it SELECT there; where a policy hides rows from"
    " it, BYPASSRLS too, or select a view that shows what may be read",
    Fault.PERMISSION,
)
VALUE = permanent(
    Reason.CONFIGURATION,
    "could not compute one of the values of the query: correct the row or the view there, or leave"
    " the column out",
    Fault.SCHEMA,
)
DATABASE = permanent(
    Reason.CONFIGURATION, "has no such database: correct its name in url", Fault.NOT_FOUND
)
TABLE = permanent(
    Reason.CONFIGURATION,
    "has no such table or view: correct its name and schema, or leave it out of the streams",
    Fault.NOT_FOUND,
)
COLUMN = permanent(
    Reason.CONFIGURATION,
    "has no such column: correct columns, primary_key and cursor, or the view that names it",
    Fault.SCHEMA,
)
QUERY = permanent(
    Reason.CONFIGURATION,
    "refused the query: see there whether a SELECT of this table works, or select other columns",
    Fault.SCHEMA,
)
BUSY = transient(
    Reason.SOURCE_UNAVAILABLE,
    "has too many connections: let it have more if this stays so",
    Fault.UNAVAILABLE,
)
STOPPING = transient(Reason.SOURCE_UNAVAILABLE, "is shutting down or starting", Fault.UNAVAILABLE)
DEADLOCK = transient(
    Reason.SOURCE_UNAVAILABLE, "ended the query because of other work", Fault.UNAVAILABLE
)

OTHER_NAME = permanent(
    Reason.CONFIGURATION,
    "has a certificate for another host name: use a name that stands in it",
    Fault.TLS,
)
EXPIRED = permanent(
    Reason.CONFIGURATION, "has a certificate that is not valid now: renew it there", Fault.TLS
)
UNTRUSTED = permanent(
    Reason.CONFIGURATION,
    "has a certificate that cannot be trusted: give the certificate of the authority that signed it"
    " in tls_ca, or see whether it has expired",
    Fault.TLS,
)
NO_TLS = permanent(
    Reason.CONFIGURATION,
    "offers no encrypted connection: switch that on there, or set tls to disable",
    Fault.TLS,
)
TLS_ONLY = permanent(
    Reason.CONFIGURATION, "takes encrypted connections only: set tls to verify-full", Fault.TLS
)
CLIENT_CERTIFICATE = permanent(
    Reason.CONFIGURATION,
    "wants a certificate that it knows: give one in tls_certificate, and its key in tls_key",
    Fault.TLS,
)

NO_SQLITE = permanent(
    Reason.CONFIGURATION,
    "is no SQLite file, is encrypted, or is damaged: put a whole file without encryption there",
    Fault.SCHEMA,
)
NOT_OPENED = permanent(
    Reason.CONFIGURATION,
    "cannot be opened, or lies in a folder without room for its locks: let this deployment read the"
    " file and write to its folder, or take it out of WAL mode",
)
UNFINISHED = transient(
    Reason.SOURCE_UNAVAILABLE,
    "is left in the middle of a change: open it with the program that writes it",
    Fault.UNAVAILABLE,
)
IN_USE = transient(
    Reason.SOURCE_UNAVAILABLE, "is locked by a program that writes it", Fault.UNAVAILABLE
)
ACTS = permanent(
    Reason.CONFIGURATION,
    "has a view that does more than read its own tables: leave it out of the streams",
    Fault.PERMISSION,
)
NOT_UTF8 = permanent(
    Reason.CONFIGURATION,
    "holds text that is not UTF-8: correct it there, or leave the column out",
    Fault.SCHEMA,
)

HELD = permanent(
    Reason.CONFIGURATION,
    "cannot hold one of the values that were read: drop the constraint or trigger that somebody"
    " added to its table, or leave the column out",
)
DUPLICATE = permanent(
    Reason.CONFIGURATION,
    "found two records with one primary key: choose a primary key that tells them apart",
)
DRIFT = permanent(
    Reason.CONFIGURATION,
    "has a table or column that is not as the last sync left it: undo what was changed there, drop"
    " the view that uses it, or load everything again with a new connector",
)
SIZE = permanent(
    Reason.CONFIGURATION,
    "cannot hold records of this size, with too many columns or a key too long: select fewer"
    " columns, or choose a shorter primary key",
)
NOT_OURS = permanent(
    Reason.INTERNAL,
    "does not let this deployment write a table or schema of its own: whoever runs it has to give"
    " its role back what is owned by another or was revoked",
)
NOT_TAKEN = transient(Reason.DATASET_UNAVAILABLE, "did not take the load")

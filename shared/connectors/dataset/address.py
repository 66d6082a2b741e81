"""Where people find the datasets: what a URL in libpq's form says, without anything secret."""

from dataclasses import dataclass
from urllib.parse import quote

from psycopg2.extensions import parse_dsn

_PORT = 5432
_DATABASE = "postgres"


@dataclass(frozen=True, slots=True)
class DatasetPlace:
    """Where the datasets are.

    `addresses` are hosts with ports, in the order in which they are tried; none if the URL names
    only a socket of the deployment's own machine. `sslmode` is libpq's, None if nothing is said.
    """

    addresses: tuple[tuple[str, int], ...]
    database: str | None
    sslmode: str | None

    @property
    def host(self) -> str | None:
        """Return the first host."""
        return self.addresses[0][0] if self.addresses else None

    @property
    def port(self) -> int | None:
        """Return the port of the first host."""
        return self.addresses[0][1] if self.addresses else None

    def url_for(self, user: str, password: str) -> str | None:
        """Return a URL to connect with; None where there is no address for others."""
        if not self.addresses:
            return None
        hosts = ",".join(f"{_written(host)}:{port}" for host, port in self.addresses)
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        database = quote(self.database or _DATABASE, safe="")
        options = "" if self.sslmode is None else f"?sslmode={quote(self.sslmode, safe='')}"
        return f"postgresql://{login}@{hosts}/{database}{options}"


def place_of(dataset_url: str, public_url: str | None = None) -> DatasetPlace:
    """Return where a URL leads, or the public one where the deployment has such a one.

    Both are in libpq's form; a list of hosts stays one. A public one that names no database means
    the same; how the deployment's own way is encrypted says nothing about the public one.
    """
    own = parse_dsn(dataset_url)
    parts = own if public_url is None else parse_dsn(public_url)
    database = parts.get("dbname") or own.get("dbname")
    return DatasetPlace(_addresses(parts), database, parts.get("sslmode"))


def _addresses(parts: dict[str, str]) -> tuple[tuple[str, int], ...]:
    hosts = (parts.get("host") or parts.get("hostaddr") or "").split(",")
    ports = (parts.get("port") or "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    pairs = zip(hosts, ports, strict=False)
    # A path, or a name that begins with @, is a socket of the machine.
    return tuple((host, int(port or _PORT)) for host, port in pairs if host and host[0] not in "/@")


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")

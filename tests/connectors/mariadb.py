"""A throw-away MariaDB server on a free port of the loopback interface."""

import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from tests.connectors.databases import PASSWORD

INSTALL_HINT = (
    "MariaDB is not installed: apt-get install -y --no-install-recommends mariadb-server"
    " (its system service is not needed)"
)
_START_SECONDS = 60.0


def find_mariadbd() -> str | None:
    """Return the path of the server program if there is one."""
    return shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def run_mariadb(program: str, folder: Path, *options: str) -> Generator[int]:
    """Run a server with its data in `folder` and yield its port; end it by its process."""
    data, port = folder / "data", _free_port()
    init = folder / "init.sql"
    init.write_text(
        f"CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
        "\nGRANT ALL ON *.* TO 'reader'@'127.0.0.1';\n"
    )
    installer = Path(program).with_name("mariadb-install-db")
    installer = installer if installer.exists() else Path("/usr/bin/mariadb-install-db")
    subprocess.run(
        [installer, "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                "--no-defaults",
                f"--datadir={data}",
                "--user=root",
                "--bind-address=127.0.0.1",
                f"--port={port}",
                f"--socket={folder / 'socket'}",
                f"--pid-file={folder / 'pid'}",
                f"--init-file={init}",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=0",
                "--skip-name-resolve",
                *options,
            ],
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="reader", password=PASSWORD).close()
        except pymysql.MySQLError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

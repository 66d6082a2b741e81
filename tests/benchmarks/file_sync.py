"""Peak memory and rows a second of a first sync of one CSV file: 100,000 rows against 1,000,000.

Run as `python -m tests.benchmarks.file_sync`; the exit status tells whether the peak holds. Each
sync is a process of its own, which does a small one first.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infra.local.postgres import THROW_AWAY, PostgresServer, start_postgres

TARGET = 1.15
_FEW, _MANY = 100_000, 1_000_000
_ROW = "{0},name {0},NO,{1},2024-01-01T00:00:00Z,a text that is as long as those of most tables\n"


def _write(folder: Path, name: str, rows: int) -> None:
    with (folder / f"{name}.csv").open("w") as file:
        file.write("id,name,country,price,changed,note\n")
        file.writelines(_ROW.format(number, number * 1.25) for number in range(rows))


def _sync(server: PostgresServer, folder: Path, name: str, rows: int) -> int:
    """Sync a file into an empty dataset, print how it went, and return the peak in KiB."""
    server.create_database("dataset")
    started = time.perf_counter()
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.connectors.cloud_storage.peak_memory",
            str(folder),
            server.libpq_url("dataset"),
            f"{name}.csv",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    elapsed = time.perf_counter() - started
    server.drop_database("dataset")
    grown, count = map(int, run.stdout.split())
    if count != rows:
        raise RuntimeError(f"{count} records were read, not {rows}")
    print(f"{rows:>9,} rows  {grown / 1024:>6.1f} MiB of growth  {rows / elapsed:>8,.0f} rows/s")
    return grown


def main() -> int:
    """Print both peaks and their ratio; return 0 if it is at most `TARGET`."""
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as name,
        start_postgres(Path(name) / "data", settings=THROW_AWAY) as server,
    ):
        folder = Path(name) / "files"
        folder.mkdir()
        for file, rows in (("small", 1), ("few", _FEW), ("many", _MANY)):
            _write(folder, file, rows)
        few = _sync(server, folder, "few", _FEW)
        many = _sync(server, folder, "many", _MANY)
    ratio = many / few
    print(f"ratio     {ratio:.2f}, to hold: at most {TARGET}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())

"""A sync needs no more memory for a large file than for a small one."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from tests.connectors.cloud_storage.drop import Folder, packed, rows_csv
from tests.connectors.cloud_storage.peak_memory import STATUS
from tests.connectors.databases import Postgres

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from Linux")


def _growth(folder: Folder, dataset: Postgres, name: str, rows: int) -> int:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.connectors.cloud_storage.peak_memory",
            str(folder.root),
            dataset.dsn,
            name,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    grown, count = map(int, run.stdout.split())
    assert count == rows
    return grown


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_five_times_the_rows_do_not_need_much_more_memory(
    folder: Folder, dataset: Postgres, ending: str
) -> None:
    for name, rows in (("small", 1), ("few", 20_000), ("many", 100_000)):
        if ending == "parquet":
            table = pa.table({"id": range(rows), "name": [f"name {n}" for n in range(rows)]})
            pq.write_table(table, Path(folder.root, f"{name}.{ending}"))
        else:
            text = rows_csv(rows)
            folder.put(f"{name}.{ending}", packed(text) if ending.endswith("gz") else text)
    few = _growth(folder, dataset, f"few.{ending}", 20_000)
    many = _growth(folder, dataset, f"many.{ending}", 100_000)
    print(f"peak memory grew by {few} KiB for 20,000 rows and {many} KiB for 100,000")
    assert many < 1.6 * few + 16_384

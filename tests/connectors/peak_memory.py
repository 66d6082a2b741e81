"""Sync one table in a process of its own and print how much its peak memory grew, in KiB.

Run as `python -m tests.connectors.peak_memory SOURCE_URL DATASET_URL TABLE`. Linux only.
"""

import re
import sys
from pathlib import Path

from shared.connectors.base import always_has_time
from tests.connectors.databases import Postgres, Shop, counts, orders

STATUS = Path("/proc/self/status")
"""Not `getrusage`, whose peak begins with that of the process which started this one."""


def _peak() -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def main() -> None:
    """Sync a small table first, so that imports and first allocations do not count."""
    source_url, dataset_url, table = sys.argv[1:]
    dataset = Postgres(dataset_url, dataset_url)
    Shop(orders(source_url, table="small"), dataset).sync()
    before = _peak()
    shop = Shop(orders(source_url, table=table), dataset)
    results = shop.sync_in_slices(has_time=always_has_time)
    print(_peak() - before, sum(counts(result)[1] for result in results))


if __name__ == "__main__":
    main()

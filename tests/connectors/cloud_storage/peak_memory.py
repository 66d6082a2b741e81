"""Sync one file in a process of its own and print how much its peak memory grew, in KiB.

Run as `python -m tests.connectors.cloud_storage.peak_memory ROOT DATASET_URL FILE`. Linux only.
The folder also has a file `small.csv`, which is synced first, so that imports do not count.
"""

import re
import sys
from pathlib import Path

from shared.egress.files import FilesRoot
from tests.connectors.cloud_storage.drop import Drop, folder_config
from tests.connectors.databases import Postgres

STATUS = Path("/proc/self/status")


def _peak() -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def main() -> None:
    """Sync the small file, and then the other; print growth and records."""
    root, dataset_url, name = sys.argv[1:]
    dataset = Postgres(dataset_url, dataset_url)

    def records(path: str) -> int:
        drop = Drop(folder_config(name="rows", files=[path]), dataset, FilesRoot(Path(root)))
        return sum(result.records_processed for result in drop.sync_run())

    records("small.*")
    before = _peak()
    count = records(name)
    print(_peak() - before, count)


if __name__ == "__main__":
    main()

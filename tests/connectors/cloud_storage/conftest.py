"""A folder of files, and small pages, for tests of file connectors."""

from pathlib import Path

import pytest

from tests.connectors.cloud_storage.drop import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return an empty folder that the deployment lets connectors read."""
    root = tmp_path / "files"
    root.mkdir()
    return Folder(root)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a page hold three records, and return that number."""
    from shared.connectors.cloud_storage import (  # noqa: PLC0415 (pyarrow is slow to import)
        parquet_reader,
        records,
    )

    monkeypatch.setattr(records, "PAGE_ROWS", 3)
    monkeypatch.setattr(parquet_reader, "PAGE_ROWS", 3)
    return 3

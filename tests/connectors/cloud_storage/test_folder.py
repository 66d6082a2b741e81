"""A folder of the deployment is read as any other store, and nothing beside it."""

import os
from pathlib import Path

import pytest

from shared.connectors.cloud_storage.folder import FolderStore
from shared.connectors.cloud_storage.store import FileChangedError, FileGoneError
from shared.egress.files import FilesRoot
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import Folder
from tests.connectors.cloud_storage.readings import stored


def _paths(root: Path, prefix: str = "", begin: str = "") -> set[str]:
    with FolderStore(FilesRoot(root), prefix) as store:
        return {file.path for page in store.pages(begin) for file in page}


def test_files_are_named_from_the_folder_of_the_url(folder: Folder) -> None:
    folder.put("in/a.csv", "x")
    folder.put("in/deep/b.csv", "x")
    folder.put("out/c.csv", "x")
    assert _paths(folder.root, "in/") == {"a.csv", "deep/b.csv"}
    assert _paths(folder.root, "in/", "deep/") == {"deep/b.csv"}
    assert _paths(folder.root, "", "in/d") == {"in/deep/b.csv"}
    assert _paths(folder.root, "in/", "later/") == set()


def test_a_url_that_names_no_folder_is_told(folder: Folder) -> None:
    with pytest.raises(PermanentError, match="There is no folder") as refused:
        _paths(folder.root, "gone/", "deep/")
    assert refused.value.fault == "not_found"


def test_no_link_is_read(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("canary")
    folder.put("a.csv", "x")
    (folder.root / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder.root / "out").symlink_to(tmp_path)
    assert _paths(folder.root) == {"a.csv"}


def test_a_file_that_became_a_link_is_not_followed_out(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("canary")
    path = folder.put("a.csv", "123456")
    listed = stored(folder, "a.csv")
    path.unlink()
    path.symlink_to(tmp_path / "secret.csv")
    with FolderStore(FilesRoot(folder.root), "") as store, pytest.raises(PermanentError) as refused:
        store.read(listed, 0, 6)
    assert refused.value.fault == "address_not_allowed"


def test_a_file_that_is_changed_or_gone_is_told(folder: Folder) -> None:
    path = folder.put("a.csv", "0123456789")
    listed = stored(folder, "a.csv")
    with FolderStore(FilesRoot(folder.root), "") as store:
        assert store.read(listed, 2, 3) == b"234"
        folder.put("a.csv", "9876543210", minute=1)
        with pytest.raises(FileChangedError):
            store.read(listed, 2, 3)
        path.unlink()
        with pytest.raises(FileGoneError):
            store.read(listed, 2, 3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(folder: Folder) -> None:
    path = folder.put("a.csv", "x")
    path.chmod(0)
    with FolderStore(FilesRoot(folder.root), "") as store, pytest.raises(PermanentError) as refused:
        store.read(stored(folder, "a.csv"), 0, 1)
    assert refused.value.fault == "permission"

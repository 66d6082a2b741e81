"""A connector finds the files below one folder of its deployment, and no others."""

import os
from pathlib import Path

import pytest

from shared.egress.files import FilesRoot
from shared.errors import PermanentError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a file beside a secret that is none of a connector's business."""
    (tmp_path / "secret").write_text("canary")
    (tmp_path / "root-but-longer").mkdir()
    (tmp_path / "root-but-longer" / "file").touch()
    folder = tmp_path / "root"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "file.db").touch()
    return folder


def _refusal(root: Path | None, path: str) -> tuple[str, str | None]:
    with pytest.raises(PermanentError) as refused:
        FilesRoot(root).open_path(path)
    assert refused.value.code == "configuration"
    return str(refused.value), refused.value.fault


def test_a_file_below_the_root_is_found_by_its_real_name(root: Path) -> None:
    (root / "link").symlink_to("a/file.db")
    (root / "folder").symlink_to(root / "a")
    for path in ("a/file.db", "./a//file.db", "link", "folder/file.db"):
        assert FilesRoot(root).open_path(path) == root.resolve() / "a" / "file.db"


def test_a_root_that_is_itself_a_link_leads_to_its_files(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mounted").symlink_to(root)
    assert FilesRoot(tmp_path / "mounted").open_path("a/file.db").is_relative_to(root.resolve())


def test_a_deployment_without_a_root_lets_no_file_be_read(root: Path) -> None:
    told, fault = _refusal(None, "a/file.db")
    assert "set SYNCLINE_FILES_ROOT" in told
    assert fault == "address_not_allowed"


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../secret", "a/../../secret", "/etc/passwd", "a\x00b", "a/\nfile.db"]
)
def test_a_path_that_may_lead_out_is_refused_as_it_stands(root: Path, path: str) -> None:
    told, fault = _refusal(root, path)
    assert "is no path below the folder of this deployment" in told
    assert fault == "address_not_allowed"


@pytest.mark.parametrize("target", ["../secret", "../root-but-longer/file", "/etc/passwd"])
def test_a_link_that_leads_out_is_refused(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    assert _refusal(root, "link")[0].startswith("'link' leads out of the folder")


def test_a_link_is_followed_anew_each_time(root: Path) -> None:
    (root / "link").symlink_to("a/file.db")
    FilesRoot(root).open_path("link")
    (root / "link").unlink()
    (root / "link").symlink_to("../secret")
    assert "leads out" in _refusal(root, "link")[0]


def test_what_is_no_file_is_told_as_not_there(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "circle").symlink_to("circle")
    (root / "nowhere").symlink_to("a/gone")
    for path in ("a", "pipe", "circle", "nowhere", "a/gone", "a/file.db/more", "x" * 300):
        told, fault = _refusal(root, path)
        assert told.startswith("There is no file")
        assert len(told) < 200
        assert fault == "not_found"


def test_a_root_that_is_not_there_is_told_as_the_file(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "gone", "a")[1] == "not_found"


def _walked(root: Path, folder: str = "") -> set[str]:
    return {path for path, _ in FilesRoot(root).walk(folder)}


def test_a_walk_finds_every_file_below_a_folder_with_its_facts(root: Path) -> None:
    (root / "a" / "b").mkdir()
    (root / "a" / "b" / "deep.csv").write_text("text")
    (root / "top.csv").touch()
    assert _walked(root) == {"a/file.db", "a/b/deep.csv", "top.csv"}
    assert dict(FilesRoot(root).walk("a/b"))["a/b/deep.csv"].st_size == 4


def test_a_walk_passes_over_links_and_what_is_no_file(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "a")
    (root / "link").symlink_to("../secret")
    (root / "circle").symlink_to(".")
    os.mkfifo(root / "pipe")
    assert _walked(root) == {"a/file.db"}


@pytest.mark.parametrize("folder", ["..", "/etc", "a/../..", "a\x00"])
def test_a_walk_begins_nowhere_else(root: Path, folder: str) -> None:
    with pytest.raises(PermanentError, match="is no path below the folder"):
        _walked(root, folder)


def test_a_walk_of_what_is_no_folder_is_told(root: Path) -> None:
    for folder in ("gone", "a/file.db"):
        with pytest.raises(PermanentError, match="There is no folder") as refused:
            _walked(root, folder)
        assert refused.value.fault == "not_found"
    with pytest.raises(PermanentError, match="set SYNCLINE_FILES_ROOT"):
        list(FilesRoot().walk(""))


def test_a_walk_does_not_begin_in_a_link_that_leads_out(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(PermanentError, match="leads out of the folder"):
        _walked(root, "out")

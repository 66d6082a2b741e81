"""The rules of `infra.local.unprivileged`."""

import os
from pathlib import Path

import pytest

from infra.local.unprivileged import Account, account_for, open_tree, open_way_to

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands over to another user")


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.skipif(os.geteuid() == 0, reason="root hands over to another user")
def test_an_ordinary_user_stays_itself(tmp_path: Path) -> None:
    assert account_for(tmp_path) == Account()


@as_root
def test_root_hands_over_to_an_account_without_rights(tmp_path: Path) -> None:
    account = account_for(tmp_path / "absent")

    assert account.user not in (None, 0)
    assert account.extra_groups == ()


@as_root
def test_root_hands_over_to_the_owner_of_existing_data(tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, 54_321)

    assert account_for(tmp_path) == Account(12_345, 54_321, ())


def test_the_way_is_opened_for_passing_and_not_for_listing(tmp_path: Path) -> None:
    inner = tmp_path / "private" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    inner.chmod(0o700)

    open_way_to(inner)

    assert _mode(tmp_path / "private") == 0o701
    assert _mode(inner) == 0o700


def test_a_closed_tree_is_opened_for_reading_and_running(tmp_path: Path) -> None:
    program = tmp_path / "tree" / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("")
    for path in (program, program.parent, tmp_path / "tree"):
        path.chmod(0o700)

    open_tree(tmp_path / "tree")

    assert {_mode(tmp_path / "tree"), _mode(program.parent), _mode(program)} == {0o705}

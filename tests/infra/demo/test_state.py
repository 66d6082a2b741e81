from pathlib import Path

import pytest

from infra.local.demo.state import load


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"connectors": 1}'])
def test_a_demo_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    assert load(tmp_path / "demo.json") is None
    assert load(tmp_path / "missing.json") is None

import pytest

from shared.store.driver import LocalSetting


@pytest.mark.parametrize("value", ["1'; DROP TABLE workspace", "a b", "", "\\", "1;2", "$$"])
def test_a_setting_that_could_end_its_own_quotes_is_refused(value: str) -> None:
    if value:
        with pytest.raises(ValueError, match="signs"):
            LocalSetting("syncline.workspace_id", value)
    with pytest.raises(ValueError, match="signs"):
        LocalSetting(f"{value}'", "1")

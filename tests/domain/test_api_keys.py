import pytest

from shared.domain.access import Role
from shared.domain.api_keys import ApiKey, parse_api_key

KEY = ApiKey("0" * 12, "a" * 64)


def test_a_key_survives_its_text() -> None:
    assert parse_api_key(KEY.text) == KEY


@pytest.mark.parametrize("text", ["", "syn_", KEY.text + "a", KEY.text.upper(), f" {KEY.text}"])
def test_what_is_not_a_key_is_none(text: str) -> None:
    assert parse_api_key(text) is None


def test_the_hash_does_not_hold_the_secret() -> None:
    assert KEY.secret.encode() not in KEY.secret_hash
    assert len(KEY.secret_hash) == 32


def test_roles_include_the_ones_below_them() -> None:
    allowed = {role: [other for other in Role if role.allows(other)] for role in Role}
    assert allowed == {
        Role.VIEWER: [Role.VIEWER],
        Role.EDITOR: [Role.VIEWER, Role.EDITOR],
        Role.ADMIN: list(Role),
    }

"""Secrets leave a config wherever they stand, and come back to the same places."""

from typing import Annotated, Literal

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Secret,
    SecretBytes,
    SecretStr,
    StringConstraints,
    computed_field,
)

from shared.connectors.registry import connector_type, slugs
from shared.connectors.secrets import join_secrets, split_secrets
from shared.errors import PermanentError

CANARY = "canary-Zx81"


class Basic(BaseModel):
    kind: Literal["basic"]
    user: str
    password: SecretStr


class Bearer(BaseModel):
    kind: Literal["bearer"]
    token: Annotated[SecretStr, Field(min_length=3)]


class Header(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)

    name: str
    content: SecretStr | None = Field(default=None, alias="value")


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = "https://example.com"
    port: int = 443
    key: SecretStr | None = None
    auth: Annotated[Basic | Bearer, Field(discriminator="kind")] | None = None
    headers: list[Header] = Field(default_factory=list[Header])
    tokens: tuple[SecretStr, ...] = ()
    parameters: dict[str, SecretStr | str] = Field(default_factory=dict[str, SecretStr | str])

    @computed_field
    @property
    def is_safe(self) -> bool:
        return self.url.startswith("https:")


def parts(**values: object) -> tuple[dict[str, object], dict[str, str]]:
    return split_secrets(Config.model_validate(values))


@pytest.mark.parametrize(
    ("values", "secrets"),
    [
        ({}, {}),
        ({"key": "k"}, {"/key": "k"}),
        ({"key": ""}, {"/key": ""}),
        ({"auth": {"kind": "basic", "user": "u", "password": "p"}}, {"/auth/password": "p"}),
        ({"auth": {"kind": "bearer", "token": "ttt"}}, {"/auth/token": "ttt"}),
        (
            {"headers": [{"name": "a", "value": "1"}, {"name": "b"}, {"name": "c", "value": "3"}]},
            {"/headers/0/value": "1", "/headers/2/value": "3"},
        ),
        ({"tokens": ["one", "two"]}, {"/tokens/0": "one", "/tokens/1": "two"}),
        (
            {"parameters": {"a/b~c": "s", "": "empty", "0": "number"}},
            {"/parameters/a~1b~0c": "s", "/parameters/": "empty", "/parameters/0": "number"},
        ),
    ],
)
def test_what_is_split_at_any_depth_is_joined_again(
    values: dict[str, object], secrets: dict[str, str]
) -> None:
    config = Config.model_validate(values)
    plain, found = split_secrets(config)
    assert found == secrets
    assert join_secrets(Config, plain, found) == config


def test_the_plain_part_is_the_config_without_its_secrets() -> None:
    plain, _ = parts(
        key=CANARY,
        auth={"kind": "basic", "user": "reader", "password": CANARY},
        headers=[{"name": "X-Key", "value": CANARY}],
        tokens=[CANARY, CANARY],
        parameters={"signature": CANARY},
    )
    assert plain == {
        "url": "https://example.com",
        "port": 443,
        "auth": {"kind": "basic", "user": "reader"},
        "headers": [{"name": "X-Key"}],
        "tokens": [None, None],
        "parameters": {},
    }


def test_a_secret_that_is_not_set_is_null_as_any_other_setting() -> None:
    plain, secrets = parts(headers=[{"name": "X-Key"}])
    assert (plain["key"], plain["headers"]) == (None, [{"name": "X-Key", "value": None}])
    assert secrets == {}


def test_joining_leaves_what_was_stored_as_it_was() -> None:
    plain, secrets = parts(auth={"kind": "bearer", "token": CANARY})
    join_secrets(Config, plain, secrets)
    assert plain["auth"] == {"kind": "bearer"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"headers": []}, "/headers/0/value"),
        ({"headers": None}, "/headers/0/value"),
        ({"headers": {"first": {"name": "a"}}}, "/headers/0/value"),
    ],
)
def test_a_secret_whose_place_is_gone_is_told_by_its_place(
    changes: dict[str, object], place: str
) -> None:
    plain, secrets = parts(headers=[{"name": "X-Key", "value": CANARY}])
    with pytest.raises(PermanentError) as refused:
        join_secrets(Config, {**plain, **changes}, secrets)
    assert str(refused.value) == (
        f"The connector's settings no longer fit its type: {place}. Edit them."
    )
    assert refused.value.code == "configuration"


def test_a_secret_that_was_stored_under_the_name_of_its_field_comes_back() -> None:
    plain, _ = parts()
    assert join_secrets(Config, plain, {"key": "k"}) == Config.model_validate({"key": "k"})


@pytest.mark.parametrize("pointer", ["", "auth/token", "/", "/tokens/-", "/auth/token"])
def test_a_name_that_points_nowhere_is_refused(pointer: str) -> None:
    plain, _ = parts()
    with pytest.raises(PermanentError, match="no longer fit its type") as refused:
        join_secrets(Config, plain, {pointer: CANARY})
    assert CANARY not in str(refused.value)


def test_a_config_that_its_type_no_longer_takes_is_told_by_field_and_shows_no_secret() -> None:
    plain, _ = parts(auth={"kind": "bearer", "token": CANARY})
    outgrown = {**plain, "port": CANARY, "colour": "red"}
    with pytest.raises(PermanentError) as refused:
        join_secrets(Config, outgrown, {"/auth/token": "x"})
    assert str(refused.value) == (
        "The connector's settings no longer fit its type: /auth/bearer/token, /colour, /port."
        " Edit them."
    )
    assert CANARY not in f"{refused.value!r} {refused.value.__cause__!r}"


class Bytes(BaseModel):
    inner: dict[str, SecretBytes]


class Number(BaseModel):
    inner: dict[str, Secret[int]]


class Names(BaseModel):
    names: frozenset[SecretStr | str]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (Bytes(inner={"pin": SecretBytes(b"1")}), "/inner/pin is a secret and no text"),
        (Number(inner={"pin": Secret(1)}), "/inner/pin is a secret and no text"),
        (Names(names=frozenset({SecretStr("a")})), "/names is a set of secrets"),
    ],
)
def test_a_secret_that_could_not_come_back_is_refused_rather_than_lost(
    config: BaseModel, reason: str
) -> None:
    with pytest.raises(TypeError, match=reason):
        split_secrets(config)


def test_a_set_without_secrets_is_a_setting_as_any_other() -> None:
    names = Names.model_construct(names=frozenset({"a"}))
    assert split_secrets(names) == ({"names": ["a"]}, {})


@pytest.mark.parametrize("slug", slugs())
def test_every_secret_of_a_connector_type_is_marked_in_its_schema(slug: str) -> None:
    """What a form shows as a password is what is sealed, and the other way round."""
    text = str(connector_type(slug).config_model.model_json_schema())
    assert text.count("'format': 'password'") == text.count("'writeOnly': True")


class Long(BaseModel):
    url: Annotated[str, StringConstraints(max_length=5)]


def test_a_value_that_is_wrong_is_not_quoted() -> None:
    with pytest.raises(PermanentError) as refused:
        join_secrets(Long, {"url": CANARY}, {})
    assert CANARY not in str(refused.value)

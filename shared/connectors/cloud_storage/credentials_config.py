"""How a store is told who reads: one of these, by `type`."""

import base64
import binascii
import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
)

from shared.egress.origins import origin_of
from shared.errors import PermanentError

MODEL = ConfigDict(
    extra="forbid",
    frozen=True,
    strict=True,
    hide_input_in_errors=True,  # a rejected value may be a secret
)
_LONGEST_SECRET = 16_384
_PLAIN = re.compile(r"[\x21-\x7e]+")
_SERVICE_ACCOUNT_FIELDS = ("client_email", "private_key", "token_uri")


def _plain(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError("use plain ASCII without spaces: was more copied than the key?")
    return text


def _plain_secret(secret: SecretStr) -> SecretStr:
    _plain(secret.get_secret_value())
    return secret


PlainText = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_plain)]
PlainSecret = Annotated[
    SecretStr, Field(min_length=1, max_length=_LONGEST_SECRET), AfterValidator(_plain_secret)
]


class NoCredentials(BaseModel):
    """A store that anyone may read, and files of the deployment."""

    model_config = MODEL

    type: Literal["none"] = "none"


class AwsKeys(BaseModel):
    """An access key, of AWS or of a store that speaks S3."""

    model_config = MODEL

    type: Literal["aws_keys"]
    access_key_id: PlainText
    secret_access_key: PlainSecret
    session_token: PlainSecret | None = Field(
        default=None, description="Of temporary keys only. They end, and the connector with them."
    )


class GoogleServiceAccount(BaseModel):
    """The key of a Google service account."""

    model_config = MODEL

    type: Literal["google_service_account"]
    key: SecretStr = Field(
        max_length=_LONGEST_SECRET, description="The whole JSON file that Google gives out once."
    )

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: SecretStr) -> SecretStr:
        fields = _json_object(key.get_secret_value())
        if fields.get("type") != "service_account":
            raise ValueError("this is no key of a service account: paste its whole JSON file")
        absent = [name for name in _SERVICE_ACCOUNT_FIELDS if not isinstance(fields.get(name), str)]
        if absent:
            raise ValueError(f"{absent[0]} is missing: paste the whole JSON file")
        try:
            origin_of(fields["token_uri"])
        except PermanentError:
            raise ValueError("its token_uri is no address") from None
        return key

    def fields(self) -> dict[str, Any]:
        """Return the fields of the key, the private one included: never log them."""
        return _json_object(self.key.get_secret_value())


class AzureAccountKey(BaseModel):
    """One of the two keys of an Azure storage account."""

    model_config = MODEL

    type: Literal["azure_account_key"]
    account_key: PlainSecret

    @field_validator("account_key")
    @classmethod
    def _check_key(cls, key: SecretStr) -> SecretStr:
        try:
            base64.b64decode(key.get_secret_value(), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("this is no account key: it is base64, 88 letters long") from None
        return key


class AzureSas(BaseModel):
    """A shared access signature that may read and list."""

    model_config = MODEL

    type: Literal["azure_sas"]
    token: PlainSecret = Field(description="With sp=rl at least, and an end that is far enough.")

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: SecretStr) -> SecretStr:
        if "sig=" not in token.get_secret_value() or "://" in token.get_secret_value():
            raise ValueError("give what follows the ? of a SAS URL, with its sig=")
        return token


Credentials = Annotated[
    NoCredentials | AwsKeys | GoogleServiceAccount | AzureAccountKey | AzureSas,
    Field(discriminator="type"),
]


def _json_object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError("this is no JSON object: paste the whole JSON file")  # noqa: TRY004 (pydantic's)
    return fields

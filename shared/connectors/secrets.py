"""Which fields of a connector's config are secret: stored sealed, and never shown again."""

from collections.abc import Mapping
from typing import get_args

from pydantic import BaseModel, SecretStr, ValidationError

from shared.errors import PermanentError


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the top-level fields that hold a `SecretStr`."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    )


def split_secrets(config: BaseModel) -> tuple[dict[str, object], dict[str, str]]:
    """Return a config as plain JSON values without its secrets, and the secrets that are set."""
    names = secret_fields(type(config))
    secrets = {
        name: value.get_secret_value()
        for name in names
        if isinstance(value := getattr(config, name), SecretStr)
    }
    return config.model_dump(mode="json", exclude=set(names)), secrets


def join_secrets(
    model: type[BaseModel], plain: Mapping[str, object], secrets: Mapping[str, str]
) -> BaseModel:
    """Return the config with its secrets; raise `PermanentError` if it no longer fits the type."""
    try:
        return model.model_validate({**plain, **secrets})
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise PermanentError(
            f"The connector's settings no longer fit its type: {', '.join(fields)}. Edit them."
        ) from None

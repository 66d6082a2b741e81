"""Settings of a file connector are checked before they are stored, and say what is wrong."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.secrets import join_secrets, split_secrets
from tests.connectors.cloud_storage.drop import stream_config

CANARY = "hunter2-canary"
KEY = {"type": "aws_keys", "access_key_id": "AKIA", "secret_access_key": CANARY}
SERVICE_ACCOUNT = {
    "type": "service_account",
    "client_email": "a@b",
    "private_key": CANARY,
    "token_uri": "https://oauth2.googleapis.com/token",
}


def _config(url: str, **settings: Any) -> dict[str, Any]:
    return {"url": url, "streams": [stream_config()]} | settings


@pytest.mark.parametrize(
    "config",
    [
        _config("s3://bucket/in/put", credentials=KEY, region="eu-north-1"),
        _config("s3://bucket", endpoint_url="https://minio.example.com/"),
        _config(
            "gs://bucket",
            credentials={"type": "google_service_account", "key": json.dumps(SERVICE_ACCOUNT)},
        ),
        _config(
            "az://exports",
            account="acme",
            credentials={"type": "azure_account_key", "account_key": "a2V5"},
        ),
        _config(
            "az://$web", account="acme", credentials={"type": "azure_sas", "token": "?sp=r&sig=x"}
        ),
        _config("file:///"),
        _config("file:///in/put"),
    ],
)
def test_settings_survive_the_way_through_the_database(config: dict[str, Any]) -> None:
    parsed = CloudStorageConfig.model_validate(config)
    plain, secrets = split_secrets(parsed)
    assert CANARY not in json.dumps(plain)
    assert join_secrets(CloudStorageConfig, json.loads(json.dumps(plain)), secrets) == parsed
    assert CloudStorageConfig.cursors_of(plain) == {"orders": "_file_modified_at"}


def test_a_prefix_is_a_folder() -> None:
    location = CloudStorageConfig.model_validate(_config("s3://bucket/in/put/")).location
    assert (location.bucket, location.prefix) == ("bucket", "in/put/")


def test_a_stream_that_is_read_whole_has_no_cursor() -> None:
    config = _config("file:///", streams=[stream_config(sync_mode="full_refresh")])
    plain, _ = split_secrets(CloudStorageConfig.model_validate(config))
    assert CloudStorageConfig.cursors_of(plain) == {"orders": None}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (_config("ftp://bucket"), "write it as s3://bucket"),
        (_config("s3://"), "names no bucket"),
        (_config("s3://bucket/*.csv"), "patterns belong in the streams"),
        (_config("s3://bucket/../other"), "leave out . and .."),
        (_config("file://host/path"), "three slashes"),
        (_config("gs://bucket", credentials=KEY), "gs:// takes credentials of type google"),
        (_config("az://exports"), "account goes with az://"),
        (_config("s3://bucket", account="acme"), "account goes with az://"),
        (_config("az://exports", account="Acme!"), "3 to 24 small letters"),
        (_config("gs://bucket", region="eu"), "region goes with s3://"),
        (_config("s3://bucket", region="eu/../x"), "a region is written as"),
        (_config("s3://bucket", endpoint_url="ftp://x"), "has to start with https://"),
        (_config("s3://bucket", endpoint_url="https://a:b@x"), "holds a login"),
        (_config("file:///", endpoint_url="https://x"), "has no endpoint"),
        (_config("s3://bucket", credentials=KEY | {"session_token": f"{CANARY} x"}), "plain ASCII"),
        (
            _config("gs://b", credentials={"type": "google_service_account", "key": CANARY}),
            "paste the whole JSON file",
        ),
        (
            _config(
                "gs://bucket",
                credentials={
                    "type": "google_service_account",
                    "key": json.dumps(SERVICE_ACCOUNT | {"type": "authorized_user"}),
                },
            ),
            "no key of a service account",
        ),
        (
            _config(
                "az://exports",
                account="acme",
                credentials={"type": "azure_account_key", "account_key": CANARY},
            ),
            "no account key",
        ),
        (
            _config(
                "az://exports",
                account="acme",
                credentials={"type": "azure_sas", "token": f"https://x?{CANARY}"},
            ),
            "what follows the ?",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused_without_a_secret(
    config: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        CloudStorageConfig.model_validate(config)
    assert told in str(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ({"files": []}, "at least 1"),
        ({"files": ["/a"]}, "relative to the url"),
        ({"files": ["a", "a"]}, "may stand once only"),
        ({"primary_key": ["id"], "columns": ["name"]}, "columns leaves out the primary key"),
        ({"columns": ["_row"]}, "_row is always there"),
        ({"csv": {"types": {"_file": "text"}}}, "_file is always there"),
        ({"csv": {"delimiter": '"'}}, "two different signs"),
        ({"csv": {"delimiter": "\n"}}, "no line ends"),
        ({"csv": {"column_names": ["a", "a"]}}, "may stand once only"),
        ({"encoding": "utf-7"}, "encoding"),
        ({"name": " orders"}, "no spaces at the ends"),
    ],
)
def test_a_stream_that_cannot_be_used_is_refused(stream: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=r"streams") as refused:
        CloudStorageConfig.model_validate(_config("file:///", streams=[stream_config(**stream)]))
    assert told in str(refused.value)


def test_streams_whose_names_differ_in_case_alone_are_refused() -> None:
    streams = [stream_config(), stream_config(name="Orders")]
    with pytest.raises(ValidationError, match="may stand once only"):
        CloudStorageConfig.model_validate(_config("file:///", streams=streams))

"""Files are listed and read the same from every store, and what is wrong is told the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.connectors.base import SourceAccess
from shared.connectors.cloud_storage import CONNECTOR_TYPE
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.opening import open_store
from shared.connectors.cloud_storage.store import (
    FileChangedError,
    FileGoneError,
    Store,
    StoredFile,
)
from shared.egress.guard import Guard
from shared.errors import PermanentError, TransientError
from tests.connectors.cloud_storage.azure_server import SAS, AzureContainer, run_azure
from tests.connectors.cloud_storage.drop import Drop, counts, packed, rows_csv
from tests.connectors.cloud_storage.google_server import GoogleBucket, other_key, run_google
from tests.connectors.cloud_storage.stores import (
    BucketServer,
    S3Bucket,
    S3Server,
    credentials,
    run_s3,
)
from tests.connectors.databases import Postgres
from tests.loopback import LOOPBACK

ODD = "a/æ ø&+=?#%41;'[x]!~.csv"


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server) -> S3Bucket:
    return s3_server.bucket()


@pytest.fixture
def google() -> Iterator[GoogleBucket]:
    with run_google("acme-exports") as bucket:
        yield bucket


@pytest.fixture
def azure() -> Iterator[AzureContainer]:
    with run_azure("exports") as container:
        yield container


@pytest.fixture(params=["s3", "google", "azure"])
def bucket(request: pytest.FixtureRequest) -> BucketServer:
    return request.getfixturevalue(request.param)


def _open(config: dict[str, Any], guard: Guard = LOOPBACK) -> Store:
    settings = CloudStorageConfig.model_validate(config)
    return open_store(settings, SourceAccess(config=settings, guard=guard))


def _files(store: Store, prefix: str = "") -> dict[str, StoredFile]:
    return {file.path: file for page in store.pages(prefix) for file in page}


def _refusal(config: dict[str, Any], guard: Guard = LOOPBACK) -> PermanentError | TransientError:
    drop = Drop(config, guard=guard)
    with pytest.raises((PermanentError, TransientError)) as refused:
        CONNECTOR_TYPE.check(drop.access)
    assert "canary" not in str(refused.value)
    return refused.value


def test_files_are_listed_over_pages_below_the_folder_of_the_url(bucket: BucketServer) -> None:
    for number in range(5):
        bucket.put(f"shop/{number}.csv", b"x" * number)
    bucket.put("shop/", b"")
    bucket.put("shopping/no.csv", b"x")
    with _open(bucket.config("shop")) as store:
        files = _files(store)
        assert {path: file.size for path, file in files.items()} == {
            f"{number}.csv": number for number in range(5)
        }
        assert set(_files(store, "3")) == {"3.csv"}


def test_a_part_of_a_file_is_read_whatever_its_name(bucket: BucketServer) -> None:
    bucket.put(ODD, b"0123456789")
    with _open(bucket.config()) as store:
        file = _files(store)[ODD]
        assert store.read(file, 0, 10) == b"0123456789"
        assert store.read(file, 3, 4) == b"3456"


def test_what_was_stored_compressed_comes_as_it_is_stored(bucket: BucketServer) -> None:
    content = packed(rows_csv(10))
    bucket.put("a.csv.gz", content)
    with _open(bucket.config()) as store:
        assert store.read(_files(store)["a.csv.gz"], 0, len(content)) == content


def test_a_file_that_changed_or_is_gone_since_it_was_listed_is_not_read(
    bucket: BucketServer,
) -> None:
    bucket.put("a.csv", b"0123456789")
    bucket.put("b.csv", b"0123456789")
    with _open(bucket.config()) as store:
        files = _files(store)
        bucket.put("a.csv", b"another text")
        bucket.delete("b.csv")
        with pytest.raises(FileChangedError, match=r"a\.csv was changed while it was read"):
            store.read(files["a.csv"], 0, 5)
        with pytest.raises(FileGoneError, match=r"b\.csv is gone"):
            store.read(files["b.csv"], 0, 5)


def test_records_of_a_store_land_once(bucket: BucketServer, dataset: Postgres) -> None:
    bucket.put("in/one.csv", rows_csv(3).encode())
    bucket.put("in/two.csv", rows_csv(2).encode())
    drop = Drop(bucket.config("in"), dataset)
    assert counts(drop.sync()) == (5, 5, 0)
    assert counts(drop.sync()) == (0, 0, 0)
    assert drop.loaded("_file, _row, id") == [
        *(("one.csv", number, str(number)) for number in (1, 2, 3)),
        *(("two.csv", number, str(number)) for number in (1, 2)),
    ]


def test_an_address_that_is_not_allowed_is_not_reached(bucket: BucketServer) -> None:
    refused = _refusal(bucket.config(), Guard())
    assert refused.fault == "address_not_allowed"


def test_a_bucket_that_is_not_there_is_told(bucket: BucketServer) -> None:
    config = bucket.config() | {"url": f"{bucket.config()['url'][:5]}nosuch-bucket"}
    refused = _refusal(config)
    assert (refused.fault, refused.code) == ("not_found", "configuration")
    assert "no such bucket or container" in str(refused)


def test_a_stream_that_no_file_matches_is_told_and_the_others_are_not(
    bucket: BucketServer,
) -> None:
    bucket.put("a.csv", rows_csv(1).encode())
    config = bucket.config()
    config["streams"].append({"name": "none", "files": ["*.parquet"]})
    drop = Drop(config)
    (failure,) = CONNECTOR_TYPE.check(drop.access)
    assert (failure.stream, failure.error.fault) == ("none", "not_found")


@pytest.mark.parametrize(
    ("keys", "fault"),
    [(("AKIAUNKNOWN", "x"), "login"), (("", "wrong"), "login"), (None, "permission")],
)
def test_s3_tells_unknown_keys_from_keys_that_may_not_read(
    s3: S3Bucket, keys: tuple[str, str] | None, fault: str
) -> None:
    s3.put("a.csv", rows_csv(1).encode())
    chosen = s3.server.keys_of_nobody if keys is None else (keys[0] or s3.server.keys[0], keys[1])
    refused = _refusal(s3.config() | {"credentials": credentials(chosen)})
    assert (refused.fault, refused.code) == (fault, "authorization")


def test_s3_takes_nothing_from_the_machine(
    s3: S3Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from botocore import credentials as of_botocore  # noqa: PLC0415

    s3.put("a.csv", rows_csv(1).encode())
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    login = "aws_access_key_id = {}\naws_secret_access_key = {}\n".format(*s3.server.keys)
    (home / ".aws" / "credentials").write_text(f"[default]\n{login}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.server.keys[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.server.keys[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(of_botocore, "create_credential_resolver", _not_allowed)
    with _open(s3.config()) as store:
        assert set(_files(store)) == {"a.csv"}
    refused = _refusal(s3.config() | {"credentials": credentials(("AKIAUNKNOWN", "x"))})
    assert refused.fault == "login"


def _not_allowed(*_: object, **__: object) -> None:
    raise AssertionError("botocore looked for credentials by itself")


def test_google_fetches_a_token_by_the_key_once(google: GoogleBucket) -> None:
    google.put("a.csv", rows_csv(1).encode())
    with _open(google.config()) as store:
        for _ in range(3):
            _files(store)
    assert google.tokens_given == ["reader@acme.iam.gserviceaccount.com"]


def test_a_key_that_google_does_not_know_is_told(google: GoogleBucket) -> None:
    key = google.service_account(private_key=other_key())
    refused = _refusal(google.config() | {"credentials": key})
    assert (refused.fault, refused.code) == ("login", "authorization")
    broken = google.service_account(private_key="-----BEGIN PRIVATE KEY-----")
    refused = _refusal(google.config() | {"credentials": broken})
    assert "key of the service account cannot be used" in str(refused)


def test_a_token_is_fetched_only_from_an_address_that_is_allowed(google: GoogleBucket) -> None:
    key = google.service_account(token_uri="http://169.254.169.254/token")
    assert _refusal(google.config() | {"credentials": key}).fault == "address_not_allowed"


def test_files_that_may_be_listed_and_not_read_fail_their_stream(google: GoogleBucket) -> None:
    google.put("a.csv", rows_csv(1).encode())
    google.refuses_reading = True
    drop = Drop(google.config())
    (failure,) = CONNECTOR_TYPE.check(drop.access)
    assert failure.error.fault == "permission"


def test_azure_takes_a_signature_and_refuses_another_key(azure: AzureContainer) -> None:
    azure.put("a.csv", rows_csv(1).encode())
    config = azure.config() | {"credentials": {"type": "azure_sas", "token": SAS}}
    with _open(config) as store:
        assert store.read(_files(store)["a.csv"], 0, 2) == b"id"
    wrong = {"type": "azure_account_key", "account_key": "d3Jvbmc="}
    refused = _refusal(azure.config() | {"credentials": wrong})
    assert (refused.fault, refused.code) == ("login", "authorization")


def test_nothing_listens_is_told_as_refused(azure: AzureContainer) -> None:
    config = azure.config() | {"endpoint_url": "http://127.0.0.1:1"}
    assert _refusal(config).fault == "refused"

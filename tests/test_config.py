"""Settings: every variable that is missing or unusable is named in one clear sentence."""

import json
import pickle
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from shared.config import (
    KeySettings,
    OidcIssuer,
    Settings,
    read_database_url,
    read_dataset_url,
    read_key_settings,
)
from shared.errors import ConfigurationError

REQUIRED = {
    "SYNCLINE_DATABASE_URL": "postgresql+pg8000://syncline:canary-db@db/syncline",
    "SYNCLINE_DATASET_URL": "postgresql://syncline:canary-ds@db/datasets",
    "SYNCLINE_WORKER_URL": "https://worker.test",
    "SYNCLINE_DISPATCHER_URL": "https://dispatcher.test",
    "SYNCLINE_TASKS_SERVICE_ACCOUNT": "tasks@test.iam.gserviceaccount.com",
    "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT": "scheduler@test.iam.gserviceaccount.com",
}
NUMBERS = (
    "SYNCLINE_POOL_SIZE",
    "SYNCLINE_LOOK_AHEAD_SECONDS",
    "SYNCLINE_LEASE_SECONDS",
    "SYNCLINE_TICK_BUDGET_SECONDS",
)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(name: str) -> None:
    env = {key: value for key, value in REQUIRED.items() if key != name}
    with pytest.raises(ConfigurationError, match=rf"^Set {name}\. README\.md") as refused:
        Settings.from_env(env)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("name", REQUIRED)
def test_an_empty_variable_is_missing(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Set {name}\."):
        Settings.from_env({**REQUIRED, name: ""})


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=f"^Set {', '.join(REQUIRED)}"):
        Settings.from_env({})


def test_the_required_variables_are_enough() -> None:
    settings = Settings.from_env(REQUIRED)
    assert settings.database_url == REQUIRED["SYNCLINE_DATABASE_URL"]
    assert settings.dataset_url == REQUIRED["SYNCLINE_DATASET_URL"]
    assert settings.worker_url == "https://worker.test"
    assert settings.dispatcher_url == "https://dispatcher.test"
    assert settings.tasks_service_account == REQUIRED["SYNCLINE_TASKS_SERVICE_ACCOUNT"]
    assert settings.scheduler_service_account == REQUIRED["SYNCLINE_SCHEDULER_SERVICE_ACCOUNT"]


def test_what_nobody_set_has_the_defaults_of_the_cloud() -> None:
    settings = Settings.from_env(REQUIRED)
    assert (settings.scheduled_queue, settings.interactive_queue) == (
        "syncs-scheduled",
        "syncs-interactive",
    )
    assert settings.oidc_certs_url == "https://www.googleapis.com/oauth2/v1/certs"
    assert (settings.tasks_emulator, settings.scheduler_emulator) == (None, None)
    assert settings.keys == KeySettings(file=None, kms=None, kms_emulator=None)
    assert settings.log_format == "json"
    assert settings.pool_size == 8
    assert settings.look_ahead == timedelta(seconds=90)
    assert settings.lease == timedelta(seconds=90)
    assert settings.tick_budget == timedelta(seconds=40)


def test_each_variable_sets_its_own_field() -> None:
    settings = Settings.from_env(
        {
            **REQUIRED,
            "SYNCLINE_PROJECT": "p",
            "SYNCLINE_LOCATION": "l",
            "SYNCLINE_SCHEDULED_QUEUE": "s",
            "SYNCLINE_INTERACTIVE_QUEUE": "i",
            "SYNCLINE_OIDC_CERTS_URL": "c",
            "CLOUD_TASKS_EMULATOR_HOST": "t",
            "CLOUD_SCHEDULER_EMULATOR_HOST": "e",
            "SYNCLINE_KEY_FILE": "k",
            "CLOUD_KMS_EMULATOR_HOST": "m",
            "SYNCLINE_LOG_FORMAT": "text",
            **{name: str(number) for number, name in enumerate(NUMBERS, start=1)},
        }
    )
    assert (settings.project, settings.location) == ("p", "l")
    assert (settings.scheduled_queue, settings.interactive_queue) == ("s", "i")
    assert settings.oidc_certs_url == "c"
    assert (settings.tasks_emulator, settings.scheduler_emulator) == ("t", "e")
    assert settings.keys == KeySettings(file="k", kms=None, kms_emulator="m")
    assert settings.log_format == "text"
    durations = (settings.look_ahead, settings.lease, settings.tick_budget)
    assert settings.pool_size == 1
    assert durations == tuple(timedelta(seconds=number) for number in (2, 3, 4))


def test_an_empty_optional_variable_is_one_that_nobody_set() -> None:
    optional = ("SYNCLINE_PROJECT", "SYNCLINE_LOG_FORMAT", "SYNCLINE_KEY_FILE", *NUMBERS)
    empty = dict.fromkeys(optional, "")
    assert Settings.from_env({**REQUIRED, **empty}) == Settings.from_env(REQUIRED)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "text", ["0", "00", "-1", "1.5", "1e3", " 8", "8 ", "8\n", "eight", "٣", "²", "1000000"]
)
def test_a_number_that_is_none_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({**REQUIRED, name: text})
    assert str(refused.value) == f"{name} is {text!r}: use a whole number from 1 to 999999."


def test_a_long_mistake_is_told_in_short() -> None:
    for name in ("SYNCLINE_POOL_SIZE", "SYNCLINE_LOG_FORMAT"):
        with pytest.raises(ConfigurationError, match=f"^{name} is ") as refused:
            Settings.from_env({**REQUIRED, name: "9" * 10_000})
        assert len(str(refused.value)) < 120


@pytest.mark.parametrize("text", ["JSON", "yaml", " text"])
def test_a_log_format_that_does_not_exist_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({**REQUIRED, "SYNCLINE_LOG_FORMAT": text})
    assert str(refused.value) == f"SYNCLINE_LOG_FORMAT is {text!r}: use json or text."


def test_without_a_mapping_the_process_environment_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SYNCLINE_LOCATION", "europe-west9")
    assert Settings.from_env().location == "europe-west9"


def test_a_command_can_do_with_the_url_of_the_database_alone() -> None:
    url = REQUIRED["SYNCLINE_DATABASE_URL"]
    assert read_database_url({"SYNCLINE_DATABASE_URL": url}) == url
    for env in ({}, {"SYNCLINE_DATABASE_URL": ""}):
        with pytest.raises(ConfigurationError, match=r"^Set SYNCLINE_DATABASE_URL\. README\.md"):
            read_database_url(env)


def test_printed_settings_show_no_password() -> None:
    settings = Settings.from_env(REQUIRED)
    assert "canary" not in f"{settings} {settings!r}"
    assert "https://worker.test" in repr(settings)


def test_equal_settings_are_one_key_of_a_cache() -> None:
    settings = Settings.from_env(REQUIRED)
    assert {settings: 1}[pickle.loads(pickle.dumps(settings))] == 1  # noqa: S301 (our own bytes)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+pg8000"])
def test_a_url_of_the_database_that_names_no_driver_is_as_good(scheme: str) -> None:
    url = f"{scheme}://u:p@127.0.0.1:5432/db?x=1"
    wanted = "postgresql+pg8000://u:p@127.0.0.1:5432/db?x=1"
    assert read_database_url({"SYNCLINE_DATABASE_URL": url}) == wanted


@pytest.mark.parametrize(
    "url", ["canary", "mysql://canary@h/db", "postgresql+psycopg://canary@h/d"]
)
def test_a_url_of_another_database_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_database_url({"SYNCLINE_DATABASE_URL": url})
    assert "postgresql+pg8000://" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_files_are_read_below_one_folder_or_not_at_all() -> None:
    name = "SYNCLINE_FILES_ROOT"
    assert Settings.from_env({**REQUIRED, name: "/srv/files"}).files_root == Path("/srv/files")
    assert Settings.from_env(REQUIRED).files_root is None


@pytest.mark.parametrize("text", ["files", "./files", "~/files", "/", "//"])
def test_a_folder_of_files_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_FILES_ROOT .* such as /srv/files"):
        Settings.from_env({**REQUIRED, "SYNCLINE_FILES_ROOT": text})


def test_allowed_networks_are_a_list_with_commas() -> None:
    name = "SYNCLINE_ALLOWED_NETWORKS"
    settings = Settings.from_env({**REQUIRED, name: "10.1.0.0/16, fd12::/32,"})
    assert [str(network) for network in settings.allowed_networks] == ["10.1.0.0/16", "fd12::/32"]
    assert Settings.from_env(REQUIRED).allowed_networks == ()


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ten", "10.0.0.0/33", "10.0.0.0/8;::/0"])
def test_a_list_of_networks_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_ALLOWED_NETWORKS .* for example"):
        Settings.from_env({**REQUIRED, "SYNCLINE_ALLOWED_NETWORKS": text})


KMS_KEY = "projects/example.com:acme-1/locations/europe-north1/keyRings/a_B/cryptoKeys/secrets"


def test_a_key_of_cloud_kms_takes_the_place_of_a_file() -> None:
    wanted = KeySettings(file=None, kms=KMS_KEY, kms_emulator=None)
    env = {"SYNCLINE_KMS_KEY": KMS_KEY, "SYNCLINE_KEY_FILE": ""}
    assert Settings.from_env({**REQUIRED, **env}).keys == wanted
    assert read_key_settings(env) == wanted
    assert read_key_settings({}) == KeySettings(file=None, kms=None, kms_emulator=None)


@pytest.mark.parametrize("read", [Settings.from_env, read_key_settings])
def test_two_keys_are_one_too_many(read: Callable[[Mapping[str, str]], object]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read({**REQUIRED, "SYNCLINE_KMS_KEY": KMS_KEY, "SYNCLINE_KEY_FILE": "k"})
    assert str(refused.value) == (
        "SYNCLINE_KMS_KEY and SYNCLINE_KEY_FILE are both set: set the one that is to be used."
    )


@pytest.mark.parametrize(
    "name",
    [
        "secrets",
        f"{KMS_KEY}/cryptoKeyVersions/1",
        f"{KMS_KEY}\n",
        f" {KMS_KEY}",
        KMS_KEY.replace("keyRings", "keyrings"),
        KMS_KEY.replace("acme", "a" * 150),
    ],
)
def test_a_key_that_is_none_of_cloud_kms_is_refused_and_the_form_told(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SYNCLINE_KMS_KEY is no key .*/cryptoKeys/KEY"):
        read_key_settings({"SYNCLINE_KMS_KEY": name})


BROWSER_URLS = ("SYNCLINE_OAUTH_REDIRECT_URL", "SYNCLINE_PUBLIC_URL")


def test_the_addresses_that_browsers_open_are_kept() -> None:
    env = {
        **REQUIRED,
        "SYNCLINE_OAUTH_REDIRECT_URL": "https://callback.example/oauth/",
        "SYNCLINE_PUBLIC_URL": "http://127.0.0.1:8080/",
    }
    settings = Settings.from_env(env)
    assert settings.oauth_redirect_url == "https://callback.example/oauth/"
    assert settings.public_url == "http://127.0.0.1:8080"
    without = Settings.from_env(REQUIRED)
    assert (without.oauth_redirect_url, without.public_url) == (None, None)


@pytest.mark.parametrize("name", BROWSER_URLS)
@pytest.mark.parametrize(
    "text",
    [
        "callback.example",
        "http://callback.example",
        "https://a b",
        "https://a?b",
        "https://a#b",
        "https://u:canary@a",
        "https://",
        "https://a\n",
        f"https://a/{'b' * 1_000}",
    ],
)
def test_an_address_that_no_browser_should_open_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is no address") as refused:
        Settings.from_env({**REQUIRED, name: text})
    assert "canary" not in str(refused.value)


def test_the_public_address_of_the_datasets_may_be_left_out_and_holds_no_login() -> None:
    name = "SYNCLINE_DATASET_PUBLIC_URL"
    url = "postgresql://data.example.com:6432/sets?sslmode=verify-full"
    assert Settings.from_env(REQUIRED).dataset_public_url is None
    assert Settings.from_env({**REQUIRED, name: url}).dataset_public_url == url
    for refused in ("data.example.com", "https://data.example.com", "postgresql://u:canary@db/d"):
        with pytest.raises(ConfigurationError, match=name) as raised:
            Settings.from_env({**REQUIRED, name: refused})
        assert "canary" not in str(raised.value)


def test_a_command_asks_for_the_datasets_alone() -> None:
    name = "SYNCLINE_DATASET_URL"
    assert read_dataset_url({name: REQUIRED[name]}) == REQUIRED[name]
    with pytest.raises(ConfigurationError, match=name):
        read_dataset_url({})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SYNCLINE_METRICS_TOKEN", "short", "too short to be a secret"),
        ("SYNCLINE_MAX_CONCURRENT_SYNCS", "1001", "use at most 1000"),
        ("SYNCLINE_PROXIES", "11", "use at most 10"),
        ("SYNCLINE_HOOKS_PER_MINUTE", "0", "whole number"),
    ],
)
def test_what_no_deployment_should_be_set_to_is_refused(
    name: str, value: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Settings.from_env({**REQUIRED, name: value})


def test_the_token_for_metrics_is_not_shown_with_the_settings() -> None:
    settings = Settings.from_env({**REQUIRED, "SYNCLINE_METRICS_TOKEN": "canary-of-an-operator"})
    assert settings.metrics_token == "canary-of-an-operator"
    assert "canary" not in repr(settings)


def test_issuers_of_tokens_are_listed_with_what_their_tokens_name() -> None:
    name = "SYNCLINE_OIDC_ISSUERS"
    listed = [
        {"issuer": "https://id.example.com/", "audience": "api", "name": "Ours", "clients": ["w"]},
        {"issuer": "http://localhost:8080/realms/dev", "audience": "https://api.example.com"},
    ]
    assert Settings.from_env(REQUIRED).oidc_issuers == ()
    assert Settings.from_env({**REQUIRED, name: json.dumps(listed)}).oidc_issuers == (
        OidcIssuer("https://id.example.com/", "api", "Ours", ("w",)),
        OidcIssuer(
            "http://localhost:8080/realms/dev",
            "https://api.example.com",
            "http://localhost:8080/realms/dev",
        ),
    )


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("https://id.example.com", "no list of issuers"),
        ("{}", "no list of issuers"),
        ("[" * 10_000, "no list of issuers"),
        ('["https://id.example.com"]', "no list of issuers"),
        ('[{"issuer": "https://a.test"}]', "no list of issuers"),
        ('[{"issuer": "https://a.test", "audience": ""}]', "no list of issuers"),
        ('[{"issuer": "https://a.test", "audience": ["a"]}]', "no list of issuers"),
        ('[{"issuer": "https://a.test", "audience": "a\\n"}]', "no list of issuers"),
        ('[{"issuer": "https://a.test", "audience": "a", "secret": "s"}]', "no list of issuers"),
        ('[{"issuer": "https://a.test", "audience": "a", "clients": "w"}]', "no list of issuers"),
        ('[{"issuer": "https://a.test", "audience": "a", "clients": [7]}]', "no list of issuers"),
        ('[{"issuer": "http://a.test", "audience": "a"}]', "an issuer that is none"),
        ('[{"issuer": "https://u:p@a.test", "audience": "a"}]', "an issuer that is none"),
        ('[{"issuer": "https://a.test?x", "audience": "a"}]', "an issuer that is none"),
        (json.dumps([{"issuer": "https://a.test", "audience": "a"}] * 2), "an issuer twice"),
        (json.dumps([{}] * 11), "at most 10"),
    ],
)
def test_a_list_of_issuers_that_cannot_be_is_refused_at_the_start(
    listed: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^SYNCLINE_OIDC_ISSUERS.*{sentence}"):
        Settings.from_env({**REQUIRED, "SYNCLINE_OIDC_ISSUERS": listed})

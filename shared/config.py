"""Settings from the environment: the only place that reads it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Self, cast

from shared.errors import ConfigurationError

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Which key wraps the keys of secrets: one of the two, or none."""

    file: str | None
    """File with the key and its older versions."""
    kms: str | None
    """Resource name of a symmetric key of Cloud KMS."""
    kms_emulator: str | None
    """host:port of a local Cloud KMS, or None in the cloud."""


@dataclass(frozen=True, slots=True)
class OidcIssuer:
    """Whose tokens of people the api takes."""

    issuer: str
    """As its tokens and its discovery document name it, to the letter."""
    audience: str
    """What its tokens for us name: our client id, or the API as it is registered there."""
    name: str
    """What people call it."""
    clients: tuple[str, ...] = ()
    """Who else may be the authorized party of a token that has other audiences too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a deployment decides. Each field is set by one variable."""

    database_url: str = field(repr=False)
    """SQLAlchemy URL of Syncline's own database (driver pg8000)."""
    dataset_url: str = field(repr=False)
    """URL of the database that datasets are loaded into (libpq form)."""
    dataset_public_url: str | None
    """Where people find that database, if not at the same address; without a login."""
    project: str
    location: str
    scheduled_queue: str
    """Cloud Tasks queue of scheduled runs."""
    interactive_queue: str
    """Cloud Tasks queue of manual, OAuth and webhook runs, which overtake scheduled ones."""
    worker_url: str
    """URL that tasks call; also the audience of their tokens."""
    dispatcher_url: str
    """URL that Cloud Scheduler calls; also the audience of its tokens."""
    tasks_service_account: str
    """Service account whose tokens the worker accepts."""
    scheduler_service_account: str
    """Service account whose tokens the dispatcher accepts."""
    oidc_certs_url: str
    """Where the public keys of OIDC tokens are served."""
    tasks_emulator: str | None
    """host:port of the local Cloud Tasks, or None in the cloud."""
    scheduler_emulator: str | None
    """host:port of the local Cloud Scheduler, or None in the cloud."""
    keys: KeySettings
    log_format: str
    """`json` or `text`."""
    pool_size: int
    """Database connections of one instance: as many as requests that it serves at once."""
    look_ahead: timedelta
    """How far ahead of now the dispatcher plans."""
    lease: timedelta
    """How long a worker's right to a run lasts without a heartbeat."""
    slice: timedelta
    """How long a worker works on a run before the run goes on in another task."""
    allowed_networks: tuple[Network, ...]
    """Networks besides the public ones that connectors may reach."""
    files_root: Path | None
    """Folder with one for each workspace, by its slug, whose files its connectors may read."""
    oidc_issuers: tuple[OidcIssuer, ...]
    """Whose tokens people sign in with; none if they are to use API keys alone."""
    oauth_redirect_url: str | None
    """Where providers send the browser after a person authorized a connector: oauth_callback."""
    public_url: str | None
    """The site of ours that browsers know, without a slash at its end."""
    tick_budget: timedelta
    """After how long a tick begins nothing more; it ends within a page, so that it takes 45 s."""
    hook_window: timedelta
    """For how long further messages of a source are waited for before a run starts."""
    hooks_per_minute: int
    """How many messages a webhook endpoint takes in a minute, and at once."""
    max_concurrent_syncs: int
    """The most runs at once that an admin may allow their workspace."""
    metrics_token: str | None = field(repr=False)
    """What Prometheus sends as its bearer token; without one nobody reads the metrics."""
    proxies: int
    """How many proxies of the deployment each add to X-Forwarded-For before the api gets it."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings; an empty variable counts as one that is not set.

        Raises `ConfigurationError` naming every variable that is missing, or the first that is
        unusable.
        """
        given = os.environ if environ is None else environ
        env = {name: value for name, value in given.items() if value}
        missing = [name for name in _REQUIRED if name not in env]
        if missing:
            raise ConfigurationError(
                f"Set {', '.join(missing)}. README.md, 'Settings', says what each one means."
            )
        log_format = env.get("SYNCLINE_LOG_FORMAT", "json")
        if log_format not in ("json", "text"):
            raise ConfigurationError(
                f"SYNCLINE_LOG_FORMAT is {log_format[:40]!r}: use json or text."
            )
        return cls(
            database_url=env[_DATABASE_URL],
            dataset_url=env[_DATASET_URL],
            dataset_public_url=_public_url(env, "SYNCLINE_DATASET_PUBLIC_URL"),
            project=env.get("SYNCLINE_PROJECT", "syncline-local"),
            location=env.get("SYNCLINE_LOCATION", "europe-north1"),
            scheduled_queue=env.get("SYNCLINE_SCHEDULED_QUEUE", "syncs-scheduled"),
            interactive_queue=env.get("SYNCLINE_INTERACTIVE_QUEUE", "syncs-interactive"),
            worker_url=env["SYNCLINE_WORKER_URL"],
            dispatcher_url=env["SYNCLINE_DISPATCHER_URL"],
            tasks_service_account=env["SYNCLINE_TASKS_SERVICE_ACCOUNT"],
            scheduler_service_account=env["SYNCLINE_SCHEDULER_SERVICE_ACCOUNT"],
            oidc_certs_url=env.get("SYNCLINE_OIDC_CERTS_URL", _GOOGLE_CERTS_URL),
            tasks_emulator=env.get("CLOUD_TASKS_EMULATOR_HOST"),
            scheduler_emulator=env.get("CLOUD_SCHEDULER_EMULATOR_HOST"),
            keys=_keys(env),
            log_format=log_format,
            pool_size=_whole_number(env, "SYNCLINE_POOL_SIZE", 8),
            look_ahead=_seconds(env, "SYNCLINE_LOOK_AHEAD_SECONDS", 90),
            lease=_seconds(env, "SYNCLINE_LEASE_SECONDS", 90),
            slice=_slice(env),
            allowed_networks=_networks(env, "SYNCLINE_ALLOWED_NETWORKS"),
            files_root=_folder(env, "SYNCLINE_FILES_ROOT"),
            oidc_issuers=_issuers(env, "SYNCLINE_OIDC_ISSUERS"),
            oauth_redirect_url=_browser_url(env, "SYNCLINE_OAUTH_REDIRECT_URL"),
            public_url=_site(env, "SYNCLINE_PUBLIC_URL"),
            tick_budget=_seconds(env, "SYNCLINE_TICK_BUDGET_SECONDS", 40),
            hook_window=_seconds(env, "SYNCLINE_HOOK_WINDOW_SECONDS", 10),
            hooks_per_minute=_whole_number(env, "SYNCLINE_HOOKS_PER_MINUTE", 1_200),
            max_concurrent_syncs=_up_to(env, "SYNCLINE_MAX_CONCURRENT_SYNCS", 100, 1_000),
            metrics_token=_token(env, "SYNCLINE_METRICS_TOKEN"),
            proxies=_up_to(env, "SYNCLINE_PROXIES", 1, 10),
        )


def read_database_url(environ: Mapping[str, str] | None = None) -> str:
    """Return `Settings.database_url` alone, for commands that need no other variable.

    Raises `ConfigurationError` if it is not set or unusable.
    """
    given = os.environ if environ is None else environ
    url = given.get(_DATABASE_URL)
    if not url:
        raise ConfigurationError(f"Set {_DATABASE_URL}. README.md, 'Settings', says what it means.")
    return _database_url(url)


def read_dataset_url(environ: Mapping[str, str] | None = None) -> str:
    """Return `Settings.dataset_url` alone, as `read_database_url` does."""
    given = os.environ if environ is None else environ
    url = given.get(_DATASET_URL)
    if not url:
        raise ConfigurationError(f"Set {_DATASET_URL}. README.md, 'Settings', says what it means.")
    return url


def read_key_settings(environ: Mapping[str, str] | None = None) -> KeySettings:
    """Return `Settings.keys` alone, as `read_database_url` does; raise `ConfigurationError`."""
    given = os.environ if environ is None else environ
    return _keys({name: value for name, value in given.items() if value})


_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_KMS_KEY = re.compile(
    r"projects/[a-z0-9.:-]+/locations/[a-z0-9-]+"
    r"/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}"
)
_BROWSER_URL = re.compile(
    r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~/-]*)?"
)
_LONGEST_URL = 1_000
_PLAIN_TEXT = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
_ISSUER_FIELDS = {"issuer", "audience", "name"}
_LONGEST_ISSUER = 255
_MOST_ISSUERS = 10
_LONGEST_KMS_KEY = 225
"""What leaves room for a version in what a row can store."""
_SHORTEST_TOKEN = 16
_GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"
_DATABASE_URL = "SYNCLINE_DATABASE_URL"
_DATASET_URL = "SYNCLINE_DATASET_URL"
_REQUIRED = (
    _DATABASE_URL,
    _DATASET_URL,
    "SYNCLINE_WORKER_URL",
    "SYNCLINE_DISPATCHER_URL",
    "SYNCLINE_TASKS_SERVICE_ACCOUNT",
    "SYNCLINE_SCHEDULER_SERVICE_ACCOUNT",
)


def _database_url(url: str) -> str:
    """Return the URL for our driver; one that names no driver is as good."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+pg8000"):
        # The URL itself is left out: it may hold a password.
        raise ConfigurationError(
            f"{_DATABASE_URL} is no URL of PostgreSQL: use postgresql+pg8000://user@host/database."
        )
    return f"postgresql+pg8000://{rest}"


def _public_url(env: Mapping[str, str], name: str) -> str | None:
    """Return an address for everybody: it may hold no login."""
    url = env.get(name)
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres") or "@" in rest:
        raise ConfigurationError(
            f"{name} is no address for people: use postgresql://HOST:PORT/DATABASE?sslmode=MODE,"
            " without user and password."
        )
    return url


def _keys(env: Mapping[str, str]) -> KeySettings:
    file, kms = env.get("SYNCLINE_KEY_FILE"), env.get("SYNCLINE_KMS_KEY")
    if file and kms:
        raise ConfigurationError(
            "SYNCLINE_KMS_KEY and SYNCLINE_KEY_FILE are both set: set the one that is to be used."
        )
    if kms and not (_KMS_KEY.fullmatch(kms) and len(kms) <= _LONGEST_KMS_KEY):
        raise ConfigurationError(
            "SYNCLINE_KMS_KEY is no key of Cloud KMS: use its name without a version, at most"
            f" {_LONGEST_KMS_KEY} characters of"
            " projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY."
        )
    return KeySettings(file, kms, env.get("CLOUD_KMS_EMULATOR_HOST"))


def _browser_url(env: Mapping[str, str], name: str) -> str | None:
    """Return an address that a browser opens; only one of this machine may be without TLS."""
    url = env.get(name)
    if url is not None and not (_BROWSER_URL.fullmatch(url) and len(url) <= _LONGEST_URL):
        raise ConfigurationError(
            f"{name} is no address for browsers: use https://host/path, without ? and #; http:// is"
            " for localhost alone."
        )
    return url


def _site(env: Mapping[str, str], name: str) -> str | None:
    url = _browser_url(env, name)
    return None if url is None else url.rstrip("/")


def _issuers(env: Mapping[str, str], name: str) -> tuple[OidcIssuer, ...]:
    try:
        listed = json.loads(env.get(name, "[]"))
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or len(cast("list[Any]", listed)) > _MOST_ISSUERS:
        raise _no_issuers(name)
    issuers = tuple(_issuer(one, name) for one in cast("list[Any]", listed))
    if len({one.issuer for one in issuers}) < len(issuers):
        raise ConfigurationError(f"{name} has an issuer twice: name each of them once.")
    return issuers


def _issuer(given: Any, name: str) -> OidcIssuer:
    if not isinstance(given, dict):
        raise _no_issuers(name)
    fields = dict(cast("dict[str, Any]", given))
    clients = fields.pop("clients", [])
    texts = [*fields.values(), *clients] if isinstance(clients, list) else [None]
    is_plain = all(isinstance(text, str) and _PLAIN_TEXT.fullmatch(text) for text in texts)
    if not is_plain or not {"issuer", "audience"} <= fields.keys() <= _ISSUER_FIELDS:
        raise _no_issuers(name)
    issuer = fields["issuer"]
    if not (_BROWSER_URL.fullmatch(issuer) and len(issuer) <= _LONGEST_ISSUER):
        raise ConfigurationError(
            f"{name} names an issuer that is none: use its URL as its tokens have it, https://…"
            f" without ? and #, at most {_LONGEST_ISSUER} characters; http:// is for localhost."
        )
    return OidcIssuer(
        issuer, fields["audience"], fields.get("name", issuer), tuple(cast("list[str]", clients))
    )


def _no_issuers(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is no list of issuers: use JSON, at most {_MOST_ISSUERS} of"
        ' {"issuer": "https://…", "audience": "…"}, with "name" and "clients" if you like.'
    )


def _seconds(env: Mapping[str, str], name: str, default: int) -> timedelta:
    return timedelta(seconds=_whole_number(env, name, default))


def _slice(env: Mapping[str, str]) -> timedelta:
    name, longest = "SYNCLINE_SLICE_SECONDS", 1_500
    seconds = _whole_number(env, name, 1_200)
    if seconds > longest:
        raise ConfigurationError(
            f"{name} is {seconds}: use at most {longest}, since a task lives for 1800 seconds."
        )
    return timedelta(seconds=seconds)


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    """Return the networks of a list with commas; one with host bits set meant something else."""
    parts = [part.strip() for part in env.get(name, "").split(",")]
    try:
        return tuple(ip_network(part) for part in parts if part)
    except ValueError as error:
        raise ConfigurationError(
            f"{name} is no list of networks ({error}): use for example 10.1.0.0/16,fd12::/32."
        ) from error


def _folder(env: Mapping[str, str], name: str) -> Path | None:
    """Return a folder below the root; that it is there shows when a file is asked for."""
    text = env.get(name)
    if text is None:
        return None
    path = Path(text)
    if not path.is_absolute() or len(path.parts) == 1:
        raise ConfigurationError(
            f"{name} is no folder to read files from: use an absolute path, such as /srv/files."
        )
    return path


def _up_to(env: Mapping[str, str], name: str, default: int, most: int) -> int:
    number = _whole_number(env, name, default)
    if number > most:
        raise ConfigurationError(f"{name} is {number}: use at most {most}.")
    return number


def _token(env: Mapping[str, str], name: str) -> str | None:
    text = env.get(name)
    if text is not None and len(text) < _SHORTEST_TOKEN:
        raise ConfigurationError(
            f"{name} is too short to be a secret: use at least {_SHORTEST_TOKEN} characters."
        )
    return text


def _whole_number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ConfigurationError(f"{name} is {text[:40]!r}: use a whole number from 1 to 999999.")
    return int(text)

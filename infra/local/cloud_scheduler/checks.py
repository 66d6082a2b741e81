"""What the service refuses in a job, and the defaults that it fills in."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

from infra.local.cloud_scheduler.job import Rule
from infra.local.cloud_scheduler.messages import (
    JobMessage,
    Message,
    TargetMessage,
    method_name,
)
from infra.local.cloud_scheduler.retries import RetryPolicy
from infra.local.cloud_scheduler.schedule import recurrence_of
from infra.local.emulator.backoff import Backoff
from infra.local.emulator.errors import invalid, not_served
from infra.local.emulator.messages import duration
from infra.local.emulator.names import LOCATION

MAX_PAGE_SIZE = 500
_JOB = re.compile(rf"({LOCATION})/jobs/([^/]*)")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_MAX_DESCRIPTION_CHARS = 500
_MAX_URI_CHARS = 2_083
_MAX_HEADER_BYTES = 80 * 1024
_MAX_JOB_BYTES = 1024 * 1024
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DEFAULT_DEADLINE = timedelta(minutes=3)
_SHORTEST_DEADLINE = timedelta(seconds=15)
_LONGEST_DEADLINE = timedelta(minutes=30)
_LONGEST_DURATION = timedelta(days=366)
_MAX_RETRY_COUNT = 5
_DEFAULT_MIN_BACKOFF = timedelta(seconds=5)
_DEFAULT_MAX_BACKOFF = timedelta(hours=1)
_DEFAULT_MAX_DOUBLINGS = 5


def location_of(job_name: str) -> str:
    """Return `projects/P/locations/L` of a job; refuse a malformed job name."""
    found = _JOB.fullmatch(job_name)
    if found is None:
        raise invalid(
            "Job name must be formatted: "
            '"projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>"'
        )
    if _JOB_ID.fullmatch(found[2]) is None:
        raise invalid(
            f'Job ID "{found[2]}" can contain only letters ([A-Za-z]), numbers ([0-9]), '
            "hyphens (-), or underscores (_). The maximum length is 500 characters."
        )
    return found[1]


def check_job(job: JobMessage) -> Rule:
    """Fill the defaults into a job and return what decides its times; refuse a wrong one."""
    if job.ByteSize() > _MAX_JOB_BYTES:
        raise invalid("The job is larger than 1 MB.")
    if len(job.description) > _MAX_DESCRIPTION_CHARS:
        raise invalid(f"Job.description is longer than {_MAX_DESCRIPTION_CHARS} characters.")
    _check_target(job)
    _check_deadline(job)
    if not job.time_zone:
        job.time_zone = "UTC"
    recurrence = recurrence_of(job.schedule, job.time_zone)
    return Rule(recurrence, _retry_policy_of(job.retry_config))


def _check_deadline(job: JobMessage) -> None:
    if not job.HasField("attempt_deadline"):
        job.attempt_deadline.FromTimedelta(_DEFAULT_DEADLINE)
    deadline = _duration(job.attempt_deadline, "Job.attempt_deadline")
    if not _SHORTEST_DEADLINE <= deadline <= _LONGEST_DEADLINE:
        raise invalid("Job.attempt_deadline must be in the interval [15 seconds, 30 minutes].")


def _retry_policy_of(config: Message) -> RetryPolicy:
    """Return the policy of a configuration, whose unset fields get their defaults."""
    if not 0 <= config.retry_count <= _MAX_RETRY_COUNT:
        raise invalid(f"RetryConfig.retry_count must be from 0 to {_MAX_RETRY_COUNT}.")
    if config.max_doublings < 0:
        raise invalid("RetryConfig.max_doublings must not be negative.")
    for field, default in (
        ("max_retry_duration", timedelta(0)),
        ("min_backoff_duration", _DEFAULT_MIN_BACKOFF),
        ("max_backoff_duration", _DEFAULT_MAX_BACKOFF),
    ):
        message = getattr(config, field)
        if not _duration(message, f"RetryConfig.{field}"):
            message.FromTimedelta(default)
    if config.max_doublings == 0:
        config.max_doublings = _DEFAULT_MAX_DOUBLINGS
    backoff = Backoff(
        shortest=duration(config.min_backoff_duration),
        longest=duration(config.max_backoff_duration),
        max_doublings=config.max_doublings,
    )
    if backoff.shortest > backoff.longest:
        raise invalid(
            "RetryConfig.min_backoff_duration must not be greater than max_backoff_duration."
        )
    return RetryPolicy(
        retry_count=config.retry_count,
        max_retry_duration=duration(config.max_retry_duration),
        backoff=backoff,
    )


def _duration(message: Message, name: str) -> timedelta:
    try:
        value = duration(message)
    except (ValueError, OverflowError) as error:
        raise invalid(f"{name} is not a duration.") from error
    if value < timedelta(0):
        raise invalid(f"{name} must not be negative.")
    if value > _LONGEST_DURATION:
        raise invalid(f"{name} must not be longer than a year.")
    return value


def _check_target(job: JobMessage) -> None:
    match job.WhichOneof("target"):
        case "http_target":
            target = job.http_target
        case None:
            raise invalid("Job.target is required.")
        case other:
            raise not_served("Cloud Scheduler", f"{other}: use an http_target")
    _check_uri(target.uri)
    _check_headers(target)
    _check_token(target)
    try:
        method = method_name(target)
    except ValueError as error:
        raise invalid("HttpTarget.http_method is not a method.") from error
    if target.body and method not in _METHODS_WITH_BODY:
        raise invalid("HttpTarget.body is allowed only if the HTTP method is POST, PUT, or PATCH.")


def _check_uri(uri: str) -> None:
    if not uri:
        raise invalid("HttpTarget.uri is required.")
    if not uri.startswith(("http://", "https://")):
        raise invalid("HttpTarget.uri must start with 'http://' or 'https://'.")
    if len(uri) > _MAX_URI_CHARS:
        raise invalid(f"HttpTarget.uri is longer than {_MAX_URI_CHARS} characters.")
    if not _names_a_host(uri):
        raise invalid("HttpTarget.uri is not a valid URL.")


def _names_a_host(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_headers(target: TargetMessage) -> None:
    total = 0
    for name, value in target.headers.items():
        if _HEADER_NAME.fullmatch(name) is None or _CONTROL_CHARACTER.search(value):
            raise invalid(f"HttpTarget.headers: {name!r} is not a valid header.")
        total += len(name.encode()) + len(value.encode())
    if total >= _MAX_HEADER_BYTES:
        raise invalid("HttpTarget.headers must be smaller than 80 KB in total.")


def _check_token(target: TargetMessage) -> None:
    match target.WhichOneof("authorization_header"):
        case "oauth_token":
            raise not_served("Cloud Scheduler", "oauth_token: use an oidc_token")
        case "oidc_token" if not target.oidc_token.service_account_email:
            raise invalid("OidcToken.service_account_email is required.")
        case _:
            return

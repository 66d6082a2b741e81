"""What the service accepts as a task, and what it fills in."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from google.cloud.tasks_v2 import HttpMethod

from infra.local.cloud_tasks.messages import Message, TaskMessage, instant
from infra.local.cloud_tasks.queue_rules import check_retry_config
from infra.local.emulator.errors import invalid, not_served
from infra.local.emulator.messages import duration

MAX_TASK_BYTES = 1_048_569
MAX_URL_CHARACTERS = 2_083
MAX_HEADER_BYTES = 80 * 1_024
FURTHEST_SCHEDULE = timedelta(days=30)
SHORTEST_DEADLINE = timedelta(seconds=15)
_DEFAULT_DEADLINE = timedelta(minutes=10)
_MILLISECOND_NANOS = 1_000_000
_MICROSECOND_NANOS = 1_000
# Plain numbers: a comparison with the client's enum costs as much as the rest of the check.
_POST = int(HttpMethod.POST)
_METHODS = frozenset(int(method) for method in HttpMethod)
_WITH_BODY = frozenset({_POST, int(HttpMethod.PUT), int(HttpMethod.PATCH)})
_LINE_BREAK = re.compile(r"[\r\n\0]")
_OUTPUT_ONLY = (
    "create_time",
    "dispatch_count",
    "response_count",
    "first_attempt",
    "last_attempt",
    "view",
)


@dataclass(frozen=True, slots=True)
class DeadlineRange:
    """What an attempt may be given to answer."""

    shortest: timedelta = SHORTEST_DEADLINE
    longest: timedelta = timedelta(minutes=30)


def complete_task(task: TaskMessage, now: datetime, deadlines: DeadlineRange) -> datetime:
    """Fill in what the service fills in, and return when the task is due.

    Refuses with INVALID_ARGUMENT what the service refuses. The name is the caller's to check.
    """
    for field in _OUTPUT_ONLY:
        task.ClearField(field)
    _check_target(task)
    due_at = _complete_schedule(task, now)
    _complete_deadline(task, deadlines)
    if task.HasField("retry_config"):
        check_retry_config(task.retry_config, "Task.retryConfig")
    task.create_time.seconds = int(now.timestamp())
    if task.ByteSize() > MAX_TASK_BYTES:
        raise invalid(f"Task size too large: the maximum is {MAX_TASK_BYTES} bytes.")
    return due_at


def _check_target(task: TaskMessage) -> None:
    if task.HasField("app_engine_http_request"):
        raise not_served("Cloud Tasks", "Task.appEngineHttpRequest")
    request = task.http_request
    problem = _problem_of_url(request.url)
    if problem is not None:
        raise invalid(problem)
    if not request.http_method:
        request.http_method = _POST
    if request.http_method not in _METHODS:
        raise invalid("HttpRequest.httpMethod is not a known method.")
    if request.body and request.http_method not in _WITH_BODY:
        raise invalid("HttpRequest.body is allowed only with the methods POST, PUT and PATCH.")
    _check_headers(request)
    if request.HasField("oauth_token"):
        raise not_served("Cloud Tasks", "HttpRequest.oauthToken")
    if request.HasField("oidc_token") and "@" not in request.oidc_token.service_account_email:
        raise invalid("HttpRequest.oidcToken.serviceAccountEmail must be an email address.")


@lru_cache(maxsize=1_024)
def _problem_of_url(url: str) -> str | None:
    """Return what is wrong with a URL; most tasks repeat one that was looked at before."""
    if not url:
        return "HttpRequest.url is required."
    if not url.startswith(("http://", "https://")):
        return "HttpTarget.url must start with 'http://' or 'https://'."
    if len(url) > MAX_URL_CHARACTERS:
        return f"HttpRequest.url must have at most {MAX_URL_CHARACTERS} characters."
    if any(character <= " " for character in url):
        return "HttpRequest.url must not contain spaces or control characters."
    return None if _has_host(url) else "HttpRequest.url must name a host."


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _check_headers(request: Message) -> None:
    size = 0
    for name, value in request.headers.items():
        if not name or _LINE_BREAK.search(name + value):
            raise invalid("HttpRequest.headers must have names, and no line breaks.")
        size += len(name.encode()) + len(value.encode())
    if size >= MAX_HEADER_BYTES:
        raise invalid("HttpRequest.headers must be smaller than 80KB.")


def _complete_schedule(task: TaskMessage, now: datetime) -> datetime:
    if not task.HasField("schedule_time"):
        task.schedule_time.FromDatetime(now)
        return now
    try:
        due_at = instant(task.schedule_time)
    except (ValueError, OverflowError) as error:
        raise invalid("Task.scheduleTime is not a valid timestamp.") from error
    if due_at > now + FURTHEST_SCHEDULE:
        raise invalid("Task.scheduleTime must be no more than 30 days in the future.")
    if due_at <= now:
        task.schedule_time.FromDatetime(now)
        return now
    task.schedule_time.nanos -= task.schedule_time.nanos % _MICROSECOND_NANOS
    return due_at


def _complete_deadline(task: TaskMessage, deadlines: DeadlineRange) -> None:
    if not task.HasField("dispatch_deadline"):
        task.dispatch_deadline.FromTimedelta(_DEFAULT_DEADLINE)
        return
    try:
        deadline = duration(task.dispatch_deadline)
    except (ValueError, OverflowError) as error:
        raise invalid("Task.dispatchDeadline is not a valid duration.") from error
    if not deadlines.shortest <= deadline <= deadlines.longest:
        raise invalid(
            "Task.dispatchDeadline must be between "
            f"[{deadlines.shortest.total_seconds():g}s, {deadlines.longest.total_seconds():g}s]."
        )
    task.dispatch_deadline.nanos -= task.dispatch_deadline.nanos % _MILLISECOND_NANOS

"""Names to addresses: asked once, with a deadline."""

import socket
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.addresses import Address
from shared.errors import PermanentError, TransientError

DEADLINE = timedelta(seconds=10)
_LONGEST_NAME = 253


@dataclass(slots=True)
class _Answer:
    found: list[Address] = field(default_factory=list[Address])
    error: OSError | UnicodeError | None = None
    is_here: threading.Event = field(default_factory=threading.Event)


def resolve(host: str, deadline: timedelta = DEADLINE) -> list[Address]:
    """Return every address of a name, or of an address in any form that the system understands.

    Raises `PermanentError` for what cannot be a name, `TransientError` if there is no answer: a
    name that is not known now may be known to the next attempt.
    """
    if not host or len(host) > _LONGEST_NAME or not host.isprintable():
        raise _no_name(host)
    answer = _Answer()
    # The system's resolver knows no deadline; a thread that comes too late ends by itself.
    threading.Thread(target=_ask, args=(host, answer), name="resolve", daemon=True).start()
    if not answer.is_here.wait(deadline.total_seconds()):
        raise TransientError(
            f"The name {host} was not resolved in time.",
            code=Reason.SOURCE_UNAVAILABLE,
            fault=Fault.NAME_NOT_RESOLVED,
        )
    if isinstance(answer.error, UnicodeError):
        raise _no_name(host) from answer.error
    if answer.error is not None or not answer.found:
        raise TransientError(
            f"The name {host} cannot be resolved: check its spelling.",
            code=Reason.SOURCE_UNAVAILABLE,
            fault=Fault.NAME_NOT_RESOLVED,
        ) from answer.error
    return answer.found


def _ask(host: str, answer: _Answer) -> None:
    try:
        for *_, sockaddr in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            address = ip_address(sockaddr[0])
            if address not in answer.found:
                answer.found.append(address)
    except (OSError, UnicodeError) as error:
        answer.error = error
    finally:
        answer.is_here.set()


def _no_name(host: str) -> PermanentError:
    return PermanentError(
        f"{host[:80]!r} is not the name of a host: check the connector's settings.",
        code=Reason.CONFIGURATION,
        fault=Fault.SETTINGS,
    )

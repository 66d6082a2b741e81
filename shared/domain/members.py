"""People of workspaces: who an issuer says that they are, and the addresses they are invited by."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import InvalidInputError, Problem

LONGEST_EMAIL = 254
LONGEST_SUBJECT = 255
INVITATION_LIFE = timedelta(days=14)
"""How long an invitation may be joined: nobody knows whose an address is later on."""

# No letters beyond ASCII: two addresses that look alike, or that some lower-casing makes equal, may
# be two people's.
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
_SUBJECT = re.compile(r"[ -~]{1,255}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as an issuer says; `email` is set if the issuer has verified it."""

    issuer: str
    subject: str
    email: str | None = None


def invitation_end(invited_at: datetime, joined_at: datetime | None) -> datetime | None:
    """Return when an invitation ends; None for who joined."""
    return invited_at + INVITATION_LIFE if joined_at is None else None


def to_email(text: str) -> str | None:
    """Return an address in the form in which addresses are compared, or None if it is none."""
    address = text.strip().lower() if text.isascii() else ""
    return address if len(address) <= LONGEST_EMAIL and _EMAIL.fullmatch(address) else None


def require_email(text: str) -> str:
    """Return the same for an address that a person wrote; raise `InvalidInputError`."""
    address = to_email(text)
    if address is None:
        raise InvalidInputError(
            Problem(
                "email",
                "email_form",
                "it is not an e-mail address",
                "Write it as name@example.com, in ASCII.",
            )
        )
    return address


def is_subject(value: object) -> bool:
    """Tell whether a claim can be somebody's name with their issuer: printable ASCII, bounded."""
    return isinstance(value, str) and _SUBJECT.fullmatch(value) is not None

"""Who runs a command, as the audit log knows them."""

import os
import pwd

from shared.domain.audit import Actor, ActorKind


def who() -> Actor:
    """Return the user of this machine who runs the command; nobody vouches for the name."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f"user {number}"
    return Actor(ActorKind.OPERATOR, name)

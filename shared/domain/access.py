"""Who acts, and what their role allows."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.audit import Actor


class Role(StrEnum):
    """What a caller may do: VIEWER reads, EDITOR also changes and triggers, ADMIN does all."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"

    def allows(self, needed: "Role") -> bool:
        """Tell whether this role includes the needed one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that proved who it is, and the one workspace that it speaks for."""

    workspace_id: int
    workspace_timezone: str
    minimum_interval_seconds: int
    role: Role
    cursor_key: UUID
    """By which cursors of the workspace's pages are sealed."""
    actor: Actor
    """The same caller as the audit log knows them, and from where they call."""

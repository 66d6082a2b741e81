"""Who acts, and what their role allows."""

from dataclasses import dataclass
from enum import StrEnum


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
    api_key_id: int
    role: Role

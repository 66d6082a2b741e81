import pytest

from shared.domain.workspace import WorkspaceState, require_active
from shared.errors import ForbiddenError, UnauthenticatedError


def test_the_callers_of_an_active_workspace_are_served() -> None:
    require_active(WorkspaceState.ACTIVE)


@pytest.mark.parametrize(
    ("state", "error", "code"),
    [
        (WorkspaceState.DISABLED, ForbiddenError, "workspace_disabled"),
        (WorkspaceState.DELETED, UnauthenticatedError, "workspace_deleted"),
    ],
)
def test_the_callers_of_any_other_are_told_why_they_are_refused(
    state: WorkspaceState, error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        require_active(state)
    assert caught.value.code == code

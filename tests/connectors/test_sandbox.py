"""dlt reads no settings but ours, tells nobody, and keeps nothing."""

from pathlib import Path

import pytest

from shared.connectors.sandbox import shut_in, working_folder


def test_dlt_has_our_settings_only_and_no_telemetry() -> None:
    shut_in()
    from dlt.common.configuration.container import Container  # noqa: PLC0415 (after the doors shut)
    from dlt.common.configuration.specs.pluggable_run_context import (  # noqa: PLC0415
        PluggableRunContext,
    )
    from dlt.common.runtime import anon_tracker  # noqa: PLC0415
    from dlt.pipeline import trace  # noqa: PLC0415

    surroundings = Container()[PluggableRunContext]
    assert [provider.name for provider in surroundings.providers.providers] == ["syncline"]
    assert surroundings.context.runtime_config.dlthub_telemetry is False
    assert anon_tracker._ANON_TRACKER_ENDPOINT is None
    assert trace.TRACKING_MODULES == []
    assert not Path(surroundings.context.global_dir).exists()


def test_shutting_in_twice_changes_nothing() -> None:
    shut_in()
    from dlt.common.configuration.container import Container  # noqa: PLC0415
    from dlt.common.configuration.specs.pluggable_run_context import (  # noqa: PLC0415
        PluggableRunContext,
    )

    before = Container()[PluggableRunContext]
    shut_in()
    assert Container()[PluggableRunContext] is before


def _fail_in_a_working_folder(folders: list[Path]) -> None:
    with working_folder() as folder:
        folders.append(folder)
        (folder / "file").write_text("x")
        raise ZeroDivisionError


def test_a_working_folder_is_fresh_and_gone_afterwards_even_after_a_failure() -> None:
    folders: list[Path] = []
    for _run in range(2):
        with pytest.raises(ZeroDivisionError):
            _fail_in_a_working_folder(folders)
    assert folders[0] != folders[1]
    assert not any(folder.exists() for folder in folders)

"""dlt shut in: its settings come from here alone, and its files live and die with one run.

Out of the box dlt reads settings from the working folder, the home folder and the environment,
keeps state in the home folder, sends telemetry and logs rows of data when a load fails.
"""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext
from dlt.pipeline import trace

PAGE_ROWS = 5_000
"""How many rows a page has at most, on the way from source to file."""

_BUFFER_ROWS = 1
"""dlt would collect so many rows before it writes them, whatever their width. Pages that come as
lists are written whole, and it takes no longer to write single rows as they are prepared."""
_FILE_ROWS = 100_000
_SETTINGS: dict[str, Any] = {
    "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL"},
    "restore_from_destination": False,  # the watermark is ours
    "data_writer": {"buffer_max_items": _BUFFER_ROWS, "file_max_items": _FILE_ROWS},
    "extract": {
        "next_item_mode": "fifo",  # one stream after the other, one connection at a time
        "futures_poll_interval": 0.001,  # seconds, once at the end of each stream
    },
    "normalize": {"workers": 1},
}


class _Sandbox(RunContext):
    """Where dlt looks for settings and files: nowhere that exists."""

    @property
    def global_dir(self) -> str:
        return self.run_dir

    @property
    def run_dir(self) -> str:
        return str(Path(tempfile.gettempdir()) / "syncline-dlt-has-no-home")

    @property
    def local_dir(self) -> str:
        return self.run_dir

    @property
    def data_dir(self) -> str:
        return self.run_dir

    def initial_providers(self) -> list[ConfigProvider]:
        return [CustomLoaderDocProvider("syncline", _SETTINGS.copy)]


def shut_in() -> None:
    """Replace dlt's surroundings by ours, once a process."""
    container = Container()
    if PluggableRunContext in container and isinstance(
        container[PluggableRunContext].context, _Sandbox
    ):
        return
    container[PluggableRunContext] = PluggableRunContext(_Sandbox(None))
    trace.TRACKING_MODULES = []  # without telemetry they still leave an id in the home folder


@contextmanager
def working_folder() -> Generator[Path]:
    """Give one run a fresh folder that is gone afterwards, whatever happens in between."""
    with tempfile.TemporaryDirectory(prefix="syncline-run-") as folder:
        yield Path(folder)

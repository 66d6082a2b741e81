"""A real Chromium, which notes what pages complain of and what they ask for."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    sync_playwright,
)

INSTALL_HINT = (
    "Chromium is not installed: apt-get install -y --no-install-recommends chromium"
    " (Debian, Ubuntu)"
)
PATIENCE_MS = 30_000.0
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Visit:
    """A page, with what it complained of and every address that it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])
    asked: list[str] = field(default_factory=list[str])


@contextmanager
def running_browser() -> Generator[BrowserContext]:
    """Run Chromium; skip, or fail if it is required, where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        if os.environ.get("SYNCLINE_REQUIRE_CHROMIUM") == "1":
            pytest.fail(INSTALL_HINT)
        pytest.skip(INSTALL_HINT)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        try:
            yield browser.new_context(viewport={"width": 1300, "height": 1000})
        finally:
            browser.close()


def visit(context: BrowserContext, url: str) -> Visit:
    """Open an address in a new page, and note from the beginning what it does."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    opened = Visit(page)

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            opened.complaints.append(message.text)

    def note_error(error: Error) -> None:
        opened.complaints.append(str(error))

    def note_request(request: Request) -> None:
        opened.asked.append(request.url)

    page.on("console", note_message)
    page.on("pageerror", note_error)
    page.on("request", note_request)
    page.goto(url)
    return opened

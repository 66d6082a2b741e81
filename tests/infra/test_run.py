"""The rules of `infra.local.run` that need no running stack; the others are `test_stack`'s."""

import os
import re
import subprocess
import sys

import pytest

from infra.local.run import Screen


def test_a_port_base_that_cannot_be_ends_with_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.run"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYNCLINE_PORT_BASE": "eighty"},
    )

    assert done.returncode == 1
    assert done.stderr.startswith("make run: SYNCLINE_PORT_BASE is 'eighty'")
    assert done.stderr.count("\n") == 1


def test_a_line_without_a_time_gets_one_and_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.is_open = True

    screen.show("source", "180 flights scheduled")

    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3}Z source         180 flights scheduled\n", capsys.readouterr().out
    )


def test_a_line_with_a_time_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.is_open = True

    screen.show("worker", "03:34:01.704Z worker         Run started")

    assert capsys.readouterr().out == "03:34:01.704Z worker         Run started\n"


def test_nothing_is_shown_before_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().show("worker", "Listening")

    assert capsys.readouterr().out == ""

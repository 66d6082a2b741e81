import gzip
import re

import pytest

from tests.web.conftest import Caller

PAGE = "/api/v2/docs"


def test_the_page_names_nothing_that_is_elsewhere(stranger: Caller) -> None:
    page = stranger.get(PAGE)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "//" not in page.text
    assert "<style" not in page.text
    assert re.findall(r"<script(?! src=)", page.text) == []


def test_everything_that_the_page_names_is_served(stranger: Caller) -> None:
    page = stranger.get(PAGE).text
    names = re.findall(r'(?:src|href)="((?!data:)[^"]+)"', page)
    assert len(names) == 4
    for name in names:
        answer = stranger.get(f"/api/v2/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_may_load_from_here_alone_and_run_nothing_of_its_own_text(
    stranger: Caller,
) -> None:
    policy = stranger.get(PAGE).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("start.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
    ],
)
def test_what_the_page_is_made_of_is_kept_and_comes_zipped_to_whoever_takes_it(
    stranger: Caller, name: str, kind: str
) -> None:
    plain = stranger.get(f"{PAGE}/{name}")
    zipped = stranger.client.get(f"{PAGE}/{name}", headers={"Accept-Encoding": "br, gzip"})
    assert plain.mimetype == zipped.mimetype == kind
    assert gzip.decompress(zipped.data) == plain.data
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    assert "max-age" in plain.headers["Cache-Control"]
    kept = stranger.client.get(f"{PAGE}/{name}", headers={"If-None-Match": plain.headers["ETag"]})
    assert kept.status_code == 304


@pytest.mark.parametrize("name", ["index.html", "..%2fdocs.py", "../app.py", "swagger-ui.js"])
def test_nothing_else_is_served(stranger: Caller, name: str) -> None:
    assert stranger.get(f"{PAGE}/{name}").status_code == 404

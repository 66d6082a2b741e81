"""Patterns match paths part by part, in a time that no pattern stretches."""

import time

import pytest

from shared.connectors.cloud_storage.globs import Glob, check_pattern, common_prefix


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "in/a.csv", False),
        ("*.csv", "a.CSV", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "in/2024/a.csv", True),
        ("in/**/*.csv", "in/a.csv", True),
        ("in/**/*.csv", "out/a.csv", False),
        ("in/**", "in/a/b", True),
        ("in/**", "in", True),
        ("**", "any/thing", True),
        ("a?.csv", "ab.csv", True),
        ("a?.csv", "a/.csv", False),
        ("[ab].csv", "b.csv", True),
        ("[!ab].csv", "b.csv", False),
        ("*.csv", ".csv", True),
        ("a+b(c).csv", "a+b(c).csv", True),
        ("**/a/**/b", "x/a/y/a/z/b", True),
        ("a", "a/b", False),
    ],
)
def test_a_pattern_matches_a_path_or_not(pattern: str, path: str, matches: bool) -> None:
    assert Glob(check_pattern(pattern)).matches(path) is matches


@pytest.mark.parametrize(
    "pattern", ["", "/a", "a//b", "../a", "./a", "a/", "a**.csv", "**a/b", "a\nb"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"write|leave"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("in/2024/*.csv", "in/2024/"), ("a?.csv", "a"), ("a.csv", "a.csv"), ("**", "")],
)
def test_files_are_listed_from_where_every_match_begins(pattern: str, prefix: str) -> None:
    assert Glob(pattern).prefix == prefix


def test_several_patterns_are_listed_from_what_they_share() -> None:
    assert common_prefix(["in/2024/", "in/2025/x"]) == "in/202"
    assert common_prefix(["in/", ""]) == ""
    assert common_prefix(["in/"]) == "in/"


@pytest.mark.parametrize("pattern", ["*a" * 400, "**/" * 300 + "b", "a*" * 20 + "[b"])
def test_no_pattern_takes_long_however_it_is_made(pattern: str) -> None:
    started = time.perf_counter()
    plain = Glob("*.csv")
    for _ in range(5_000):
        plain.matches("a" * 1_000)
    usual = time.perf_counter() - started
    started = time.perf_counter()
    assert not Glob(pattern).matches("a" * 700 + "c")
    assert not Glob(pattern).matches("a/" * 300 + "c")
    assert time.perf_counter() - started < 100 * usual

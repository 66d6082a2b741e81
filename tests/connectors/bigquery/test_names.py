"""Names and texts in BigQuery's SQL, whatever is in them."""

import pytest

from shared.connectors.bigquery.names import comparable, job_part, literal, quoted


@pytest.mark.parametrize(
    ("name", "written"), [("id", "`id`"), ("a`b", "`a\\`b`"), ("a\\b", "`a\\\\b`")]
)
def test_a_name_is_quoted_whatever_is_in_it(name: str, written: str) -> None:
    assert quoted(name) == written


def test_a_text_is_written_whatever_is_in_it() -> None:
    assert literal('say "\\" é\n') == '"say \\"\\\\\\" é\\n"'


def test_different_texts_stay_different_in_names_of_jobs() -> None:
    parts = {job_part(text) for text in ("a b", "a_b", "a-b", "x" * 60, "x" * 61)}
    assert len(parts) == 5
    assert all(part.replace("_", "").isalnum() for part in parts)


@pytest.mark.parametrize(
    ("kind", "written"), [("FLOAT64", "CAST(t.`id` AS STRING)"), ("INT64", "t.`id`")]
)
def test_floating_numbers_are_told_apart_by_their_texts(kind: str, written: str) -> None:
    assert comparable("t.`id`", kind) == written

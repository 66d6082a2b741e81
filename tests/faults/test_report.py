"""The table that the long form writes."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.faults.report import BEGIN, END, Result, append, main, table

KILLS = Result("killed", seconds=352.4, violations=0, runs=10_000, processes=28_906, kills=17_295)


def test_a_result_is_a_line_with_rounded_figures() -> None:
    assert table([KILLS]).splitlines() == [
        (
            "| scenario | runs | processes | SIGKILLs | SIGSTOPs | duplicate deliveries | rescues |"
            " tasks ordered anew | seconds | violations |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| killed | 10,000 | 28,906 | 17,295 |  |  |  |  | 352 | 0 |",
    ]


def test_of_a_scenario_that_came_twice_the_last_result_counts() -> None:
    again = Result("killed", seconds=1.26, violations=1)
    assert table([KILLS, again]).splitlines()[2:] == ["| killed |  |  |  |  |  |  |  | 1.3 | 1 |"]


def test_results_are_kept_in_the_long_form_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "new" / "results"
    monkeypatch.setenv("SYNCLINE_FAULTS_RESULTS", str(results))
    monkeypatch.setenv("SYNCLINE_FAULTS", "short")
    append(KILLS)
    assert not results.exists()
    monkeypatch.setenv("SYNCLINE_FAULTS", "long")
    append(KILLS)
    append(KILLS)
    assert [json.loads(line) for line in results.read_text().splitlines()] == [asdict(KILLS)] * 2


def test_the_table_replaces_what_stands_between_the_marks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, document = tmp_path / "results", tmp_path / "reliability.md"
    results.write_text(json.dumps(asdict(KILLS)) + "\n")
    document.write_text(f"# Reliability\n\n{BEGIN}\nold\n{END}\n\nProse.\n")
    main([str(results), str(document)])
    expected = f"# Reliability\n\n{BEGIN}\n\n{table([KILLS])}\n\n{END}\n\nProse.\n"
    assert document.read_text() == expected
    main([str(results), str(document)])
    assert document.read_text() == expected
    assert capsys.readouterr().out == f"{table([KILLS])}\n" * 2


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    results, document = tmp_path / "results", tmp_path / "reliability.md"
    results.write_text("")
    document.write_text("# Reliability\n")
    with pytest.raises(ValueError, match="needs a line"):
        main([str(results), str(document)])
    assert document.read_text() == "# Reliability\n"

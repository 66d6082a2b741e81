"""The results of the long form as a table: `python -m tests.faults.report RESULTS DOCUMENT`.

Each scenario appends a line to RESULTS; the table is written into DOCUMENT between two marks.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.scale import results_file

BEGIN = "<!-- results of the fault suite: begin -->"
END = "<!-- results of the fault suite: end -->"

_ROUND_ABOVE = 20
_HEADS = {
    "scenario": "scenario",
    "runs": "runs",
    "processes": "processes",
    "kills": "SIGKILLs",
    "freezes": "SIGSTOPs",
    "duplicates": "duplicate deliveries",
    "rescues": "rescues",
    "lost_tasks": "tasks ordered anew",
    "seconds": "seconds",
    "violations": "violations",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one scenario did; a count that it does not have is None."""

    scenario: str
    seconds: float
    violations: int
    runs: int | None = None
    processes: int | None = None
    kills: int | None = None
    freezes: int | None = None
    duplicates: int | None = None
    rescues: int | None = None
    lost_tasks: int | None = None


def append(result: Result) -> None:
    """Add a result to those of the long form; in the short form there are none."""
    path = results_file()
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def table(results: Sequence[Result]) -> str:
    """Return the results as a table in Markdown; of a scenario that came twice, the last one."""
    newest = {result.scenario: result for result in results}
    lines = [
        _line(list(_HEADS.values())),
        _line(["---", *("---:" for _ in list(_HEADS)[1:])]),
        *(_line([_cell(getattr(result, name)) for name in _HEADS]) for result in newest.values()),
    ]
    return "\n".join(lines)


def written_into(document: str, text: str) -> str:
    """Return the document with the text between its marks; raise `ValueError` without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs a line {BEGIN} and after it a line {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: str | float | None) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case float() if value < _ROUND_ABOVE:
            return f"{value:.1f}"
        case _:
            return f"{round(value):,}"


def main(arguments: Sequence[str]) -> None:
    """Read the results and rewrite the document."""
    results, document = map(Path, arguments)
    lines = results.read_text(encoding="utf-8").splitlines()
    text = table([Result(**json.loads(line)) for line in lines])
    document.write_text(written_into(document.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])

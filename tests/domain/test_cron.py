from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cron import canonical_cron, compile_cron
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError

REFUSED = [
    ("", RecurrenceCode.CRON_FIVE_FIELDS),
    ("   ", RecurrenceCode.CRON_FIVE_FIELDS),
    ("0 2 * *", RecurrenceCode.CRON_FIVE_FIELDS),
    ("0 0 2 * * *", RecurrenceCode.CRON_FIVE_FIELDS),
    ("0 0 2 * * * 2030", RecurrenceCode.CRON_FIVE_FIELDS),
    ("@reboot", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("@every 5m", RecurrenceCode.CRON_FIVE_FIELDS),
    ("R * * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("H 2 * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("H(0-29) 2 * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 ? * 1", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 15W * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 LW * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 1-L * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 L/2 * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * L5", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * 5L", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * L", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * MON#0", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * MON#6", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * mon-fri#2", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * monday", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 mon * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * jan", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0,, 2 * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0- 2 * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("-1 2 * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("1.5 2 * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("*/-5 * * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("*-5 * * * *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 *\n* *", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("0 2 * * *\x1f", RecurrenceCode.CRON_UNKNOWN_SYNTAX),
    ("60 * * * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("99 * * * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 24 * * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 0 0 * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 0 32 * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 0 1 0 *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 0 1 13 *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 0 * * 8", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 0 * * 8#1", RecurrenceCode.CRON_FIELD_RANGE),
    ("*/0 * * * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("50-70 * * * *", RecurrenceCode.CRON_FIELD_RANGE),
    ("0 22-2 * * *", RecurrenceCode.CRON_REVERSED_RANGE),
    ("0 23-3/2 * * *", RecurrenceCode.CRON_REVERSED_RANGE),
    ("0 2 * * fri-mon", RecurrenceCode.CRON_REVERSED_RANGE),
    ("0 2 * * sat-sun", RecurrenceCode.CRON_REVERSED_RANGE),
    ("0 2 * jan-jan *", RecurrenceCode.CRON_REVERSED_RANGE),
    ("0 2 * nov-feb *", RecurrenceCode.CRON_REVERSED_RANGE),
    ("*/61 * * * *", RecurrenceCode.CRON_STEP_TOO_LARGE),
    ("*/90 * * * *", RecurrenceCode.CRON_STEP_TOO_LARGE),
    ("0 */25 * * *", RecurrenceCode.CRON_STEP_TOO_LARGE),
    ("0 0 * * */8", RecurrenceCode.CRON_STEP_TOO_LARGE),
    ("0-10/99 * * * *", RecurrenceCode.CRON_STEP_TOO_LARGE),
    ("0 2 * * *" + " " * 92, RecurrenceCode.CRON_TOO_LONG),
    ("0 ２ * * *", RecurrenceCode.CRON_ASCII_ONLY),  # noqa: RUF001
    ("0 2\u00a0* * *", RecurrenceCode.CRON_ASCII_ONLY),
    ("0 0 30 2 *", RecurrenceCode.CRON_NEVER_FIRES),
    ("0 0 31 4,6,9,11 *", RecurrenceCode.CRON_NEVER_FIRES),
    ("0 0 29 2 */7", RecurrenceCode.CRON_NEVER_FIRES),
    ("0 0 * 2 MON#5", RecurrenceCode.CRON_NEVER_FIRES),
    ("0 0 25 12 */7", RecurrenceCode.CRON_NEVER_FIRES),
]

SAME = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@DAILY", "0 0 * * *"),
    (" 0\t2  * * * ", "0 2 * * *"),
    ("0 2 * JAN,Mar mon-FRI", "0 2 * 1,3 1-5"),
    ("0 2 * * 7", "0 2 * * 0"),
    ("0 2 * * 5-7", "0 2 * * 0,5,6"),
    ("0 2 * * 0-7", "0 2 * * 0-6"),
    ("0 2 * * */7", "0 2 * * */7"),
    ("0 2 5-5 * 7-7", "0 2 5 * 0"),
    ("00 02 01 01 *", "0 2 1 1 *"),
    ("59/15 23/6 * * *", "59 23 * * *"),
    ("5/15 * * * *", "5,20,35,50 * * * *"),
    ("0 0 * * 6/1", "0 0 * * 6"),
    ("*/60 */24 * * *", "*/60 */24 * * *"),
    ("10-20/60 * * * *", "10 * * * *"),
    ("0 0 * * SUN#1,7#2", "0 0 * * 0#1,0#2"),
    ("0 0 L * *", "0 0 l * *"),
]


@pytest.mark.parametrize(("expression", "code"), REFUSED, ids=[repr(row[0]) for row in REFUSED])
def test_what_people_cannot_mean_is_refused_with_a_code_and_a_hint(
    expression: str, code: RecurrenceCode
) -> None:
    with pytest.raises(RecurrenceError) as refusal:
        canonical_cron(expression)
    error = refusal.value
    assert (error.field, error.code) == ("cron_expression", code)
    assert error.reason
    assert error.hint


@pytest.mark.parametrize(("one", "other"), SAME, ids=[repr(row[0]) for row in SAME])
def test_two_spellings_of_one_schedule_are_the_same_fields(one: str, other: str) -> None:
    assert compile_cron(canonical_cron(one)) == compile_cron(canonical_cron(other))


def test_a_hundred_characters_are_accepted() -> None:
    expression = "0 2 * * *" + " " * 91
    assert len(expression) == 100
    assert canonical_cron(expression) == "0 2 * * *"


@pytest.mark.parametrize(
    ("index", "low", "high"), [(0, 0, 59), (1, 0, 23), (2, 1, 31), (3, 1, 12), (4, 0, 7)]
)
def test_every_range_and_step_of_a_field_is_read_as_debian_reads_it(
    index: int, low: int, high: int
) -> None:
    stride = 1 if high - low < 20 else 4
    for first, last in combinations(range(low, high + 1, stride), 2):
        for step in (1, 2, 3, 4, 5, 6, 7):
            stepped = ["0", "0", "*", "*", "*"]
            listed = list(stepped)
            stepped[index] = f"{first}-{last}/{step}"
            listed[index] = ",".join(str(value) for value in range(first, last + 1, step))
            assert compile_cron(canonical_cron(" ".join(stepped))) == compile_cron(" ".join(listed))


@pytest.mark.parametrize(
    ("expression", "cadence"),
    [
        ("0 2 * * *", False),
        ("0-59 0-23 * * *", False),
        ("0 * * * *", True),
        ("*/15 2 * * *", True),
        ("0 */2 * * *", True),
        ("1,*/5 2 * * *", False),
    ],
)
def test_a_star_at_the_start_of_minute_or_hour_keeps_the_cadence(
    expression: str, cadence: bool
) -> None:
    assert compile_cron(canonical_cron(expression)).keeps_cadence is cadence


TERM = st.from_regex(
    r"(\*|[0-9]{1,2}(-[0-9]{1,2})?|[a-z]{3}(-[a-z]{3})?)(/[0-9]{1,2})?(#[0-6])?", fullmatch=True
)
FIVE_TERMS = st.lists(TERM, min_size=5, max_size=5).map(" ".join)
ANY_TEXT = st.text(alphabet="0123456789*,-/#lLwWhHrR?@ \tmonjafebsu", max_size=30)


@given(text=ANY_TEXT | FIVE_TERMS)
def test_any_text_is_compiled_or_refused_and_nothing_else(text: str) -> None:
    try:
        canonical = canonical_cron(text)
    except RecurrenceError:
        return
    assert canonical_cron(canonical) == canonical

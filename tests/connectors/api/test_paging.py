"""Every way of paging brings every record, in one slice or in many."""

import json
from typing import Any

import pytest

from shared.errors import PermanentError
from tests.connectors.api.readings import PAGINATIONS, SINCE, Reader, api, ids, stream
from tests.connectors.api.server import RestServer, says

EIGHT = [{"id": number, "changed": f"2024-01-0{number}T00:00:00Z"} for number in range(1, 9)]
STYLES = [path for path in PAGINATIONS if path != "/plain"]


@pytest.mark.parametrize("path", PAGINATIONS)
def test_a_stream_is_read_to_its_end(server: RestServer, path: str) -> None:
    server.records = EIGHT
    assert ids(Reader(api(server, stream(path))).read_whole()) == list(range(1, 9))


@pytest.mark.parametrize("path", PAGINATIONS)
def test_an_empty_stream_is_no_error(server: RestServer, path: str) -> None:
    assert Reader(api(server, stream(path))).read_whole() == []


@pytest.mark.parametrize("path", STYLES)
def test_a_slice_ends_between_pages_and_the_next_goes_on_there(
    server: RestServer, path: str
) -> None:
    server.records = EIGHT
    slices = Reader(api(server, stream(path))).read_run()
    assert [ids(rows) for rows in slices if rows] == [[1, 2, 3], [4, 5, 6], [7, 8]]


@pytest.mark.parametrize("path", STYLES)
def test_a_slice_that_is_repeated_reads_the_same_again(server: RestServer, path: str) -> None:
    server.records = EIGHT
    reader = Reader(api(server, stream(path)))
    reader.read()
    again = Reader(reader.config, position=reader.position)
    assert ids(again.read()) == ids(reader.read()) == [4, 5, 6]


@pytest.mark.parametrize("path", [path for path in STYLES if path != "/search"])
def test_the_watermark_moves_only_at_the_end(server: RestServer, path: str) -> None:
    server.records = [EIGHT[7], *EIGHT[:7]]  # the newest comes first
    reader = Reader(api(server, stream(path, cursor=SINCE)))
    reader.read()
    assert (reader.has_more, reader.watermark) == (True, None)
    reader.read_run()
    assert reader.watermark is not None
    assert reader.watermark.value["value"] == "2024-01-08T00:00:00+00:00"
    server.asked.clear()
    assert ids(reader.read_whole()) == [8]
    assert server.queries("since")[0] == "2024-01-08T00:00:00Z"


@pytest.mark.parametrize("path", ["/pages", "/offset"])
def test_a_stream_without_a_total_ends_at_an_empty_page(server: RestServer, path: str) -> None:
    server.records = EIGHT[:6]
    settings = {**stream(path)}
    settings["pagination"] = {**settings["pagination"]}
    settings["pagination"].pop("total_path", None)
    assert len(Reader(api(server, settings)).read_whole()) == 6
    assert len(server.asked) == 3


def test_the_last_page_of_a_count_of_pages_is_the_last_that_is_asked_for(
    server: RestServer,
) -> None:
    server.records = EIGHT[:6]
    settings = stream("/pages")
    settings["pagination"] = {**settings["pagination"], "total_pages_path": "meta.pages"}
    assert len(Reader(api(server, settings)).read_whole()) == 6
    assert server.queries("page") == ["1", "2"]


@pytest.mark.parametrize("path", ["/pages", "/offset"])
def test_a_short_page_ends_a_stream_only_if_the_settings_say_so(
    server: RestServer, path: str
) -> None:
    server.records = EIGHT[:4]
    settings = stream(path)
    settings["pagination"] = {**settings["pagination"], "stop_at_short_page": True}
    settings["pagination"].pop("total_path", None)
    assert len(Reader(api(server, settings)).read_whole()) == 4
    assert len(server.asked) == 2


def test_a_server_that_gives_less_than_it_is_asked_for_loses_no_record(
    server: RestServer,
) -> None:
    server.records = EIGHT
    server.most = 2
    assert ids(Reader(api(server, stream("/offset"))).read_whole()) == list(range(1, 9))
    assert server.queries("offset") == ["0", "2", "4", "6"]


@pytest.mark.parametrize("total", [None, "many", {}])
@pytest.mark.parametrize(
    ("path", "field"), [("/offset", "total_path"), ("/pages", "total_pages_path")]
)
def test_a_total_that_is_no_number_is_a_sentence(
    server: RestServer, path: str, field: str, total: object
) -> None:
    server.always[path] = says(200, {"data": EIGHT[:3], "meta": {"sum": total}})
    settings = stream(path)
    settings["pagination"] = {**settings["pagination"], field: "meta.sum"}
    with pytest.raises(PermanentError, match="no whole number where pagination says") as failed:
        Reader(api(server, settings)).read_whole()
    assert failed.value.fault == "schema"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/cursor", {"data": EIGHT[:3], "meta": {"next": {"a": 1}}}),
        ("/next_url", {"data": EIGHT[:3], "links": {"next": 7}}),
    ],
)
def test_a_mark_of_the_next_page_that_is_none_is_a_sentence(
    server: RestServer, path: str, answer: dict[str, Any]
) -> None:
    server.always[path] = says(200, answer)
    with pytest.raises(PermanentError, match="no text where pagination says"):
        Reader(api(server, stream(path))).read_whole()


@pytest.mark.parametrize("nothing", [None, "", False])
def test_an_empty_link_ends_a_stream(server: RestServer, nothing: object) -> None:
    server.always["/next_url"] = says(200, {"data": EIGHT[:3], "links": {"next": nothing}})
    assert len(Reader(api(server, stream("/next_url"))).read_whole()) == 3


@pytest.mark.parametrize("in_slices", [True, False])
def test_a_page_that_is_given_for_ever_ends_the_stream(server: RestServer, in_slices: bool) -> None:
    server.always["/pages"] = says(200, {"data": EIGHT[:3]})
    reader = Reader(api(server, stream("/pages")))
    with pytest.raises(PermanentError, match="the same page again and again") as failed:
        reader.read_run() if in_slices else reader.read_whole()
    assert (failed.value.code, failed.value.fault) == ("cursor_stuck", "schema")
    assert len(server.asked) == 3


@pytest.mark.parametrize("in_slices", [True, False])
@pytest.mark.parametrize("circle", [["/next_url"], ["/next_url?a=1", "/next_url?b=1"]])
def test_links_that_go_in_a_circle_end_the_stream(
    server: RestServer, circle: list[str], in_slices: bool
) -> None:
    turns = 0

    def answer() -> Any:
        nonlocal turns
        turns += 1
        link = circle[turns % len(circle)]
        return says(200, {"data": [{"id": turns}], "links": {"next": server.url + link}})()

    server.always["/next_url"] = answer
    reader = Reader(api(server, stream("/next_url")))
    with pytest.raises(PermanentError, match="a page as its next that was read before") as failed:
        reader.read_run() if in_slices else reader.read_whole()
    assert failed.value.code == "cursor_stuck"
    assert len(server.asked) <= 5


def test_a_single_repeat_is_no_circle_since_rows_move_while_they_are_paged(
    server: RestServer,
) -> None:
    server.records = list(EIGHT[:6])

    def insert_three() -> None:
        server.records[:0] = [{"id": 10}, {"id": 11}, {"id": 12}]
        server.after_page = lambda: None

    server.after_page = insert_three
    assert ids(Reader(api(server, stream("/pages"))).read_whole()) == [1, 2, 3, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_page_that_the_source_forgot_starts_the_stream_anew_once(
    server: RestServer, status: int
) -> None:
    server.records = EIGHT
    reader = Reader(api(server, stream("/cursor")))
    reader.read()
    server.faults["/cursor"] = [says(status)]
    assert ids(reader.read()) == [1, 2, 3]
    assert [ids(rows) for rows in reader.read_run()] == [[4, 5, 6], [7, 8]]


def test_pages_that_are_read_again_after_that_are_no_circle(server: RestServer) -> None:
    server.records = EIGHT
    settings = stream("/cursor")
    settings["pagination"] = {**settings["pagination"], "size": 1}
    reader = Reader(api(server, settings))
    for _ in range(5):
        reader.read()
    server.faults["/cursor"] = [says(410)]
    assert [ids(rows) for rows in reader.read_run()] == [[number] for number in range(1, 9)]


def test_a_source_that_forgets_its_pages_again_is_an_error(server: RestServer) -> None:
    server.records = EIGHT
    reader = Reader(api(server, stream("/cursor")))
    reader.read()
    server.faults["/cursor"] = [says(400)]
    reader.read()
    server.faults["/cursor"] = [says(400)]
    with pytest.raises(PermanentError, match="refused the request"):
        reader.read()


def test_a_position_of_other_settings_is_ignored(server: RestServer) -> None:
    server.records = EIGHT
    reader = Reader(api(server, stream("/cursor")))
    reader.read()
    reader.config = api(server, stream("/cursor", params={"status": "any"}))
    assert ids(reader.read()) == [1, 2, 3]


def test_a_position_is_small_and_holds_no_record(server: RestServer) -> None:
    server.records = [{"id": number, "name": "canary"} for number in range(900)]
    reader = Reader(api(server, stream("/cursor")))
    for _ in range(30):
        reader.read()
    text = json.dumps(reader.position)
    assert "canary" not in text
    assert len(text) < 6_000


def test_the_pages_of_a_search_are_asked_for_in_its_body(server: RestServer) -> None:
    server.records = EIGHT
    Reader(api(server, stream("/search"))).read_whole()
    assert [one.body for one in server.asked] == [
        {"query": "all", "paging": {"size": 3}},
        {"query": "all", "paging": {"size": 3, "cursor": "3"}},
        {"query": "all", "paging": {"size": 3, "cursor": "6"}},
    ]
    assert {one.method for one in server.asked} == {"POST"}


@pytest.mark.parametrize("path", ["/next_url", "/link"])
def test_a_link_to_another_origin_is_refused(server: RestServer, path: str) -> None:
    server.records = EIGHT
    elsewhere = f"http://localhost:{server.port}{path}"
    server.always[path] = says(
        200,
        EIGHT if path == "/link" else {"data": EIGHT, "links": {"next": elsewhere}},
        Link=f'<{elsewhere}>; rel="next"',
    )
    with pytest.raises(PermanentError, match="leads to another address than its own, localhost"):
        Reader(api(server, stream(path))).read_whole()
    assert len(server.asked) == 1


def test_a_key_in_the_query_is_neither_sent_twice_nor_kept_in_positions(
    server: RestServer,
) -> None:
    server.records = EIGHT  # and the server repeats the whole query in its links
    key = {"type": "api_key", "place": "query", "name": "key", "key": "canary"}
    reader = Reader(api(server, stream("/next_url"), auth=key))
    reader.read_run()
    assert server.queries("key") == ["canary"] * 3
    assert "canary" not in json.dumps(reader.places)

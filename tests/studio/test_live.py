import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from premotor.studio.live import LivePage, PortTaken, State

STATE = State(phase="ready", instruction="open the drawer", who="panda", scene="a white drawer")


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage(0) as page:
        yield page


def ask(page: LivePage, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = (answer.status, answer.read().decode())
    connection.close()
    return said


def own(page: LivePage) -> dict[str, str]:
    return {"Origin": page.url.rstrip("/"), "Content_Type": "application/json"}


def first_event(page: LivePage) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    connection.request("GET", "/events")
    line = connection.getresponse().readline()
    connection.close()
    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return found


def test_its_files_are_served(page: LivePage) -> None:
    for path, word in (("/", "<title>premotor"), ("/page.css", "--paper"), ("/page.js", "EventSource")):
        status, text = ask(page, "GET", path)
        assert (status, word in text) == (200, True)
    assert ask(page, "GET", "/../live.py")[0] == 404


def test_a_viewer_gets_the_newest_state_with_pictures(page: LivePage) -> None:
    page.show(STATE)
    front = np.zeros((16, 16, 3), np.uint8)
    page.show(State(phase="done", instruction="x", who="panda", scene="", seconds=2.5, pictures={"front": front}))
    event = first_event(page)
    assert (event["phase"], event["seconds"]) == ("done", 2.5)
    assert event["front"].startswith("/9j/")  # JPEG in base64


def test_a_slow_viewer_never_delays_the_loop(page: LivePage) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    connection.request("GET", "/events")  # and never reads
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    begin = time.perf_counter()
    for _ in range(100):
        page.show(State(phase="running", instruction="x", who="", scene="", pictures={"front": noise}))
    assert time.perf_counter() - begin < 5
    connection.close()


def test_what_a_person_types_arrives(page: LivePage) -> None:
    status, _ = ask(page, "POST", "/say", b'{"text": "pick up the ball"}', **own(page))
    request = page.requests.get(timeout=2)
    assert (status, request.kind, request.text) == (202, "say", "pick up the ball")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Origin": "http://evil.example"}, b'{"text": "x"}', 403),
        ({"Origin": ""}, b'{"text": "x"}', 403),
        ({"Content_Type": "text/plain"}, b'{"text": "x"}', 403),
        ({"Host": "evil.example"}, b'{"text": "x"}', 403),
        ({}, b'{"text": "' + b"x" * 10_000 + b'"}', 413),
        ({}, b"not json", 400),
        ({}, b'{"words": "x"}', 400),
        ({}, b'{"text": 3}', 400),
    ],
)
def test_requests_that_are_not_the_pages_own_are_refused(
    page: LivePage, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert ask(page, "POST", "/say", body, **(own(page) | headers))[0] == status
    assert page.requests.empty()


def test_too_many_requests_are_told_so(page: LivePage) -> None:
    answers = [ask(page, "POST", "/stop", b'{"text": ""}', **own(page))[0] for _ in range(12)]
    assert answers[0] == 202
    assert answers[-1] == 429


def test_a_taken_port_is_named(page: LivePage) -> None:
    with pytest.raises(PortTaken, match=f"{page.port}.*--port"):
        LivePage(page.port)


def test_it_ends_while_somebody_watches() -> None:
    with LivePage(0) as page:
        page.show(STATE)
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
        connection.request("GET", "/events")
        connection.getresponse().readline()
    assert not any(thread.name == "live page" for thread in threading.enumerate())
    connection.close()

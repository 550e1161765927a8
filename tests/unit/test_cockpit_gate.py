"""Nobody comes in without the token, nor through a page of another site."""

from __future__ import annotations

import asyncio

import pytest

from robot_rl.cockpit.config import CockpitConfig, is_loopback
from robot_rl.cockpit.gate import FOREIGN, MISSING, WRONG, Gate
from robot_rl.errors import ConfigError

TOKEN = "s3cret-token"
HOST = "10.0.0.5:8080"


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


def gate(token=TOKEN, host="10.0.0.5"):
    return Gate(app, token, host, 8080)


def request(gate, query="", *, kind="http", **headers):
    """Return what a request gets: messages."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    raw = [(name.encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()]
    scope = {"type": kind, "query_string": query.encode(), "headers": raw}
    asyncio.run(gate(scope, receive, send))
    return sent


def test_the_token_opens_and_its_cookie_opens_again():
    start, body = request(gate(), f"token={TOKEN}")
    assert (start["status"], body["body"]) == (200, b"inside")
    (cookie,) = [value.decode() for name, value in start["headers"] if name == b"set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    again, _ = request(gate(), cookie=cookie.partition(";")[0])
    assert again["status"] == 200


@pytest.mark.parametrize(
    ("query", "cookie", "reason"),
    [
        ("", "", MISSING),
        ("token=", "", MISSING),
        ("token=wrong", "", WRONG),
        ("token=%C3%A9", "", WRONG),
        (f"token={TOKEN}x", "", WRONG),
        ("", "cockpit_8080=of-an-earlier-run", WRONG),
        ("", f"cockpit_9090={TOKEN}", MISSING),
        ("token=wrong", f"cockpit_8080={TOKEN}", WRONG),
    ],
)
def test_without_the_token_there_is_a_page_that_says_why(query, cookie, reason):
    start, body = request(gate(), query, cookie=cookie)
    assert start["status"] == 403
    assert reason.split(".")[0].encode() in body["body"]
    assert TOKEN.encode() not in body["body"]
    assert b"inside" not in body["body"]


def test_a_websocket_without_the_token_is_closed_before_it_is_accepted():
    (closed,) = request(gate(), "token=wrong", kind="websocket")
    assert closed["type"] == "websocket.close"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://10.0.0.5:9999", "null"])
def test_pages_of_other_sites_do_not_reach_through(origin):
    start, body = request(gate(), f"token={TOKEN}", origin=origin)
    assert start["status"] == 403
    assert FOREIGN.split(",")[0].encode() in body["body"]


def test_our_own_page_does():
    start, _ = request(gate(), f"token={TOKEN}", origin=f"http://{HOST}")
    assert start["status"] == 200


@pytest.mark.parametrize(("host", "status"), [("localhost:8080", 200), ("[::1]:8080", 200), ("evil.example:8080", 403)])
def test_on_a_loopback_address_no_other_name_is_served(host, status):
    start, _ = request(gate(None, "127.0.0.1"), host=host)
    assert start["status"] == status


def test_a_token_is_made_where_others_could_come_and_is_new_each_time():
    assert CockpitConfig().secret() is None
    assert CockpitConfig("localhost", token="abcdefgh").secret() == "abcdefgh"
    first, second = CockpitConfig("0.0.0.0").secret(), CockpitConfig("0.0.0.0").secret()
    assert first is not None
    assert first != second
    assert len(first) >= 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 70000}, "port 70000 is not in 0..65535"),
        ({"token": "short"}, "at least 8 letters"),
        ({"token": "with spaces in it"}, "letters, digits"),
        ({"host": ""}, "host is empty"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        CockpitConfig(**settings)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("robot.lan", False)],
)
def test_which_addresses_are_this_machines_own(host, expected):
    assert is_loopback(host) is expected

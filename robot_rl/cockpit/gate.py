"""Who may come in: those with the token, by a page that is ours."""

from __future__ import annotations

import hmac
import html
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from robot_rl.cockpit.config import is_loopback

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

MISSING = (
    "This cockpit asks for a token. Open the whole address that the run printed when it started, with ?token=... at its end."
)
WRONG = (
    "This token does not fit. A new one is made each time a run starts: "
    "open the address that the run printed last, and close pages of earlier runs."
)
FOREIGN = "This request comes from a page, or for a name, that is not the cockpit's."

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>403: no entry</title>
<style>body{{background:#0f1216;color:#e6e9ee;font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;
min-height:90vh;margin:0 1.5rem}}main{{max-width:34rem}}h1{{font-size:1.4rem}}p{{color:#a7b0bd}}</style>
<main><h1>No entry to this cockpit</h1><p>{reason}</p></main>
"""


class Gate:
    """Lets in requests that carry the token, in the address or in the cookie that the address left, and no others.

    Pages of other sites cannot reach through: a request whose origin is not the page's own is refused, and on a loopback
    address also one for a name that is not this machine's (DNS rebinding).
    """

    def __init__(self, app: App, token: str | None, host: str, port: int) -> None:
        """Stand before `app`.

        Args:
            app: ASGI application.
            token: What is asked for; None: nothing, on a loopback address.
            host: Address that is listened at.
            port: Its port; cookies do not know ports, so it is in the cookie's name.
        """
        self._app, self._token = app, token
        self._is_loopback = is_loopback(host)
        self._cookie = f"cockpit_{port}"

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[-1]
        if reason := self.refusal(headers, given):
            await _refuse(scope, receive, send, reason)
        elif given is not None and scope["type"] == "http":
            await self._app(scope, receive, self._leaving_cookie(send))
        else:
            await self._app(scope, receive, send)

    def refusal(self, headers: MutableMapping[str, str], given: str | None) -> str:
        """Return why a request is refused, or an empty string.

        Args:
            headers: By lower-case name.
            given: Token in the address, or None.
        """
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return FOREIGN
        if self._is_loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return FOREIGN
        if self._token is None:
            return ""
        shown = given if given is not None else self._from_cookie(headers.get("cookie", ""))
        if shown is None:
            return MISSING
        return "" if hmac.compare_digest(shown.encode(), self._token.encode()) else WRONG

    def _from_cookie(self, header: str) -> str | None:
        try:
            cookie = SimpleCookie(header).get(self._cookie)
        except CookieError:
            return None
        return None if cookie is None else cookie.value

    def _leaving_cookie(self, send: Any) -> Any:
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict".encode()

        async def leave(message: Any) -> None:
            if message["type"] == "http.response.start" and self._token is not None:
                message = {**message, "headers": [*message.get("headers", []), (b"set-cookie", cookie)]}
            await send(message)

        return leave


async def _refuse(scope: Scope, receive: Any, send: Any, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": reason[:120]})
        return
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE.format(reason=html.escape(reason)).encode()})

"""A JSON client over one kept-alive HTTP connection whose every call ends by a deadline."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from robot_rl.errors import ConfigError, DeviceError

MAX_REPLY_BYTES = 1_000_000
"""A reply that is longer is nonsense; a robot's state is about a kilobyte."""
_SHOWN = 120
"""Characters of a wrong reply that an error quotes."""


class HttpJson:
    """Posts JSON to one server. A call takes `timeout_s` in all, however slowly the server trickles its reply.

    Calls from several threads wait for each other; a thread that must not wait uses a client of its own. A call is never
    repeated, except where the server had closed a kept-alive connection before it read anything.
    """

    def __init__(self, url: str, timeout_s: float, what: str) -> None:
        """Remember where the server is; nothing is opened.

        Args:
            url: `http://host:port`, with a path before the endpoints if there is one.
            timeout_s: Most that a call may take, s.
            what: How errors call the server.

        Raises:
            ConfigError: If the address or the time is none.
        """
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port or 80
        except ValueError as error:
            raise ConfigError(f"{what}: url {url!r}: {error}; give http://HOST:PORT") from error
        if parts.scheme != "http" or not host:
            raise ConfigError(f"{what}: url {url!r} is no http address; give http://HOST:PORT, such as http://127.0.0.1:5000")
        if not timeout_s > 0:
            raise ConfigError(f"{what}: timeout_s {timeout_s:g} is not positive; give a few times the server's usual reply")
        self._host, self._port, self._prefix = host, port, parts.path.rstrip("/")
        self._timeout, self._what = timeout_s, what
        self._url = url.rstrip("/")
        self._lock = threading.Lock()
        self._connection: _Connection | None = None

    def post(self, endpoint: str, body: object = None, timeout_s: float | None = None) -> str:
        """Return the text of the reply to a POST of `body`, as JSON unless it is None.

        Raises:
            DeviceError: If the server is gone, slow or says anything but 200; with the endpoint and the remedy.
        """
        timeout = self._timeout if timeout_s is None else timeout_s
        data = b"" if body is None else json.dumps(body, allow_nan=False).encode()
        where = f"{self._what} at {self._url}: /{endpoint}"
        with self._lock:
            try:
                status, text = self._exchange(endpoint, data, time.monotonic() + timeout)
            except TimeoutError as error:
                self._drop()
                raise DeviceError(
                    f"{where} had no whole reply within {timeout:g} s; is the server busy, or the network? "
                    "Raise timeout_s only if it is slow by nature"
                ) from error
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                reason = str(error) or type(error).__name__
                raise DeviceError(f"{where} failed: {reason}; is the robot's server running, and the address right?") from error
        if status != http.client.OK:
            raise DeviceError(f"{where} answered HTTP {status}: {_shortened(text)}; the server's own log says more")
        return text

    def fetch(self, endpoint: str) -> dict[str, Any]:
        """Return the JSON object in the reply to a POST without a body.

        Raises:
            DeviceError: As `post` does, and if the reply is no JSON object.
        """
        text = self.post(endpoint)
        try:
            value = json.loads(text)
        except ValueError as error:
            raise DeviceError(f"{self._what} at {self._url}: /{endpoint} sent no JSON: {_shortened(text)}") from error
        if not isinstance(value, dict):
            raise DeviceError(f"{self._what} at {self._url}: /{endpoint} sent no JSON object: {_shortened(text)}")
        return value

    def close(self) -> None:
        """Close the connection, if there is one; the next call opens another."""
        with self._lock:
            self._drop()

    def _exchange(self, endpoint: str, data: bytes, deadline: float) -> tuple[int, str]:
        kept = self._connection
        if kept is not None:
            try:
                return self._ask(kept, endpoint, data, deadline)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._drop()  # servers close idle connections, and this is how one learns of it
        self._connection = _Connection(self._host, self._port)
        return self._ask(self._connection, endpoint, data, deadline)

    def _ask(self, connection: _Connection, endpoint: str, data: bytes, deadline: float) -> tuple[int, str]:
        connection.deadline = deadline
        headers = {"Content-Type": "application/json"} if data else {}
        connection.request("POST", f"{self._prefix}/{endpoint}", data, headers)
        response = connection.getresponse()
        text = response.read(MAX_REPLY_BYTES + 1)
        if len(text) > MAX_REPLY_BYTES:
            raise http.client.HTTPException(f"the reply is longer than {MAX_REPLY_BYTES} bytes")
        if response.will_close:
            self._drop()
        return response.status, text.decode(errors="replace")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection whose waits all end by `deadline`; a socket's own time limit starts anew with every byte."""

    deadline = 0.0

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=_left(self.deadline))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = _DeadlineSocket(self, plain)


class _DeadlineSocket:
    """What http.client uses of a socket."""

    def __init__(self, connection: _Connection, plain: socket.socket) -> None:
        self._connection, self._plain = connection, plain

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(_left(self._connection.deadline))
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._connection, self._plain))

    def close(self) -> None:
        self._plain.close()


class _DeadlineReader(io.RawIOBase):
    def __init__(self, connection: _Connection, plain: socket.socket) -> None:
        self._connection, self._plain = connection, plain

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._plain.settimeout(_left(self._connection.deadline))
        return self._plain.recv_into(buffer)


def _left(deadline: float) -> float:
    """Return the s until `deadline`; raise TimeoutError if there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("deadline passed")
    return left


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")

"""The HTTP server that serves a robot of ours to SERL's clients."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from hardware.clock import WallClock
from hardware.serl_endpoints import EndpointConfig, SerlEndpoints
from hardware.serl_goal import GoalConfig, GoalFollower
from robot_rl.errors import ConfigError
from robot_rl.protocols import Clock, Robot

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 65_536
"""SERL's clients post a few hundred."""
IDLE_S = 60.0
"""A connection on which nothing comes for so long is closed."""


class SerlHttpServer:
    """A robot, its goals and its endpoints behind one port.

    `start` connects the robot and answers from threads; `run` leads the robot to its goals until `close`. A program that
    drives `follower.tick()` itself does not call `run`. The robot is held when `run` ends, however it ends.
    """

    def __init__(
        self,
        robot: Robot,
        host: str = "127.0.0.1",
        port: int = 5000,
        goals: GoalConfig | None = None,
        endpoints: EndpointConfig | None = None,
    ) -> None:
        """Put the parts together; nothing is opened. Port 0 takes a free one."""
        self.follower = GoalFollower(robot, GoalConfig() if goals is None else goals)
        self.endpoints = SerlEndpoints(self.follower, EndpointConfig() if endpoints is None else endpoints)
        self._address = (host, port)
        self._server: _Server | None = None
        self._ended = threading.Event()

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._address if self._server is None else self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Connect the robot and begin to answer.

        Raises:
            ConfigError: If the address cannot be had.
            DeviceError: If the robot cannot be reached.
        """
        try:
            self._server = _Server(self._address, self._handler())
        except (OSError, OverflowError) as error:
            host, port = self._address
            is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            hint = "is a robot server running already?" if is_taken else "give an address of this machine, and a port to 65535"
            raise ConfigError(f"cannot listen on {host}:{port}: {error}; {hint}") from error
        try:
            self.follower.robot.connect()
        except BaseException:
            self._server.server_close()
            self._server = None
            raise
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="serl-http", daemon=True).start()

    def run(self, wall: Clock | None = None) -> None:
        """Lead the robot to its goals at the rate, as fast as `wall` even if the robot's own clock is simulated."""
        wall = WallClock() if wall is None else wall
        clock, period = self.follower.robot.clock, self.follower.config.period
        due, wall_due = clock.now(), wall.now()
        try:
            while not self._ended.is_set():
                self.follower.tick()
                due, wall_due = max(due + period, clock.now()), max(wall_due + period, wall.now())
                clock.sleep_until(due)
                wall.sleep_until(wall_due)
        finally:
            self.follower.hold()

    def close(self) -> None:
        """Hold the robot, answer no more and disconnect; idempotent, from any thread but a client's."""
        self._ended.set()
        self.follower.hold()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        self.follower.robot.close()

    def __enter__(self) -> SerlHttpServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        def answer(name: str, body: bytes) -> tuple[HTTPStatus, str]:
            try:
                return self.endpoints.answer(name, body)
            except Exception as error:
                self.follower.hold()
                log.exception("held: /%s failed", name)
                return HTTPStatus.INTERNAL_SERVER_ERROR, f"/{name}: {type(error).__name__}: {error}; the robot is held"

        return lambda *given: _Handler(answer, *given)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a connection of %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One client's connection, kept alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_S

    def __init__(self, answer: Callable[[str, bytes], tuple[HTTPStatus, str]], *given: object) -> None:
        self._answer = answer
        super().__init__(*given)  # pyright: ignore[reportArgumentType]

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._reply(
                HTTPStatus.BAD_REQUEST, f"give a body of at most {MAX_BODY_BYTES} bytes, with its Content-Length", close=True
            )
            return
        body = self.rfile.read(int(length))
        if "Origin" in self.headers:  # a web page in somebody's browser, which must not move the robot
            self._reply(HTTPStatus.FORBIDDEN, "web pages may not drive the robot")
            return
        self._reply(*self._answer(self.path.partition("?")[0].strip("/"), body))

    def do_GET(self) -> None:
        self._reply(HTTPStatus.METHOD_NOT_ALLOWED, "POST is how this server is asked", close=True)

    def log_message(self, format: str, *values: object) -> None:
        log.debug(format, *values)

    def _reply(self, status: HTTPStatus, text: str, *, close: bool = False) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

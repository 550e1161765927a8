"""The cockpit's process: serves the page until the control process ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robot_rl.cockpit.frames import FrameReader
from robot_rl.cockpit.gate import Gate
from robot_rl.cockpit.hub import Hub
from robot_rl.cockpit.inputs import InputWriter
from robot_rl.cockpit.live import serve_viewer
from robot_rl.cockpit.page import add_page
from robot_rl.cockpit.wire import LineReader

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.websockets import WebSocket

TICK_S = 0.05


def main(state_fd: int, ready_fd: int, frames_fd: int, inputs_fd: int) -> None:
    """Serve. The arguments are inherited file descriptors.

    Args:
        state_fd: Pipe of JSON lines from the control process; its end is the end of this process.
        ready_fd: Pipe that is told {port}, or {error}.
        frames_fd: Shared memory of the pictures.
        inputs_fd: Shared memory of the inputs.
    """
    reader = LineReader(state_fd)
    messages = _first(reader)
    settings = messages.pop(0)
    try:
        listener = _listen(settings["host"], settings["port"])
    except OSError as error:
        _tell(ready_fd, {"error": str(error)})
        return
    hub = Hub(settings["title"], FrameReader(frames_fd), InputWriter(inputs_fd))
    for message in messages:
        hub.hear(message)
    app = Gate(make_app(hub), settings["token"], settings["host"], listener.getsockname()[1])
    asyncio.run(_serve(app, hub, reader, listener, ready_fd))


def make_app(hub: Hub) -> FastAPI:
    """Return the web application, without its gate."""
    from fastapi import FastAPI
    from nicegui import ui
    from starlette.routing import WebSocketRoute

    async def live(line: WebSocket) -> None:
        await serve_viewer(hub, line)

    app = FastAPI(openapi_url=None)
    app.router.routes.append(WebSocketRoute("/live", live))
    add_page(hub)
    ui.run_with(app, title=hub.title, dark=True, tailwind=False, show_welcome_message=False, favicon="🦾")
    return app


async def _serve(app: Any, hub: Hub, reader: LineReader, listener: socket.socket, ready_fd: int) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def on_message() -> None:
        messages = reader.read()
        if messages is None:
            loop.remove_reader(reader.fd)
            server.should_exit = True
            return
        for message in messages:
            hub.hear(message)

    loop.add_reader(reader.fd, on_message)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    parent = os.getppid()
    while not serving.done():
        if server.started and ready_fd >= 0:
            _tell(ready_fd, {"port": listener.getsockname()[1]})
            ready_fd = -1
        if os.getppid() != parent:  # a child of the control process may keep the pipe open when that is killed
            os._exit(1)
        hub.tick()
        await asyncio.wait({serving}, timeout=TICK_S)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _first(reader: LineReader) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages:
        read = reader.read()
        if read is None:
            sys.exit(1)
        messages += read
    return messages


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError if the address is taken or is not this machine's."""
    family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(128)
    return listener


def _tell(fd: int, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(fd, json.dumps(message).encode())
    os.close(fd)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))

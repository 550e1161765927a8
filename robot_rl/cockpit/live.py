"""The live line between the hub and one page: pictures and state out, hands in."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Protocol

from robot_rl.cockpit.hub import Hub
from robot_rl.cockpit.message import Message, parse
from robot_rl.cockpit.wire import encode

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

MAX_IN_FLIGHT = 2
"""pictures of a camera on their way to a page: a slow line gets fewer of them, never old ones"""
REFRESH_S = 0.25
"""s: a page gets news at least this often, as its age is shown"""
MIN_PERIOD_S = 0.025
REFUSED = "somebody else drives: their word counts"


class Line(Protocol):
    """What is needed of a WebSocket."""

    async def send_text(self, data: str) -> None:
        """Send text."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        ...

    async def receive_text(self) -> str:
        """Wait for text."""
        ...


class Viewer:
    """One page that is open. It is sent what is newest whenever it has taken what it was sent before."""

    def __init__(self, hub: Hub, line: Line) -> None:
        """Join the hub."""
        self._hub, self._line = hub, line
        self._wakes = asyncio.Event()
        self._has_news = True
        self._sent: dict[str, int] = {}
        self._in_flight: dict[str, int] = {}
        self.number = hub.join(self)

    def wake(self) -> None:
        """Send the newest soon."""
        self._has_news = True
        self._wakes.set()

    async def feed(self) -> None:
        """Send what is new, for ever."""
        while True:
            self._wakes.clear()
            if self._has_news:
                self._has_news = False
                await self._line.send_text(encode(self._hub.view(self.number)).decode())
            for camera in self._hub.frames.cameras:
                await self._send_picture(camera)
            await asyncio.sleep(MIN_PERIOD_S)
            try:
                await asyncio.wait_for(self._wakes.wait(), REFRESH_S)
            except TimeoutError:
                self._has_news = True

    async def listen(self) -> None:
        """Take what the page sends, until it is gone.

        Raises:
            ValueError: If it sends what no page of ours would.
        """
        while True:
            await self.take(parse(await self._line.receive_text()))

    async def take(self, message: Message) -> None:
        """Take one message."""
        hub, number = self._hub, self.number
        if message.kind == "drive":
            hub.drive(number, message.motion, message.gripper)
        elif message.kind == "ack":
            self._in_flight[message.camera] = max(0, self._in_flight.get(message.camera, 0) - 1)
            self._wakes.set()
        elif message.kind == "tap":
            if not hub.tap(number, message.event):
                await self._line.send_text(json.dumps({"type": "notice", "text": REFUSED}))
        elif message.kind == "ping":
            await self._line.send_text(json.dumps({"type": "pong", "sent": message.sent}))
        else:
            {"take": hub.take, "release": hub.release, "hand_over": hub.hand_over}[message.kind](number)

    async def _send_picture(self, camera: str) -> None:
        if self._in_flight.get(camera, 0) >= MAX_IN_FLIGHT:
            return
        newest = await self._hub.pictures.newest(camera, self._sent.get(camera, 0))
        if newest is None:
            return
        self._sent[camera], jpeg = newest
        self._in_flight[camera] = self._in_flight.get(camera, 0) + 1
        name = camera.encode()
        await self._line.send_bytes(len(name).to_bytes(2, "little") + name + jpeg)


async def serve_viewer(hub: Hub, socket: WebSocket) -> None:
    """Serve one page until it is gone; with it goes its control."""
    from starlette.websockets import WebSocketDisconnect

    await socket.accept()
    viewer = Viewer(hub, socket)
    feed = asyncio.create_task(viewer.feed())
    listen = asyncio.create_task(viewer.listen())
    try:
        done, _ = await asyncio.wait({feed, listen}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except (WebSocketDisconnect, RuntimeError):  # RuntimeError: sent to a line that is closing
        pass
    except ValueError as error:
        await socket.close(1008, str(error)[:120])
    finally:
        hub.leave(viewer.number)
        for task in (feed, listen):
            task.cancel()
        await asyncio.gather(feed, listen, return_exceptions=True)

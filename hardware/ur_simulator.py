"""A simulated UR controller on real sockets: RTDE, programs and dashboard, for clients that know nothing of it."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.ur_arm import CompliantArm
from hardware.ur_controller import VERSION, DrivenArm, UrController
from hardware.ur_fields import (
    DASHBOARD_PORT,
    DATA,
    GET_CONTROLLER_VERSION,
    PAUSE,
    PROTOCOL_VERSION,
    REQUEST_VERSION,
    RTDE_PORT,
    SCRIPT_PORTS,
    SETUP_INPUTS,
    SETUP_OUTPUTS,
    START,
    Recipe,
    packet,
    take_packets,
)
from robot_rl.errors import DeviceError

STEP_S = 0.004
"""s between two steps of the arm; a real one makes them of 2 ms."""
MAX_LAG_S = 0.1
"""s of time that is made up for after a hiccup."""
GREETING = "Connected: Universal Robots Dashboard Server"


@dataclass
class _Client:
    """A connection and what was agreed on it."""

    socket: socket.socket
    take: Callable[[_Client], None]
    buffer: bytearray = field(default_factory=bytearray)
    inputs: dict[int, Recipe] = field(default_factory=dict)
    outputs: Recipe | None = None
    period: float = 0.008
    next_at: float = 0.0
    is_started: bool = False


class UrSimulator:
    """Runs a `UrController` in real time in a thread of its own, on the ports of a real one.

    The ports are fixed by the vendor's client, so that each simulator needs an address: Linux has all of 127.*.*.*.
    """

    def __init__(self, arm: DrivenArm | None = None, address: str = "127.0.0.1") -> None:
        self.address = address
        self.controller = UrController(arm or CompliantArm())
        self.lock = threading.RLock()
        """Held while the controller works; take it to look at it or change it."""
        self.is_silent = False
        """Set it, and no more data is sent, as if the cable were out."""
        self.peak_force, self.peak_speed = 0.0, 0.0
        """N and m/s, along any axis, that the tool felt and went since the start."""
        self.failure: Exception | None = None
        """What ended the thread."""
        self._selector = selectors.DefaultSelector()
        self._clients: list[_Client] = []
        self._listeners: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> UrSimulator:
        """Listen, and run until `close`."""
        self._listen(RTDE_PORT, self._take_rtde)
        for port in SCRIPT_PORTS:
            self._listen(port, self._take_script)
        self._listen(DASHBOARD_PORT, self._take_line, GREETING)
        self._thread = threading.Thread(target=self._run, name="ur-simulator", daemon=True)
        self._thread.start()
        return self

    def unplug(self) -> None:
        """Cut every connection and listen no longer."""
        with self.lock:
            for listener in self._listeners:
                self._selector.unregister(listener)
                listener.close()
            self._listeners.clear()
            for client in list(self._clients):
                self._drop(client)

    @property
    def is_unplugged(self) -> bool:
        """Whether it listens no longer."""
        return not self._listeners

    def close(self) -> None:
        """End the thread and free the ports."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.unplug()

    def _listen(self, port: int, take: Callable[[_Client], None], greeting: str = "") -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.address, port))
        except OSError as error:
            raise DeviceError(
                f"{self.address}:{port} is taken ({error.strerror}); give the simulator another address"
            ) from error
        listener.listen()

        def accept() -> None:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = _Client(connection, take)
            self._clients.append(client)
            self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(client))
            if greeting:
                self._send(client, f"{greeting}\n".encode())

        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ, accept)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._ended.is_set():
                for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                    with self.lock:
                        if key.fileobj.fileno() >= 0:  # pyright: ignore[reportAttributeAccessIssue]
                            key.data()
                due = max(due, time.monotonic() - MAX_LAG_S)
                with self.lock:
                    while due <= time.monotonic():
                        due += STEP_S
                        self.controller.step(STEP_S)
                        self._remember_peaks()
                    self._publish()
        except Exception as error:  # a thread has nobody to raise to; whoever started it looks here
            self.failure = error
            self.unplug()

    def _remember_peaks(self) -> None:
        arm = self.controller.arm
        self.peak_force = max(self.peak_force, *map(abs, arm.touch()[:3].tolist()))
        self.peak_speed = max(self.peak_speed, *map(abs, arm.twist[:3].tolist()))

    def _publish(self) -> None:
        controller = self.controller
        for client in list(self._clients):
            recipe = client.outputs
            if not client.is_started or recipe is None or self.is_silent or controller.time < client.next_at:
                continue
            client.next_at = max(client.next_at + client.period, controller.time - client.period)
            values = recipe.pack([controller.value(name) for name in recipe.names])
            self._send(client, packet(DATA, b"\x01" + values))

    def _receive(self, client: _Client) -> None:
        try:
            data = client.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.buffer += data
        client.take(client)

    def _take_rtde(self, client: _Client) -> None:
        for kind, payload in take_packets(client.buffer):
            if kind == DATA:
                recipe = client.inputs[payload[0]]
                self.controller.set_inputs(recipe.unpack(payload[1:]))
                continue
            self._send(client, packet(kind, self._reply(client, kind, payload)))

    def _reply(self, client: _Client, kind: int, payload: bytes) -> bytes:
        if kind == REQUEST_VERSION:
            return bytes([struct.unpack(">H", payload)[0] == PROTOCOL_VERSION])
        if kind == GET_CONTROLLER_VERSION:
            return struct.pack(">4I", *VERSION)
        if kind == SETUP_OUTPUTS:
            client.period = 1.0 / struct.unpack_from(">d", payload)[0]
            client.outputs = Recipe(_names(payload[8:]))
            return b"\x01" + ",".join(client.outputs.types).encode()
        if kind == SETUP_INPUTS:
            recipe = Recipe(_names(payload))
            number = len(client.inputs) + 1 if recipe.is_known else 0
            if number:
                client.inputs[number] = recipe
            return bytes([number]) + ",".join(recipe.types).encode()
        if kind == START:
            client.is_started = client.outputs is not None and client.outputs.is_known
            client.next_at = self.controller.time
            return bytes([client.is_started])
        if kind == PAUSE:
            client.is_started = False
            return b"\x01"
        raise ValueError(f"RTDE packet of unknown type {kind}")

    def _take_script(self, client: _Client) -> None:
        text = client.buffer.decode(errors="replace")
        if text.endswith("\nend\n") or text.endswith("\nend\n\n"):
            client.buffer.clear()
            self.controller.play(text)

    def _take_line(self, client: _Client) -> None:
        while b"\n" in client.buffer:
            line, _, rest = bytes(client.buffer).partition(b"\n")
            client.buffer = bytearray(rest)
            self._send(client, f"{self.controller.answer(line.decode())}\n".encode())

    def _send(self, client: _Client, data: bytes) -> None:
        try:
            client.socket.sendall(data)
        except OSError:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.socket)
            client.socket.close()


def _names(payload: bytes) -> list[str]:
    return [name for name in payload.decode().split(",") if name]

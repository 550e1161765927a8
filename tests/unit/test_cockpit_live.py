"""A page gets what is newest, and is believed only as far as it may be."""

from __future__ import annotations

import asyncio
import json
import os

import numpy as np
import pytest

from robot_rl.cockpit.frames import FrameReader, FrameWriter
from robot_rl.cockpit.hub import Hub
from robot_rl.cockpit.inputs import PAGE_NBYTES, InputReader, InputWriter
from robot_rl.cockpit.live import MAX_IN_FLIGHT, REFUSED, Viewer
from robot_rl.cockpit.message import Message
from robot_rl.cockpit.shared import create_shared


class FakeLine:
    """A page that writes down what it is sent."""

    def __init__(self):
        self.texts, self.pictures = [], []

    async def send_text(self, data):
        self.texts.append(json.loads(data))

    async def send_bytes(self, data):
        self.pictures.append(data)

    async def receive_text(self):
        await asyncio.sleep(3600)


class Bench:
    def __init__(self):
        self.now = 50.0
        self.fds = create_shared("test-frames", 0), create_shared("test-inputs", PAGE_NBYTES)
        self.frames = FrameWriter(self.fds[0])
        self.hub = Hub("test", FrameReader(self.fds[0]), InputWriter(self.fds[1]), lambda: self.now)
        self.reader = InputReader(self.fds[1])
        self.line = FakeLine()

    def show(self, value, **state):
        layout = self.frames.write({"front": np.full((8, 8, 3), value, np.uint8)})
        self.hub.hear({"type": "state", "cameras": layout, "phase": "running", **state})

    async def fed(self, viewer, until):
        """Feed a viewer until a condition holds."""
        feed = asyncio.create_task(viewer.feed())
        async with asyncio.timeout(5):
            while not until():
                await asyncio.sleep(0.001)
        feed.cancel()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.frames.close()
    bench.reader.close()
    for fd in bench.fds:
        os.close(fd)


def test_a_page_is_sent_state_and_pictures_and_says_which_came(bench):
    async def scenario():
        viewer = Viewer(bench.hub, bench.line)
        bench.show(10, step=3)
        await bench.fed(viewer, lambda: bench.line.pictures)

    asyncio.run(scenario())
    view = bench.line.texts[-1]
    assert (view["type"], view["viewer"], view["state"]["step"]) == ("view", 1, 3)
    picture = bench.line.pictures[0]
    length = int.from_bytes(picture[:2], "little")
    assert picture[2 : 2 + length] == b"front"
    assert picture[2 + length :].startswith(b"\xff\xd8"), "JPEG"


def test_a_page_that_does_not_keep_up_misses_pictures_and_then_gets_the_newest(bench):
    async def scenario():
        viewer = Viewer(bench.hub, bench.line)
        for value in range(1, 20):
            bench.show(value)
            await viewer._send_picture("front")
        assert len(bench.line.pictures) == MAX_IN_FLIGHT
        await viewer.take(Message("ack", camera="front"))
        await viewer._send_picture("front")
        assert viewer._sent["front"] == 19

    asyncio.run(scenario())
    assert len(bench.line.pictures) == MAX_IN_FLIGHT + 1


def test_a_picture_is_encoded_once_for_all_who_look(bench, monkeypatch):
    calls = []
    monkeypatch.setattr("robot_rl.cockpit.pictures.encode_jpeg", lambda image: calls.append(1) or b"jpeg")

    async def scenario():
        viewers = [Viewer(bench.hub, FakeLine()) for _ in range(3)]
        bench.show(7)
        await asyncio.gather(*(viewer._send_picture("front") for viewer in viewers))
        assert all(viewer._line.pictures == [b"\x05\x00frontjpeg"] for viewer in viewers)

    asyncio.run(scenario())
    assert calls == [1]


def test_hands_reach_the_control_process_at_once_and_a_silent_page_loses_them(bench):
    async def scenario():
        viewer = Viewer(bench.hub, bench.line)
        await viewer.take(Message("take"))
        await viewer.take(Message("drive", motion={"x": 0.5}))
        assert bench.reader.read().motion == {"x": 0.5}
        bench.now += 1.0
        bench.hub.tick()
        inputs = bench.reader.read()
        assert (inputs.is_driven, inputs.motion, inputs.alive) == (False, {}, 51.0)

    asyncio.run(scenario())


def test_a_label_of_one_who_does_not_drive_is_refused_and_told_but_a_stop_counts(bench):
    async def scenario():
        driver, other = Viewer(bench.hub, FakeLine()), Viewer(bench.hub, bench.line)
        await driver.take(Message("take"))
        await other.take(Message("tap", event="success"))
        assert bench.line.texts == [{"type": "notice", "text": REFUSED}]
        assert bench.reader.read().taps["success"] == 0
        await other.take(Message("tap", event="stop"))
        assert bench.reader.read().taps["stop"] == 1
        assert bench.hub.view(2)["num_stops"] == 1
        assert bench.hub.view(1)["driver"] is None

    asyncio.run(scenario())


def test_who_comes_later_sees_what_is_known(bench):
    bench.show(1, step=9)
    bench.hub.hear({"type": "points", "points": {"critic/q": 0.5}})
    bench.hub.hear({"type": "say", "text": "resetting in 3"})
    bench.now += 2.0
    view = bench.hub.view(1)
    assert (view["state"]["step"], view["values"]["critic/q"], view["text"], view["age_s"]) == (9, 0.5, "resetting in 3", 2.0)


def test_a_pause_is_seen_until_the_next_step(bench):
    bench.show(1, step=9)
    bench.hub.hear({"type": "phase", "phase": "paused"})
    assert (bench.hub.view(1)["state"]["phase"], bench.hub.view(1)["state"]["step"]) == ("paused", 9)
    bench.show(1, step=10)
    assert bench.hub.view(1)["state"]["phase"] == "running"

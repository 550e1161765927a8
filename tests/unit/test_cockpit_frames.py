"""Pictures in shared memory: the newest wins, and no half of one is ever shown."""

from __future__ import annotations

import os

import numpy as np
import pytest

from robot_rl.cockpit.frames import COUNTER, NUM_SLOTS, FrameReader, FrameWriter, Region
from robot_rl.cockpit.shared import create_shared


def picture(value, height=4, width=6, channels=3):
    return np.full((height, width, channels), value, np.uint8)


@pytest.fixture
def memory():
    fd = create_shared("test-frames", 0)
    writer, reader = FrameWriter(fd), FrameReader(fd)
    yield writer, reader
    writer.close()
    os.close(fd)


def test_the_newest_picture_of_each_camera_is_read(memory):
    writer, reader = memory
    for value in range(1, 8):
        layout = writer.write({"front": picture(value), "wrist": picture(100 + value, 5, 5)})
    reader.lay_out(layout)
    assert reader.cameras == ("front", "wrist")
    assert (reader.newest("front"), reader.newest("wrist")) == (7, 7)
    np.testing.assert_array_equal(reader.read("front", 7), picture(7))
    np.testing.assert_array_equal(reader.read("wrist", 7), picture(107, 5, 5))


def test_a_picture_that_was_written_over_is_not_read(memory):
    writer, reader = memory
    for value in range(1, 3 + NUM_SLOTS):
        reader.lay_out(writer.write({"front": picture(value)}))
    assert reader.read("front", 1) is None
    assert reader.read("front", 2 + NUM_SLOTS)[0, 0, 0] == 2 + NUM_SLOTS


def test_a_picture_that_is_being_written_is_not_read(memory):
    writer, reader = memory
    layout = writer.write({"front": picture(1)})
    reader.lay_out(layout)
    region = Region(*layout["front"])
    COUNTER.pack_into(reader._memory, region.slot(1), 0)  # as the writer does before the first pixel
    assert reader.read("front", 1) is None


def test_of_stacked_frames_the_newest_is_shown(memory):
    writer, reader = memory
    stacked = np.concatenate([picture(1), picture(2)], axis=-1)
    reader.lay_out(writer.write({"front": stacked}))
    np.testing.assert_array_equal(reader.read("front", 1), picture(2))


def test_memory_grows_with_cameras_and_not_with_time(memory):
    writer, reader = memory
    first = writer.write({"front": picture(1)})
    writer.write({"scene": picture(2, 8, 8)})
    size = os.fstat(writer._fd).st_size
    for value in range(20):
        again = writer.write({"front": picture(value)})
    assert again == first
    assert os.fstat(writer._fd).st_size == size
    reader.lay_out(again)
    assert reader.read("front", reader.newest("front"))[0, 0, 0] == 19


def test_without_cameras_there_is_nothing(memory):
    writer, reader = memory
    assert writer.write({}) == {}
    assert (reader.newest("front"), reader.read("front", 1)) == (0, None)

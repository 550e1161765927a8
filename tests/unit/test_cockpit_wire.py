"""The pipe to the cockpit never makes its writer wait, and never tears a line."""

from __future__ import annotations

import json
import os

import pytest

from robot_rl.cockpit.wire import MAX_BACKLOG, LineReader, LineWriter


@pytest.fixture
def pipe():
    """A writer and a reader; the reader's end is closed by tests that end it."""
    out, into = os.pipe()
    writer, reader = LineWriter(into), LineReader(out)
    yield writer, reader
    writer.close()


def read_all(writer, reader):
    """Return everything that was sent, read until the writer has nothing more to say."""
    messages = []
    while True:
        writer.send({"end": True}, droppable=True)
        messages += reader.read()
        if messages[-1] == {"end": True}:
            return [message for message in messages if message != {"end": True}]


def test_what_is_sent_arrives_whole_and_in_order(pipe):
    writer, reader = pipe
    for number in range(3):
        writer.send({"number": number, "text": "a\nb"})
    assert reader.read() == [{"number": number, "text": "a\nb"} for number in range(3)]


def test_a_full_pipe_drops_states_keeps_points_and_blocks_nobody(pipe):
    writer, reader = pipe
    filler = {"filler": "x" * 5000}
    sent = 0
    while writer.send(filler, droppable=True):
        sent += 1
        assert sent < 1000, "a pipe that is full took everything"
    assert writer.send({"point": 1}) is True
    assert writer.send({"state": 1}, droppable=True) is False
    messages = read_all(writer, reader)
    assert messages[-1] == {"point": 1}
    assert {"state": 1} not in messages
    assert messages.count(filler) == len(messages) - 1


def test_what_is_kept_for_a_reader_that_sleeps_is_bounded_and_the_oldest_goes(pipe):
    writer, reader = pipe
    total = MAX_BACKLOG + 5000
    for number in range(total):
        writer.send({"number": number, "fill": "x" * 60})
    numbers = [message["number"] for message in read_all(writer, reader)]
    assert numbers[-1] == total - 1
    assert numbers == sorted(set(numbers))
    assert len(numbers) < total


def test_numbers_that_no_browser_reads_become_null(pipe):
    writer, reader = pipe
    writer.send({"points": {"nan": float("nan"), "fine": 1.5}, "list": [float("inf"), 2]})
    assert reader.read() == [{"points": {"nan": None, "fine": 1.5}, "list": [None, 2]}]


def test_a_reader_that_is_gone_is_no_error(pipe):
    writer, reader = pipe
    os.close(reader.fd)
    writer.send({"number": 1})
    assert writer.is_open is False
    assert writer.send({"number": 2}) is False


def test_the_end_of_the_writer_is_told(pipe):
    writer, reader = pipe
    writer.send({"last": True})
    writer.close()
    assert reader.read() == [{"last": True}]
    assert reader.read() is None


def test_a_line_that_comes_in_pieces_is_joined():
    out, into = os.pipe()
    reader = LineReader(out)
    line = json.dumps({"text": "ä" * 10}).encode() + b"\n"
    os.write(into, line[:7])
    assert reader.read() == []
    os.write(into, line[7:])
    assert reader.read() == [{"text": "ä" * 10}]
    os.close(into)
    os.close(out)

"""A program on a terminal of its own: keys reach it, Ctrl-C ends it, and the shell gets its terminal back."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from toy_input import Terminal

ROOT = Path(__file__).parents[2]
OWN_TERMINAL = "import fcntl, os, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
DRIVEN = """
from hardware.teleop import open_device
keyboard = open_device("keyboard")
keyboard.connect()
print("ready", flush=True)
while True:
    told = keyboard.read()
    if told.success:
        print("success", flush=True)
    if told.failure:
        sys.exit("the policy fell over")
"""
IN_BACKGROUND = """
from hardware.teleop import open_device
child = os.fork()
if not child:
    os.setpgid(0, 0)
    try:
        open_device("keyboard").connect()
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}".encode())
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.unplug()


def start(terminal, program):
    return subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL + program],
        stdin=terminal.slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
    )


@pytest.mark.parametrize(("key", "status"), [("\x03", -2), ("\x7f", 1)])
def test_keys_reach_the_program_and_the_terminal_is_restored_however_it_ends(terminal, key, status):
    before = termios.tcgetattr(terminal.slave)
    with start(terminal, DRIVEN) as program:
        assert program.stdout.readline() == "ready\n"
        assert termios.tcgetattr(terminal.slave) != before
        terminal.type("\r")
        assert program.stdout.readline() == "success\n"
        terminal.type(key)
        assert program.wait(30) == status, program.stderr.read()
    assert termios.tcgetattr(terminal.slave) == before
    assert not select.select([terminal.slave], [], [], 0)[0]


def test_in_the_background_it_says_so_instead_of_waiting_for_keys_that_never_come(terminal):
    with start(terminal, IN_BACKGROUND) as program:
        said = program.communicate(timeout=60)[1]
    assert said.startswith("DeviceError: a program in the background gets no keys from /dev/tty; run in a terminal")

"""The Robotiq driver keeps the contract through pymodbus, over TCP and over a serial line, and fails in words."""

from __future__ import annotations

import os
import socket
import termios
import threading
import time
import tty
from collections.abc import Iterator

import pytest
from contract.robot_contract import RobotContract

pytest.importorskip("pymodbus", reason="pymodbus is not installed")
from toy_gripper import ToyGripper

from hardware.gripper_robotiq import RobotiqGripper
from robot_rl.errors import ConfigError, DeviceError, RobotFault
from robot_rl.types import ArmTarget, GripperTarget

SLACK = {"timeout_s": 1.0, "max_age_s": 3.0}
"""For a busy machine."""


class TestRobotiqTcp(RobotContract):
    control_dt = 0.05

    @pytest.fixture(autouse=True)
    def _gripper(self) -> Iterator[None]:
        self.start()
        yield
        self.toy.close()

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.toy = ToyGripper(tcp_port=self.port).start()

    def make(self):
        return RobotiqGripper(host="127.0.0.1", tcp_port=self.port, **SLACK)

    def wait_for(self, holds) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.01)

    def test_it_is_activated_once(self):
        for _ in range(2):
            with self.connected():
                pass
        assert self.toy.num_activations == 1

    def test_fingers_that_meet_something_say_so_and_keep_it(self):
        self.toy.object_at = 180
        with self.connected() as gripper:
            gripper.command({"gripper": GripperTarget(0.0)})
            self.wait_for(lambda: gripper.status.has_object)
            assert gripper.read()["gripper"].opening == pytest.approx((228 - 180) / 225, abs=0.01)
            gripper.command({"gripper": GripperTarget(1.0)})
            self.wait_for(lambda: gripper.read()["gripper"].opening > 0.99)
            assert not gripper.status.has_object

    def test_speed_and_force_are_sent(self):
        gripper = RobotiqGripper(host="127.0.0.1", tcp_port=self.port, speed=0.2, force=1.0, **SLACK)
        gripper.connect()
        gripper.command({"gripper": GripperTarget(0.0)})
        self.wait_for(lambda: self.toy.command == [0x0900, 228, 51 << 8 | 255])
        gripper.close()

    def test_stop_halts_the_fingers_on_the_way(self):
        gripper = RobotiqGripper(host="127.0.0.1", tcp_port=self.port, speed=0.05, **SLACK)
        gripper.connect()
        gripper.command({"gripper": GripperTarget(0.0)})
        self.wait_for(lambda: self.toy.command[0] == 0x0900)
        gripper.stop()
        self.wait_for(lambda: self.toy.command[0] == 0x0100)
        where = self.toy.status.position
        assert where < 228
        time.sleep(0.3)
        assert self.toy.status.position == where
        gripper.close()

    @pytest.mark.parametrize(("fault", "words"), [(10, "voltage"), (14, "overcurrent")])
    def test_a_fault_is_named_until_recovery_is_asked_for(self, fault, words):
        with self.connected() as gripper:
            self.toy.fault = fault
            with pytest.raises(RobotFault, match=rf"{words}.*recover\(\)"):
                self.wait_for(lambda: gripper.read() is None)
            with pytest.raises(RobotFault, match=words):
                gripper.command({"gripper": GripperTarget(0.5)})
            gripper.recover()
            assert gripper.read()
            assert self.toy.num_activations == 2

    def test_an_activation_that_fails_is_named(self):
        self.toy.can_activate = False
        with pytest.raises(RobotFault, match="way of the fingers"):
            self.make().connect()

    def test_unplugged_it_says_so_and_can_be_closed(self):
        gripper = RobotiqGripper(host="127.0.0.1", tcp_port=self.port, timeout_s=0.2, max_age_s=3.0)
        gripper.connect()
        self.toy.close()
        with pytest.raises(DeviceError, match=r"127\.0\.0\.1.*does not answer.*check cable"):
            self.wait_for(lambda: gripper.read() is None)
        gripper.stop()
        gripper.close()
        with pytest.raises(DeviceError, match="cannot be opened"):
            gripper.connect()

    def test_slow_answers_do_not_block_the_loop_and_grow_stale(self):
        gripper = RobotiqGripper(host="127.0.0.1", tcp_port=self.port, timeout_s=5.0, max_age_s=0.5)
        gripper.connect()
        self.wait_for(lambda: gripper.read())
        self.toy.delay_s = 2.0
        with pytest.raises(DeviceError, match=r"s old, limit 0\.50 s"):
            self.wait_for(lambda: gripper.read() is None)
        begin = time.perf_counter()
        gripper.stop()
        assert time.perf_counter() - begin < 1.0
        gripper.close()

    def test_what_is_no_target_is_refused(self):
        with self.connected() as gripper:
            for target in (GripperTarget(float("nan")), ArmTarget(None)):
                with pytest.raises(ValueError, match="GripperTarget"):
                    gripper.command({"gripper": target})
            assert gripper.command({"gripper": GripperTarget(7.0)}) == {"gripper": GripperTarget(1.0)}


class TestRobotiqRtu(TestRobotiqTcp):
    """The same on two pseudo terminals, whose other ends are joined as a cable would."""

    test_unplugged_it_says_so_and_can_be_closed = None
    test_slow_answers_do_not_block_the_loop_and_grow_stale = None
    test_speed_and_force_are_sent = None
    test_stop_halts_the_fingers_on_the_way = None

    def start(self) -> None:
        pairs = [os.openpty() for _ in range(2)]
        for _, terminal in pairs:
            tty.setraw(terminal, termios.TCSANOW)
        self.names = [os.ttyname(terminal) for _, terminal in pairs]
        for source, sink in ((pairs[0][0], pairs[1][0]), (pairs[1][0], pairs[0][0])):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()
        self.toy = ToyGripper(serial_port=self.names[1]).start()

    @staticmethod
    def _pump(source: int, sink: int) -> None:
        while True:
            os.write(sink, os.read(source, 256))

    def make(self):
        return RobotiqGripper(serial_port=self.names[0], **SLACK)


def test_it_must_be_told_where_the_gripper_is():
    with pytest.raises(ConfigError, match="serial_port"):
        RobotiqGripper()
    with pytest.raises(ConfigError, match="either"):
        RobotiqGripper(serial_port="/dev/ttyUSB0", host="10.0.0.7")

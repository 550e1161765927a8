"""The UR driver keeps the contract through the vendor's client, and fails safely when the controller does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from contract.robot_contract import RobotContract

from hardware.ur import ARM, UrRobot
from hardware.ur_bench import UrBench
from robot_rl.errors import ConfigError, DeviceError, RobotFault
from robot_rl.geometry import Pose
from robot_rl.types import ArmTarget, GripperTarget

pytest.importorskip("rtde_control", reason="ur_rtde is not installed")

SLACK = {"watchdog_hz": 0.5, "max_age_s": 1.0, "zero_sensor": True}
"""For a busy machine, whose threads may sleep for half a second."""


class Benched:
    """A simulated controller for each class, put back for each test; one that was unplugged is replaced."""

    table_height = -1.0

    @pytest.fixture(scope="class")
    @classmethod
    def _benches(cls, request) -> Iterator[list[UrBench]]:
        benches = [UrBench(table_height=request.cls.table_height)]
        yield benches
        benches[-1].close()

    @pytest.fixture(autouse=True)
    def _bench(self, _benches) -> Iterator[None]:
        if _benches[-1].state()["is_unplugged"]:
            _benches[-1].close()
            _benches.append(UrBench(table_height=self.table_height))
        self.bench = _benches[-1]
        self.bench.reset()
        yield
        assert self.bench.state()["failure"] == ""

    def make(self):
        return UrRobot(self.bench.address, **SLACK)

    @contextmanager
    def connected(self) -> Iterator[UrRobot]:
        robot = self.make()
        robot.connect()
        try:
            yield robot
        finally:
            robot.close()

    def wait_for(self, holds, timeout_s: float = 20.0) -> None:
        """Return when `holds()` does: the controller's time is real."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.01)

    def read_until_it_fails(self, robot) -> None:
        """Read for a while, which is expected to raise."""
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline:
            robot.read()
            time.sleep(0.01)


class TestUrRobot(Benched, RobotContract):
    control_dt = 0.05
    num_steps = 50

    def test_the_speed_limit_and_the_set_up_reach_the_controller(self):
        robot = UrRobot(self.bench.address, payload_kg=0.9, tcp_m=(0.0, 0.0, 0.16), **SLACK)
        flange = self.bench.state()["pose"]
        robot.connect()
        try:
            state = self.bench.state()
            assert state["payload"] == pytest.approx(0.9)
            assert state["pose"][2] == pytest.approx(flange[2] - 0.16, abs=1e-6)
            far = robot.read()["arm"].pose @ Pose.of((0.0, 0.0, -0.3))
            robot.command({"arm": ArmTarget(far)})
            robot.clock.sleep_until(robot.clock.now() + 0.5)
            robot.stop()
            assert 0.01 < self.bench.state()["peak_speed"] <= ARM.max_tcp_speed / 3**0.5 + 1e-9
        finally:
            robot.close()

    def test_targets_are_put_inside_the_workspace_and_must_be_finite(self):
        with self.connected() as robot:
            here = robot.read()["arm"].pose
            beyond = Pose(here.position + np.array([9.0, 0.0, 0.0]), here.quaternion)
            assert robot.command({"arm": ArmTarget(beyond)})["arm"].pose.position[0] == ARM.workspace_high[0]
            robot.stop()
            with pytest.raises(ValueError, match="not finite"):
                robot.command({"arm": ArmTarget(Pose(here.position * np.nan, here.quaternion))})
            with pytest.raises(ValueError, match="GripperTarget"):
                robot.command({"arm": GripperTarget(1.0)})
            assert not self.bench.state()["in_force_mode"]


class TestUrForce(Benched):
    table_height = 0.47

    def test_pressing_into_a_table_costs_at_most_stiffness_times_clip(self):
        """What an impact adds is the tool's momentum, so that the peak is looked at once the tool has come to rest."""
        with self.connected() as robot:
            below = robot.read()["arm"].pose @ Pose.of((0.0, 0.0, 0.3))
            robot.command({"arm": ArmTarget(below)})
            robot.clock.sleep_until(robot.clock.now() + 2.0)
            resting = [self.bench.state()["touch"][2] for _ in range(20)]
            bound = ARM.stiffness[0] * ARM.max_spring[0]
            assert 0.9 * bound < max(resting) < 1.1 * bound
            assert robot.read()["arm"].wrench[2] == pytest.approx(bound, rel=0.1)

    def test_an_offset_of_the_sensor_is_zeroed_and_does_not_move_the_arm(self):
        self.bench.bias([3.0, -5.0, 8.0, 0.0, 0.0, 0.0])
        with self.connected() as robot:
            start = robot.read()["arm"].pose
            robot.command({"arm": ArmTarget(start)})
            robot.clock.sleep_until(robot.clock.now() + 0.5)
            assert robot.read()["arm"].pose.distance(start)[0] < 5e-4


class TestUrFailures(Benched):
    def moving(self, robot):
        """Let the arm go up, and return when it does."""
        goal = robot.read()["arm"].pose @ Pose.of((0.0, 0.0, -0.3))
        robot.command({"arm": ArmTarget(goal)})
        self.wait_for(lambda: np.linalg.norm(self.bench.state()["twist"]) > 0.01)
        return goal

    def test_a_protective_stop_is_a_fault_until_recovery_is_asked_for(self):
        with self.connected() as robot:
            goal = self.moving(robot)
            self.bench.protective_stop()
            for _ in range(2):
                with pytest.raises(RobotFault, match=r"protective stop.*recover\(\)"):
                    self.read_until_it_fails(robot)
                with pytest.raises(RobotFault, match=r"recover\(\)"):
                    robot.command({"arm": ArmTarget(goal)})
            with pytest.raises(RobotFault, match="stays stopped"):  # 5 s have not passed
                robot.recover()
            with pytest.raises(RobotFault):
                robot.read()
            self.bench.wait(6.0)
            robot.recover()
            here = robot.read()["arm"].pose
            robot.clock.sleep_until(robot.clock.now() + 0.3)
            assert robot.read()["arm"].pose.distance(here)[0] < 1e-4  # the old command is forgotten
            self.moving(robot)

    def test_a_stopped_arm_is_not_connected_and_can_be_recovered_first(self):
        self.bench.protective_stop()
        robot = self.make()
        with pytest.raises(RobotFault, match="protective stop"):
            robot.connect()
        self.bench.wait(6.0)
        robot.recover()
        assert not any(self.bench.state()["twist"])
        robot.connect()
        try:
            self.moving(robot)
        finally:
            robot.close()

    @pytest.mark.parametrize(("mode", "word"), [(7, "emergency"), (5, "safeguard")])
    def test_other_stops_are_named(self, mode, word):
        with self.connected() as robot:
            self.bench.protective_stop(mode)
            with pytest.raises(RobotFault, match=word):
                self.read_until_it_fails(robot)

    def test_silence_is_a_stale_state_and_the_arm_is_told_to_stand_still(self):
        with self.connected() as robot:
            self.moving(robot)
            self.bench.silence(True)
            with pytest.raises(DeviceError, match=r"newest state is .* s old"):
                self.read_until_it_fails(robot)
            self.wait_for(lambda: not any(self.bench.state()["twist"]))
            begin = time.monotonic()
            robot.close()
            assert time.monotonic() - begin < 20
            with pytest.raises(DeviceError, match="does not let go; start it again"):  # the vendor's client reconnects for ever
                robot.connect()
            self.bench.unplug()

    def test_unplugged_it_says_so_and_can_be_stopped_and_closed(self):
        with self.connected() as robot:
            self.moving(robot)
            self.bench.unplug()
            with pytest.raises(DeviceError, match="UR at"):
                self.read_until_it_fails(robot)
            robot.stop()
            robot.close()
            with pytest.raises(DeviceError, match=f"no UR at {self.bench.address}.*check the address"):
                robot.connect()

    def test_a_program_stopped_at_the_pendant_is_named(self):
        with self.connected() as robot:
            self.moving(robot)
            self.bench.stop_program()
            with pytest.raises(DeviceError, match="control program has ended"):
                self.read_until_it_fails(robot)

    def test_a_computer_that_dies_is_noticed_by_the_controllers_watchdog(self):
        with self.connected() as robot:
            self.moving(robot)
            robot._ended.set()  # the thread stops as if the computer had, without a word to the controller
            self.wait_for(lambda: not self.bench.state()["is_playing"])
            assert not any(self.bench.state()["twist"])

    def test_brakes_and_local_control_are_named_at_connect(self):
        self.bench.power(5)
        with pytest.raises(RobotFault, match=r"brakes on.*pendant"):
            self.make().connect()
        self.bench.power(7)
        self.bench.remote(False)
        with pytest.raises(DeviceError, match="remote control"):
            self.make().connect()

    def test_stop_from_other_threads_ends_force_mode(self):
        with self.connected() as robot:
            self.moving(robot)
            threads = [threading.Thread(target=robot.stop) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.wait_for(lambda: not self.bench.state()["in_force_mode"])
            assert not any(self.bench.state()["twist"])
            assert robot.read()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"payload_kg": -1.0}, "payload_kg -1 is not in 0..50"),
        ({"rate_hz": 0.0}, "rate_hz 0 is not in 20..500"),
        ({"watchdog_hz": 0.01}, r"watchdog_hz 0\.01 is not in 0\.5\.\.62\.5"),
        ({"max_age_s": float("nan")}, r"max_age_s nan is not in 0\.\.2"),
        ({"tcp_m": (float("inf"), 0.0, 0.0)}, "tcp_m, tcp_rotvec_rad .* not finite"),
        ({"host": 5}, "host 5 must be an address"),
    ],
)
def test_options_that_would_endanger_the_arm_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        UrRobot(**{"host": "127.0.0.1", **options})

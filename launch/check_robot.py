"""What is checked of a robot: that it answers, how fast, whether it is where it may be, and that it stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from check_clock import pause
from check_row import Check, checked, skipped, within

from robot_rl.envs.resets import AT_REST_M_S
from robot_rl.envs.safety import limit
from robot_rl.errors import DeviceError, RobotRLError
from robot_rl.geometry import Pose, rotate
from robot_rl.protocols import Robot
from robot_rl.specs import ArmSpec, JointSpec
from robot_rl.types import ArmState, ArmTarget, JointState

READS = 100
MAX_LATENCY_SHARE = 0.2
"""Of a control period, that a reading may take (99th percentile)."""
MOVE_M = 0.02
"""How far `--move` drives the tool."""
STOP_PERIODS = 3
"""Control periods in which a robot must stand after `stop`."""
SETTLE_S = 2.0
JOINT_MARGIN_RAD = 0.02


def robot_checks(robot: Robot, control_dt: float, *, move: bool, now: Callable[[], float] = time.perf_counter) -> list[Check]:
    """Connect a robot and look at it. It stays connected, and held.

    Args:
        robot: Not connected.
        control_dt: Control period of the task, s.
        move: Whether it may move by 2 cm, so that its way of stopping can be measured.
        now: Measures how long calls take, s.
    """
    started = now()
    reached = checked(
        "robot answers",
        lambda: _connected(robot),
        "see that it is on, reachable and not stopped; --recover if its safety stopped it",
    )
    if not reached.is_ok:
        return [reached, *(skipped(name, "no robot") for name in ("readings", "place", "stop"))]
    checks = [Check(reached.name, True, f"{reached.found}, after {now() - started:.2f} s")]
    try:
        checks += [*_readings(robot, control_dt, now), *_places(robot), _stop_call(robot, control_dt, now)]
        checks.append(_stopping(robot, control_dt) if move else skipped("stops moving", "give --move: the tool moves by 2 cm"))
    except RobotRLError as error:
        checks.append(Check("robot keeps answering", False, str(error), fix="look at cable, power and emergency stop"))
    finally:
        robot.stop()
    return checks


def recovery_check(robot: Robot) -> Check:
    """Ask a robot that its own safety stopped to be ready again, standing still; one that says it is well is asked nothing."""
    try:
        robot.connect()
        robot.read()
        if getattr(robot, "tells_of_faults", True):
            return Check("recovery", True, "not needed: there is no fault")
        fault = "unknown, its driver cannot tell"
    except DeviceError as error:
        fault = str(error)
    recover = getattr(robot, "recover", None)
    if recover is None:
        return Check("recovery", False, fault, fix="clear it at the robot: its driver has no way to")

    def ask() -> str:
        recover()
        robot.connect()
        robot.read()
        return f"done (it was: {fault})"

    return checked("recovery", ask, "do what it says, and try again")


def _connected(robot: Robot) -> str:
    robot.connect()
    return f"{robot.spec.name}: {', '.join(robot.read())}"


def _readings(robot: Robot, control_dt: float, now: Callable[[], float]) -> list[Check]:
    """Read at the control rate, and judge latency, age and rate of what is read."""
    durations: list[float] = []
    stamps: list[float] = []
    ages: list[float] = []
    clock = robot.clock
    for _ in range(READS):
        started = now()
        state = robot.read()
        durations.append(now() - started)
        stamp = min(part.stamp for part in state.values())
        stamps.append(stamp)
        ages.append(clock.now() - stamp)
        pause(clock, control_dt / 4)
    changes = np.diff(np.unique(stamps))
    rate = 1 / float(np.median(changes)) if changes.size else 0.0
    latency = MAX_LATENCY_SHARE * control_dt
    slow = "shorten the network path, or read in a thread of the driver"
    return [
        within("reading takes (p99)", 1e3 * float(np.quantile(durations, 0.99)), 1e3 * latency, "ms", slow),
        within("readings a second", rate, 1 / control_dt, "/s", "raise the robot's state rate", at_least=True),
        within("age of a reading (p99)", 1e3 * float(np.quantile(ages, 0.99)), 1e3 * control_dt, "ms", "compare the clocks"),
    ]


def _places(robot: Robot) -> list[Check]:
    """Judge where each part is."""
    state, checks = robot.read(), []
    for name, spec in robot.spec.parts.items():
        part = state.get(name)
        if isinstance(spec, ArmSpec) and isinstance(part, ArmState):
            checks += [_tcp(name, part, spec), _joints(name, part.qpos, spec.qpos_low, spec.qpos_high)]
        if isinstance(spec, JointSpec) and isinstance(part, JointState):
            checks.append(_joints(name, part.qpos, spec.qpos_low, spec.qpos_high))
    return checks


def _tcp(name: str, arm: ArmState, spec: ArmSpec) -> Check:
    low, high, position = np.array(spec.workspace_low), np.array(spec.workspace_high), arm.pose.position
    outside = float(np.linalg.norm(np.clip(position, low, high) - position))
    tool = rotate(arm.pose.quaternion, np.array([0.0, 0.0, 1.0]))
    tilt = math.acos(min(max(float(tool @ np.array(spec.tool_axis)), -1.0), 1.0))
    found = f"at {np.round(position, 3).tolist()} m, tilted by {tilt:.2f} rad"
    if outside > 0:
        found += f", {outside:.3f} m outside"
    allowed = f"{list(spec.workspace_low)} to {list(spec.workspace_high)} m, {spec.max_tilt:g} rad"
    fix = "lead it inside by hand, or correct [workspace] (launch/teach_workspace.py)"
    return Check(f"{name} is in its workspace", outside == 0 and tilt <= spec.max_tilt, found, allowed, fix)


def _joints(name: str, qpos: np.ndarray, low: tuple[float, ...], high: tuple[float, ...]) -> Check:
    room = np.minimum(qpos - np.array(low), np.array(high) - qpos)
    worst = int(room.argmin())
    found = f"joint {worst} has {room[worst]:.2f} rad left"
    return Check(
        f"{name}'s joints",
        bool(room[worst] >= JOINT_MARGIN_RAD),
        found,
        f"{JOINT_MARGIN_RAD:g} rad",
        "move it away from its end",
    )


def _stop_call(robot: Robot, control_dt: float, now: Callable[[], float]) -> Check:
    started = now()
    robot.stop()
    return within("stop() takes", 1e3 * (now() - started), 1e3 * control_dt, "ms", "let the driver's stop not wait for answers")


def _stopping(robot: Robot, control_dt: float) -> Check:
    """Drive the tool upwards, stop it in the middle, and measure how long it goes on."""
    names = [name for name, spec in robot.spec.parts.items() if isinstance(spec, ArmSpec)]
    if not names:
        return Check("stops moving", None, "it has no arm")
    name, clock = names[0], robot.clock
    here = robot.read()[name]
    if not isinstance(here, ArmState):
        return Check("stops moving", False, f"{name} is no arm", fix="mend the driver")
    goal = Pose(here.pose.position + np.array([0.0, 0.0, MOVE_M]), here.pose.quaternion)
    fastest = 0.0
    for _ in range(3):
        state = robot.read()
        robot.command(limit({name: ArmTarget(goal)}, state, robot.spec, control_dt).command)
        pause(clock, control_dt / 2)
        fastest = max(fastest, _speed(robot, name))
    robot.stop()
    stopped, last_motion = clock.now(), 0.0
    while clock.now() - stopped < SETTLE_S:
        pause(clock, control_dt / 10)
        if _speed(robot, name) > AT_REST_M_S:
            last_motion = clock.now() - stopped
    if fastest <= AT_REST_M_S:
        return Check("stops moving", False, "it did not move", f"{MOVE_M:g} m up", "clear its way; look at brakes and mode")
    fix = "raise the controller's damping, or the rate of its stop"
    return within("stops moving in", 1e3 * last_motion, 1e3 * STOP_PERIODS * control_dt, "ms", fix)


def _speed(robot: Robot, name: str) -> float:
    arm = robot.read()[name]
    return math.hypot(*arm.twist[:3].tolist()) if isinstance(arm, ArmState) else 0.0

"""A UR controller without its sockets: registers, the control script that reads them, safety, dashboard and arm."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from hardware.ur_fields import NORMAL, POWER_ON, PROGRAM_RUNNING, PROTECTIVE_STOP, RUNNING, SAFETY_MODES
from robot_rl.geometry import Pose

VERSION = (5, 11, 0, 108249)
"""major, minor, bugfix, build."""
READY, FINISHED = 1, 2
"""What the control script tells in its first output register."""
NO_COMMAND, FORCE_MODE, END_FORCE_MODE, ZERO_SENSOR, SET_PAYLOAD = 0, 6, 7, 8, 17
SET_DAMPING, SET_GAIN, SET_TCP, TRIGGER_PROTECTIVE_STOP, SET_WATCHDOG, NOTHING, END_SCRIPT = 20, 21, 29, 31, 35, 24, 255
"""Commands of ur_rtde's control script, in its first input register."""
AT_ONCE = (FORCE_MODE, NOTHING)
"""Commands of which the script does not tell that they are finished."""
UNLOCK_AFTER_S = 5.0
"""s that a protective stop cannot be unlocked."""
SAFETY_BITS = {NORMAL: 1, 2: 2, PROTECTIVE_STOP: 4 | 1 << 10, 6: 32 | 128 | 1 << 10, 7: 64 | 128 | 1 << 10, 5: 16 | 1 << 10}


class DrivenArm(Protocol):
    """An arm that stands still or gives way: `CompliantArm`, or one in a scene of its own."""

    @property
    def q(self) -> np.ndarray:
        """[6], rad."""
        ...

    @property
    def qd(self) -> np.ndarray:
        """[6], rad/s."""
        ...

    @property
    def twist(self) -> np.ndarray:
        """[6], m/s and rad/s, base axes."""
        ...

    @property
    def pose(self) -> Pose:
        """T_base_tcp."""
        ...

    @property
    def wrench(self) -> np.ndarray:
        """[6], N and Nm on the tool as the sensor reads them."""
        ...

    def touch(self) -> np.ndarray:
        """Return [6], N and Nm that the surroundings exert on the tool."""
        ...

    def zero_sensor(self) -> None:
        """Let the sensor read nothing as it stands."""
        ...

    def set_tcp(self, tcp: Pose) -> None:
        """Put the tool centre point elsewhere on the flange."""
        ...

    def halt(self) -> None:
        """Stand still."""
        ...

    def give_way(self, wanted: np.ndarray, max_twist: np.ndarray, dt: float) -> None:
        """Move for `dt` s, driven by the wrench `wanted` [6], no faster than `max_twist` [6]."""
        ...


class UrController:
    """What a controller does every few milliseconds, and what it answers. Stands still unless `step` is called."""

    def __init__(self, arm: DrivenArm) -> None:
        self.arm = arm
        self.time = 0.0
        """s since it was switched on."""
        self.is_remote = True
        self.robot_mode, self.safety_mode = RUNNING, NORMAL
        self.payload = 0.0
        """kg."""
        self.commands: deque[int] = deque(maxlen=10_000)
        """Commands that the script began, oldest first."""
        self.scripts: list[str] = []
        """Every program that was sent."""
        self.inputs: dict[str, float] = {}
        self.outputs: dict[str, float] = {}
        self._offset = (0, 0)  # of integer and float registers
        self._is_playing, self._has_begun = False, False
        self._wanted: np.ndarray | None = None  # [6], the wrench of force mode
        self._max_twist = np.zeros(6)
        self._stopped_at, self._heard_at, self._max_silence = 0.0, 0.0, np.inf
        self._values: dict[str, Callable[[], Any]] = {
            "timestamp": lambda: self.time,
            "actual_q": lambda: arm.q,
            "actual_qd": lambda: arm.qd,
            "actual_TCP_pose": lambda: [*arm.pose.position, *arm.pose.rotvec],
            "actual_TCP_speed": lambda: arm.twist,
            "actual_TCP_force": lambda: arm.wrench,
            "robot_mode": lambda: self.robot_mode,
            "safety_mode": lambda: self.safety_mode,
            "safety_status_bits": lambda: SAFETY_BITS.get(self.safety_mode, 0),
            "robot_status_bits": lambda: POWER_ON * (self.robot_mode >= RUNNING) | PROGRAM_RUNNING * self._is_playing,
            "runtime_state": lambda: 2 if self._is_playing else 1,
            "payload": lambda: self.payload,
        }

    @property
    def is_playing(self) -> bool:
        """Whether a program runs."""
        return self._is_playing

    @property
    def in_force_mode(self) -> bool:
        """Whether the tool gives way to forces."""
        return self._wanted is not None

    def play(self, script: str) -> None:
        """Run a program, if the arm is able to; it replaces the one that runs."""
        self.scripts.append(script)
        self._halt()
        if self.robot_mode != RUNNING or self.safety_mode not in (NORMAL, 2):
            return
        offsets = {name: int(value) for name, value in re.findall(r"reg_offset_(int|float) = (\d+)", script)}
        self._offset = (offsets.get("int", 0), offsets.get("float", 0))
        self._is_playing, self._has_begun = True, False
        self._max_silence, self._heard_at = np.inf, self.time
        self._tell(READY)

    def set_inputs(self, values: Mapping[str, float]) -> None:
        """Take registers from a client."""
        self.inputs |= values
        self._heard_at = self.time

    def protective_stop(self, mode: int = PROTECTIVE_STOP) -> None:
        """Stop the arm and its program, as after a collision; another `mode` of SAFETY_MODES is another stop."""
        self.safety_mode, self._stopped_at = mode, self.time
        self.stop_program()

    def stop_program(self) -> None:
        """End the program; the arm stands still."""
        self._is_playing = False
        self._halt()

    def step(self, dt: float) -> None:
        """Let `dt` s pass."""
        self.time += dt
        if self._is_playing and self.time - self._heard_at > self._max_silence:
            self.stop_program()
        if self._is_playing:
            self._run_script()
        if self._wanted is not None:
            self.arm.give_way(self._wanted, self._max_twist, dt)

    def value(self, name: str) -> Any:
        """Return a variable of the RTDE protocol; one that is not simulated is 0."""
        if name in self._values:
            return self._values[name]()
        if name.startswith(("output_", "input_")):
            return self.outputs.get(name, self.inputs.get(name, 0))
        return 0

    def answer(self, line: str) -> str:
        """Return what the dashboard answers to a line."""
        mode = SAFETY_MODES[self.safety_mode].upper().replace(" ", "_")
        match line.strip():
            case "PolyscopeVersion":
                return "URSoftware {}.{}.{}.{} (simulated)".format(*VERSION)
            case "get serial number":
                return "20200000001"
            case "get robot model":
                return "UR5"
            case "is in remote control":
                return str(self.is_remote).lower()
            case "running":
                return f"Program running: {str(self._is_playing).lower()}"
            case "stop":
                self.stop_program()
                return "Stopped"
            case "safetystatus":
                return f"Safetystatus: {mode}"
            case "robotmode":
                return f"Robotmode: {'RUNNING' if self.robot_mode == RUNNING else 'IDLE'}"
            case "unlock protective stop":
                return self._unlock()
            case "close safety popup":
                return "closing safety popup"
            case text if text.startswith("popup "):
                return "showing popup"
            case text:
                return f"could not understand: {text}"

    def _run_script(self) -> None:
        """Do once what ur_rtde's control script does in its loop."""
        command = int(self._integer(0))
        if command == NO_COMMAND:
            self._has_begun = False
            self._tell(READY)
        elif command in AT_ONCE:
            self._execute(command)
            self._tell(READY)
        elif not self._has_begun:
            self._has_begun = True
            self._execute(command)
            self._tell(FINISHED)

    def _execute(self, command: int) -> None:
        self.commands.append(command)
        if command == FORCE_MODE:
            selected = np.array([self._integer(2 + axis) for axis in range(6)])
            self._wanted = selected * self._floats(6)
            self._max_twist = selected * np.abs(self._floats(12))
        elif command == END_FORCE_MODE:
            self._halt()
        elif command == ZERO_SENSOR:
            self.arm.zero_sensor()
        elif command == SET_PAYLOAD:
            self.payload = self._floats(0)[0]
        elif command == SET_TCP:
            values = self._floats(0)
            self.arm.set_tcp(Pose.of(values[:3].tolist(), values[3:].tolist()))
        elif command == TRIGGER_PROTECTIVE_STOP:
            self.protective_stop()
        elif command == SET_WATCHDOG:
            self._max_silence = 1.0 / max(self._floats(0)[0], 1e-6)
        elif command == END_SCRIPT:
            self.stop_program()

    def _halt(self) -> None:
        self._wanted = None
        self.arm.halt()

    def _unlock(self) -> str:
        if self.safety_mode != PROTECTIVE_STOP:
            return "No protective stop to unlock"
        if self.time - self._stopped_at < UNLOCK_AFTER_S:
            return "Cannot unlock protective stop until 5s after occurrence. Always inspect cause of protective stop"
        self.safety_mode = NORMAL
        return "Protective stop releasing"

    def _integer(self, index: int) -> float:
        return self.inputs.get(f"input_int_register_{index + self._offset[0]}", 0)

    def _floats(self, first: int) -> np.ndarray:
        return np.array([self.inputs.get(f"input_double_register_{first + self._offset[1] + i}", 0.0) for i in range(6)])

    def _tell(self, state: int) -> None:
        self.outputs[f"output_int_register_{self._offset[0]}"] = state

"""A smart servo that is not there: its registers, its motor, and what it stands against."""

from __future__ import annotations

import math

from hardware.servo_table import HALF_TURN, RAD_PER_COUNT, ServoTable

LAG_S = 0.03
"""s in which the position controller takes up most of an error."""
FULL_TORQUE_ERROR = 0.3
"""rad of position error at which the controller asks for everything."""
OVERLOAD_S = 1.0
"""s of nearly all the torque it may have, against something that does not give, after which a servo reports overload."""
MAX_SPEED = 5.0
"""rad/s without load."""


class FakeServo:
    """Follows its goal at no more than its profile's speed, holds while its torque is on, and pushes at what is in its way.

    It moves when it is told how late it is (`advance`), so it runs on any clock.
    """

    def __init__(self, table: ServoTable, servo: int, model: int | None = None) -> None:
        self.table = table
        self.memory = bytearray(256)
        """The control table, as bytes."""
        self.encoder = float(HALF_TURN)
        """Counts of the encoder, before the homing offset."""
        self.speed = 0.0
        """Counts per s."""
        self.wall: tuple[float, float] = (-math.inf, math.inf)
        """Counts of the encoder between which it can move."""
        self.is_silent = False
        """Whether it answers nothing, as one whose plug is loose; it goes on as it was told."""
        self.faults = 0
        """The error bits it reports."""
        self._pushing_s = 0.0
        self.set("model", next(iter(table.models)) if model is None else model)
        self.set("id", servo)
        self.set("mode", table.position_modes[0])
        self.set("max_position", 4095)
        self.set("voltage", 74 if table.make == "feetech" else 120)
        self.set("temperature", 30)
        self.restart()

    def get(self, name: str) -> int:
        """Return a register."""
        register = self.table[name]
        return register.decode(bytes(self.memory[register.address : register.address + register.size]))

    def set(self, name: str, value: int) -> None:
        """Set a register."""
        register = self.table[name]
        self.memory[register.address : register.address + register.size] = bytes(register.encode(value))

    def place(self, position: float) -> None:
        """Put it at a position, counts after the homing offset, as a hand would; a motor that is on drives back."""
        self.encoder = position - self.table.homing_sign * self.get("homing_offset")
        self._show()

    def restart(self) -> None:
        """Lose what is not kept without power, as in a dip in voltage: limp, with all the torque at the next goal."""
        self.set("torque_enable", 0)
        self.set("torque_limit", self.table.full_torque)
        self.set("acceleration", 0)
        self.set("goal_speed", 0)
        self._show()
        self.set("goal_position", self.get("position"))

    @property
    def position(self) -> float:
        """Counts after the homing offset."""
        return self.encoder + self.table.homing_sign * self.get("homing_offset")

    def advance(self, duration: float) -> None:
        """Let `duration` s pass, in steps that the controller's lag allows."""
        num_steps = min(math.ceil(duration / (LAG_S / 3)), 1000)
        for _ in range(num_steps):
            self._step(duration / num_steps)
        self._show()

    def _step(self, dt: float) -> None:
        before, share = self.encoder, self.get("torque_limit") / self.table.full_torque
        error = self.get("goal_position") - self.position
        if self.get("torque_enable") == 1 and share > 0:
            top = self._top_speed() / RAD_PER_COUNT
            wanted = min(max(error / LAG_S, -top), top)
            self.encoder += wanted * (1 - math.exp(-dt / LAG_S)) * LAG_S if abs(error) < top * LAG_S else wanted * dt
        self.encoder = min(max(self.encoder, self.wall[0]), self.wall[1])
        self.speed = (self.encoder - before) / dt
        effort = min(max(error * RAD_PER_COUNT / FULL_TORQUE_ERROR, -share), share)
        is_blocked = abs(error) > 1 and abs(self.speed) < 1
        load = effort if self.get("torque_enable") == 1 and is_blocked else 0.0
        self.set("load", round(load * self.table.full_load))
        self._pushing_s = self._pushing_s + dt if share > 0 and abs(load) >= 0.95 * share and share > 0.9 else 0.0
        if self._pushing_s > OVERLOAD_S:
            self.faults |= 1 << next(bit for bit, name in self.table.faults.items() if name == "overload")

    def _top_speed(self) -> float:
        """Return rad/s: the profile's, or the motor's if the profile has none."""
        return min(self.get("goal_speed") * self.table.speed_unit or MAX_SPEED, MAX_SPEED)

    def _show(self) -> None:
        """Write what is measured into the registers."""
        self.set("position", round(self.position))
        self.set("speed", round(self.speed * RAD_PER_COUNT / self.table.speed_unit))
        if "faults" in self.table.registers:
            self.set("faults", self.faults)

"""A simulated UR controller in a process of its own, and the handles that make it fail.

The vendor's client holds Python's lock while it waits, so that a simulator in the same process could not answer it.
To have one to play with: `python -m hardware.ur_bench 127.0.0.1`, which ends with its input.
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any

import numpy as np

from hardware.bench_process import BenchProcess, serve_calls
from hardware.ur_arm import CompliantArm
from hardware.ur_controller import UrController
from hardware.ur_simulator import UrSimulator

_numbers = itertools.count(1)


class UrBench:
    """Starts a simulator and passes handles on to it; every method is one of `Handles`."""

    def __init__(self, address: str | None = None, table_height: float = -1.0) -> None:
        self.address = address or free_address()
        """Where it listens."""
        arguments = ["-m", "hardware.ur_bench", self.address, str(table_height)]
        self._process = BenchProcess(f"the simulated UR at {self.address}", arguments)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(Handles, name):
            raise AttributeError(f"no handle {name!r}; known: {', '.join(n for n in vars(Handles) if n[0] != '_')}")
        return lambda *arguments: self._process.call(name, *arguments)

    def close(self) -> None:
        """End the simulator."""
        self._process.close()


class Handles:
    """What can be done to a simulator and seen of it."""

    def __init__(self, simulator: UrSimulator, arm: CompliantArm) -> None:
        self._simulator, self._arm = simulator, arm

    def reset(self) -> None:
        """Put everything back as it was at the start, but for what is unplugged."""
        simulator = self._simulator
        self._arm = CompliantArm(self._arm.table_height)
        simulator.controller = UrController(self._arm)
        simulator.is_silent, simulator.peak_force, simulator.peak_speed = False, 0.0, 0.0

    def protective_stop(self, mode: int = 3) -> None:
        """Stop the arm as after a collision, or by another safety mode (6 and 7: emergency stops)."""
        self._simulator.controller.protective_stop(mode)

    def put_right(self) -> None:
        """End any stop, as a person at the pendant does; the program does not go on by itself."""
        self._simulator.controller.safety_mode = 1

    def power(self, robot_mode: int) -> None:
        """Set the robot mode: 7 running, 5 brakes on, 3 powered off."""
        self._simulator.controller.robot_mode = robot_mode

    def remote(self, is_remote: bool) -> None:
        """Turn the pendant's switch to remote control, or away from it."""
        self._simulator.controller.is_remote = is_remote

    def stop_program(self) -> None:
        """Press stop on the pendant."""
        self._simulator.controller.stop_program()

    def silence(self, is_silent: bool) -> None:
        """Send no data, or send it again."""
        self._simulator.is_silent = is_silent

    def unplug(self) -> None:
        """Cut all connections for good."""
        self._simulator.unplug()

    def push(self, wrench: list[float]) -> None:
        """Push the tool with [6], N and Nm, base axes."""
        self._arm.push = np.array(wrench)

    def bias(self, wrench: list[float]) -> None:
        """Let the sensor be off by [6], N and Nm."""
        self._arm.bias = np.array(wrench)

    def wait(self, duration: float) -> None:
        """Let the controller's clock be later by `duration` s: what it waits for is over sooner."""
        self._simulator.controller.time += duration

    def state(self) -> dict[str, Any]:
        """Return what is known inside: pose, twist, force of touch, modes, last commands, scripts' lengths."""
        controller, arm = self._simulator.controller, self._simulator.controller.arm
        return {
            "pose": [*arm.pose.position.tolist(), *arm.pose.rotvec.tolist()],
            "twist": arm.twist.tolist(),
            "touch": arm.touch().tolist(),
            "is_playing": controller.is_playing,
            "in_force_mode": controller.in_force_mode,
            "commands": list(controller.commands)[-20:],
            "scripts": [len(script) for script in controller.scripts],
            "is_unplugged": self._simulator.is_unplugged,
            "payload": controller.payload,
            "peak_force": self._simulator.peak_force,
            "peak_speed": self._simulator.peak_speed,
            "failure": repr(self._simulator.failure) if self._simulator.failure else "",
        }


def free_address() -> str:
    """Return an address of this machine that no simulator of this process had, and hardly another process's."""
    process = os.getpid()
    return f"127.{10 + process // 200 % 200}.{process % 200 + 1}.{next(_numbers) % 250 + 2}"


def main() -> None:
    """Serve handles, one JSON list a line: name and arguments."""
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    table_height = float(sys.argv[2]) if len(sys.argv) > 2 else -1.0
    arm = CompliantArm(table_height)
    simulator = UrSimulator(arm, address).start()
    serve_calls(address, Handles(simulator, arm), simulator.lock)
    simulator.close()


if __name__ == "__main__":
    main()

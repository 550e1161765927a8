"""The other side of rehearsal.py: a scene in real time whose arm answers on a wire, and whose rest is asked line by line.

python launch/rehearsal_scene.py peg_insert serl 127.0.0.1
"""

from __future__ import annotations

import base64
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from hardware.bench_process import serve_calls
from hardware.serl_goal import GoalConfig
from hardware.serl_http import SerlHttpServer
from hardware.ur_simulator import UrSimulator
from robot_rl.envs.factory import make_env
from robot_rl.envs.options import EnvOptions
from sim.env import SimEnv, simulated
from sim.gripper import TCP_SITE
from sim.robot import SimRobot
from sim.wrench_arm import WrenchArm

SERL_RATE_HZ = 50.0
"""How often the SERL server leads the arm to its goal, and the scene moves on."""


class Scene:
    """What can be asked of a scene, beside driving its arm."""

    def __init__(self, env: SimEnv, hold: Callable[[], None]) -> None:
        """Take the scene of `env`; `hold` makes whoever drives the arm forget where to."""
        self._env, self._hold = env, hold

    def track(self, name: str) -> list[float]:
        """Return T_base_object as a tracker tells it: m, then wxyz."""
        pose = self._env.trackers[name].read()
        return [*pose.position.tolist(), *pose.quaternion.tolist()]

    def look(self, camera: str, size: int) -> str:
        """Return what a camera sees now, uint8 [size, size, 3], in base 64."""
        return base64.b64encode(self._env.renderer.render(camera, size, size).tobytes()).decode()

    def is_success(self) -> bool:
        """Tell from the true state whether the task is done."""
        return self._env.task.is_success(self._env.physics)

    def arrange(self, seed: int) -> list[float]:
        """Put objects and arm to a start; return where the tcp is, [3], m, base frame."""
        self._hold()
        self._env.reset_routine(self._env.robot, np.random.default_rng(seed))
        self._hold()
        return self._env.physics.site_pose(TCP_SITE).position.tolist()


def main(name: str, wire: str, address: str) -> None:
    """Serve until the input ends."""
    logging.basicConfig(level=logging.WARNING)  # on standard error: standard output is for answers
    env = simulated(make_env(name, EnvOptions()))
    robot = env.robot
    if not isinstance(robot, SimRobot):
        raise SystemExit(f"scene {name!r} delays its robot, which no wire can")
    with ExitStack() as stack:
        if wire == "serl":
            server = stack.enter_context(SerlHttpServer(robot, address, 0, GoalConfig(rate_hz=SERL_RATE_HZ)))
            threading.Thread(target=server.run, name="follower", daemon=True).start()
            scene, lock, greeting = Scene(env, server.follower.hold), env.physics.lock, server.url
        else:
            arm = WrenchArm(robot)
            simulator = UrSimulator(arm, address).start()
            stack.callback(simulator.close)
            scene, lock, greeting = Scene(env, arm.halt), simulator.lock, address
        scene.arrange(seed=0)
        serve_calls(greeting, scene, lock)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Two simulated arms side by side in one room, each a robot of its own on the one clock."""

from __future__ import annotations

import mujoco
import numpy as np

from sim.arm import add_arm
from sim.kinematics import HOME
from sim.physics import Physics
from sim.robot import SimRobot
from sim.room import add_room
from sim.scene import SceneConfig, set_rendering, set_solver
from sim.timing import SimClock

BASES = {"left": (0.0, 0.3, 0.0), "right": (0.0, -0.3, 0.0)}
"""[3], m, world frame, axes of the world: 60 cm apart, so that the tools reach each other between them."""


def build_two_arms(config: SceneConfig) -> mujoco.MjSpec:
    """Return a spec with room, table and two arms; every name of an arm begins with its side and a slash."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    set_solver(spec, config.physics_dt)
    set_rendering(spec)
    add_room(spec)
    for side, base in BASES.items():
        arm = mujoco.MjSpec()
        arm.compiler.degree = False
        add_arm(arm, config.impedance)
        spec.attach(arm, frame=spec.worldbody.add_frame(pos=base), prefix=f"{side}/")
    return spec


def make_two_arms() -> dict[str, SimRobot]:
    """Return the robots `left` and `right` at home over one table, with a clock that steps both."""
    config = SceneConfig()
    physics = Physics(build_two_arms(config).compile())
    clock = SimClock(physics)
    robots = {side: SimRobot(physics, config, f"{side}/", base, clock) for side, base in BASES.items()}
    for robot in robots.values():
        robot.place(np.array(HOME), opening=0.5)
    return robots

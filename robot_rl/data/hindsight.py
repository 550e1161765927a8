"""Where the tool turned out to have to go: what a success says, in hindsight, about every frame before it."""

from __future__ import annotations

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.specs import EnvSpec

GRIP_STEPS = 2
"""Control steps that an arm may still move for after its gripper was told to close."""
CLOSING = 0.25
"""A command below -CLOSING closes the gripper, and one above CLOSING opens it; in between it stays what it was."""
GOAL_DIM = 6
"""Position, m, and rotation vector, rad."""


def pose_key(spec: EnvSpec) -> str:
    """Return the entry `pose/<arm>` that tells where the tool was.

    Raises:
        ConfigError: If there is none.
    """
    found = [key for key in spec.obs if key.startswith("pose/")]
    if len(found) != 1:
        raise ConfigError(
            f"goals in hindsight need one pose/<arm> among the observations of {spec.name!r}; there are "
            f"{', '.join(sorted(spec.obs))}; set ObservationConfig.tool_pose, or vision.policy_sees to features"
        )
    return found[0]


def hindsight_goals(episode: Episode) -> np.ndarray | None:
    """Return the pose of the goal in the tool's frame at each observation, T_tcp_goal, float32 [T+1, 6]: m, then rad.

    The goal is where the tool was when the gripper closed for the last time before success, and, from then on, the hand
    itself. Without a gripper to command, it is where the tool was at success. Nobody has to see an object for that: the arm
    measures it. None if the episode did not succeed.

    Raises:
        ConfigError: If the episode does not hold the tool's poses.
    """
    if not episode.success:
        return None
    poses = [_pose(row) for row in episode.obs[pose_key(episode.spec)][:, -7:]]
    success = int(episode.successes.argmax()) + 1
    grip = _last_grip(episode, success)
    at = success if grip is None else min(grip + GRIP_STEPS, success)
    goals = np.zeros((len(poses), GOAL_DIM), np.float32)
    for step, pose in enumerate(poses):
        if grip is not None and step > at:
            break
        goal = pose.inverse() @ poses[at]
        goals[step] = (*goal.position, *goal.rotvec)
    return goals


def _last_grip(episode: Episode, success: int) -> int | None:
    """Return the last step before `success` whose action began to close the gripper; None if none did."""
    grippers = [index for index, name in enumerate(episode.spec.action.names) if "/" not in name]
    if not grippers:
        return None
    began, is_closed = None, False
    for step, command in enumerate(episode.action[:success, grippers[0]].tolist()):
        was_closed = is_closed
        is_closed = command < -CLOSING or (was_closed and command <= CLOSING)
        began = step if is_closed and not was_closed else began
    return began


def _pose(row: np.ndarray) -> Pose:
    return Pose(row[:3].astype(float), row[3:].astype(float))

"""The distance between two arms' tools, and cutting targets back that would bring them too near each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robot_rl.envs.parts import part_state
from robot_rl.geometry import Pose, rotate
from robot_rl.specs import ClearanceSpec
from robot_rl.types import ArmState, ArmTarget, Command, RobotState

HALVINGS = 20
"""Steps of the search along the way: a millionth of it."""
SLACK_M = 1e-9

PartWay = Callable[[Pose, Pose, float], Pose]


def tool_clearance(first: Pose, second: Pose, spec: ClearanceSpec) -> float:
    """Return the distance, m, between the surfaces of two tools' capsules; negative if they overlap.

    Args:
        first: T_base_tcp of the first arm, its own base.
        second: T_base_tcp of the second arm, its own base.
        spec: Where the bases stand, and the capsules.
    """
    moved = Pose.of(spec.base_position, spec.base_rotvec) @ second
    gap = _segment_distance(*_axis(first, spec.tool_length), *_axis(moved, spec.tool_length))
    return gap - 2 * spec.tool_radius


def keep_clear(command: Command, state: RobotState, spec: ClearanceSpec, part_way: PartWay) -> tuple[Command, list[str]]:
    """Return the command with the arms' targets cut back where they are too near each other, and whose were cut.

    Afterwards the tools' targets are as far apart as the margin, or at least as far as the tools are now. A motion that by
    itself does not approach the other arm is never cut, so arms can always separate. An arm without a target stays.

    Args:
        command: Targets that every other limit allows.
        state: What both arms measured last.
        spec: The clearance to keep.
        part_way: Returns a pose at a fraction in [0, 1] of the way from one to another.

    Raises:
        DeviceError: If one of the arms did not report.
    """
    here = [part_state(state, arm, ArmState).pose for arm in spec.arms]
    targets = [command.get(arm) for arm in spec.arms]
    goal = [target.pose if isinstance(target, ArmTarget) else pose for target, pose in zip(targets, here, strict=True)]
    now = tool_clearance(here[0], here[1], spec)
    floor = min(spec.margin, now) - SLACK_M
    if all(target is None for target in targets) or tool_clearance(goal[0], goal[1], spec) >= floor:
        return command, []
    approaches = (tool_clearance(goal[0], here[1], spec) < now, tool_clearance(here[0], goal[1], spec) < now)
    if not any(approaches):  # each alone keeps its distance, yet together they meet
        approaches = (True, True)

    def at(fraction: float) -> tuple[Pose, Pose]:
        first, second = (
            part_way(start, end, fraction) if is_cut else end for start, end, is_cut in zip(here, goal, approaches, strict=True)
        )
        return first, second

    near, far = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        if tool_clearance(*at(middle), spec) >= floor:
            near = middle
        else:
            far = middle
    cut = [arm for arm, is_cut, target in zip(spec.arms, approaches, targets, strict=True) if is_cut and target is not None]
    return command | {arm: ArmTarget(pose) for arm, pose in zip(spec.arms, at(near), strict=True) if arm in cut}, cut


def _axis(pose: Pose, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends [3] of a capsule's axis: the tcp, and `length` m back along the tool's z axis."""
    return pose.position, pose.position - rotate(pose.quaternion, np.array([0.0, 0.0, length]))


def _segment_distance(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Return the distance between the segments a to b and c to d, all [3].

    The nearest points are either inside both segments, or one of them is an end.
    """
    u, v, w = b - a, d - c, a - c
    uu, uv, vv, uw, vw = float(u @ u), float(u @ v), float(v @ v), float(u @ w), float(v @ w)
    distances = [_point_distance(a, c, d), _point_distance(b, c, d), _point_distance(c, a, b), _point_distance(d, a, b)]
    determinant = uu * vv - uv * uv
    if determinant > 1e-12:  # not parallel
        s, t = (uv * vw - vv * uw) / determinant, (uu * vw - uv * uw) / determinant
        if 0 <= s <= 1 and 0 <= t <= 1:
            distances.append(float(np.linalg.norm(w + s * u - t * v)))
    return min(distances)


def _point_distance(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    along = b - a
    length = float(along @ along)
    fraction = min(max(float((point - a) @ along) / length, 0.0), 1.0) if length > 0 else 0.0
    return float(np.linalg.norm(point - a - fraction * along))

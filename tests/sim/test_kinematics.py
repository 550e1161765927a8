"""The arm's numbers: the model's frames are the DH product, and the inverse undoes the forward."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from sim.arm import ARM_JOINTS
from sim.gripper import TCP_SITE
from sim.kinematics import HOME, QPOS_HIGH, QPOS_LOW, forward, inverse, jacobian, joint_frames
from sim.physics import Physics
from sim.scene import SceneConfig, build_scene
from sim.task import tool_pose


@pytest.fixture(scope="module")
def physics() -> Physics:
    return Physics(build_scene(SceneConfig()).compile())


PUBLISHED = """
    0        0.333  0
    0        0      -1
    0        0.316  1
    0.0825   0      1
    -0.0825  0.384  -1
    0        0      1
    0.088    0      1
"""
"""Craig's a, d in m and alpha in quarter turns, joints 1 to 7, written down once more."""


def published_forward(qpos: np.ndarray) -> np.ndarray:
    """Return the flange's frame [4, 4] as the plain product of elementary transforms."""

    def transform(axis: int, angle: float, shift: float) -> np.ndarray:
        frame = np.eye(4)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        frame[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        frame[axis, 3] = shift
        return frame

    frame = np.eye(4)
    for line, theta in zip(PUBLISHED.split("\n")[1:-1], qpos, strict=True):
        a, d, quarters = map(float, line.split())
        frame = frame @ transform(0, quarters * np.pi / 2, a) @ transform(2, theta, d)
    return frame @ transform(2, 0.0, 0.107)


@pytest.mark.parametrize("seed", range(20))
def test_flange_is_the_product_of_the_published_parameters(physics, seed):
    qpos = random_qpos(seed)
    for name, angle in zip(ARM_JOINTS, qpos, strict=True):
        physics.data.joint(name).qpos[0] = angle
    physics.touch()
    np.testing.assert_allclose(physics.body_pose("hand").position, published_forward(qpos)[:3, 3], atol=1e-6)


def random_qpos(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(QPOS_LOW, QPOS_HIGH)


@pytest.mark.parametrize("seed", range(20))
def test_model_is_the_dh_product_at_any_joint_angles(physics, seed):
    qpos = random_qpos(seed)
    for name, angle in zip(ARM_JOINTS, qpos, strict=True):
        physics.data.joint(name).qpos[0] = angle
    physics.touch()
    distance, angle = physics.site_pose(TCP_SITE).distance(forward(qpos))
    assert distance < 1e-6
    assert angle < 1e-6
    for index, frame in enumerate(joint_frames(qpos)[:7]):
        np.testing.assert_allclose(physics.body_pose(f"arm/link{index + 1}").position, frame[:3, 3], atol=1e-6)


def test_stretched_up_arm_is_as_long_as_its_published_links():
    assert joint_frames(np.zeros(7))[6, 2, 3] == pytest.approx(0.333 + 0.316 + 0.384)


def test_model_has_the_published_limits(physics):
    for name, low, high in zip(ARM_JOINTS, QPOS_LOW, QPOS_HIGH, strict=True):
        np.testing.assert_allclose(physics.model.joint(name).range, (low, high))


@pytest.mark.parametrize("seed", range(5))
def test_jacobian_is_the_derivative(seed):
    qpos, step = random_qpos(seed), 1e-6
    for joint in range(7):
        ahead = forward(qpos + step * np.eye(7)[joint])
        here = forward(qpos)
        turn = Pose(np.zeros(3), ahead.quaternion) @ Pose(np.zeros(3), here.quaternion).inverse()
        numeric = np.concatenate([ahead.position - here.position, turn.rotvec]) / step
        np.testing.assert_allclose(jacobian(qpos)[:, joint], numeric, atol=1e-4)


def test_inverse_undoes_forward_within_the_limits():
    rng = np.random.default_rng(0)
    for _ in range(20):
        goal = tool_pose(tuple(rng.uniform((0.35, -0.25, 0.02), (0.65, 0.25, 0.40))))
        goal = goal @ Pose.of((0, 0, 0), (*rng.uniform(-0.2, 0.2, 2), rng.uniform(-0.8, 0.8)))
        qpos = inverse(goal)
        assert max(forward(qpos).distance(goal)) < 1e-4
        assert np.all(qpos >= QPOS_LOW)
        assert np.all(qpos <= QPOS_HIGH)


def test_home_points_down():
    z_axis = joint_frames(np.array(HOME))[7, :3, 2]
    np.testing.assert_allclose(z_axis, (0, 0, -1), atol=1e-9)


def test_unreachable_pose_says_how_far_off():
    with pytest.raises(ConfigError, match=r"closest is off by [\d.]+ m"):
        inverse(tool_pose((1.5, 0.0, 0.2)))


def test_masses_are_an_arms(physics):
    assert 10 < float(mujoco.mj_getTotalmass(physics.model)) < 25

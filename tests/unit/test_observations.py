"""What a policy sees: frames, stacking, crops, and that the spec tells the truth about it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.fake import FAKE_SPEC
from robot_rl.envs.images import ImageResizer
from robot_rl.envs.observations import ObservationConfig, Observer
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose, quaternion_to_matrix
from robot_rl.specs import ArraySpec, CameraSpec
from robot_rl.types import ArmState, GripperState

START = Pose.of((0.4, 0.0, 0.3), (math.pi, 0, 0.4))
NOW = Pose.of((0.5, 0.1, 0.2), (math.pi - 0.1, 0.2, 0))
TWIST = np.array([1.0, 2, 3, 4, 5, 6])
WRENCH = -2 * TWIST
CUBE = Pose.of((0.6, -0.1, 0.02), (0, 0, 0.7))
HOLE = Pose.of((0.3, 0.2, 0.0), (0.1, 0, 0))
DEFAULT = ObservationConfig()
CAMERA = CameraSpec("front", height=6, width=8)


def state_at(pose: Pose, opening: float = 0.25) -> dict:
    arm = ArmState(pose, TWIST, WRENCH, np.arange(7.0), -np.arange(7.0), 0.0)
    return {"arm": arm, "gripper": GripperState(opening, 0.0)}


def observer(
    config: ObservationConfig,
    *,
    frame: Literal["tcp", "base"] = "tcp",
    cameras=(),
    trackers=("cube", "hole"),
    robot=FAKE_SPEC,
) -> Observer:
    named = {camera.name: camera for camera in cameras}
    made = Observer(config, robot=robot, arm="arm", gripper="gripper", frame=frame, cameras=named, trackers=trackers)
    made.begin_episode(state_at(START))
    return made


def observe(config: ObservationConfig = DEFAULT, **options) -> dict[str, np.ndarray]:
    made = observer(config, **options)
    return made.observe(state_at(NOW), {"cube": CUBE, "hole": HOLE}, {})


def check_pose(obs, part: str, expected: Pose):
    np.testing.assert_allclose(obs[f"state/{part}/position"], expected.position, atol=1e-6)
    np.testing.assert_allclose(obs[f"state/{part}/rotation"], expected.rotvec, atol=1e-6)


def test_pose_is_relative_to_the_start():
    check_pose(observe(), "arm", START.inverse() @ NOW)


def test_pose_can_be_in_the_base_frame():
    check_pose(observe(ObservationConfig(relative=False)), "arm", NOW)


@pytest.mark.parametrize("relative", [True, False])
def test_height_is_above_the_base_wherever_the_episode_started(relative):
    obs = observe(ObservationConfig(arm_quantities=("height",), relative=relative, gripper=False))
    assert {key: value.tolist() for key, value in obs.items()} == {"state/arm/height": [pytest.approx(0.2)]}


@pytest.mark.parametrize("key", ["twist", "wrench"])
def test_twist_and_wrench_are_along_the_axes_of_the_action(key):
    base = {"twist": TWIST, "wrench": WRENCH}[key]
    to_tcp = quaternion_to_matrix(NOW.quaternion).T
    in_tcp = np.concatenate([to_tcp @ base[:3], to_tcp @ base[3:]])
    np.testing.assert_allclose(observe(frame="tcp")[f"state/arm/{key}"], in_tcp, atol=1e-5)
    np.testing.assert_allclose(observe(frame="base")[f"state/arm/{key}"], base)


def test_joints_and_gripper_are_as_measured():
    obs = observe(ObservationConfig(arm_quantities=("qpos", "qvel")))
    assert set(obs) == {"state/arm/qpos", "state/arm/qvel", "state/gripper/opening"}
    assert obs["state/arm/qvel"].tolist() == [0, -1, -2, -3, -4, -5, -6]
    assert obs["state/gripper/opening"].tolist() == [0.25]


def test_a_robot_without_gripper_has_no_opening():
    robot = replace(FAKE_SPEC, parts={"arm": FAKE_SPEC.parts["arm"]})
    assert "state/gripper/opening" not in observe(robot=robot)
    assert "state/gripper/opening" not in observe(ObservationConfig(gripper=False))


@pytest.mark.parametrize(
    ("frame", "expected"), [("tcp", NOW.inverse() @ CUBE), ("base", CUBE), ("hole", HOLE.inverse() @ CUBE)]
)
def test_objects_are_seen_from_the_frame_that_is_asked_for(frame, expected):
    obs = observe(ObservationConfig(objects={"cube": frame}))
    check_pose(obs, "cube", expected)
    assert "state/hole/position" not in obs


def test_rotation_columns_do_not_jump_at_half_a_turn():
    config = ObservationConfig(rotation="columns", relative=False)
    seen = []
    for angle in (math.pi - 1e-3, math.pi + 1e-3):
        state = state_at(Pose.of((0, 0, 0), (angle, 0, 0)))
        seen.append(observer(config).observe(state, {}, {})["state/arm/rotation_columns"])
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-2)
    np.testing.assert_allclose(seen[0], [1, 0, 0, 0, -1, 0], atol=1e-2)


@given(
    st.sampled_from([1, 2, 3]),
    st.booleans(),
    st.sampled_from(["rotvec", "columns"]),
    st.sampled_from([None, 4]),
    st.booleans(),
)
def test_spec_says_what_observations_are(stack, relative, rotation, image_size, crop):
    config = ObservationConfig(
        frame_stack=stack,
        relative=relative,
        rotation=rotation,
        objects={"cube": "tcp"},
        image_size=image_size,
        crops={"front": (1, 2, 5, 4)} if crop else {},
    )
    made = observer(config, cameras=[CAMERA])
    for _ in range(2):
        obs = made.observe(state_at(NOW), {"cube": CUBE}, {"front": np.zeros((6, 8, 3), np.uint8)})
        assert {key: ArraySpec(value.shape, str(value.dtype)) for key, value in obs.items()} == made.spec


def test_stack_joins_the_newest_oldest_first_and_starts_by_repeating():
    made = observer(ObservationConfig(frame_stack=3), cameras=[CAMERA])
    openings, reds = [], []
    for step in range(4):
        image = np.full((6, 8, 3), step, np.uint8)
        obs = made.observe(state_at(NOW, opening=step), {}, {"front": image})
        openings.append(obs["state/gripper/opening"].tolist())
        reds.append(obs["image/front"][0, 0, ::3].tolist())
    assert openings == reds == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    made.begin_episode(state_at(NOW))
    obs = made.observe(state_at(NOW, opening=9), {}, {"front": np.zeros((6, 8, 3), np.uint8)})
    assert obs["state/gripper/opening"].tolist() == [9, 9, 9]


@pytest.mark.parametrize(("opening", "seen"), [(0.0, 0.6), (0.5, 0.6), (0.7, 0.7), (1.0, 1.0)])
def test_a_gripper_that_is_closed_further_than_is_told_looks_the_same(opening, seen):
    made = observer(ObservationConfig(arm_quantities=(), min_opening=0.6))
    obs = made.observe(state_at(NOW, opening), {}, {})
    assert obs["state/gripper/opening"] == pytest.approx(seen)


def test_an_opening_that_cannot_be_is_named():
    with pytest.raises(ConfigError, match=r"min_opening 1\.5"):
        ObservationConfig(min_opening=1.5)


def test_the_tools_pose_is_kept_beside_what_is_observed():
    obs = observe(ObservationConfig(arm_quantities=(), gripper=False, tool_pose=True))
    assert set(obs) == {"pose/arm"}
    np.testing.assert_allclose(obs["pose/arm"], [*NOW.position, *NOW.quaternion], atol=1e-6)
    assert obs["pose/arm"].dtype == np.float32


def test_crop_is_top_left_height_width():
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert np.array_equal(ImageResizer(CAMERA, (1, 2, 3, 4), None)(image), image[1:4, 2:6])


def test_shrinking_averages_what_a_pixel_covers():
    image = np.zeros((6, 8, 3), np.uint8)
    image[:, 3] = 240
    small = ImageResizer(CAMERA, None, 2)(image)
    assert 0 < small[0, 1, 0] < small[0, 0, 0] < 240
    assert np.all(small[0] == small[1])


@given(st.integers(1, 9), st.integers(0, 255))
def test_resizing_keeps_a_plain_colour(size, value):
    assert np.all(ImageResizer(CAMERA, None, size)(np.full((6, 8, 3), value, np.uint8)) == value)


def test_a_camera_that_breaks_its_promise_is_named():
    with pytest.raises(ValueError, match=r"'front' delivered uint8 \(8, 6, 3\); its spec promises uint8 \(6, 8, 3\)"):
        ImageResizer(CAMERA, None, None)(np.zeros((8, 6, 3), np.uint8))


def test_cameras_can_be_left_out():
    made = observer(ObservationConfig(cameras=()), cameras=[CAMERA])
    assert made.cameras == ()
    assert not any(key.startswith("image/") for key in made.spec)


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        (ObservationConfig(cameras=("side",)), "no camera 'side' to observe; there are: front"),
        (ObservationConfig(crops={"side": (0, 0, 1, 1)}), "no camera 'side'"),
        (ObservationConfig(crops={"front": (0, 0, 7, 8)}), "does not fit camera 'front' of 6 x 8"),
        (ObservationConfig(objects={"ball": "tcp"}), "no tracker 'ball' to observe; there are: cube, hole"),
        (ObservationConfig(objects={"cube": "table"}), "no tracker 'table'"),
    ],
)
def test_what_does_not_exist_is_named(config, cause):
    with pytest.raises(ConfigError, match=cause):
        observer(config, cameras=[CAMERA])


def test_bad_settings_say_why():
    with pytest.raises(ConfigError, match=r"\['speed'\]; known: height, position, rotation"):
        ObservationConfig(arm_quantities=("speed",))
    with pytest.raises(ConfigError, match="frame_stack 0"):
        ObservationConfig(frame_stack=0)


def test_a_part_that_the_robot_does_not_report_is_a_device_error():
    with pytest.raises(DeviceError, match="no GripperState for part 'gripper'; it reported: arm"):
        observer(ObservationConfig()).observe({"arm": state_at(NOW)["arm"]}, {}, {})

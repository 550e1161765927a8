from dataclasses import replace

import imagecodecs.numcodecs
import numpy as np
import pytest
import toy_formats
import zarr
from toy_formats import SPEC, STATE_SPEC, dataset, psnr, scene

from demos.formats.convert import export_dataset, import_dataset
from demos.formats.options import ExportOptions, ImportOptions
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import load_dataset
from robot_rl.envs.actions import displace
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.geometry import Pose
from robot_rl.specs import ArraySpec

PUSHT = ImportOptions(
    control_dt=0.1, final_obs="repeat", ends="success", success="last", reward="success", action_low=(0,), action_high=(512,)
)


def store(path, ends, **arrays):
    """Write a store as diffusion policy does."""
    root = zarr.open_group(path, mode="w", zarr_format=2)
    data, meta = root.create_group("data"), root.create_group("meta")
    meta.create_array("episode_ends", data=np.array(ends))
    for name, (rows, compressor) in {
        name: rows if isinstance(rows, tuple) else (rows, "auto") for name, rows in arrays.items()
    }.items():
        chunks = (1, *rows.shape[1:]) if rows.ndim == 4 else rows.shape
        array = data.create_array(name, shape=rows.shape, dtype=rows.dtype, chunks=chunks, compressors=compressor)
        array[:] = rows
    return path


def pusht(path):
    images = np.stack([np.full((96, 96, 3), step, np.float32) for step in range(8)])
    action = np.linspace(0, 512, 16, dtype=np.float32).reshape(8, 2)
    return store(path, [3, 8], img=images, state=np.arange(40, dtype=np.float32).reshape(8, 5), action=action)


def test_pusht_comes_in_once_its_range_is_said(tmp_path):
    import_dataset("diffusion_policy", pusht(tmp_path / "pusht.zarr"), tmp_path / "ours", PUSHT)
    first, second = load_dataset(tmp_path / "ours")
    assert (first.length, second.length) == (3, 5)
    assert second.obs["image/img"][:, 0, 0, 0].tolist() == [3, 4, 5, 6, 7, 7]
    assert second.obs["image/img"].dtype == np.uint8
    assert second.obs["state/state"][0].tolist() == [15, 16, 17, 18, 19]
    assert first.action[0, 0] == -1
    assert second.action[-1, 1] == 1
    unscaled = replace(PUSHT, action_low=(-1,), action_high=(1,))
    with pytest.raises(DatasetError, match=r"action 1 of step 0 is 34\.1333, outside -1 to 1"):
        import_dataset("diffusion_policy", tmp_path / "pusht.zarr", tmp_path / "other", unscaled)


def test_timestamps_are_taken_from_the_first_on(tmp_path):
    stamps = 1.7e9 + np.array([0.0, 0.11, 0.19, 5.0, 5.1])
    rows = np.zeros((5, 2), np.float32)
    store(tmp_path / "real.zarr", [3, 5], robot_eef_pose=rows, action=rows, timestamp=stamps)
    import_dataset("diffusion_policy", tmp_path / "real.zarr", tmp_path / "ours", PUSHT)
    first, second = load_dataset(tmp_path / "ours")
    np.testing.assert_array_equal(first.stamp, stamps[:3] - stamps[0])
    np.testing.assert_array_equal(second.stamp, stamps[3:] - stamps[3])


@pytest.mark.parametrize(("codec", "worst"), [("Jpegxl", 35), ("Jpeg2k", 30)])
def test_cameras_in_jpeg_xl_and_jpeg_2000_are_read_whatever_release_wrote_them(codec, worst, tmp_path):
    images = np.stack([scene((64, 80), t) for t in range(4)])
    rows = np.zeros((4, 2), np.float32)
    store(tmp_path / "cameras.zarr", [4], camera_0=(images, getattr(imagecodecs.numcodecs, codec)(level=95)), action=rows)
    described = tmp_path / "cameras.zarr/data/camera_0/.zarray"
    described.write_text(described.read_text().replace('"level": 95', '"level": 95, "a_setting_of_another_release": null'))
    import_dataset("diffusion_policy", tmp_path / "cameras.zarr", tmp_path / "ours", PUSHT)
    found = load_dataset(tmp_path / "ours")[0].obs["image/camera_0"]
    assert min(psnr(a, b) for a, b in zip(found, images, strict=False)) > worst


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ([3, 3], "episode_ends does not increase"),
        ([3, 9], "data/action has 8 rows, the episodes have 9"),
        ([5, 2], "not increase"),
    ],
)
def test_ends_that_cannot_be_are_refused(ends, message, tmp_path):
    rows = np.zeros((8, 2), np.float32)
    store(tmp_path / "odd.zarr", ends, state=rows, action=rows)
    with pytest.raises(DatasetError, match=rf"odd\.zarr: .*{message}"):
        import_dataset("diffusion_policy", tmp_path / "odd.zarr", tmp_path / "ours", PUSHT)


def test_zarr_version_3_and_stores_without_actions_are_told_apart(tmp_path):
    dataset(tmp_path / "ours", count=1, spec=STATE_SPEC)
    with pytest.raises(DatasetError, match="cannot be read"):
        import_dataset("diffusion_policy", next((tmp_path / "ours").iterdir()), tmp_path / "back", PUSHT)
    store(tmp_path / "poses.zarr", [3], robot0_eef_pos=np.zeros((3, 3)))
    with pytest.raises(DatasetError, match=r"no data/action; it has robot0_eef_pos .*--from umi"):
        import_dataset("diffusion_policy", tmp_path / "poses.zarr", tmp_path / "back", PUSHT)


def walk(count, seed):
    """Poses of a hand that moves and turns, each at most 3 cm and 0.17 rad from the last."""
    rng = np.random.default_rng(seed)
    poses = [Pose.of((0.4, 0.1, 0.2), (3.0, 0.2, -0.1))]
    for _ in range(count - 1):
        poses.append(displace(poses[-1], [*rng.uniform(-0.017, 0.017, 3), *rng.uniform(-0.1, 0.1, 3)], "tcp"))
    return poses


def umi(path, lengths=(6, 4)):
    poses = [pose for index, length in enumerate(lengths) for pose in walk(length, index)]
    widths = np.linspace(0, 0.08, len(poses), dtype=np.float32)[:, None]
    images = np.stack([scene((64, 64), t) for t in range(len(poses))])
    return store(
        path,
        np.cumsum(lengths),
        camera0_rgb=images,
        robot0_eef_pos=np.array([pose.position for pose in poses], np.float32),
        robot0_eef_rot_axis_angle=np.array([pose.rotvec for pose in poses], np.float32),
        robot0_gripper_width=widths,
        robot0_demo_start_pose=np.zeros((len(poses), 6)),
        robot0_demo_end_pose=np.zeros((len(poses), 6)),
    )


def said(**more):
    known = {"control_dt": 1 / 60, "ends": "success", "success": "last", "reward": "success", "pose_scale": (0.02, 0.1, 0.08)}
    return ImportOptions(**{**known, **more})


def test_actions_of_umi_lead_from_each_pose_to_the_next(tmp_path):
    import_dataset("umi", umi(tmp_path / "umi.zarr"), tmp_path / "ours", said())
    episodes = load_dataset(tmp_path / "ours")
    assert [episode.length for episode in episodes] == [5, 3]
    for index, episode in enumerate(episodes):
        assert episode.spec.action.names == ("arm/x", "arm/y", "arm/z", "arm/roll", "arm/pitch", "arm/yaw", "gripper")
        poses = walk(episode.length + 1, index)
        for before, action, after in zip(poses[:-1], episode.action, poses[1:], strict=True):
            reached = displace(before, [*(0.02 * action[:3]), *(0.1 * action[3:6])], "tcp")
            assert max(reached.distance(after)) < 1e-5
        opening = (episode.action[:, 6] + 1) / 2
        np.testing.assert_allclose(opening, episode.obs["state/robot0_gripper_width"][1:, 0] / 0.08, atol=1e-6)


def test_a_motion_beyond_the_scale_is_refused_with_its_size(tmp_path):
    umi(tmp_path / "umi.zarr")
    with pytest.raises(ConfigError, match="--pose-scale M RAD WIDTH"):
        import_dataset("umi", tmp_path / "umi.zarr", tmp_path / "ours", said(pose_scale=None))
    with pytest.raises(DatasetError, match=r"episode 0: robot0 moves 0\.01\d+ m in a step, more than the 0\.001 m"):
        import_dataset("umi", tmp_path / "umi.zarr", tmp_path / "ours", said(pose_scale=(0.001, 0.1, 0.08)))
    with pytest.raises(DatasetError, match=r"moves 0\.0\d+ rad in a step, more than the 0\.01 rad"):
        import_dataset("umi", tmp_path / "umi.zarr", tmp_path / "ours", said(pose_scale=(0.02, 0.01, 0.08)))
    with pytest.raises(DatasetError, match=r"robot0_gripper_width is 0 to 0\.04\d* m, outside 0 to the 0\.02 m"):
        import_dataset("umi", tmp_path / "umi.zarr", tmp_path / "ours", said(pose_scale=(0.02, 0.1, 0.02)))
    assert not (tmp_path / "ours").exists()


def test_a_store_without_poses_is_not_umis(tmp_path):
    with pytest.raises(DatasetError, match=r"no robot0_eef_pos, as UMI has it; there are action, img, state"):
        import_dataset("umi", pusht(tmp_path / "pusht.zarr"), tmp_path / "ours", said())


def test_an_export_to_umi_has_umis_arrays(tmp_path):
    ours = dataset(tmp_path / "ours")
    export_dataset("umi", tmp_path / "ours", tmp_path / "umi.zarr.zip", ExportOptions(gripper_width_m=0.08))
    with zarr.storage.ZipStore(tmp_path / "umi.zarr.zip", mode="r") as archive:
        data = zarr.open_group(archive, mode="r", zarr_format=2)["data"]
        first = slice(0, ours[0].length)
        np.testing.assert_array_equal(data["robot0_eef_pos"][first], ours[0].obs["state/arm/position"][:-1])
        np.testing.assert_array_equal(data["robot0_eef_rot_axis_angle"][first], ours[0].obs["state/arm/rotation"][:-1])
        width = ours[0].obs["state/gripper/opening"][:-1] * np.float32(0.08)
        np.testing.assert_allclose(data["robot0_gripper_width"][first], width, rtol=1e-6)
        np.testing.assert_array_equal(data["camera0_rgb"][first], ours[0].obs["image/front"][:-1])
        pose = np.concatenate([ours[0].obs["state/arm/position"][0], ours[0].obs["state/arm/rotation"][0]])
        np.testing.assert_array_equal(data["robot0_demo_start_pose"][first], np.tile(pose, (ours[0].length, 1)))
    foreign = said(ignore_origin=True, pose_scale=(10.0, 3.2, 0.08), drop=tuple(_not_umis()))
    import_dataset("umi", tmp_path / "umi.zarr.zip", tmp_path / "back", foreign)
    assert [episode.length for episode in load_dataset(tmp_path / "back")] == [episode.length - 1 for episode in ours]


def _not_umis():
    columns = toy_formats.step_columns(SPEC)
    return ["timestamp" if name == "stamp" else name for name in columns] + [key.replace("/", "_") for key in STATE_SPEC.obs]


def test_poses_in_the_base_frame_are_preferred(tmp_path):
    spec = replace(SPEC, obs={**STATE_SPEC.obs, "pose/arm": ArraySpec((7,))})
    episode = toy_formats.episode(0, 6, STATE_SPEC)
    poses = walk(7, 0)
    rows = np.array([[*pose.position, *pose.quaternion] for pose in poses], np.float32)
    EpisodeWriter(tmp_path / "ours", spec).write(replace(episode, spec=spec, obs={**episode.obs, "pose/arm": rows}))
    export_dataset("umi", tmp_path / "ours", tmp_path / "umi.zarr", ExportOptions(gripper_width_m=0.08))
    data = zarr.open_group(tmp_path / "umi.zarr", mode="r", zarr_format=2)["data"]
    for index, pose in enumerate(poses[:-1]):
        kept = Pose.of(data["robot0_eef_pos"][index], data["robot0_eef_rot_axis_angle"][index])
        assert max(kept.distance(pose)) < 1e-5


def test_a_gripper_without_a_width_cannot_go_to_umi_and_missing_poses_are_told(tmp_path, caplog):
    dataset(tmp_path / "ours", count=1)
    with pytest.raises(ConfigError, match="--gripper-width-m says how wide 1 is"):
        export_dataset("umi", tmp_path / "ours", tmp_path / "umi.zarr", ExportOptions())
    lone = replace(SPEC, obs={"state/cube/position": SPEC.obs["state/arm/position"]})
    dataset(tmp_path / "lone", count=1, spec=lone)
    export_dataset("umi", tmp_path / "lone", tmp_path / "lone.zarr", ExportOptions())
    assert "poses or widths are not observed" in caplog.text

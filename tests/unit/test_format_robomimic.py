import json

import h5py
import numpy as np
import pytest
from toy_formats import dataset

from demos.formats.convert import export_dataset, import_dataset
from demos.formats.options import ExportOptions, ImportOptions
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError, DatasetError

SAID = ImportOptions(ends="success", success="reward")


def lift(path, next_obs=True, control_freq=20):
    """A file as robomimic's own scripts write it, demos out of order."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        kwargs = {"control_freq": control_freq} if control_freq else {}
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": kwargs})
        data.attrs["total"] = 22
        for number in (10, 2):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"], demo.attrs["model_file"] = number, "<mujoco/>"
            quaternion = np.tile([0.1, 0.2, 0.3, 0.9], (number + 1, 1)) + np.arange(number + 1)[:, None]
            image = np.arange(number + 1, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
            for group, rows in (("obs", slice(None, -1)), ("next_obs", slice(1, None))):
                if group == "obs" or next_obs:
                    demo[f"{group}/robot0_eef_quat"], demo[f"{group}/agentview_image"] = quaternion[rows], image[rows]
            demo["actions"] = np.linspace(-1, 1, number * 7).reshape(number, 7)
            demo["rewards"] = (np.arange(number) == number - 1).astype(float)
            demo["dones"] = (np.arange(number) == number - 1).astype(int)
            demo["states"] = np.zeros((number, 30))
        file["mask/train"] = np.array([b"demo_2"])
        file["mask/better"] = np.array([b"demo_2", b"demo_10"])
    return path


def test_demos_come_in_by_number_with_what_the_file_says(tmp_path):
    import_dataset("robomimic", lift(tmp_path / "lift.hdf5"), tmp_path / "ours", SAID)
    first, second = load_dataset(tmp_path / "ours")
    assert (first.length, second.length) == (2, 10)
    assert (first.spec.name, first.spec.control_dt, first.spec.max_steps) == ("Lift", 0.05, 10)
    assert second.obs["image/agentview_image"][:, 0, 0, 0].tolist() == list(range(11))
    np.testing.assert_array_equal(second.action, np.linspace(-1, 1, 70).reshape(10, 7).astype(np.float32))
    assert second.terminated[-1]
    assert second.success
    assert [episode.info.extra["masks"].split() for episode in (first, second)] == [["better", "train"], ["better"]]


def test_quaternions_are_reordered_where_asked(tmp_path):
    said = ImportOptions(ends="success", success="reward", rotation=("robot0_eef_quat=quat_xyzw",))
    import_dataset("robomimic", lift(tmp_path / "lift.hdf5"), tmp_path / "ours", said)
    found = load_dataset(tmp_path / "ours")[0].obs["state/robot0_eef_quat"]
    np.testing.assert_array_equal(found[0], np.float32([0.9, 0.1, 0.2, 0.3]))


def test_without_next_obs_or_a_rate_both_must_be_said(tmp_path):
    source = lift(tmp_path / "lift.hdf5", next_obs=False, control_freq=None)
    with pytest.raises(
        ConfigError, match=r"demo_2 does not say the time between steps: .*; what is seen after the last action"
    ):
        import_dataset("robomimic", source, tmp_path / "ours", SAID)
    said = ImportOptions(ends="success", success="reward", control_dt=0.1, final_obs="repeat")
    import_dataset("robomimic", source, tmp_path / "ours", said)
    assert load_dataset(tmp_path / "ours")[1].obs["image/agentview_image"][:, 0, 0, 0].tolist() == [*range(10), 9]


def test_a_demo_that_jumps_is_refused_and_not_read_as_one_episode(tmp_path):
    source = lift(tmp_path / "lift.hdf5")
    with h5py.File(source, "a") as file:
        file["data/demo_10/next_obs/robot0_eef_quat"][4] += 1
    with pytest.raises(DatasetError, match=r"lift\.hdf5, demo_10: next_obs/robot0_eef_quat is not obs/robot0_eef_quat"):
        import_dataset("robomimic", source, tmp_path / "ours", SAID)
    assert not (tmp_path / "ours").exists()


def test_a_demo_of_another_length_than_it_says_is_refused(tmp_path):
    source = lift(tmp_path / "lift.hdf5")
    with h5py.File(source, "a") as file:
        file["data/demo_2"].attrs["num_samples"] = 3
    with pytest.raises(DatasetError, match="demo_2: num_samples is 3, but there are 2 actions"):
        import_dataset("robomimic", source, tmp_path / "ours", SAID)


def test_an_export_has_what_robomimic_reads(tmp_path):
    ours = dataset(tmp_path / "ours")
    export_dataset("robomimic", tmp_path / "ours", tmp_path / "set.hdf5", ExportOptions())
    with h5py.File(tmp_path / "set.hdf5") as file:
        env_args = json.loads(file["data"].attrs["env_args"])
        assert (env_args["env_name"], env_args["type"], env_args["env_kwargs"]) == ("toy", 2, {"control_freq": 10.0})
        assert file["data"].attrs["total"] == sum(episode.length for episode in ours)
        assert sorted(file["data"]) == [f"demo_{index}" for index in range(5)]
        masks = {name: [demo.decode() for demo in demos[:]] for name, demos in file["mask"].items()}
        assert masks == {
            "success": ["demo_0", "demo_3"],
            "failure": ["demo_1", "demo_2", "demo_4"],
            "intervention": ["demo_3"],
        }
        for index, episode in enumerate(ours):
            demo = file[f"data/demo_{index}"]
            assert demo.attrs["num_samples"] == episode.length
            assert demo["actions"].dtype == np.float64
            np.testing.assert_array_equal(demo["actions"], episode.action.astype(np.float64))
            np.testing.assert_array_equal(demo["dones"], episode.terminated | episode.truncated)
            np.testing.assert_array_equal(demo["obs/image.front"], episode.obs["image/front"][:-1])
            np.testing.assert_array_equal(demo["next_obs/state.arm.position"], episode.obs["state/arm/position"][1:])


def test_an_export_that_was_edited_is_not_taken_for_ours(tmp_path):
    dataset(tmp_path / "ours")
    export_dataset("robomimic", tmp_path / "ours", tmp_path / "set.hdf5", ExportOptions())
    with h5py.File(tmp_path / "set.hdf5", "a") as file:
        del file["data/demo_1"]
    with pytest.raises(DatasetError, match=r"exported 5 episodes, now there are 4: .*--ignore-origin"):
        import_dataset("robomimic", tmp_path / "set.hdf5", tmp_path / "back", ImportOptions())
    said = ImportOptions(ignore_origin=True, ends="success", success="last")
    import_dataset("robomimic", tmp_path / "set.hdf5", tmp_path / "back", said)
    assert len(load_dataset(tmp_path / "back")) == 4

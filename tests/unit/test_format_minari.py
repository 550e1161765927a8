import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from toy_formats import SPEC, dataset

from demos.formats.convert import export_dataset, import_dataset
from demos.formats.options import ExportOptions, ImportOptions
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError, DatasetError

SAID = ImportOptions(control_dt=0.05, success="last")


OBSERVED = gym.spaces.Dict(
    {
        "camera": gym.spaces.Box(0, 255, (40, 48, 3), np.uint8),
        "arm": gym.spaces.Dict({"q": gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)}),
        "pair": gym.spaces.Tuple([gym.spaces.Box(0, 1, (1,), np.float32), gym.spaces.Discrete(5)]),
    }
)
DONE = gym.spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))


def camera():
    y, x = np.mgrid[:40, :48]
    return np.stack([np.stack([x + t, y, x + y], axis=-1) for t in range(5)]).astype(np.uint8)


def written_by_minari(folder, episodes, observed=OBSERVED, done=DONE):
    """Write a dataset with Minari's own code (its collector wants jax, its storage does not)."""
    (folder / "data").mkdir(parents=True)
    storage = MinariStorage.new(folder / "data", observed, done)
    storage.update_episodes(episodes)
    storage.update_metadata({"dataset_id": folder.name, "minari_version": minari.__version__})
    return folder


@pytest.fixture
def shelf(tmp_path):
    """Two episodes with nested observations, a camera, and actions in units of their own."""
    time = np.arange(5.0)
    episodes = [
        EpisodeBuffer(
            seed=index,
            observations={
                "camera": camera(),
                "arm": {"q": np.stack([time, -time], axis=1)},
                "pair": (np.full((5, 1), 0.5, np.float32), np.arange(5)),
            },
            actions=np.tile(np.float32([push, 7.5]), (4, 1)),
            rewards=[1.0, 2.0, 3.0, 4.0],
            terminations=[False, False, False, push > 0],
            truncations=[False, False, False, push < 0],
            infos={"success": [False, False, False, True, False]},
        )
        for index, push in enumerate((1.0, -2.0))
    ]
    return written_by_minari(tmp_path / "shelf-v0", episodes)


def test_what_minari_wrote_comes_in_with_its_own_ranges_and_ends(shelf, tmp_path):
    import_dataset("minari", shelf, tmp_path / "ours", ImportOptions(control_dt=0.05))
    first, second = load_dataset(tmp_path / "ours")
    assert first.obs["state/arm/q"].tolist() == [[t, -t] for t in range(5)]
    assert first.obs["state/pair/_index_1"][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert first.action.tolist() == [[0.5, 0.5]] * 4
    assert second.action.tolist() == [[-1, 0.5]] * 4
    assert first.reward.tolist() == [1, 2, 3, 4]
    assert (first.terminated[-1], first.truncated[-1]) == (True, False)
    assert (second.terminated[-1], second.truncated[-1]) == (False, True)
    assert first.successes.tolist() == [False, False, True, False]  # the first of five infos was the reset's
    assert [first.info.seed, second.info.seed] == [0, 1]
    error = np.abs(first.obs["image/camera"].astype(int) - camera())
    assert 0 < error.mean() < 3  # Minari keeps images as JPEG unless told otherwise


def test_the_time_between_steps_must_be_said(shelf, tmp_path):
    with pytest.raises(ConfigError, match=r"episode_0 does not say the time between steps: --control-dt S$"):
        import_dataset("minari", shelf, tmp_path / "ours", ImportOptions())


def test_minari_loads_what_we_export(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    wanted = dataset(tmp_path / "ours")
    export_dataset("minari", tmp_path / "ours", tmp_path / "root/lab/toy-v3", ExportOptions())
    loaded = minari.load_dataset("lab/toy-v3")
    assert (loaded.total_episodes, loaded.total_steps) == (5, sum(episode.length for episode in wanted))
    assert loaded.action_space == gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
    for found, ours in zip(loaded.iterate_episodes(), wanted, strict=True):
        np.testing.assert_array_equal(found.actions, ours.action)
        np.testing.assert_array_equal(found.rewards, ours.reward)
        np.testing.assert_array_equal(found.terminations, ours.terminated)
        np.testing.assert_array_equal(found.truncations, ours.truncated)
        np.testing.assert_array_equal(found.observations["state"]["arm"]["position"], ours.obs["state/arm/position"])
        np.testing.assert_array_equal(found.observations["image"]["front"], ours.obs["image/front"])
        np.testing.assert_array_equal(found.infos["is_intervention"], ours.is_intervention)
        last = {kind: {} for kind in ("state", "image")}
        for key, rows in ours.obs.items():
            place = last
            *folders, name = key.split("/")
            for folder in folders:
                place = place.setdefault(folder, {})
            place[name] = rows[-1]
        assert loaded.observation_space.contains(last)


def test_minari_lists_and_loads_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    dataset(tmp_path / "ours", count=2)
    export_dataset("minari", tmp_path / "ours", tmp_path / "root/toy-v0", ExportOptions())
    assert list(minari.list_local_datasets()) == ["toy-v0"]
    assert minari.load_dataset("toy-v0").sample_episodes(1)[0].actions.shape[1] == SPEC.action.dim


def test_a_name_that_minari_cannot_load_is_refused(tmp_path):
    dataset(tmp_path / "ours", count=1)
    with pytest.raises(ConfigError, match=r"cannot load a dataset called 'toy'; .* say toy-v0"):
        export_dataset("minari", tmp_path / "ours", tmp_path / "toy", ExportOptions())
    assert not (tmp_path / "toy").exists()


def test_actions_that_are_no_numbers_are_refused(tmp_path):
    pole = gym.spaces.Box(-1, 1, (2,), np.float32)
    buffer = EpisodeBuffer(None, 0, None, np.zeros((2, 2), np.float32), np.array([1]), [1.0], [True], [False])
    written_by_minari(tmp_path / "pole-v0", [buffer], pole, gym.spaces.Discrete(2))
    with pytest.raises(DatasetError, match="actions are of a Discrete space"):
        import_dataset("minari", tmp_path / "pole-v0", tmp_path / "ours", SAID)


def test_an_observation_that_is_one_box_gets_a_name(tmp_path):
    pole = gym.spaces.Box(-1, 1, (2,), np.float32)
    buffer = EpisodeBuffer(None, 0, None, np.zeros((2, 2), np.float32), np.zeros((1, 2), np.float32), [1.0], [True], [False])
    written_by_minari(tmp_path / "pole-v0", [buffer], pole, pole)
    import_dataset("minari", tmp_path / "pole-v0", tmp_path / "ours", SAID)
    assert list(load_dataset(tmp_path / "ours")[0].obs) == ["state/observation"]


def test_an_episode_that_went_missing_is_told(shelf, tmp_path):
    with h5py.File(shelf / "data/main_data.hdf5", "a") as file:
        del file["episode_1/actions"]
    with pytest.raises(DatasetError, match=r"main_data\.hdf5, episode_1: cannot be read: KeyError"):
        import_dataset("minari", shelf, tmp_path / "ours", SAID)
    with h5py.File(shelf / "data/main_data.hdf5", "a") as file:
        del file["episode_1"]
    with pytest.raises(DatasetError, match=r"main_data\.hdf5: cannot be read: KeyError.*episode_1"):
        import_dataset("minari", shelf, tmp_path / "ours", SAID)
    assert not (tmp_path / "ours").exists()

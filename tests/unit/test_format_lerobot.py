import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_formats import SPEC, dataset, psnr, scene

from demos.formats import lerobot_layout as at
from demos.formats.convert import export_dataset, import_dataset
from demos.formats.lerobot_stats import DatasetStats, image_stats, number_stats
from demos.formats.options import ExportOptions, ImportOptions
from demos.formats.png import encode_png
from demos.formats.video import VideoReader, VideoWriter
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError, DatasetError

LENGTHS = (4, 3, 5)
SAID = ImportOptions(
    final_obs="repeat", ends="success", success="last", reward="success", action_low=(-180,), action_high=(180,)
)


def foreign(root, images="video", done=False):
    """A dataset as LeRobot records one by teleoperation: no rewards, two tasks, all episodes in one row group."""
    total = sum(LENGTHS)
    frame = np.concatenate([np.arange(length) for length in LENGTHS])
    episode = np.repeat(np.arange(3), LENGTHS)
    pictures = np.stack([scene((64, 80), t) for t in range(total)])
    state = pa.array([[float(t), -float(t)] for t in range(total)], pa.list_(pa.float32()))
    columns = {
        "observation.state": state,
        "action": pa.array([[10.0 * t, -10.0 * t] for t in range(total)], pa.list_(pa.float32(), 2)),
        "phase": pa.array(["go"] * total),
        "timestamp": pa.array(frame / 30, pa.float32()),
        "frame_index": frame,
        "episode_index": episode,
        "index": np.arange(total),
        "task_index": np.array([0] * 4 + [1] * 3 + [0, 0, 0, 1, 1]),
    }
    names = {"motors": ["pan", "lift"]}
    features = {
        "observation.state": {"dtype": "float32", "shape": [2], "names": names},
        "action": {"dtype": "float32", "shape": [2], "names": names},
        "observation.images.top": {"dtype": images, "shape": [64, 80, 3], "names": ["height", "width", "channels"]},
        "phase": {"dtype": "string", "shape": [1], "names": None},
        **{name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in at.AUTOMATIC.items()},
    }
    if done:
        columns["next.done"] = np.append(episode[1:] != episode[:-1], True)
        features["next.done"] = {"dtype": "bool", "shape": [1], "names": None}
    if images == "image":
        columns["observation.images.top"] = pa.array([{"bytes": encode_png(picture), "path": "x.png"} for picture in pictures])
    write(root / "data/chunk-000/file-000.parquet", columns)
    write(root / at.TASKS, {"task_index": [0, 1], "__index_level_0__": ["pick up", "put down"]})
    ends = np.cumsum(LENGTHS)
    place = {}
    if images == "video":
        video = VideoWriter(root / "videos/observation.images.top/chunk-000/file-000.mp4", (64, 80), 30, "libx264")
        video.add(pictures)
        video.close()
        place = {f"videos/observation.images.top/{name}": [0] * 3 for name in ("chunk_index", "file_index")}
        place["videos/observation.images.top/from_timestamp"] = ((ends - LENGTHS) / 30).tolist()
    describe_episodes(root, LENGTHS, **place)
    info = {"codebase_version": "v3.0", "fps": 30, "features": features, "data_path": at.DATA, "video_path": at.VIDEO}
    (root / at.INFO).write_text(json.dumps(info))
    return root, pictures


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def describe_episodes(root, lengths, **more):
    place = {f"data/{name}": [0] * len(lengths) for name in ("chunk_index", "file_index")}
    rows = {"episode_index": range(len(lengths)), "length": lengths, **place, **more}
    write(root / "meta/episodes/chunk-000/file-000.parquet", {name: list(values) for name, values in rows.items()})


def edit_info(root, **changes):
    info = json.loads((root / at.INFO).read_text())
    (root / at.INFO).write_text(json.dumps({**info, **changes}))


@pytest.mark.parametrize(("images", "worst"), [("video", 36), ("image", np.inf)])
def test_a_dataset_of_lerobots_comes_in_once_what_it_lacks_is_said(images, worst, tmp_path, caplog):
    root, pictures = foreign(tmp_path / "set", images)
    import_dataset("lerobot", root, tmp_path / "ours", SAID)
    episodes = load_dataset(tmp_path / "ours")
    assert [episode.length for episode in episodes] == list(LENGTHS)
    assert [episode.info.task for episode in episodes] == ["pick up", "put down", "pick up"]
    assert [dict(episode.info.extra) for episode in episodes] == [{}, {}, {"tasks": "pick up | put down"}]
    assert episodes[0].spec.action.names == ("pan", "lift")
    assert episodes[0].spec.control_dt == pytest.approx(1 / 30)
    start = 0
    for episode in episodes:
        frames = np.arange(start, start + episode.length)
        assert episode.obs["state/state"][:-1, 0].tolist() == frames.tolist()
        np.testing.assert_allclose(episode.action[:, 1], -frames / 18, atol=1e-6)
        assert min(psnr(*pair) for pair in zip(episode.obs["image/top"][:-1], pictures[frames], strict=True)) >= worst
        assert episode.terminated.tolist() == [False] * (episode.length - 1) + [True]
        start += episode.length
    assert "not taken over: phase" in caplog.text


def test_what_lerobots_recorder_leaves_open_is_asked_for(tmp_path):
    root, _ = foreign(tmp_path / "set", done=True)
    with pytest.raises(ConfigError) as error:
        import_dataset("lerobot", root, tmp_path / "ours", ImportOptions())
    for option in ("--final-obs", "--ends", "--success", "--reward", "--action-low"):
        assert option in str(error.value)
    assert "--control-dt" not in str(error.value)


def test_a_camera_may_be_left_out_unseen(tmp_path):
    root, _ = foreign(tmp_path / "set")
    (root / "videos/observation.images.top/chunk-000/file-000.mp4").unlink()
    with pytest.raises(DatasetError, match=r"observation\.images\.top/chunk-000/file-000\.mp4 is missing"):
        import_dataset("lerobot", root, tmp_path / "ours", SAID)
    dropped = replace(SAID, drop=("observation.images.top",))
    import_dataset("lerobot", root, tmp_path / "ours", dropped)
    assert list(load_dataset(tmp_path / "ours")[0].obs) == ["state/state"]


def test_damage_and_other_versions_are_told_by_file(tmp_path):
    root, _ = foreign(tmp_path / "set", "image")

    def refused(message):
        with pytest.raises(DatasetError, match=message):
            import_dataset("lerobot", root, tmp_path / "ours", SAID)
        assert not (tmp_path / "ours").exists()

    edit_info(root, codebase_version="v2.1")
    refused(r"meta/info\.json: version v2\.1; only v3 is read")
    edit_info(root, codebase_version="v3.0")
    describe_episodes(root, [4, 2, 5])
    refused("episode 1: has 3 frames where meta/episodes has episode 1 of 2 frames")
    describe_episodes(root, [4, 3, 5, 1])
    refused(r"file-000\.parquet: episode 3 is not in it")
    table = root / "data/chunk-000/file-000.parquet"
    table.write_bytes(table.read_bytes()[:-8])
    refused(r"data/chunk-000/file-000\.parquet: cannot be read")


def test_depth_is_refused_until_it_is_dropped(tmp_path):
    root, _ = foreign(tmp_path / "set", "image")
    features = json.loads((root / at.INFO).read_text())["features"]
    features["observation.images.top"]["info"] = {"is_depth_map": True}
    edit_info(root, features=features)
    with pytest.raises(ConfigError, match=r"depth map, which has no place in ours; --drop observation\.images\.top"):
        import_dataset("lerobot", root, tmp_path / "ours", SAID)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Five episodes, and the folder of their export."""
    folder = tmp_path_factory.mktemp("exported")
    ours = dataset(folder / "ours")
    export_dataset("lerobot", folder / "ours", folder / "set", ExportOptions(codec="libx264", robot_type="fake"))
    return ours, folder / "set"


def test_an_export_describes_itself_as_lerobot_does(exported):
    ours, root = exported
    info, total = json.loads((root / at.INFO).read_text()), sum(episode.length for episode in ours)
    assert (info["codebase_version"], info["fps"], info["robot_type"]) == ("v3.0", 10, "fake")
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (5, total, 2)
    assert info["splits"] == {"train": "0:5"}
    assert not any("/" in name for name in info["features"])
    assert info["features"]["observation.state"]["names"][:3] == ["arm/position/0", "arm/position/1", "arm/position/2"]
    assert info["features"]["action"]["names"] == list(SPEC.action.names)
    assert info["features"]["observation.images.front"]["info"]["video.codec"] == "h264"
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    assert set(table.column_names) == {name for name, entry in info["features"].items() if entry["dtype"] != "video"}
    assert table.schema.field("observation.state").type == pa.list_(pa.float32(), 7)
    assert table.column("index").to_pylist() == list(range(total))
    stamps = np.concatenate([episode.stamp for episode in ours])
    np.testing.assert_array_equal(table.column("stamp").to_numpy(), stamps)  # real time; `timestamp` is nominal
    frames = np.concatenate([np.arange(episode.length) for episode in ours])
    np.testing.assert_array_equal(table.column("timestamp").to_numpy(), (frames / 10).astype(np.float32))
    for name, values in (("next.done", "terminated"), ("next.truncated", "truncated"), ("next.success", "successes")):
        wanted = np.concatenate([getattr(e, values) | (name == "next.done") & e.truncated for e in ours])
        np.testing.assert_array_equal(table.column(name).to_numpy(), wanted)


def test_an_export_tells_where_each_episode_is(exported):
    ours, root = exported
    rows = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["tasks"] for row in rows] == [[episode.info.task] for episode in ours]
    start = 0
    for row, episode in zip(rows, ours, strict=True):
        assert (row["dataset_from_index"], row["dataset_to_index"], row["length"]) == (
            start,
            start + episode.length,
            episode.length,
        )
        video = {name: row[f"videos/observation.images.front/{name}"] for name in ("from_timestamp", "to_timestamp")}
        assert video == {"from_timestamp": start / 10, "to_timestamp": (start + episode.length) / 10}
        assert row["stats/action/count"] == [episode.length]
        np.testing.assert_allclose(row["stats/action/mean"], episode.action.mean(0), atol=1e-6)
        start += episode.length
    reader = VideoReader(root / at.VIDEO.format(video_key="observation.images.front", chunk_index=0, file_index=0))
    found = reader.frames(0, start)
    wanted = np.concatenate([episode.obs["image/front"][:-1] for episode in ours])
    assert min(psnr(*pair) for pair in zip(found, wanted, strict=True)) > 36
    with pytest.raises(DatasetError, match=f"ends after {start} frames"):
        reader.frames(start, 1)


def test_tasks_are_indexed_as_pandas_expects(exported):
    _, root = exported
    table = pq.read_table(root / at.TASKS)
    assert table.to_pydict() == {"task_index": [0, 1], "task": ["task 0", "task 1"]}
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_statistics_of_all_are_those_of_the_whole(exported):
    ours, root = exported
    stats = json.loads((root / at.STATS).read_text())
    action = np.concatenate([episode.action for episode in ours]).astype(float)
    for name, wanted in (("min", action.min(0)), ("max", action.max(0)), ("mean", action.mean(0)), ("std", action.std(0))):
        np.testing.assert_allclose(stats["action"][name], wanted, atol=1e-6)
    assert stats["action"]["count"] == [len(action)]
    assert np.shape(stats["observation.images.front"]["mean"]) == (3, 1, 1)
    assert set(stats["action"]) == {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}


def test_statistics_of_images_are_those_of_their_pixels():
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 40, 3), dtype=np.uint8)
    pixels, stats = images.reshape(-1, 3) / 255, image_stats(images)
    for name, wanted in (("min", pixels.min(0)), ("max", pixels.max(0)), ("mean", pixels.mean(0)), ("std", pixels.std(0))):
        np.testing.assert_allclose(stats[name].reshape(3), wanted, atol=1e-9)
    np.testing.assert_allclose(stats["q90"].reshape(3), np.quantile(pixels, 0.9, axis=0), atol=1 / 255)


def test_merged_statistics_do_not_depend_on_the_cut():
    rows = np.random.default_rng(0).normal(3, 2, (50, 2))
    merged = DatasetStats()
    for part in np.split(rows, [7, 31]):
        merged.add({"x": number_stats(part)})
    for name, value in number_stats(rows).items():
        if not name.startswith("q"):
            np.testing.assert_allclose(merged.to_json()["x"][name], value)


def test_a_rate_that_is_no_whole_number_must_be_named(tmp_path):
    ours = dataset(tmp_path / "first", count=1)[0]
    odd = replace(ours, spec=replace(SPEC, control_dt=0.03))
    EpisodeWriter(tmp_path / "ours", odd.spec).write(odd)
    with pytest.raises(ConfigError, match=r"control_dt of 0\.03 s makes 33\.33: give --fps 33"):
        export_dataset("lerobot", tmp_path / "ours", tmp_path / "set", ExportOptions())
    export_dataset("lerobot", tmp_path / "ours", tmp_path / "set", ExportOptions(fps=33))
    import_dataset("lerobot", tmp_path / "set", tmp_path / "back", ImportOptions())
    assert load_dataset(tmp_path / "back")[0].spec.control_dt == 0.03


def test_an_export_that_was_edited_is_not_taken_for_ours(tmp_path):
    dataset(tmp_path / "ours", count=3)
    export_dataset("lerobot", tmp_path / "ours", tmp_path / "set", ExportOptions(images="png"))
    file = tmp_path / "set/meta/episodes/chunk-000/file-000.parquet"
    write(file, pq.read_table(file).slice(0, 2).to_pydict())
    with pytest.raises(DatasetError, match="robot-rl exported 3 episodes, now there are 2"):
        import_dataset("lerobot", tmp_path / "set", tmp_path / "back", ImportOptions())

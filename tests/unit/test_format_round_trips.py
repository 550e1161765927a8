import errno
import logging
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_formats
from toy_formats import IMAGES, SPEC, STATE_SPEC, dataset, differences, psnr

from demos.formats import convert, lerobot_layout
from demos.formats.convert import export_dataset, import_dataset, writable
from demos.formats.options import ExportOptions, ImportOptions
from robot_rl.data.episodes import load_dataset
from robot_rl.errors import ConfigError, DatasetError, SpecMismatch
from robot_rl.specs import ArraySpec

LOSSLESS = {
    "lerobot": ("set", ExportOptions(images="png")),
    "robomimic": ("set.hdf5", ExportOptions()),
    "diffusion_policy": ("set.zarr", ExportOptions()),
    "diffusion_policy zipped": ("set.zarr.zip", ExportOptions()),
    "umi": ("set.zarr.zip", ExportOptions(gripper_width_m=0.08)),
    "minari": ("set-v0", ExportOptions()),
}
STACK_SPEC = replace(
    SPEC, obs=SPEC.obs | {"image/front": ArraySpec((32, 48, 6), "uint8"), "state/contact": ArraySpec((2, 2), "int64")}
)


def there_and_back(kind, folder, options=None):
    """Convert `folder/ours` to a format and back; return the episodes."""
    name, default = LOSSLESS[kind]
    format_name = kind.partition(" ")[0]
    export_dataset(format_name, folder / "ours", folder / name, options or default)
    import_dataset(format_name, folder / name, folder / "back", ImportOptions())
    return load_dataset(folder / "back")


@pytest.mark.parametrize("spec", [STATE_SPEC, SPEC, STACK_SPEC], ids=["state", "cameras", "stacks and integers"])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_nothing_is_lost_on_the_way_there_and_back(kind, spec, tmp_path):
    wanted = dataset(tmp_path / "ours", spec=spec)
    found = there_and_back(kind, tmp_path)
    assert [differences(back, ours) for back, ours in zip(found, wanted, strict=True)] == [[]] * 5
    assert {episode.info.task for episode in found} == {"task 0", "task 1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["ours", "back", LOSSLESS[kind][0]])


@pytest.mark.parametrize("codec", ["libsvtav1", "libx264"])
def test_video_costs_images_some_decibels_and_everything_else_nothing(codec, tmp_path):
    wanted = dataset(tmp_path / "ours")
    found = there_and_back("lerobot", tmp_path, ExportOptions(codec=codec))
    for back, ours in zip(found, wanted, strict=True):
        assert differences(back, ours, ignore=IMAGES) == []
        for key in IMAGES:
            frames = list(zip(back.obs[key], ours.obs[key], strict=True))
            assert np.mean([psnr(*frame) for frame in frames[:-1]]) > 31
            assert min(psnr(*frame) for frame in frames) > 26
            assert psnr(*frames[-1]) == float("inf")  # what was seen last is kept as it was
            for (back_t, ours_t), (_, following) in pairwise(frames):
                assert psnr(back_t, ours_t) > psnr(back_t, following)  # no frame is another's


@pytest.mark.parametrize("options", [ExportOptions(images="png"), ExportOptions()], ids=["png", "video"])
def test_datasets_that_span_many_files_are_found_whole(options, tmp_path, monkeypatch):
    for limit in ("DATA_FILE_MB", "VIDEO_FILE_MB"):
        monkeypatch.setattr(lerobot_layout, limit, 1e-4)
    monkeypatch.setattr(lerobot_layout, "FILES_PER_CHUNK", 2)
    wanted = dataset(tmp_path / "ours", count=6)
    found = there_and_back("lerobot", tmp_path, options)
    assert [differences(back, ours, ignore=IMAGES) for back, ours in zip(found, wanted, strict=True)] == [[]] * 6
    if options.images == "png":
        assert all(differences(back, ours) == [] for back, ours in zip(found, wanted, strict=True))
    assert (tmp_path / "set/data/chunk-002/file-001.parquet").exists()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_only_an_episode_at_a_time_is_in_memory(kind, tmp_path):
    spec = replace(SPEC, obs={"image/front": ArraySpec((96, 96, 3), "uint8")})
    dataset(tmp_path / "warm/ours", count=1, spec=spec)
    there_and_back(kind, tmp_path / "warm", ExportOptions(images="png") if kind == "lerobot" else None)
    episodes = [toy_formats.episode(index, 10, spec) for index in range(40)]
    for episode in episodes:
        toy_formats.EpisodeWriter(tmp_path / "ours", episode.spec).write(episode)
    size = episodes[0].obs["image/front"].nbytes
    del episodes, episode
    name, options = LOSSLESS[kind]
    tracemalloc.start()
    export_dataset(kind.partition(" ")[0], tmp_path / "ours", tmp_path / name, options)
    import_dataset(kind.partition(" ")[0], tmp_path / name, tmp_path / "back", ImportOptions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * size  # all of it would be 40


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_damaged_episode_of_ours_leaves_no_half_written_destination(kind, tmp_path):
    dataset(tmp_path / "ours")
    victim = sorted((tmp_path / "ours").iterdir())[3]
    chunk = victim / "action/c.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    name, options = LOSSLESS[kind]
    with pytest.raises(DatasetError, match=rf"{victim.name}.*c\.0\.0: checksum"):
        export_dataset(kind.partition(" ")[0], tmp_path / "ours", tmp_path / name, options)
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_what_is_there_already_is_never_written_over(kind, tmp_path):
    dataset(tmp_path / "ours", count=1)
    name, options = LOSSLESS[kind]
    (tmp_path / name).write_text("precious")
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="exists"):
        export_dataset(kind.partition(" ")[0], tmp_path / "ours", tmp_path / name, options)
    with pytest.raises(ConfigError, match="exists"):
        import_dataset(kind.partition(" ")[0], tmp_path / name, tmp_path / "mine", ImportOptions())
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("kind", [*LOSSLESS, "serl"])
def test_what_is_no_dataset_is_refused_by_name(kind, tmp_path):
    (tmp_path / "stray").write_bytes(b"\x00" * 64 + b"nothing of interest")
    (tmp_path / "empty").mkdir()
    for source in ("stray", "empty"):
        with pytest.raises(DatasetError, match=rf"{tmp_path}/{source}"):
            import_dataset(kind.partition(" ")[0], tmp_path / source, tmp_path / "back", ImportOptions())
    with pytest.raises(ConfigError, match="there is nothing at"):
        import_dataset(kind.partition(" ")[0], tmp_path / "missing", tmp_path / "back", ImportOptions())
    assert {path.name for path in tmp_path.iterdir()} == {"stray", "empty"}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_files_cut_off_are_told_by_name_and_leave_nothing(kind, tmp_path):
    dataset(tmp_path / "ours")
    name, options = LOSSLESS[kind]
    export_dataset(kind.partition(" ")[0], tmp_path / "ours", tmp_path / name, options)
    path = tmp_path / name
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and file.stat().st_size > 1000]
    victim = max(files, key=lambda file: file.stat().st_size)
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    with pytest.raises(DatasetError, match=str(tmp_path / name)):
        import_dataset(kind.partition(" ")[0], path, tmp_path / "back", ImportOptions())
    assert {item.name for item in tmp_path.iterdir()} == {"ours", name}


def test_a_chunk_that_went_missing_is_told_and_not_read_as_zeros(tmp_path, caplog):
    dataset(tmp_path / "ours")
    export_dataset("diffusion_policy", tmp_path / "ours", tmp_path / "set.zarr", ExportOptions())
    (tmp_path / "set.zarr/data/image_front/7.0.0.0").unlink()
    with pytest.raises(DatasetError, match="1 of 55 chunks of data/image_front are missing"):
        import_dataset("diffusion_policy", tmp_path / "set.zarr", tmp_path / "back", ImportOptions())
    said = ImportOptions(ignore_origin=True, control_dt=0.1, final_obs="repeat", action_low=(-1,), action_high=(1,))
    with caplog.at_level(logging.WARNING):
        import_dataset("diffusion_policy", tmp_path / "set.zarr", tmp_path / "back", said)
    assert "1 of 55 chunks of data/image_front are missing, and read as zeros" in caplog.text


@pytest.mark.parametrize("kind", LOSSLESS)
def test_options_do_not_silently_lose_against_what_robot_rl_wrote(kind, tmp_path):
    dataset(tmp_path / "ours", count=2)
    name, options = LOSSLESS[kind]
    export_dataset(kind.partition(" ")[0], tmp_path / "ours", tmp_path / name, options)
    with pytest.raises(ConfigError, match="--ignore-origin"):
        import_dataset(kind.partition(" ")[0], tmp_path / name, tmp_path / "back", ImportOptions(success="never"))


def test_episodes_of_different_robots_do_not_go_into_one_export(tmp_path):
    dataset(tmp_path / "ours", count=1)
    dataset(tmp_path / "ours", count=1, spec=STATE_SPEC)
    with pytest.raises(SpecMismatch, match="image/front"):
        export_dataset("robomimic", tmp_path / "ours", tmp_path / "set.hdf5", ExportOptions())
    assert not (tmp_path / "set.hdf5").exists()


def test_an_episode_that_is_still_being_written_stops_an_export(tmp_path):
    dataset(tmp_path / "ours", count=1)
    (tmp_path / "ours/.open-20260101T000000").mkdir()
    with pytest.raises(DatasetError, match=r"\.open-20260101T000000 .* is half-written"):
        export_dataset("robomimic", tmp_path / "ours", tmp_path / "set.hdf5", ExportOptions())


def test_serl_is_not_written_and_the_rest_is(tmp_path):
    assert writable() == ["diffusion_policy", "lerobot", "minari", "robomimic", "umi"]
    with pytest.raises(ConfigError, match="serl can be read but not written"):
        export_dataset("serl", tmp_path, tmp_path / "out.pkl", ExportOptions())


def test_a_folder_without_episodes_is_no_source(tmp_path):
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="no episodes of robot-rl in"):
            export_dataset("robomimic", source, tmp_path / "set.hdf5", ExportOptions())
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_after_each_episode(tmp_path):
    dataset(tmp_path / "ours", count=3, spec=STATE_SPEC)
    told = []
    summary = export_dataset(
        "robomimic", tmp_path / "ours", Path(tmp_path / "a.hdf5"), ExportOptions(), lambda *of: told.append(of)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (summary.num_episodes, summary.num_steps) == (3, 5 + 8 + 11)
    import_dataset("robomimic", tmp_path / "a.hdf5", tmp_path / "back", ImportOptions(), lambda *of: told.append(of))
    assert told[3:] == [(1, 3), (2, 3), (3, 3)]


def test_foreign_readers_see_plain_numbers(tmp_path):
    """Without what robot-rl wrote for itself, an export still says what each step was worth and how it ended."""
    ours = dataset(tmp_path / "ours", spec=STATE_SPEC)
    export_dataset("lerobot", tmp_path / "ours", tmp_path / "set", ExportOptions())
    said = ImportOptions(ignore_origin=True, final_obs="repeat", action_low=(-1,), action_high=(1,))
    import_dataset("lerobot", tmp_path / "set", tmp_path / "back", said)
    for back, wanted in zip(load_dataset(tmp_path / "back"), ours, strict=True):
        ignored = {"spec", "info", "state/state", *STATE_SPEC.obs}
        assert differences(back, wanted, ignore={*ignored, "stamp"}) == []
        assert back.spec.action.names == wanted.spec.action.names
        assert back.info.task == wanted.info.task
        np.testing.assert_allclose(back.stamp, wanted.stamp - wanted.stamp[0])
        joined = np.concatenate([wanted.obs[key] for key in STATE_SPEC.obs], axis=1)
        np.testing.assert_array_equal(back.obs["state/state"][:-1], joined[:-1])


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_disk_without_room_is_told_by_name_and_nothing_is_left(kind, tmp_path, monkeypatch):
    dataset(tmp_path / "ours")
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: SimpleNamespace(free=300_000))
    name, options = LOSSLESS[kind]
    with pytest.raises(DatasetError, match=rf"{name}: the disk has 0.3 MB left, and the next episode may take"):
        export_dataset(kind.partition(" ")[0], tmp_path / "ours", tmp_path / name, options)
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_a_disk_that_fills_up_while_writing_is_told_by_name_and_nothing_is_left(tmp_path, monkeypatch):
    dataset(tmp_path / "ours")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(convert.lerobot.Writer, "add", full)
    with pytest.raises(DatasetError, match="set: No space left on device; nothing is left of it"):
        export_dataset("lerobot", tmp_path / "ours", tmp_path / "set", ExportOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_something_else_is_no_dataset_of_lerobot(tmp_path):
    dataset(tmp_path / "ours")
    with pytest.raises(DatasetError, match="ours is no dataset of LeRobot: it has no meta"):
        import_dataset("lerobot", tmp_path / "ours", tmp_path / "back", ImportOptions())

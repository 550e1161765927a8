"""Laws of pictures on disk: small ones come back to the bit, big ones as JPEG files that anything opens."""

import io

import numpy as np
import pytest
import zarr
from PIL import Image

from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import load_dataset, read_episode
from robot_rl.data.image_array import COMPACT, LOSSLESS, ImageCompression, decode, encode, read_rows
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

SMALL, BIG = ArraySpec((128, 128, 3), "uint8"), ArraySpec((240, 320, 3), "uint8")
SPEC = EnvSpec(
    "pictures",
    {"state/x": ArraySpec((1,)), "image/small": SMALL, "image/big": BIG},
    ActionSpec(("x",)),
    control_dt=0.25,
    max_steps=100,
)


def picture(row, number):
    """A smooth picture whose brightness tells which one it is."""
    height, width, _ = row.shape
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([100 + 40 * np.sin(x / 30 + number), 90 + 60 * np.cos(y / 20), 5.0 * number + 0 * x], -1).astype(np.uint8)


def observe(number):
    return {
        "state/x": np.array([number], np.float32),
        "image/small": picture(SMALL, number),
        "image/big": picture(BIG, number),
    }


def write(folder, steps, images):
    writer = EpisodeWriter(folder, SPEC, images=images)
    writer.begin_episode(EpisodeInfo("pictures", "demo"))
    for t in range(steps):
        writer.add(Transition(observe(t), np.zeros(1, np.float32), 0.0, observe(t + 1), False, t == steps - 1, stamp=0.25 * t))
    return writer.last_path


@pytest.mark.parametrize("steps", [1, 3, 4, 13])  # around chunks of one second
def test_small_pictures_come_back_to_the_bit_and_big_ones_nearly(tmp_path, steps):
    episode = read_episode(write(tmp_path, steps, COMPACT))
    for t in range(steps + 1):
        np.testing.assert_array_equal(episode.obs["image/small"][t], picture(SMALL, t))
        error = episode.obs["image/big"][t].astype(float) - picture(BIG, t)
        assert 0 < np.sqrt(np.mean(error**2)) < 3.0
    assert load_dataset(tmp_path, SPEC)[0].length == steps


def test_without_compression_every_pixel_comes_back(tmp_path):
    path = write(tmp_path, 5, LOSSLESS)
    np.testing.assert_array_equal(read_episode(path).obs["image/big"][5], picture(BIG, 5))
    assert [StoredEpisode(path).is_jpeg(camera) for camera in ("small", "big")] == [False, False]
    assert [StoredEpisode(write(tmp_path, 5, COMPACT)).is_jpeg(camera) for camera in ("small", "big")] == [False, True]


def test_zarr_and_any_image_library_read_it_without_us(tmp_path):
    path = write(tmp_path, 6, COMPACT)
    array = zarr.open_group(path, mode="r")["obs/image/big"]
    assert array.shape == (7,)
    assert array.attrs["image"] == {"encoding": "jpeg", "quality": 90, "shape": [240, 320, 3]}
    ours = read_episode(path).obs["image/big"]
    for t, file in enumerate(array[:]):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), ours[t])


def test_pieces_are_those_of_the_whole(tmp_path):
    stored = StoredEpisode(write(tmp_path, 37, COMPACT))
    whole = read_episode(stored.path)
    for camera in stored.cameras:
        np.testing.assert_array_equal(np.concatenate(list(stored.images(camera))), whole.obs[f"image/{camera}"])
        np.testing.assert_array_equal(stored.obs(f"image/{camera}", 7, 21), whole.obs[f"image/{camera}"][7:21])
    np.testing.assert_array_equal(stored.obs("state/x", 3, 38), whole.obs["state/x"][3:])
    np.testing.assert_array_equal(stored.steps("stamp"), whole.stamp)
    assert stored.states().keys() == {"state/x"}


def test_a_damaged_picture_is_named(tmp_path):
    path = write(tmp_path, 6, COMPACT)
    file = path / "obs/image/big/c.1"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=r"c\.1: checksum does not match"):
        read_episode(path)
    StoredEpisode(path).obs("image/big", 0, 4)  # of the second before
    with pytest.raises(DatasetError, match="row 3: not a readable JPEG"):
        decode(b"nonsense", BIG.shape, "row 3")
    with pytest.raises(DatasetError, match=r"\[128, 128, 3\], expected \[240, 320, 3\]"):
        decode(encode(picture(SMALL, 0), 90), BIG.shape, "row 3")


def test_more_pictures_than_there_are_and_other_shapes_are_refused(tmp_path):
    array = write(tmp_path, 3, COMPACT) / "obs/image/big"
    for row, stop in ((BIG, 5), (SMALL, 4)):
        with pytest.raises(DatasetError, match=r"is 4 images \[240, 320, 3\]"):
            read_rows(array, row, stop)


def test_only_single_rgb_images_that_are_big_enough_become_jpeg():
    assert not COMPACT.applies_to(ArraySpec((256, 256, 3), "uint8"))
    assert COMPACT.applies_to(ArraySpec((257, 256, 3), "uint8"))
    for other in (ArraySpec((480, 640, 6), "uint8"), ArraySpec((480, 640, 3), "uint8", variants=2), ArraySpec((480, 640, 3))):
        assert not COMPACT.applies_to(other)
    assert ImageCompression(jpeg_above=0).applies_to(SMALL)
    for wrong in ({"jpeg_quality": 0}, {"jpeg_quality": 96}, {"jpeg_above": -1}):
        with pytest.raises(ConfigError):
            ImageCompression(**wrong)

import imageio_ffmpeg
import numpy as np
import pytest

from robot_rl.training.video import BORDER, FAILURE, RUNNING, SUCCESS, tile, write_video


def plain(value, height=32, width=48):
    return np.full((height, width, 3), value, np.uint8)


def read(path):
    frames = imageio_ffmpeg.read_frames(str(path))
    meta = next(frames)
    width, height = meta["size"]
    return meta, [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in frames]


def test_a_film_has_its_frames_its_rate_and_its_order(tmp_path):
    path = tmp_path / "videos" / "film.mp4"
    write_video(path, (plain(value) for value in (10, 100, 200)), rate_hz=10.0)
    meta, frames = read(path)
    assert meta["codec"] == "h264"
    assert meta["pix_fmt"].startswith("yuv420p")
    assert meta["fps"] == 10.0
    assert [round(float(frame.mean()), -1) for frame in frames] == [10, 100, 200]


def test_odd_sizes_are_padded_not_scaled(tmp_path):
    frame = plain(0, 33, 47)
    frame[:, 20:] = 255
    write_video(tmp_path / "odd.mp4", [frame] * 3, rate_hz=5.0)
    meta, frames = read(tmp_path / "odd.mp4")
    assert meta["size"] == (48, 34)
    assert frames[0][10, 16].max() < 40
    assert frames[0][10, 24].min() > 215
    assert frames[0][33, 47].min() > 215  # padded with what was at the edge


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ([plain(0), plain(0, 16, 16)], r"frame uint8 \(16, 16, 3\)"),
        ([plain(0), plain(0).astype(float)], "frame float64"),
    ],
)
def test_a_film_that_cannot_be_made_leaves_no_file(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "bad.mp4", frames, rate_hz=10.0)
    assert not list(tmp_path.iterdir())


def test_tiles_lie_in_reading_order_and_ended_episodes_wait():
    episodes = [[plain(1), plain(2)], [plain(11), plain(12), plain(13)], [plain(21)]]
    pictures = list(tile(episodes))
    height, width = 32 + 2 * BORDER, 48 + 2 * BORDER
    assert all(picture.shape == (2 * height, 2 * width, 3) for picture in pictures)
    centres = [(height // 2, width // 2), (height // 2, width + width // 2), (height + height // 2, width // 2)]
    assert [[int(picture[centre][0]) for centre in centres] for picture in pictures] == [
        [1, 11, 21],
        [2, 12, 21],
        [2, 13, 21],
    ]


def test_borders_tell_how_an_episode_ended_but_not_before():
    episodes = [[plain(0)] * 2, [plain(0)] * 3]
    first, second, third = ([tuple(p[0, 0]), tuple(p[0, 48 + 2 * BORDER])] for p in tile(episodes, [True, False]))
    assert first == [RUNNING, RUNNING]
    assert second == [SUCCESS, RUNNING]
    assert third == [SUCCESS, FAILURE]


def test_nothing_to_tile_is_refused():
    for episodes in ([], [[plain(0)], []]):
        with pytest.raises(ValueError, match="at least one frame"):
            list(tile(episodes))

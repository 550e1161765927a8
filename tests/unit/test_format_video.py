import numpy as np
import pytest
from toy_formats import psnr, scene

from demos.formats.video import VideoReader, VideoWriter
from robot_rl.errors import ConfigError, DatasetError


def film(path, frames, codec="libx264", **options):
    video = VideoWriter(path, frames.shape[1:3], 10, codec, **options)
    for part in np.array_split(frames, 3):
        video.add(part)
    video.close()
    return path


@pytest.fixture
def frames():
    return np.stack([scene((64, 80), t) for t in range(20)])


@pytest.mark.parametrize(("codec", "worst", "mean"), [("libx264", 36, 38), ("libsvtav1", 26, 32)])
def test_frames_come_back_in_number_and_quality(codec, worst, mean, frames, tmp_path):
    found = VideoReader(film(tmp_path / "a.mp4", frames, codec)).frames(0, 20)
    quality = [psnr(a, b) for a, b in zip(found, frames, strict=True)]
    assert min(quality) > worst
    assert np.mean(quality) > mean


def test_any_frames_are_found_also_backwards(frames, tmp_path):
    reader = VideoReader(film(tmp_path / "a.mp4", frames))
    for start, count in ((0, 3), (5, 4), (2, 6), (17, 3)):
        for found, wanted in zip(reader.frames(start, count), frames[start : start + count], strict=True):
            assert psnr(found, wanted) > 36
    reader.close()


def test_lower_crf_is_better(frames, tmp_path):
    good, bad = (VideoReader(film(tmp_path / f"{crf}.mp4", frames, crf=crf)).frames(0, 20) for crf in (5, 45))
    assert psnr(good, frames) > psnr(bad, frames) + 5
    assert (tmp_path / "5.mp4").stat().st_size > (tmp_path / "45.mp4").stat().st_size


def test_odd_sizes_are_refused_with_a_way_out(tmp_path):
    with pytest.raises(ConfigError, match="even sizes, images are 63x80; give --images png"):
        VideoWriter(tmp_path / "a.mp4", (63, 80), 10, "libx264")


def test_frames_that_are_not_there_are_told(frames, tmp_path):
    film(tmp_path / "a.mp4", frames)
    with pytest.raises(DatasetError, match=r"a\.mp4: ends after 20 frames, frames 18 to 22 are asked for"):
        VideoReader(tmp_path / "a.mp4").frames(18, 5)
    with pytest.raises(DatasetError, match=r"b\.mp4 is missing"):
        VideoReader(tmp_path / "b.mp4").frames(0, 1)
    (tmp_path / "c.mp4").write_bytes(b"no film")
    with pytest.raises(DatasetError, match=r"c\.mp4: not a video that ffmpeg reads"):
        VideoReader(tmp_path / "c.mp4").frames(0, 1)


def test_what_cannot_be_encoded_is_told_in_ffmpegs_words(frames, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    video = VideoWriter(tmp_path / "folder.mp4", (64, 80), 10, "libx264")
    with pytest.raises(ConfigError, match=r"folder\.mp4 could not be encoded: .*try --codec libx264"):
        _feed(video, frames)


def _feed(video, frames):
    for _ in range(200):
        video.add(frames)
    video.close()


def test_a_stopped_encoder_leaves_no_process(frames, tmp_path):
    video = VideoWriter(tmp_path / "a.mp4", (64, 80), 10, "libx264")
    video.add(frames)
    video.abort()
    assert video._process.poll() is not None
    video.abort()

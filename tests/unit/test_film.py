import numpy as np
import pytest
from toy_env import Blind, Point, Straight

from robot_rl.errors import DeviceError
from robot_rl.training import film as film_module
from robot_rl.training.film import FilmedEnv, film


class Undrawn(Point):
    def render(self):
        return None


def test_every_step_of_an_episode_and_its_start_are_filmed():
    env = FilmedEnv(Point(radius=0.0))
    for _ in range(2):  # a new episode is a new film
        env.reset(seed=0)
        for _ in range(20):
            env.step(np.zeros(2, np.float32))
        assert len(env.frames) == 21
    assert env.frames[0].shape == (32, 32, 3)


def test_long_episodes_are_filmed_now_and_then_and_at_their_end():
    env = FilmedEnv(Point(radius=0.0), stride=6)
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros(2, np.float32))
    assert len(env.frames) == 1 + 3 + 1


@pytest.mark.parametrize(("max_frames", "rate_hz", "count"), [(250, 10.0, 21), (5, 2.5, 6)])
def test_a_film_lasts_as_long_as_what_it_shows(tmp_path, monkeypatch, max_frames, rate_hz, count):
    written = []
    monkeypatch.setattr(film_module, "MAX_FRAMES", max_frames)
    monkeypatch.setattr(film_module, "write_video", lambda path, frames, rate: written.append((len(list(frames)), rate)))
    film(Point(radius=0.0), Straight(0), tmp_path / "film.mp4", 2, seed=0)
    assert written == [(count, rate_hz)]


def test_a_film_is_written(tmp_path):
    film(Point(), Straight(0), tmp_path / "films" / "film.mp4", 3, seed=0)
    assert (tmp_path / "films" / "film.mp4").stat().st_size > 500


@pytest.mark.parametrize(("env", "cause"), [(Blind(), "pygame is not installed"), (Undrawn(), "draws no picture")])
def test_an_environment_that_cannot_be_drawn_says_why(tmp_path, env, cause):
    with pytest.raises(DeviceError, match=cause):
        film(env, Straight(0), tmp_path / "film.mp4", 1, seed=0)
    assert not list(tmp_path.iterdir())


def test_a_film_that_cannot_be_written_says_where(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match=r"file/film\.mp4"):
        film(Point(), Straight(0), tmp_path / "file" / "film.mp4", 1, seed=0)

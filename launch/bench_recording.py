"""How fast two 640x480 cameras are recorded, how long a control step waits for it, and what it takes on the disk.

python launch/bench_recording.py --minutes 10                  # as fast as it goes, on a clock of its own
python launch/bench_recording.py --minutes 1 --real-time       # at 10 Hz
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from bench_row import Row
from command_line import parse, run_script

from hardware.clock import ManualClock, WallClock
from hardware.fake import HOME, FakeRobot, ScriptedTeleop
from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.image_array import COMPACT
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.observations import ObservationConfig
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.envs.rollout import run_episode
from robot_rl.protocols import Clock
from robot_rl.specs import CameraSpec
from robot_rl.types import EpisodeInfo, Frame, Observation, Transition

HEIGHT, WIDTH = 480, 640
RATE_HZ = 10.0
STEPS = 200
PACED_STEPS = 30
NOISE = 2.0
"""Standard deviation of a webcam's pixels indoors, of 255."""
STROKE_PX = 160
"""How far the picture wanders."""


class MovingCamera:
    """A camera that looks about in a picture with as much detail and noise as the busiest photograph at hand (a garage).

    JPEGs of both take 101 kB. The picture is noise whose amplitude falls with frequency, as that of photographs does, with
    sharp edges in it.
    """

    def __init__(self, clock: Clock, name: str, seed: int) -> None:
        self.spec = CameraSpec(name, HEIGHT, WIDTH)
        self._clock = clock
        self._scene = _scene(np.random.default_rng(seed))
        self._buffer = np.empty((HEIGHT, WIDTH, 3), np.uint8)  # one, as many drivers have

    def connect(self) -> None:
        """Pretend to open the device."""

    def read(self, max_age: float) -> Frame:
        """Return the newest frame, in the buffer of the one before."""
        now = self._clock.now()
        top = round(STROKE_PX * (0.5 + 0.5 * np.sin(0.7 * now)))
        left = round(STROKE_PX * (0.5 + 0.5 * np.sin(1.1 * now)))
        self._buffer[:] = self._scene[top : top + HEIGHT, left : left + WIDTH]
        return Frame(self._buffer, now)

    def close(self) -> None:
        """Pretend to release the device."""


class Circling:
    """A policy that leads the tool round in a small circle."""

    version = 0

    def begin_episode(self) -> None:
        """Start at the beginning."""
        self._step = 0

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return the next bit of the circle."""
        self._step += 1
        angle = 0.2 * self._step
        return np.array([0.3 * np.cos(angle), 0.3 * np.sin(angle), 0.0, 0.0], np.float32)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a recording took."""

    steps: int
    steps_per_s: float
    worst_add_ms: float
    """longest time that a control step waited for the writer"""
    most_waiting: int
    """most steps that waited to be written"""
    megabytes_per_minute: float
    """on the disk, at 10 Hz"""
    max_gap_s: float
    """longest time between two neighbouring steps, on the environment's clock"""
    memory_mb: tuple[float, float]
    """resident memory after a tenth of the steps and at the end"""


def rows() -> list[Row]:
    """Return steps/s, ms that a step waits for the writer with and without its thread, and MB a minute at 10 Hz."""
    fast, paced = measure(STEPS), measure(PACED_STEPS, real_time=True)
    return [
        Row(name="recording/two_cameras_640x480", value=fast.steps_per_s, unit="steps/s"),
        Row(name="recording/worst_wait_10hz", value=paced.worst_add_ms, unit="ms"),
        Row(name="recording/worst_write_without_thread", value=worst_write_ms(PACED_STEPS), unit="ms"),
        Row(name="recording/disk_10hz", value=fast.megabytes_per_minute, unit="MB/min"),
    ]


def measure(steps: int, *, real_time: bool = False) -> Recording:
    """Return what recording an episode of `steps` takes, through environment, person and writer, with every step checked."""
    clock = WallClock() if real_time else ManualClock()
    with TemporaryDirectory(prefix="bench-recording-") as folder:
        env = make_env(clock, steps)
        writer = BackgroundWriter(EpisodeWriter(folder, env.env_spec, images=COMPACT))
        memory = MemoryMeter(steps // 10)
        info = EpisodeInfo("benchmark", "demo")
        try:
            started = time.perf_counter()
            run_episode(
                Intervention(env, ScriptedTeleop()), Circling(), seed=0, explore=False, info=info, sinks=(writer, memory)
            )
            seconds = time.perf_counter() - started
        finally:
            writer.close()
            env.close()
        if writer.last_path is None:
            raise RuntimeError("nothing was recorded")
        stored = StoredEpisode(writer.last_path)
        check_complete(stored, steps)
        return Recording(
            steps=steps,
            steps_per_s=steps / seconds,
            worst_add_ms=1e3 * writer.worst_add_s,
            most_waiting=writer.most_waiting,
            megabytes_per_minute=stored.num_bytes / 1e6 / steps * 60 * RATE_HZ,
            max_gap_s=float(np.diff(stored.steps("stamp")).max()),
            memory_mb=(memory.early_mb, resident_mb()),
        )


def worst_write_ms(steps: int) -> float:
    """Return the longest time that a step takes to be written when whoever acts does it, every second flushed."""
    with TemporaryDirectory(prefix="bench-recording-") as folder:
        env = make_env(ManualClock(), steps)
        seconds = iter(np.arange(steps * 4) / RATE_HZ)
        writer = EpisodeWriter(folder, env.env_spec, images=COMPACT, now=lambda: float(next(seconds)))
        timed = Timed(writer)
        run_episode(env, Circling(), seed=0, explore=False, info=EpisodeInfo("benchmark", "demo"), sinks=(timed,))
        env.close()
        return 1e3 * timed.worst_s


class Timed:
    """An ExperienceSink that remembers how long another one took for a step at most."""

    def __init__(self, writer: EpisodeWriter) -> None:
        self._writer, self.worst_s = writer, 0.0
        self.begin_episode, self.end_episode, self.discard_episode = (
            writer.begin_episode, writer.end_episode, writer.discard_episode,
        )  # fmt: skip

    def add(self, transition: Transition) -> None:
        """Pass a step on."""
        started = time.perf_counter()
        self._writer.add(transition)
        self.worst_s = max(self.worst_s, time.perf_counter() - started)


class MemoryMeter:
    """An ExperienceSink that notes the memory of the process after some steps."""

    def __init__(self, step: int) -> None:
        self._left, self.early_mb = max(1, step), 0.0

    def begin_episode(self, info: EpisodeInfo) -> None:
        """Nothing is noted at the start."""

    def add(self, transition: Transition) -> None:
        """Count one step."""
        self._left -= 1
        if self._left == 0:
            self.early_mb = resident_mb()

    def end_episode(self) -> None:
        """Nothing is noted at the end."""

    def discard_episode(self) -> None:
        """Nothing is kept."""


def make_env(clock: Clock, steps: int) -> RobotEnv:
    """Return an environment of a fake arm with two cameras of 640x480."""
    robot = FakeRobot(clock)
    cameras = {name: MovingCamera(clock, name, seed) for seed, name in enumerate(("front", "wrist"))}
    config = RobotEnvConfig(control_dt=1 / RATE_HZ, max_steps=steps, observation=ObservationConfig(image_size=None, objects={}))
    return RobotEnv(
        robot, config=config, reward=SparseReward(lambda _: False), reset=DrivenReset(HOME), cameras=cameras, name="benchmark"
    )


def check_complete(stored: StoredEpisode, steps: int) -> None:
    """Raise RuntimeError if a step is missing, or a picture cannot be read."""
    if stored.length != steps:
        raise RuntimeError(f"{stored.length} of {steps} steps were recorded")
    for camera in stored.cameras:
        frames = sum(len(images) for images in stored.images(camera))
        if frames != steps + 1:
            raise RuntimeError(f"{frames} of {steps + 1} pictures of {camera} can be read")


def resident_mb() -> float:
    """Return the memory that the process has now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _scene(rng: np.random.Generator) -> np.ndarray:
    """Return a wide picture, uint8 [H + stroke, W + stroke, 3]."""
    height, width = HEIGHT + STROKE_PX, WIDTH + STROKE_PX
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((3, height, width))) / frequency**1.3
    texture = np.fft.irfft2(spectrum, s=(height, width)).transpose(1, 2, 0)
    scene = 110 + 45 * texture / texture.std()
    for _ in range(40):
        top, left = rng.integers(height), rng.integers(width)
        scene[top : top + rng.integers(20, 120), left : left + rng.integers(20, 120)] += rng.uniform(-60, 60, 3)
    return np.clip(scene + rng.normal(0, NOISE, scene.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class BenchRecordingConfig:
    """How much to record."""

    minutes: float = 10.0
    """of an episode at 10 Hz"""
    real_time: bool = False
    """on the wall's clock; otherwise on one that goes as fast as the steps"""


def main(config: BenchRecordingConfig) -> None:
    """Record, check that nothing is missing, and print what it took."""
    recording = measure(round(config.minutes * 60 * RATE_HZ), real_time=config.real_time)
    for name in recording.__dataclass_fields__:
        print(f"{name:22} {getattr(recording, name)}")


if __name__ == "__main__":
    run_script(lambda: main(parse(BenchRecordingConfig, __doc__)))

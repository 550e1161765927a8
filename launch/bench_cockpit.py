"""What the cockpit costs the control process, and how soon a key in a real browser becomes a command."""

from __future__ import annotations

import importlib.util
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import numpy as np
from bench_row import Row

from hardware.clock import WallClock
from hardware.fake import HOME, FakeRobot
from robot_rl.cockpit import Cockpit, CockpitConfig
from robot_rl.cockpit.watched import Watched
from robot_rl.envs.actions import ActionConfig
from robot_rl.envs.factory import Env
from robot_rl.envs.resets import DrivenReset
from robot_rl.envs.rewards import SparseReward
from robot_rl.envs.robot_env import RobotEnv, RobotEnvConfig
from robot_rl.errors import ConfigError, pip_line
from robot_rl.protocols import Clock
from robot_rl.specs import CameraSpec
from robot_rl.types import Command, Frame

RATE_HZ = 20
NUM_STEPS = 400
CAMERA_HZ, HEIGHT, WIDTH = 15.0, 480, 640
NUM_KEYS = 40
PATIENCE_S = 10.0
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,1000",
]
NOTE_KEYS = """
window.pressed = [];
window.addEventListener("keydown", (event) => event.code === "KeyW" && !event.repeat
  && pressed.push((performance.timeOrigin + event.timeStamp) / 1000), true);
"""
NUM_SHOWN = """
return [...document.querySelectorAll("#cameras img")].reduce((sum, image) => sum + Number(image.dataset.frames || 0), 0);
"""


def rows() -> list[Row]:
    """Return the cockpit's share of a core in the control process, missed deadlines, pictures shown, and latencies.

    Raises:
        ConfigError: If there is no browser to measure with.
    """
    cockpit = Cockpit(CockpitConfig(port=0), "benchmark")
    with _browser() as driver:
        cockpit.start()
        try:
            driver.get(cockpit.url)
            return [*_load(cockpit, driver), *_latency(cockpit, driver)]
        finally:
            cockpit.close()


class BenchCamera:
    """A camera with textured pictures that change at its rate."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.spec = CameraSpec(name, HEIGHT, WIDTH, CAMERA_HZ)
        self._clock = clock
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (8, HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        self._pictures = coarse.repeat(8, axis=1).repeat(8, axis=2)

    def connect(self) -> None:
        """Nothing is to be opened."""

    def read(self, max_age: float) -> Frame:
        """Return the newest frame."""
        number = int(self._clock.now() * CAMERA_HZ)
        return Frame(self._pictures[number % 8], number / CAMERA_HZ)

    def close(self) -> None:
        """Nothing is to be released."""


class TimedRobot(FakeRobot):
    """Notes when it was told to move forward for the first time since `is_awaiting` was set."""

    def __init__(self) -> None:
        super().__init__(clock=WallClock())
        self.is_awaiting = False
        self.moved_at: list[float] = []
        """s since the epoch, as browsers count."""

    def command(self, command: Command) -> Command:
        """Move, and note the time."""
        if self.is_awaiting:
            self.is_awaiting = False
            self.moved_at.append(time.time())
        return super().command(command)


def _env(robot: FakeRobot) -> RobotEnv:
    action = ActionConfig(frame="base", axes=("x", "y", "z"))
    config = RobotEnvConfig(control_dt=1 / RATE_HZ, max_steps=1_000_000, action=action)
    cameras = {name: BenchCamera(robot.clock, name) for name in ("front", "wrist")}
    return RobotEnv(robot, config=config, reward=SparseReward(lambda _: False), reset=DrivenReset(HOME), cameras=cameras)


def _load(cockpit: Cockpit, driver: Any) -> list[Row]:
    """Run the same episode without and with the cockpit."""
    bare_cpu, bare_missed, _ = _run(_env(FakeRobot(clock=WallClock())))
    before = driver.execute_script(NUM_SHOWN)
    cpu, missed, wall = _run(Watched(_env(FakeRobot(clock=WallClock())), cockpit))
    shown = driver.execute_script(NUM_SHOWN) - before
    return [
        Row(name="cockpit/control_cpu", value=100.0 * (cpu - bare_cpu) / wall, unit="% of a core"),
        Row(name="cockpit/missed_deadlines", value=float(missed), unit=f"of {NUM_STEPS}"),
        Row(name="cockpit/missed_deadlines_without", value=float(bare_missed), unit=f"of {NUM_STEPS}"),
        Row(name="cockpit/pictures_shown", value=shown / wall, unit="1/s"),
    ]


def _run(env: Env) -> tuple[float, int, float]:
    """Return CPU time of this process, s, the number of steps that ended half a period late, and the time it took, s."""
    env.reset(seed=0)
    action = np.zeros(env.env_spec.action.dim, np.float32)
    env.step(action)
    cpu, started = time.process_time(), time.perf_counter()
    missed = 0
    due = time.perf_counter()
    for _ in range(NUM_STEPS):
        env.step(action)
        due += 1 / RATE_HZ
        if time.perf_counter() > due + 0.5 / RATE_HZ:
            missed += 1
            due = time.perf_counter()
    used, wall = time.process_time() - cpu, time.perf_counter() - started
    env.close()
    return used, missed, wall


def _latency(cockpit: Cockpit, driver: Any) -> list[Row]:
    """Press a key at random moments of the control period, with both cameras on the page."""
    robot = TimedRobot()
    env = Watched(_env(robot), cockpit)
    cockpit.device.connect()
    env.reset(seed=0)
    driver.execute_script(NOTE_KEYS)
    driver.execute_script("cockpit.hands.takeOver()")
    presser = Thread(target=_press, args=(driver, robot), daemon=True)
    presser.start()
    action, was_moving = np.zeros(env.env_spec.action.dim, np.float32), False
    while presser.is_alive():
        action[0] = cockpit.device.read().motion.get("x", 0.0)
        robot.is_awaiting = bool(action[0]) and not was_moving
        was_moving = bool(action[0])
        env.step(action)
    pressed = driver.execute_script("return pressed")
    env.close()
    if len(pressed) != len(robot.moved_at):
        raise RuntimeError(f"{len(pressed)} keys were pressed and the robot moved {len(robot.moved_at)} times")
    delays = sorted(1000.0 * (moved - key) for moved, key in zip(robot.moved_at, pressed, strict=True))
    return [
        Row(name="cockpit/key_to_command_median", value=statistics.median(delays), unit="ms"),
        Row(name="cockpit/key_to_command_p95", value=delays[int(0.95 * len(delays))], unit="ms"),
        Row(name="cockpit/key_to_command_max", value=delays[-1], unit="ms"),
    ]


def _press(driver: Any, robot: TimedRobot) -> None:
    """Press and release W again and again, each time until the robot moves."""
    rng = random.Random(0)
    for number in range(NUM_KEYS):
        time.sleep(rng.uniform(0.15, 0.25))
        _key(driver, "rawKeyDown")
        deadline = time.monotonic() + PATIENCE_S
        while len(robot.moved_at) <= number and time.monotonic() < deadline:
            time.sleep(0.005)
        _key(driver, "keyUp")


def _key(driver: Any, kind: str) -> None:
    key = {"type": kind, "code": "KeyW", "key": "w", "windowsVirtualKeyCode": 87}
    driver.execute_cdp_cmd("Input.dispatchKeyEvent", key)


@contextmanager
def _browser() -> Iterator[Any]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver and importlib.util.find_spec("selenium")):
        raise ConfigError(
            "the cockpit is measured in a browser: apt-get install -y --no-install-recommends chromium chromium-driver; "
            + pip_line("dev,cockpit")
        )
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
        try:
            yield driver
        finally:
            driver.quit()

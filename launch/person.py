"""The person beside a robot that acts by itself: who may take over, on which device, and the cockpit that shows it all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from hardware.clock import WallClock
from robot_rl.envs.factory import Env
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.paced import Paced
from robot_rl.envs.station_env import station_of
from robot_rl.envs.takeover import TakeOver, TakeOverConfig, TakeOverMode
from robot_rl.errors import ConfigError
from robot_rl.protocols import Teleop
from robot_rl.specs import EnvSpec
from robot_rl.types import Metrics

if TYPE_CHECKING:
    from robot_rl.cockpit import Cockpit
    from robot_rl.protocols import InputDevice

SIMULATED, BROWSER, NOBODY, SCRIPTED = "simulated", "browser", "none", "scripted"


@dataclass(frozen=True, slots=True)
class CockpitOptions:
    """Whether and where the cockpit is served."""

    cockpit: bool = False
    """serve a page that shows cameras, state and curves, and from which the robot can be driven and stopped"""
    cockpit_host: str = "127.0.0.1"
    """address it is served on; any but this machine's own asks for the token in the URL"""
    cockpit_port: int = 8080
    """port; 0: a free one"""
    cockpit_token: str | None = None
    """secret that is asked for; None: a new one where one is needed"""

    def __post_init__(self) -> None:
        if not 0 <= self.cockpit_port <= 65535:
            raise ConfigError(f"cockpit_port {self.cockpit_port} is not in 0..65535")


@dataclass(frozen=True, slots=True)
class Person:
    """Who is there while a robot acts: perhaps somebody who takes over, perhaps a page that shows it, perhaps neither."""

    teleop: Teleop | None
    cockpit: Cockpit | None
    is_human: bool
    """not a script: lives in real time"""

    def beside(self, env: Env, *, veto_s: float = 0.0, around: Callable[[Env], Env] = lambda env: env) -> Env:
        """Return `env` with this person beside it.

        Args:
            env: Where the policy acts, its reward included.
            veto_s: How long a human may contradict the end of an episode, s.
            around: Wraps what the person takes part in; the cockpit shows what comes of it.
        """
        if self.is_human and not _is_on_the_wall_clock(env):
            env = Paced(env)
        if self.teleop is not None:
            is_human = self.is_human
            env = Intervention(
                env,
                self.teleop,
                veto_s=veto_s if is_human else 0.0,
                wait=time.sleep if is_human else None,
                on_pause=self._pause,
            )
            env = around(env)
        if self.cockpit is not None:
            from robot_rl.cockpit.watched import Watched

            env = Watched(env, self.cockpit)
        return env

    def _pause(self) -> None:
        if self.cockpit is not None:
            self.cockpit.pause()

    def publish(self, points: Metrics) -> None:
        """Show points of curves, where somebody would see them."""
        if self.cockpit is not None:
            self.cockpit.publish(points)

    def publisher(self, env: Env) -> Callable[[Metrics], None] | None:
        """Return `publish`, or None where nobody would see it.

        With each point goes what the classifier says of the last picture, where one pays in `env`.
        """
        if self.cockpit is None:
            return None
        model = getattr(env, "reward_model", None)

        def publish(points: Metrics) -> None:
            probability = getattr(model, "last_probability", None)
            self.publish(points if probability is None else points | {"reward/probability": probability})

        return publish


@contextmanager
def person(
    teleop: str | None, takeover: TakeOverMode, options: CockpitOptions, env: Env, *, seed: int, title: str, console: Console
) -> Iterator[Person]:
    """Open what a person needs, and close it at the end.

    Args:
        teleop: `simulated`, `browser`, a device that `hardware.teleop` knows; None: what a station file names, where the
            robot is at a station, or else nobody; `none`: nobody at a station either.
        takeover: How a person takes over; a station's own device as the file says.
        options: Of the cockpit; a browser as device implies one.
        env: Where the policy will act.
        seed: Of a simulated person.
        title: Of the cockpit.
        console: Is told where the cockpit is.

    Raises:
        ConfigError: If there is no such device, or a package for it is missing.
        DeviceError: If it cannot be opened.
    """
    station = station_of(env)
    theirs = station.teleop if station is not None and teleop is None else None
    teleop = theirs.driver if theirs is not None else None if teleop == NOBODY else teleop
    config = theirs.takeover if theirs is not None else TakeOverConfig(mode=takeover)
    with ExitStack() as opened:
        cockpit = _open_cockpit(options, title, opened) if options.cockpit or teleop == BROWSER else None
        if cockpit is not None:
            console.print(f"cockpit: {cockpit.url}", soft_wrap=True, markup=False)
        is_human = teleop not in (None, SIMULATED, SCRIPTED)
        if teleop is None:
            yield Person(None, cockpit, is_human)
        elif teleop == SIMULATED:
            from sim.intervener import Intervener

            yield Person(Intervener(env, seed), cockpit, is_human)
        else:
            device = cockpit.device if cockpit is not None and teleop == BROWSER else None
            if device is None:
                device = station.build_teleop() if station is not None and theirs is not None else _device(teleop)
            yield Person(_take_over(device, env.env_spec, config, opened), cockpit, is_human)


def _open_cockpit(options: CockpitOptions, title: str, opened: ExitStack) -> Cockpit:
    from robot_rl.cockpit import Cockpit, CockpitConfig

    config = CockpitConfig(host=options.cockpit_host, port=options.cockpit_port, token=options.cockpit_token)
    cockpit = Cockpit(config, title)
    opened.callback(cockpit.close)
    cockpit.start()
    return cockpit


def _device(name: str) -> InputDevice:
    from hardware.teleop import open_device

    try:
        return open_device(name)
    except ConfigError as error:
        raise ConfigError(f"--teleop {name}: {error}; or {SIMULATED}, {BROWSER}") from error


def _take_over(device: InputDevice | None, spec: EnvSpec, config: TakeOverConfig, opened: ExitStack) -> Teleop:
    if device is None:
        raise ConfigError("nobody is there: the station has no input device")
    teleop = TakeOver(device, spec, config)
    opened.callback(teleop.close)
    teleop.connect()
    return teleop


def _is_on_the_wall_clock(env: Env) -> bool:
    robot = getattr(getattr(env, "unwrapped", env), "robot", None)
    return isinstance(getattr(robot, "clock", None), WallClock)

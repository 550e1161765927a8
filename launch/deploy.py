"""Run a trained policy at a station, and count its successes; or two of them blindly, one against the other.

python launch/deploy.py bundles/lift --station stations/lab.toml --episodes 20
python launch/deploy.py bundles/lift --station lab --teleop gamepad --cockpit
python launch/deploy.py bundles/new --against bundles/old --station lab --episodes 20
python launch/deploy.py bundles/lift --station lab --runtime onnx          # needs no torch
python launch/deploy.py bundles/lift --station lab --check                 # everything but moving
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import tyro
from check_file import calibration_check
from check_row import Check
from command_line import EXIT_INTERRUPTED, parse, run_script
from person import SIMULATED, CockpitOptions, Person, person
from rich.console import Console
from rich.table import Table
from trial_run import Contestant, labels, run_trials, write_results

from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.image_array import SMALL_PIXELS, ImageCompression
from robot_rl.deploy.acting import Runtime, check_actions, load_policy
from robot_rl.deploy.bundle import Bundle, open_bundle
from robot_rl.deploy.fits import check_fits
from robot_rl.deploy.trial import blind_order, fisher_p
from robot_rl.envs.factory import Env, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.stays_stopped import StaysStopped
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvSpec
from robot_rl.station_file import load_station

EPISODES = "episodes"


@dataclass(frozen=True, slots=True)
class DeployConfig:
    """What to run, and where."""

    bundle: Annotated[Path, tyro.conf.Positional]
    """folder that export.py made, or a run"""
    station: str
    """station file, or its name in stations/; one with a [task]"""
    against: Path | None = None
    """another bundle: both act in an order that is drawn, and which is which is told at the end"""
    episodes: int = 10
    """of each policy"""
    runtime: Runtime = "auto"
    """torch or onnx; auto: torch where it is installed"""
    device: str = "cpu"
    """of torch"""
    out: Path | None = None
    """folder of episodes and results; None: runs/deploy/<station>/<time>"""
    seed: int = 0
    """of starts and order"""
    max_steps: int | None = None
    """steps after which an episode is cut; None: the station's"""
    regrasp: bool | None = None
    """let a gripper that has closed on nothing open and go up by itself; None: if it did so when the policy was measured"""
    teleop: str | None = None
    """who may take over; None: the station's own device; none: nobody"""
    takeover: TakeOverMode = "hold"
    """how"""
    check: bool = False
    """check bundle, station and acting path, and stop before anything is connected"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"episodes {self.episodes} is below 1")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative")
        if self.against is not None and self.against.resolve() == self.bundle.resolve():
            raise ConfigError(f"against {self.against} is the same policy")
        if self.teleop == SIMULATED:
            raise ConfigError("teleop simulated would help the policy; give a device with a stop, or none")


def new_folder(config: DeployConfig) -> Path:
    """Make the folder of what comes of it: before anything moves, and none that holds anything else.

    Raises:
        ConfigError: If there is something already, or nothing can be written there.
    """
    folder = config.out or Path("runs/deploy") / Path(config.station).stem / f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"--out {folder} is not empty; give a new folder")
        (folder / EPISODES).mkdir()
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be written: {error.strerror}") from error
    return folder


def contestant(path: Path, config: DeployConfig) -> Contestant:
    """Return a bundle with its policy, which acts here as it did where it was exported."""
    bundle = open_bundle(path)
    policy = load_policy(bundle, config.runtime, config.device)
    return Contestant(bundle, policy, check_actions(policy, bundle))


def env_options(bundle: Bundle, config: DeployConfig) -> EnvOptions:
    """Return what the station must show and do as where the policy was measured: cameras, their size, grasping again."""
    images = {key.removeprefix("image/"): array.shape for key, array in bundle.spec.obs.items() if key.startswith("image/")}
    sizes = {shape[0] for shape in images.values()}
    return EnvOptions(
        cameras=tuple(images),
        image_size=sizes.pop() if len(sizes) == 1 else EnvOptions().image_size,
        object_state=True,
        max_steps=config.max_steps,
        regrasp=bundle.regrasp if config.regrasp is None else config.regrasp,
    )


def main(config: DeployConfig) -> int:
    """Check everything, run, and print what came of it; return the exit status.

    Raises:
        ConfigError: If bundle or station is wrong.
        SpecMismatch: If a policy does not fit the station. Nothing has moved.
        DeviceError: If a device fails between episodes; the robot is held.
    """
    console = Console(stderr=True, emoji=False)
    contestants = [contestant(path, config) for path in (config.bundle, config.against) if path is not None]
    if config.regrasp is None and len({each.bundle.regrasp for each in contestants}) > 1:
        raise ConfigError("a hand that misses tried again where one of the two was measured only; say --regrasp True or False")
    env = make_env(f"station:{config.station}", env_options(contestants[0].bundle, config))
    try:
        for each in contestants:
            check_fits(each.bundle.spec, env.env_spec, policy_name=each.bundle.name, place=config.station)
        calibration = calibration_check(load_station(config.station), date.today())
        console.print(plan_table(config, contestants, env.env_spec, calibration))
        if config.check:
            console.print("all fits; nothing was connected")
            return 0
        folder = new_folder(config)
        title = f"deploying at {Path(config.station).stem}"
        with person(
            config.teleop, config.takeover, config.cockpit, env, seed=config.seed, title=title, console=console
        ) as company:
            return deploy(config, contestants, env, company, console, folder)
    finally:
        env.close()


def deploy(
    config: DeployConfig, contestants: list[Contestant], env: Env, company: Person, console: Console, folder: Path
) -> int:
    """Run the episodes; return the exit status. What was complete is kept however it ends."""
    writer = BackgroundWriter(EpisodeWriter(folder / EPISODES, env.env_spec, images=ImageCompression(SMALL_PIXELS, 90)))
    order = blind_order(len(contestants), config.episodes, config.seed)
    is_complete = False
    try:
        with contextlib.closing(writer):
            run_trials(
                StaysStopped(company.beside(env)), contestants, order, writer,
                seed=config.seed, say=_saying(company, console), publish=company.publish,
            )  # fmt: skip
        is_complete = True
    except KeyboardInterrupt:
        console.print("stopped; the robot is held, what was complete is kept")
    except OSError as error:
        console.print(
            f"{folder} takes no more ({error.strerror}); the robot is held, what was complete is kept", soft_wrap=True
        )
    finally:
        Console(emoji=False).print(results_table(config, contestants))
        write_results(folder, contestants, order, config.seed, env.env_spec.control_dt)
    console.print(f"episodes and results: {folder}", soft_wrap=True, markup=False)
    return 0 if is_complete else EXIT_INTERRUPTED


def plan_table(config: DeployConfig, contestants: list[Contestant], spec: EnvSpec, calibration: Check | None = None) -> Table:
    """Return what is about to happen, and whether the station was measured too long ago."""
    table = Table(title=f"{spec.name} at {config.station}", show_header=False)
    for index, each in enumerate(contestants):
        name = each.bundle.name if len(contestants) == 1 else f"{'AB'[index]}: {each.bundle.name}"
        checked = "not tried beforehand" if each.difference is None else f"acts as exported within {each.difference:.1e}"
        table.add_row("policy", f"{name}, version {each.bundle.version}, {type(each.policy).__name__}; {checked}")
    table.add_row("rate", f"{1 / spec.control_dt:g} Hz, up to {spec.max_steps} steps an episode")
    if calibration is not None and not calibration.is_ok:
        table.add_row(
            "calibration", f"[bold red]{calibration.found}; {calibration.limit or 'it must be measured'}: {calibration.fix}[/]"
        )
    table.add_row("moves", " ".join(spec.action.names))
    if env_options(contestants[0].bundle, config).regrasp:
        table.add_row("a hand that misses", "opens, goes up and may try again")
    blind = " of each, in an order that is drawn and hidden" if len(contestants) > 1 else ""
    table.add_row("episodes", f"{config.episodes}{blind}")
    return table


def results_table(config: DeployConfig, contestants: list[Contestant]) -> Table:
    """Return how often each succeeded."""
    table = Table("policy", "successes", title=f"at {config.station}")
    for name, each in zip(labels(contestants), contestants, strict=True):
        table.add_row(name, str(each.trial))
    if len(contestants) == 2:
        first, second = (each.trial for each in contestants)
        table.caption = f"p = {fisher_p(first, second):.2g} that both succeed equally often (Fisher's exact test)"
    return table


def _saying(company: Person, console: Console) -> Callable[[str], None]:
    def say(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False)
        if company.cockpit is not None:
            company.cockpit.say(text)

    return say


if __name__ == "__main__":
    sys.setswitchinterval(0.001)  # s: threads of drivers and writers give way to the control loop sooner
    run_script(lambda: main(parse(DeployConfig, __doc__)))
